//! Classes and wraps.

use std::cell::Cell;
use std::ffi::{CString, c_void};
use std::ptr;

use crate::harness::*;

fn this_of(env: napi_env, info: napi_callback_info) -> napi_value {
    let mut this = NULL;
    let null = ptr::null_mut::<napi_value>();
    assert_eq!(
        call!(napi_get_cb_info(
            env,
            info,
            null.cast(),
            null,
            &raw mut this,
            null.cast()
        )),
        Status::Ok
    );
    this
}

extern "C" fn construct(env: napi_env, info: napi_callback_info) -> napi_value {
    let this = this_of(env, info);
    if get!(napi_get_new_target(env, info)) == NULL {
        return string(env, "called");
    }
    let data = ptr::without_provenance_mut(42);
    assert_eq!(
        call!(napi_wrap(
            env,
            this,
            data,
            None,
            ptr::null_mut(),
            ptr::null_mut()
        )),
        Status::Ok
    );
    NULL
}

extern "C" fn wrapped(env: napi_env, info: napi_callback_info) -> napi_value {
    let this = this_of(env, info);
    let mut data: *mut c_void = ptr::null_mut();
    match call!(napi_unwrap(env, this, &raw mut data)) {
        Status::Ok => get!(napi_create_uint32(env, u32::try_from(data.addr()).unwrap())),
        status => string(env, &format!("{status:?}")),
    }
}

fn define(env: napi_env) {
    let properties = [
        napi_property_descriptor {
            method: Some(wrapped),
            attributes: 5,
            ..descriptor(c"method")
        },
        napi_property_descriptor {
            getter: Some(wrapped),
            ..descriptor(c"accessor")
        },
        napi_property_descriptor {
            method: Some(wrapped),
            attributes: 1 << 10,
            ..descriptor(c"fixed")
        },
        napi_property_descriptor {
            value: number(env, 3.0),
            ..descriptor(c"three")
        },
    ];
    let class = get!(napi_define_class(
        env,
        c"Native".as_ptr(),
        NAPI_AUTO_LENGTH,
        Some(construct),
        ptr::null_mut(),
        properties.len(),
        properties.as_ptr(),
    ));
    set_global(env, "Native", class);
}

#[test]
fn class_constructs_wraps_and_is_extended() {
    with_env(|env| {
        define(env);
        assert_eq!(global_text(env, "new Native().method()"), "42");
        assert_eq!(
            global_text(env, "class B extends Native {}; new B().method()"),
            "42"
        );
        assert_eq!(global_text(env, "new B() instanceof Native"), "true");
        assert_eq!(global_text(env, "Native.name"), "Native");
        assert_eq!(global_text(env, "Native()"), "called");
        assert_eq!(global_text(env, "new Native().three"), "3");
        assert_eq!(
            global_text(env, "Object.getOwnPropertyNames(Native.prototype)"),
            "method,accessor,three,constructor"
        );
    });
}

#[test]
fn methods_check_their_receiver_and_accessors_and_statics_do_not() {
    with_env(|env| {
        define(env);
        let illegal = "TypeError: Illegal invocation";
        for source in [
            "Native.prototype.method()",
            "Native.prototype.method.call({})",
            "Object.create(new Native()).method()",
            "new Proxy(new Native(), {}).method()",
        ] {
            let source = format!("try {{ {source} }} catch (e) {{ String(e) }}");
            assert_eq!(global_text(env, &source), illegal, "{source}");
        }
        assert_eq!(global_text(env, "Native.fixed()"), "InvalidArg");
        assert_eq!(global_text(env, "Native.prototype.accessor"), "InvalidArg");
        assert_eq!(
            global_text(env, "[Native.prototype.method.name, Native.fixed.name]"),
            "method,"
        );
    });
}

#[test]
fn wrap_is_one_per_object_and_not_inherited() {
    with_env(|env| {
        let data = ptr::without_provenance_mut(8);
        let null = ptr::null_mut();
        for source in [
            "({})",
            "Object.freeze({})",
            "(() => 1)",
            "new Proxy({}, {})",
            "[]",
        ] {
            let object = eval(env, source);
            let wrap = || call!(napi_wrap(env, object, data, None, null, ptr::null_mut()));
            assert_eq!(wrap(), Status::Ok, "{source}");
            assert_eq!(wrap(), Status::InvalidArg, "{source}");
            assert_eq!(get!(napi_unwrap(env, object)), data, "{source}");
            set_global(env, "parent", object);
            let child = eval(env, "Object.create(parent)");
            let mut result = null;
            assert_eq!(
                call!(napi_unwrap(env, child, &raw mut result)),
                Status::InvalidArg
            );
            assert!(result.is_null());
        }
    });
}

#[test]
fn wrap_of_a_primitive_or_with_a_reference_but_no_finalizer_is_invalid() {
    with_env(|env| {
        let (object, one) = (get!(napi_create_object(env)), number(env, 1.0));
        let (null, mut reference) = (ptr::null_mut(), napi_ref(0));
        assert_eq!(
            call!(napi_wrap(env, one, null, None, null, ptr::null_mut())),
            Status::InvalidArg
        );
        assert_eq!(
            call!(napi_wrap(env, object, null, None, null, &raw mut reference)),
            Status::InvalidArg
        );
    });
}

thread_local! {
    static FINALIZED: Cell<u32> = const { Cell::new(0) };
}

extern "C" fn finalized(_: napi_env, _: *mut c_void, _: *mut c_void) {
    FINALIZED.set(FINALIZED.get() + 1);
}

#[test]
fn removed_wrap_is_not_finalized_and_leaves_room_for_another() {
    let bench = bench();
    bench.run(8, |env| {
        let object = get!(napi_create_object(env));
        let (first, second) = (
            ptr::without_provenance_mut(1),
            ptr::without_provenance_mut(2),
        );
        let null = ptr::null_mut();
        let mut reference = napi_ref(0);
        let status = call!(napi_wrap(
            env,
            object,
            first,
            Some(finalized),
            null,
            &raw mut reference
        ));
        assert_eq!(status, Status::Ok);
        assert_eq!(get!(napi_remove_wrap(env, object)), first);
        let mut result = null;
        assert_eq!(
            call!(napi_unwrap(env, object, &raw mut result)),
            Status::InvalidArg
        );
        assert_eq!(call!(napi_delete_reference(env, reference)), Status::Ok);
        let status = call!(napi_wrap(
            env,
            object,
            second,
            Some(finalized),
            null,
            ptr::null_mut()
        ));
        assert_eq!(status, Status::Ok);
        assert_eq!(get!(napi_unwrap(env, object)), second);
    });
    bench.host.collect();
    assert_eq!(FINALIZED.get(), 1, "only the second wrap was finalized");
}

#[test]
fn deleted_reference_of_a_wrap_cancels_its_finalizer_and_keeps_the_pointer() {
    let bench = bench();
    bench.run(8, |env| {
        let object = get!(napi_create_object(env));
        let (data, null) = (ptr::without_provenance_mut(1), ptr::null_mut());
        let mut reference = napi_ref(0);
        let status = call!(napi_wrap(
            env,
            object,
            data,
            Some(finalized),
            null,
            &raw mut reference
        ));
        assert_eq!(status, Status::Ok);
        assert_eq!(call!(napi_delete_reference(env, reference)), Status::Ok);
        assert_eq!(get!(napi_unwrap(env, object)), data);
    });
    assert_eq!(FINALIZED.get(), 0);
}

/// The message of the last-error record.
fn last_message(env: napi_env) -> String {
    last_error(env).1.unwrap()
}

/// Defines a class of that name with these properties; gives the status.
fn define_with(env: napi_env, name: &str, properties: &[napi_property_descriptor]) -> Status {
    let mut class = NULL;
    call!(napi_define_class(
        env,
        name.as_ptr().cast(),
        name.len(),
        Some(construct),
        ptr::null_mut(),
        properties.len(),
        properties.as_ptr(),
        &raw mut class,
    ))
}

#[test]
fn failing_definition_names_class_and_property() {
    with_env(|env| {
        let fixed = napi_property_descriptor {
            method: Some(wrapped),
            attributes: 1 << 10,
            ..descriptor(c"fixed \"one\"")
        };
        assert_eq!(
            define_with(env, "Native", &[fixed, fixed]),
            Status::GenericFailure
        );
        assert_eq!(
            last_message(env),
            r#"Unknown failure: static property "fixed \"one\"" of class "Native": the class has one that is not configurable"#
        );
        let empty = descriptor(c"empty");
        assert_eq!(define_with(env, "A\0B", &[empty]), Status::InvalidArg);
        assert_eq!(
            last_message(env),
            r#"Invalid argument: property "empty" of class "A\0B": it has no method, getter, setter or value"#
        );
        let stale = napi_property_descriptor {
            value: napi_value(0x7777_0000_0001),
            ..empty
        };
        assert_eq!(define_with(env, "Native", &[stale]), Status::InvalidArg);
        assert!(last_message(env).ends_with("its value is not a live handle"));
        let nameless = napi_property_descriptor {
            utf8name: ptr::null(),
            ..empty
        };
        assert_eq!(
            define_with(env, &"x".repeat(1000), &[nameless]),
            Status::InvalidArg
        );
        let message = last_message(env);
        assert!(
            message.ends_with("xxx\"...: it has no name") && message.len() < 200,
            "{message}"
        );
        let mut result = 0.0;
        assert_eq!(
            call!(napi_get_value_double(env, NULL, &raw mut result)),
            Status::InvalidArg
        );
        assert_eq!(
            last_message(env),
            "Invalid argument",
            "the next failure has its own message"
        );
    });
}

#[test]
fn addon_that_throws_the_last_message_fails_to_load_with_it() {
    let error = bench()
        .load(8, |env, exports| {
            let fixed = napi_property_descriptor {
                getter: Some(wrapped),
                attributes: 1 << 10,
                ..descriptor(c"fixed")
            };
            assert_eq!(
                define_with(env, "Native", &[fixed, fixed]),
                Status::InvalidArg
            );
            let message = CString::new(last_message(env)).unwrap();
            let code = ptr::null();
            assert_eq!(
                call!(napi_throw_error(env, code, message.as_ptr())),
                Status::Ok
            );
            exports
        })
        .unwrap_err();
    assert!(
        error.contains(r#"static property "fixed" of class "Native""#),
        "{error}"
    );
}

#[test]
fn class_needs_a_name_and_a_constructor() {
    with_env(|env| {
        let (null, mut result) = (ptr::null_mut(), NULL);
        let status = call!(napi_define_class(
            env,
            ptr::null(),
            NAPI_AUTO_LENGTH,
            Some(construct),
            null,
            0,
            ptr::null(),
            &raw mut result
        ));
        assert_eq!(status, Status::InvalidArg);
        let status = call!(napi_define_class(
            env,
            c"C".as_ptr(),
            NAPI_AUTO_LENGTH,
            None,
            null,
            0,
            ptr::null(),
            &raw mut result
        ));
        assert_eq!(status, Status::InvalidArg);
    });
}
