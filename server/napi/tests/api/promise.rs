//! Promises.

use crate::harness::*;

fn promise(env: napi_env) -> (napi_deferred, napi_value) {
    let (mut deferred, mut promise) = (napi_deferred(0), NULL);
    assert_eq!(
        call!(napi_create_promise(
            env,
            &raw mut deferred,
            &raw mut promise
        )),
        Status::Ok
    );
    (deferred, promise)
}

#[test]
fn reactions_run_when_the_outermost_call_ends() {
    let bench = bench();
    bench.run(8, |env| {
        let (deferred, promise) = promise(env);
        assert!(get!(napi_is_promise(env, promise)));
        set_global(env, "p", promise);
        eval(
            env,
            "globalThis.seen = 'nothing'; p.then(value => { seen = value })",
        );
        let value = string(env, "resolved");
        assert_eq!(
            call!(napi_resolve_deferred(env, deferred, value)),
            Status::Ok
        );
        assert_eq!(global_text(env, "seen"), "nothing");
        assert_eq!(
            call!(napi_resolve_deferred(env, deferred, value)),
            Status::InvalidArg
        );
    });
    bench.run(8, |env| assert_eq!(global_text(env, "seen"), "resolved"));
}

#[test]
fn rejection_without_handler_is_reported_once() {
    let bench = bench();
    bench.run(8, |env| {
        let (deferred, _) = promise(env);
        let (handled, promise) = promise(env);
        let reason = string(env, "why");
        assert_eq!(
            call!(napi_reject_deferred(env, deferred, reason)),
            Status::Ok
        );
        assert_eq!(
            call!(napi_reject_deferred(env, handled, reason)),
            Status::Ok
        );
        set_global(env, "p", promise);
        eval(env, "p.catch(() => 0)");
    });
    assert_eq!(
        *bench.recorded.uncaught.borrow(),
        [(hostd_napi::Origin::UnhandledRejection, "why".to_owned())]
    );
}

#[test]
fn pending_exception_leaves_the_deferred_valid() {
    with_env(|env| {
        let (deferred, _) = promise(env);
        let value = string(env, "value");
        assert_eq!(
            call!(napi_resolve_deferred(env, deferred, NULL)),
            Status::InvalidArg
        );
        assert_eq!(call!(napi_throw(env, value)), Status::Ok);
        assert_eq!(
            call!(napi_resolve_deferred(env, deferred, value)),
            Status::PendingException
        );
        take_exception(env);
        assert_eq!(
            call!(napi_resolve_deferred(env, deferred, value)),
            Status::Ok
        );
    });
}

#[test]
fn thenables_are_no_promises() {
    with_env(|env| {
        let thenable = eval(env, "({ then() {} })");
        assert!(!get!(napi_is_promise(env, thenable)));
    });
}
