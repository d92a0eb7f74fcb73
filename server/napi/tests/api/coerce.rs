//! Coercions and comparisons.

use crate::harness::*;

#[test]
fn coercions_do_as_javascript_does() {
    with_env(|env| {
        let value = eval(
            env,
            "({ valueOf() { return 42 }, toString() { return 'text' } })",
        );
        let coerced = get!(napi_coerce_to_number(env, value));
        assert_eq!(show(env, coerced), "42");
        assert_eq!(show(env, value), "text");
        let empty = string(env, "");
        let coerced = get!(napi_coerce_to_bool(env, empty));
        assert!(!get!(napi_get_value_bool(env, coerced)));
        let boxed = get!(napi_coerce_to_object(env, empty));
        assert_eq!(get!(napi_typeof(env, boxed)), 6);
    });
}

#[test]
fn failing_coercions_answer_their_type_and_leave_the_exception() {
    with_env(|env| {
        let value = eval(env, "({ valueOf() { throw new Error('no') } })");
        let symbol = eval(env, "Symbol('s')");
        let null = get!(napi_get_null(env));
        let mut result = NULL;
        let status = call!(napi_coerce_to_number(env, value, &raw mut result));
        assert_eq!(status, Status::NumberExpected);
        assert_eq!(take_exception(env), "Error: no");
        let status = call!(napi_coerce_to_string(env, symbol, &raw mut result));
        assert_eq!(status, Status::StringExpected);
        take_exception(env);
        let status = call!(napi_coerce_to_object(env, null, &raw mut result));
        assert_eq!(status, Status::ObjectExpected);
        assert!(take_exception(env).starts_with("TypeError"));
    });
}

#[test]
fn strict_equals_is_strict() {
    with_env(|env| {
        let (one, text) = (number(env, 1.0), string(env, "1"));
        assert!(!get!(napi_strict_equals(env, one, text)));
        let nan = number(env, f64::NAN);
        assert!(!get!(napi_strict_equals(env, nan, nan)));
        assert!(get!(napi_strict_equals(env, text, text)));
    });
}

#[test]
fn instanceof_refuses_what_is_no_constructor() {
    with_env(|env| {
        let (array, class) = (eval(env, "[]"), eval(env, "Array"));
        assert!(get!(napi_instanceof(env, array, class)));
        let mut result = false;
        let status = call!(napi_instanceof(env, array, array, &raw mut result));
        assert_eq!(status, Status::FunctionExpected);
        let exception = get!(napi_get_and_clear_last_exception(env));
        set_global(env, "e", exception);
        assert_eq!(
            global_text(env, "`${e.name} ${e.code} ${e.message}`"),
            "TypeError ERR_NAPI_CONS_FUNCTION Constructor must be a function"
        );
        let null = get!(napi_get_null(env));
        let status = call!(napi_instanceof(env, array, null, &raw mut result));
        assert_eq!(status, Status::ObjectExpected);
        take_exception(env);
        let thrower = eval(
            env,
            "Object.assign(function () {}, {}), (() => { const f = function () {}; \
                Object.defineProperty(f, Symbol.hasInstance, { value() { throw 1 } }); return f })()",
        );
        let status = call!(napi_instanceof(env, array, thrower, &raw mut result));
        assert_eq!(status, Status::GenericFailure);
        assert_eq!(take_exception(env), "1");
    });
}
