//! Objects as a whole.

use crate::harness::*;

#[test]
fn prototype_of_a_proxy_is_null_and_its_trap_does_not_run() {
    with_env(|env| {
        let object = eval(env, "Object.create(Array.prototype)");
        let prototype = get!(napi_get_prototype(env, object));
        set_global(env, "p", prototype);
        assert_eq!(global_text(env, "p === Array.prototype"), "true");
        let proxy = eval(env, "new Proxy({}, { getPrototypeOf() { throw 1 } })");
        let prototype = get!(napi_get_prototype(env, proxy));
        assert_eq!(get!(napi_typeof(env, prototype)), 1);
    });
}

#[test]
fn set_prototype_sets_and_never_throws() {
    with_env(|env| {
        let (object, null) = (get!(napi_create_object(env)), get!(napi_get_null(env)));
        assert_eq!(call!(node_api_set_prototype(env, object, null)), Status::Ok);
        let prototype = get!(napi_get_prototype(env, object));
        assert_eq!(get!(napi_typeof(env, prototype)), 1);
        let sealed = eval(env, "Object.preventExtensions({})");
        assert_eq!(
            call!(node_api_set_prototype(env, sealed, null)),
            Status::GenericFailure
        );
        assert!(!get!(napi_is_exception_pending(env)));
        let proxy = eval(env, "new Proxy({}, { setPrototypeOf() { throw 'trap' } })");
        assert_eq!(
            call!(node_api_set_prototype(env, proxy, null)),
            Status::GenericFailure
        );
        assert!(!get!(napi_is_exception_pending(env)));
    });
}

#[test]
fn freeze_and_seal_work_and_typed_arrays_with_elements_throw() {
    with_env(|env| {
        let (frozen, sealed) = (eval(env, "({ a: 1 })"), eval(env, "({ a: 1 })"));
        assert_eq!(call!(napi_object_freeze(env, frozen)), Status::Ok);
        assert_eq!(call!(napi_object_seal(env, sealed)), Status::Ok);
        set_global(env, "frozen", frozen);
        set_global(env, "sealed", sealed);
        assert_eq!(
            global_text(
                env,
                "[Object.isFrozen(frozen), Object.isFrozen(sealed), Object.isSealed(sealed)]"
            ),
            "true,false,true"
        );
        let array = eval(env, "new Uint8Array(1)");
        assert_eq!(
            call!(napi_object_freeze(env, array)),
            Status::PendingException
        );
        assert!(take_exception(env).starts_with("TypeError"));
    });
}

#[test]
fn type_tag_is_given_once_and_survives_freezing() {
    with_env(|env| {
        let object = get!(napi_create_object(env));
        let tag = napi_type_tag { lower: 1, upper: 2 };
        let zero = napi_type_tag { lower: 0, upper: 0 };
        assert!(!get!(napi_check_object_type_tag(
            env,
            object,
            &raw const zero
        )));
        assert_eq!(call!(napi_object_freeze(env, object)), Status::Ok);
        assert_eq!(
            call!(napi_type_tag_object(env, object, &raw const tag)),
            Status::Ok
        );
        assert_eq!(
            call!(napi_type_tag_object(env, object, &raw const tag)),
            Status::InvalidArg
        );
        assert!(get!(napi_check_object_type_tag(
            env,
            object,
            &raw const tag
        )));
        assert!(!get!(napi_check_object_type_tag(
            env,
            object,
            &raw const zero
        )));
        let proxy = eval(env, "new Proxy({}, {})");
        assert_eq!(
            call!(napi_type_tag_object(env, proxy, &raw const zero)),
            Status::Ok
        );
        assert!(get!(napi_check_object_type_tag(
            env,
            proxy,
            &raw const zero
        )));
    });
}

#[test]
fn type_tag_of_a_primitive_has_no_effect_and_of_null_throws() {
    with_env(|env| {
        let tag = napi_type_tag { lower: 1, upper: 2 };
        let (one, null) = (number(env, 1.0), get!(napi_get_null(env)));
        assert_eq!(
            call!(napi_type_tag_object(env, one, &raw const tag)),
            Status::Ok
        );
        assert!(!get!(napi_check_object_type_tag(env, one, &raw const tag)));
        assert_eq!(
            call!(napi_type_tag_object(env, null, &raw const tag)),
            Status::PendingException
        );
        take_exception(env);
        assert_eq!(
            call!(napi_type_tag_object(env, one, std::ptr::null())),
            Status::InvalidArg
        );
    });
}

#[test]
fn object_with_properties_takes_names_only_and_the_last_of_equal_ones() {
    with_env(|env| {
        let names = [string(env, "a"), string(env, "b"), string(env, "a")];
        let values = [number(env, 1.0), number(env, 2.0), number(env, 3.0)];
        let object = get!(node_api_create_object_with_properties(
            env,
            NULL,
            names.as_ptr(),
            values.as_ptr(),
            3
        ));
        assert_eq!(json(env, object), r#"{"a":3,"b":2}"#);
        let prototype = get!(napi_get_prototype(env, object));
        assert_eq!(get!(napi_typeof(env, prototype)), 1);
        let mut result = NULL;
        let status = call!(node_api_create_object_with_properties(
            env,
            NULL,
            values.as_ptr(),
            values.as_ptr(),
            1,
            &raw mut result
        ));
        assert_eq!(status, Status::NameExpected);
        let status = call!(node_api_create_object_with_properties(
            env,
            NULL,
            std::ptr::null(),
            values.as_ptr(),
            1,
            &raw mut result
        ));
        assert_eq!(status, Status::InvalidArg);
    });
}
