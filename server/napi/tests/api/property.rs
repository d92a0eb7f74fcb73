//! Properties.

use std::ffi::c_void;
use std::ptr;

use crate::harness::*;

const ENUMERABLE: i32 = 2;
const DEFAULT_METHOD: i32 = 5;

#[test]
fn named_and_keyed_properties_round_trip() {
    with_env(|env| {
        let object = get!(napi_create_object(env));
        let value = number(env, 7.0);
        let key = string(env, "k\u{e9}y");
        assert_eq!(
            call!(napi_set_property(env, object, key, value)),
            Status::Ok
        );
        let name = c"k\u{e9}y".as_ptr();
        assert!(get!(napi_has_named_property(env, object, name)));
        let read = get!(napi_get_named_property(env, object, name));
        assert_eq!(show(env, read), "7");
        assert!(get!(napi_has_own_property(env, object, key)));
        assert!(get!(napi_delete_property(env, object, key)));
        assert!(!get!(napi_has_property(env, object, key)));
        let absent = get!(napi_get_property(env, object, key));
        assert_eq!(get!(napi_typeof(env, absent)), 0);
    });
}

#[test]
fn primitives_are_receivers_and_nullish_ones_leave_a_type_error() {
    with_env(|env| {
        let text = string(env, "abc");
        let length = get!(napi_get_named_property(env, text, c"length".as_ptr()));
        assert_eq!(show(env, length), "3");
        let one = number(env, 1.0);
        assert_eq!(
            call!(napi_set_named_property(env, one, c"x".as_ptr(), text)),
            Status::Ok
        );
        let undefined = get!(napi_get_undefined(env));
        let mut result = NULL;
        assert_eq!(
            call!(napi_get_named_property(
                env,
                undefined,
                c"x".as_ptr(),
                &raw mut result
            )),
            Status::ObjectExpected
        );
        assert!(take_exception(env).starts_with("TypeError"));
    });
}

#[test]
fn set_is_sloppy_and_only_real_throws_count() {
    with_env(|env| {
        let value = number(env, 2.0);
        for source in [
            "Object.freeze({ x: 1 })",
            "({ get x() { return 1 } })",
            "new Proxy({ x: 1 }, { set() { return false } })",
        ] {
            let object = eval(env, source);
            assert_eq!(
                call!(napi_set_named_property(env, object, c"x".as_ptr(), value)),
                Status::Ok,
                "{source}"
            );
            let read = get!(napi_get_named_property(env, object, c"x".as_ptr()));
            assert_eq!(show(env, read), "1", "{source}");
        }
        let thrower = eval(env, "({ set x(v) { throw new RangeError('no ' + v) } })");
        assert_eq!(
            call!(napi_set_named_property(env, thrower, c"x".as_ptr(), value)),
            Status::PendingException
        );
        assert_eq!(last_error(env).0, Status::PendingException);
        assert_eq!(take_exception(env), "RangeError: no 2");
    });
}

#[test]
fn elements_work_by_index() {
    with_env(|env| {
        let array = eval(env, "[1, 2, 3]");
        let value = number(env, 9.0);
        assert_eq!(call!(napi_set_element(env, array, 4, value)), Status::Ok);
        assert!(!get!(napi_has_element(env, array, 3)));
        assert!(get!(napi_has_element(env, array, 4)));
        let read = get!(napi_get_element(env, array, 4));
        assert_eq!(show(env, read), "9");
        assert!(get!(napi_delete_element(env, array, 0)));
        assert_eq!(json(env, array), "[null,2,3,null,9]");
        assert_eq!(
            call!(napi_delete_element(env, array, 1, ptr::null_mut())),
            Status::Ok
        );
    });
}

#[test]
fn own_property_requires_a_name_and_others_take_any_key() {
    with_env(|env| {
        let (object, key) = (eval(env, "({ 1: 'one' })"), number(env, 1.0));
        let mut result = false;
        assert_eq!(
            call!(napi_has_own_property(env, object, key, &raw mut result)),
            Status::NameExpected
        );
        let read = get!(napi_get_property(env, object, key));
        assert_eq!(text(env, read), "one");
    });
}

#[test]
fn delete_of_a_fixed_property_is_false() {
    with_env(|env| {
        let (object, key) = (eval(env, "Object.freeze({ a: 1 })"), string(env, "a"));
        assert!(!get!(napi_delete_property(env, object, key)));
    });
}

#[test]
fn property_names_list_inherited_enumerable_strings_once() {
    with_env(|env| {
        let object = eval(
            env,
            "Object.assign(Object.create({ inherited: 1, b: 2 }), \
             { b: 1, 7: 1, a: 1, [Symbol('s')]: 1 })",
        );
        let names = get!(napi_get_property_names(env, object));
        assert_eq!(json(env, names), r#"["7","b","a","inherited"]"#);
        let names = get!(napi_get_all_property_names(
            env,
            object,
            1,
            ENUMERABLE | 16,
            0
        ));
        assert_eq!(json(env, names), r#"[7,"b","a"]"#);
        let mut result = NULL;
        for (mode, conversion) in [(2, 0), (-1, 0), (0, 2)] {
            assert_eq!(
                call!(napi_get_all_property_names(
                    env,
                    object,
                    mode,
                    0,
                    conversion,
                    &raw mut result
                )),
                Status::InvalidArg
            );
        }
    });
}

#[test]
fn key_filter_selects_by_attributes_and_kind() {
    with_env(|env| {
        let object = eval(
            env,
            "Object.defineProperties({}, { w: { writable: true }, c: { configurable: true }, \
             e: { enumerable: true }, [Symbol.iterator]: { writable: true } })",
        );
        let list = |filter| {
            let names = get!(napi_get_all_property_names(env, object, 1, filter, 1));
            set_global(env, "names", names);
            global_text(env, "names.map(String).join()")
        };
        assert_eq!(list(0), "w,c,e,Symbol(Symbol.iterator)");
        assert_eq!(list(1), "w,Symbol(Symbol.iterator)");
        assert_eq!(list(4), "c");
        assert_eq!(list(2), "e");
        assert_eq!(list(8), "Symbol(Symbol.iterator)");
        assert_eq!(list(1 | 16), "w");
    });
}

extern "C" fn data_as_number(env: napi_env, info: napi_callback_info) -> napi_value {
    let mut data: *mut c_void = ptr::null_mut();
    let null = ptr::null_mut::<napi_value>();
    assert_eq!(
        call!(napi_get_cb_info(
            env,
            info,
            ptr::null_mut(),
            null,
            null,
            &raw mut data
        )),
        Status::Ok
    );
    #[expect(clippy::cast_precision_loss, reason = "the data is a small number")]
    number(env, data.addr() as f64)
}

#[test]
fn definitions_have_exactly_the_attributes_given() {
    with_env(|env| {
        let object = get!(napi_create_object(env));
        let properties = [
            napi_property_descriptor {
                value: number(env, 1.0),
                attributes: ENUMERABLE,
                ..descriptor(c"value")
            },
            napi_property_descriptor {
                method: Some(data_as_number),
                data: ptr::without_provenance_mut(5),
                attributes: DEFAULT_METHOD,
                ..descriptor(c"method")
            },
            napi_property_descriptor {
                getter: Some(data_as_number),
                data: ptr::without_provenance_mut(6),
                ..descriptor(c"getter")
            },
        ];
        assert_eq!(
            call!(napi_define_properties(env, object, 3, properties.as_ptr())),
            Status::Ok
        );
        set_global(env, "o", object);
        assert_eq!(
            global_text(
                env,
                "JSON.stringify(['value', 'method', 'getter'].map(k => { \
                 const d = Object.getOwnPropertyDescriptor(o, k); \
                 return [d.writable, d.enumerable, d.configurable] }))"
            ),
            "[[false,true,false],[true,false,true],[null,false,false]]"
        );
        assert_eq!(
            global_text(env, "[o.method(), o.getter, o.method.name]"),
            "5,6,"
        );
    });
}

#[test]
fn refused_definitions_answer_without_throwing() {
    with_env(|env| {
        let frozen = eval(env, "Object.freeze({})");
        let value = napi_property_descriptor {
            value: number(env, 1.0),
            ..descriptor(c"x")
        };
        let method = napi_property_descriptor {
            method: Some(data_as_number),
            ..descriptor(c"x")
        };
        let nothing = descriptor(c"x");
        let nameless = napi_property_descriptor {
            utf8name: ptr::null(),
            ..value
        };
        let wrong_name = napi_property_descriptor {
            name: number(env, 1.0),
            ..nameless
        };
        let define = |property: napi_property_descriptor| {
            call!(napi_define_properties(env, frozen, 1, &raw const property))
        };
        assert_eq!(define(value), Status::InvalidArg);
        assert_eq!(define(method), Status::GenericFailure);
        assert_eq!(define(nothing), Status::InvalidArg);
        assert_eq!(define(nameless), Status::InvalidArg);
        assert_eq!(define(wrong_name), Status::NameExpected);
        assert!(!get!(napi_is_exception_pending(env)));
        let proxy = eval(env, "new Proxy({}, { defineProperty() { throw 5 } })");
        assert_eq!(
            call!(napi_define_properties(env, proxy, 1, &raw const value)),
            Status::PendingException
        );
        assert_eq!(take_exception(env), "5");
        assert_eq!(
            call!(napi_define_properties(env, frozen, 1, ptr::null())),
            Status::InvalidArg
        );
    });
}

#[test]
fn pending_exception_is_reported_before_bad_arguments() {
    with_env(|env| {
        let error = string(env, "first");
        assert_eq!(call!(napi_throw(env, error)), Status::Ok);
        let mut result = NULL;
        assert_eq!(
            call!(napi_get_named_property(
                env,
                NULL,
                ptr::null(),
                &raw mut result
            )),
            Status::PendingException
        );
        assert_eq!(
            last_error(env),
            (
                Status::PendingException,
                Some("An exception is pending".to_owned())
            )
        );
        assert_eq!(take_exception(env), "first");
        assert_eq!(
            call!(napi_get_named_property(
                env,
                NULL,
                ptr::null(),
                &raw mut result
            )),
            Status::InvalidArg
        );
    });
}
