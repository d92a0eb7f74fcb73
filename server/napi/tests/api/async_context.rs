//! Async contexts, callback scopes, `napi_make_callback`.

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
fn contexts_are_made_used_and_ended_once() {
    with_env(|env| {
        let (name, object) = (string(env, "name"), get!(napi_create_object(env)));
        let mut context = napi_async_context(0);
        let mut init =
            |resource, name| call!(napi_async_init(env, resource, name, &raw mut context));
        assert_eq!(init(NULL, NULL), Status::InvalidArg);
        let null = get!(napi_get_null(env));
        assert_eq!(init(null, name), Status::ObjectExpected);
        let symbol = eval(env, "Symbol('x')");
        assert_eq!(init(object, symbol), Status::StringExpected);
        assert_eq!(init(object, name), Status::Ok);
        let f = eval(env, "(() => 7)");
        let seven = get!(napi_make_callback(env, context, object, f, 0, ptr::null()));
        assert_eq!(show(env, seven), "7");
        assert_eq!(call!(napi_async_destroy(env, context)), Status::Ok);
        assert_eq!(call!(napi_async_destroy(env, context)), Status::InvalidArg);
        let no_env = napi_env(0);
        assert_eq!(
            call!(napi_async_destroy(no_env, context)),
            Status::InvalidArg
        );
    });
}

#[test]
fn callback_scopes_close_from_the_inside_out() {
    with_env(|env| {
        let none = napi_async_context(0);
        let stray = napi_callback_scope(1);
        let close = |scope| call!(napi_close_callback_scope(env, scope));
        assert_eq!(close(stray), Status::CallbackScopeMismatch);
        assert_eq!(close(napi_callback_scope(0)), Status::InvalidArg);
        let outer = get!(napi_open_callback_scope(env, NULL, none));
        let inner = get!(napi_open_callback_scope(env, NULL, none));
        assert_eq!(close(outer), Status::CallbackScopeMismatch);
        assert_eq!(close(inner), Status::Ok);
        assert_eq!(close(inner), Status::CallbackScopeMismatch);
        assert_eq!(close(outer), Status::Ok);
        let mut scope = napi_callback_scope(0);
        let gone = napi_async_context(9);
        assert_eq!(
            call!(napi_open_callback_scope(env, NULL, gone, &raw mut scope)),
            Status::InvalidArg
        );
    });
}

#[test]
fn closing_the_outermost_scope_runs_what_is_due() {
    let bench = bench();
    let raw = std::rc::Rc::new(std::cell::Cell::new(napi_env(0)));
    let kept = std::rc::Rc::clone(&raw);
    bench.run(8, move |env| kept.set(env));
    let env = raw.get();
    // As a callback of a library's event loop does, with nothing of ours on the stack.
    let scopes = get!(napi_open_handle_scope(env));
    let none = napi_async_context(0);
    let outer = get!(napi_open_callback_scope(env, NULL, none));
    eval(
        env,
        "globalThis.seen = ''; Promise.resolve().then(() => { seen += 'm' }); \
         process.nextTick(() => { seen += 't' })",
    );
    let inner = get!(napi_open_callback_scope(env, NULL, none));
    assert_eq!(call!(napi_close_callback_scope(env, inner)), Status::Ok);
    assert_eq!(global_text(env, "seen"), "");
    assert_eq!(call!(napi_close_callback_scope(env, outer)), Status::Ok);
    assert_eq!(global_text(env, "seen"), "tm");
    assert_eq!(call!(napi_close_handle_scope(env, scopes)), Status::Ok);
}

#[test]
fn scope_that_was_left_open_is_closed_for_the_addon() {
    let bench = bench();
    bench.run(8, |env| {
        let _left_open = get!(napi_open_callback_scope(env, NULL, napi_async_context(0)));
        eval(
            env,
            "globalThis.seen = ''; process.nextTick(() => { seen += 't' })",
        );
    });
    assert_eq!(bench.script("seen"), "t");
}

#[test]
fn name_that_is_no_handle_does_no_harm() {
    with_env(|env| {
        let text = c"the text itself";
        let name = napi_value(text.as_ptr().expose_provenance());
        let context: napi_async_context = get!(napi_async_init(env, NULL, name));
        assert_eq!(call!(napi_async_destroy(env, context)), Status::Ok);
        let mut context = napi_async_context(0);
        for (resource, name, expected) in [
            (NULL, NULL, Status::InvalidArg),
            (name, string(env, "name"), Status::InvalidArg),
            (NULL, eval(env, "Symbol()"), Status::StringExpected),
        ] {
            assert_eq!(
                call!(napi_async_init(env, resource, name, &raw mut context)),
                expected
            );
        }
    });
}
