//! Async contexts: `napi_make_callback`, and what is not implemented.

use std::ptr;

use crate::harness::*;

#[test]
fn make_callback_calls() {
    with_env(|env| {
        let this = eval(env, "({ x: 2 })");
        let f = eval(env, "(function (y) { return this.x + y })");
        let args = [number(env, 3.0)];
        let none = napi_async_context(0);
        let sum = get!(napi_make_callback(env, none, this, f, 1, args.as_ptr()));
        assert_eq!(show(env, sum), "5");
        let mut result = NULL;
        let mut call = |context, this, f| {
            call!(napi_make_callback(
                env,
                context,
                this,
                f,
                0,
                ptr::null(),
                &raw mut result
            ))
        };
        assert_eq!(call(none, this, this), Status::InvalidArg);
        assert_eq!(call(napi_async_context(9), this, f), Status::InvalidArg);
        let null = get!(napi_get_null(env));
        assert_eq!(call(none, null, f), Status::ObjectExpected);
        take_exception(env);
        let thrower = eval(env, "(() => { throw 'x' })");
        assert_eq!(call(none, this, thrower), Status::PendingException);
        assert_eq!(take_exception(env), "x");
    });
}

#[test]
fn functions_that_are_not_implemented_say_so() {
    with_env(|env| {
        let mut context = napi_async_context(0);
        assert_eq!(
            call!(napi_async_init(env, NULL, NULL, &raw mut context)),
            Status::GenericFailure
        );
        assert_eq!(
            last_error(env),
            (Status::GenericFailure, Some("Unknown failure".to_owned()))
        );
        assert_eq!(context, napi_async_context(0));
        let no_env = napi_env(0);
        assert_eq!(
            call!(napi_async_destroy(no_env, context)),
            Status::InvalidArg
        );
    });
}
