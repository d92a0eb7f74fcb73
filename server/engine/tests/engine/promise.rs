//! Promises.

use hostd_engine::{FunctionSpec, Invocation, JsResult, PromiseState, Runtime, Value};

use crate::{engine, js, text, thrown_text};

fn record(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let key = rt.key_utf8(b"seen")?;
    rt.put(&rt.global(), &key, call.args[0].clone())?;
    Ok(Value::UNDEFINED)
}

#[test]
fn resolving_runs_the_reactions_in_the_microtasks() {
    let rt = engine();
    let (promise, deferred) = rt.promise().unwrap();
    assert!(matches!(
        rt.promise_state(&promise),
        Some(PromiseState::Pending)
    ));
    let native = rt.function(FunctionSpec::new(record, 1, [0; 3])).unwrap();
    rt.promise_then(&promise, &native, &Value::UNDEFINED)
        .unwrap();
    rt.resolve(deferred, &Value::from(5)).unwrap();
    assert!(
        matches!(rt.promise_state(&promise), Some(PromiseState::Fulfilled(value)) if value.as_i32() == Some(5))
    );
    assert!(js(rt, "globalThis.seen").is_undefined());
    assert!(rt.has_microtasks());
    assert_eq!(rt.run_microtasks().unwrap(), 1);
    assert_eq!(js(rt, "seen").as_i32(), Some(5));
    assert!(!rt.has_microtasks());
}

#[test]
fn rejecting_rejects() {
    let rt = engine();
    let (promise, deferred) = rt.promise().unwrap();
    rt.reject(deferred, &rt.string_utf8(b"why").unwrap())
        .unwrap();
    let Some(PromiseState::Rejected(reason)) = rt.promise_state(&promise) else {
        panic!()
    };
    assert_eq!(text(rt, &reason), "why");
}

#[test]
fn resolving_with_itself_is_rejected() {
    let rt = engine();
    let (promise, deferred) = rt.promise().unwrap();
    rt.resolve(deferred, &promise).unwrap();
    assert!(matches!(
        rt.promise_state(&promise),
        Some(PromiseState::Rejected(_))
    ));
}

#[test]
fn thenables_are_followed() {
    let rt = engine();
    let (promise, deferred) = rt.promise().unwrap();
    rt.resolve(deferred, &js(rt, "({then(ok) { ok('followed') }})"))
        .unwrap();
    rt.run_microtasks().unwrap();
    assert!(
        matches!(rt.promise_state(&promise), Some(PromiseState::Fulfilled(value)) if text(rt, &value) == "followed")
    );
}

#[test]
fn only_promises_are_promises() {
    let rt = engine();
    assert!(rt.is_promise(&js(rt, "(async () => 1)()")));
    assert!(!rt.is_promise(&js(rt, "({then() {}})")));
    assert!(rt.promise_state(&js(rt, "({})")).is_none());
    let undefined = Value::UNDEFINED;
    assert!(
        thrown_text(rt, rt.promise_then(&js(rt, "({})"), &undefined, &undefined))
            .starts_with("TypeError")
    );
}
