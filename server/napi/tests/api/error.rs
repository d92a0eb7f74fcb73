//! Errors, exceptions and the last-error record.

use std::ptr;

use crate::harness::*;

#[test]
fn created_errors_have_class_message_and_own_code() {
    with_env(|env| {
        let (code, message) = (string(env, "E_CODE"), string(env, "text"));
        let errors = [
            get!(napi_create_error(env, code, message)),
            get!(napi_create_type_error(env, code, message)),
            get!(napi_create_range_error(env, code, message)),
            get!(node_api_create_syntax_error(env, code, message)),
        ];
        let names = ["Error", "TypeError", "RangeError", "SyntaxError"];
        for (error, name) in errors.into_iter().zip(names) {
            assert!(get!(napi_is_error(env, error)));
            set_global(env, "e", error);
            assert_eq!(
                global_text(env, "[String(e), e.name, e.code, Object.keys(e)].join()"),
                format!("{name}: text,{name},E_CODE,code")
            );
        }
        let bare = get!(napi_create_error(env, NULL, message));
        set_global(env, "e", bare);
        assert_eq!(global_text(env, "'code' in e"), "false");
    });
}

#[test]
fn code_and_message_must_be_strings() {
    with_env(|env| {
        let (text, one) = (string(env, "text"), number(env, 1.0));
        let mut result = NULL;
        assert_eq!(
            call!(napi_create_error(env, one, text, &raw mut result)),
            Status::StringExpected
        );
        assert_eq!(
            call!(napi_create_error(env, NULL, one, &raw mut result)),
            Status::StringExpected
        );
        assert_eq!(
            call!(napi_create_error(env, NULL, NULL, &raw mut result)),
            Status::InvalidArg
        );
    });
}

#[test]
fn is_error_looks_at_the_brand() {
    with_env(|env| {
        for (source, expected) in [
            ("new (class extends Error {})()", true),
            ("new AggregateError([])", true),
            ("Object.create(Error.prototype)", false),
            ("({ message: 'x' })", false),
            ("1", false),
        ] {
            let value = eval(env, source);
            assert_eq!(get!(napi_is_error(env, value)), expected, "{source}");
        }
    });
}

#[test]
fn first_exception_stays_and_is_taken_once() {
    with_env(|env| {
        let (first, second) = (string(env, "first"), string(env, "second"));
        assert!(!get!(napi_is_exception_pending(env)));
        assert_eq!(call!(napi_throw(env, first)), Status::Ok);
        assert!(get!(napi_is_exception_pending(env)));
        assert_eq!(call!(napi_throw(env, second)), Status::PendingException);
        assert_eq!(
            call!(napi_throw_error(env, ptr::null(), c"third".as_ptr())),
            Status::PendingException
        );
        assert_eq!(take_exception(env), "first");
        let nothing = get!(napi_get_and_clear_last_exception(env));
        assert_eq!(get!(napi_typeof(env, nothing)), 0);
    });
}

#[test]
fn thrown_errors_have_their_class() {
    with_env(|env| {
        let (code, message) = (c"CODE".as_ptr(), c"m".as_ptr());
        assert_eq!(call!(napi_throw_error(env, code, message)), Status::Ok);
        assert_eq!(take_exception(env), "Error: m");
        assert_eq!(call!(napi_throw_type_error(env, code, message)), Status::Ok);
        assert_eq!(take_exception(env), "TypeError: m");
        assert_eq!(
            call!(napi_throw_range_error(env, ptr::null(), message)),
            Status::Ok
        );
        assert_eq!(take_exception(env), "RangeError: m");
        assert_eq!(
            call!(node_api_throw_syntax_error(env, code, message)),
            Status::Ok
        );
        assert_eq!(take_exception(env), "SyntaxError: m");
        assert_eq!(
            call!(napi_throw_error(env, code, ptr::null())),
            Status::InvalidArg
        );
        assert_eq!(call!(napi_throw(env, NULL)), Status::InvalidArg);
    });
}

#[test]
fn record_is_kept_by_reading_and_replaced_by_the_next_call() {
    with_env(|env| {
        let one = number(env, 1.0);
        let mut result = false;
        assert_eq!(
            call!(napi_get_value_bool(env, one, &raw mut result)),
            Status::BooleanExpected
        );
        let expected = (
            Status::BooleanExpected,
            Some("A boolean was expected".to_owned()),
        );
        assert_eq!(last_error(env), expected);
        assert_eq!(last_error(env), expected);
        get!(napi_get_undefined(env));
        assert_eq!(last_error(env), (Status::Ok, None));
        assert_eq!(
            call!(napi_get_last_error_info(env, ptr::null_mut())),
            Status::InvalidArg
        );
        assert_eq!(last_error(env).0, Status::InvalidArg);
    });
}

#[test]
fn calls_that_keep_out_of_javascript_work_with_an_exception_pending() {
    with_env(|env| {
        let reason = string(env, "pending");
        assert_eq!(call!(napi_throw(env, reason)), Status::Ok);
        let object = get!(napi_create_object(env));
        assert_eq!(get!(napi_typeof(env, object)), 6);
        let text = string(env, "made");
        assert_eq!(
            get!(napi_get_value_string_utf8(env, text, ptr::null_mut(), 0)),
            4
        );
        let reference = get!(napi_create_reference(env, object, 1));
        assert_eq!(call!(napi_delete_reference(env, reference)), Status::Ok);
        assert_eq!(take_exception(env), "pending");
    });
}

#[test]
fn exception_of_init_is_the_failure_of_the_load() {
    let error = bench()
        .load(8, |env, _| {
            assert_eq!(
                call!(napi_throw_type_error(
                    env,
                    ptr::null(),
                    c"init says no".as_ptr()
                )),
                Status::Ok
            );
            NULL
        })
        .unwrap_err();
    assert!(error.contains("TypeError: init says no"), "{error}");
}
