//! Constants, the global object, and what kind of value something is.

use crate::harness::*;

#[test]
fn constants_outlive_their_scope() {
    with_env(|env| {
        let scope = get!(napi_open_handle_scope(env));
        let undefined = get!(napi_get_undefined(env));
        let null = get!(napi_get_null(env));
        let yes = get!(napi_get_boolean(env, true));
        assert_eq!(call!(napi_close_handle_scope(env, scope)), Status::Ok);
        assert_eq!(get!(napi_typeof(env, undefined)), 0);
        assert_eq!(get!(napi_typeof(env, null)), 1);
        assert!(get!(napi_get_value_bool(env, yes)));
    });
}

#[test]
fn typeof_returns_the_ten_kinds() {
    with_env(|env| {
        let cases = [
            ("undefined", 0),
            ("null", 1),
            ("true", 2),
            ("1.5", 3),
            ("'s'", 4),
            ("Symbol()", 5),
            ("({})", 6),
            ("new Proxy({}, {})", 6),
            ("new String('boxed')", 6),
            ("(() => 1)", 7),
            ("new Proxy(() => 1, {})", 7),
            ("10n", 9),
        ];
        for (source, kind) in cases {
            let value = eval(env, source);
            assert_eq!(get!(napi_typeof(env, value)), kind, "{source}");
        }
        let external = get!(napi_create_external(
            env,
            std::ptr::null_mut(),
            None,
            std::ptr::null_mut()
        ));
        assert_eq!(get!(napi_typeof(env, external)), 8);
    });
}

#[test]
fn null_env_is_invalid_arg_and_not_recorded() {
    with_env(|env| {
        let mut result = NULL;
        assert_eq!(
            call!(napi_get_null(env, std::ptr::null_mut())),
            Status::InvalidArg
        );
        assert_eq!(
            call!(napi_get_undefined(napi_env(0), &raw mut result)),
            Status::InvalidArg
        );
        assert_eq!(
            call!(napi_get_undefined(napi_env(77), &raw mut result)),
            Status::InvalidArg
        );
        assert_eq!(result, NULL);
        assert_eq!(
            last_error(env),
            (Status::InvalidArg, Some("Invalid argument".to_owned()))
        );
    });
}

#[test]
fn value_bool_of_another_kind_is_boolean_expected() {
    with_env(|env| {
        let value = number(env, 1.0);
        let mut result = true;
        assert_eq!(
            call!(napi_get_value_bool(env, value, &raw mut result)),
            Status::BooleanExpected
        );
        assert!(result, "the output is untouched");
        assert_eq!(
            call!(napi_get_value_bool(env, NULL, &raw mut result)),
            Status::InvalidArg
        );
    });
}

#[test]
fn global_is_the_object_of_global_variables() {
    with_env(|env| {
        let value = number(env, 41.0);
        set_global(env, "answer", value);
        assert_eq!(global_text(env, "globalThis.answer + 1"), "42");
    });
}

#[test]
fn env_of_another_thread_is_invalid_arg() {
    with_env(|env| {
        let status = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let mut result = NULL;
                call!(napi_get_undefined(env, &raw mut result))
            });
            thread.join().unwrap()
        });
        assert_eq!(status, Status::InvalidArg);
    });
}
