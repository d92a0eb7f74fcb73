//! Scripts.

use crate::harness::*;

#[test]
fn script_runs_in_the_global_scope_and_is_sloppy() {
    with_env(|env| {
        let value = eval(
            env,
            "var fromScript = 20; undeclared = 22; fromScript + undeclared",
        );
        assert_eq!(show(env, value), "42");
        assert_eq!(global_text(env, "globalThis.fromScript"), "20");
    });
}

#[test]
fn failing_script_is_a_generic_failure_with_the_exception_pending() {
    with_env(|env| {
        let mut result = NULL;
        for (source, expected) in [
            ("throw new RangeError('r')", "RangeError: r"),
            ("(", "SyntaxError"),
        ] {
            let script = string(env, source);
            assert_eq!(
                call!(napi_run_script(env, script, &raw mut result)),
                Status::GenericFailure
            );
            assert!(take_exception(env).starts_with(expected), "{source}");
        }
        let one = number(env, 1.0);
        assert_eq!(
            call!(napi_run_script(env, one, &raw mut result)),
            Status::StringExpected
        );
    });
}
