//! Finalizers: when their tokens come, and how often.

use hostd_engine::{FinalizerToken, FunctionSpec, Invocation, JsResult, Runtime, Value};

use crate::{engine, js};

fn nothing(_: Runtime, _: &Invocation<'_>) -> JsResult {
    Ok(Value::UNDEFINED)
}

fn token(number: usize) -> FinalizerToken {
    FinalizerToken {
        tag: 3,
        words: [number, 0, 0],
    }
}

fn dead(rt: Runtime) -> Vec<usize> {
    let mut tokens = Vec::new();
    rt.take_finalized(&mut tokens);
    tokens.iter().map(|token| token.words[0]).collect()
}

#[test]
fn a_token_comes_when_the_object_dies() {
    let rt = engine();
    for object in [
        rt.object().unwrap(),
        js(rt, "Object.freeze([])"),
        rt.external([0; 3]).unwrap(),
    ] {
        rt.attach_finalizer(&object, token(1)).unwrap();
        assert!(!rt.has_finalized());
        drop(object);
        assert!(rt.has_finalized());
        assert_eq!(dead(rt), [1]);
    }
    assert!(!rt.has_finalized());
}

#[test]
fn cycles_wait_for_the_collector() {
    let rt = engine();
    for number in 0..100 {
        let object = js(rt, "(() => { const a = {}; a.a = a; return a })()");
        rt.attach_finalizer(&object, token(number)).unwrap();
    }
    assert_eq!(dead(rt).len(), 0);
    rt.gc();
    let mut numbers = dead(rt);
    numbers.sort_unstable();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
}

#[test]
fn cycles_through_native_functions_and_instances_are_collected() {
    let rt = engine();
    let key = rt.key_utf8(b"self").unwrap();
    for number in 0..100 {
        let function = rt.function(FunctionSpec::new(nothing, 1, [0; 3])).unwrap();
        let instance = rt.construct(&function, &[]).unwrap();
        rt.put(&instance, &key, function.clone()).unwrap();
        rt.put(&function, &key, instance.clone()).unwrap();
        rt.attach_finalizer(&instance, token(number)).unwrap();
        rt.attach_finalizer(&function, token(1000 + number))
            .unwrap();
    }
    rt.gc();
    assert_eq!(dead(rt).len(), 200);
}

#[test]
fn a_cancelled_finalizer_stays_silent() {
    let rt = engine();
    let object = rt.object().unwrap();
    let ids: Vec<_> = (0..5)
        .map(|number| rt.attach_finalizer(&object, token(number)).unwrap())
        .collect();
    assert_eq!(rt.cancel_finalizer(ids[4]), Some(token(4)));
    assert_eq!(rt.cancel_finalizer(ids[2]), Some(token(2)));
    assert_eq!(rt.cancel_finalizer(ids[2]), None);
    assert_eq!(rt.cancel_finalizer(ids[0]), Some(token(0)));
    let again = rt.attach_finalizer(&object, token(9)).unwrap();
    assert_eq!(rt.cancel_finalizer(ids[0]), None);
    drop(object);
    assert_eq!(dead(rt), [9, 3, 1]);
    assert_eq!(rt.cancel_finalizer(again), None);
}

#[test]
fn attaching_and_cancelling_does_not_pile_up() {
    let rt = engine();
    let global = rt.global();
    for number in 0..10_000 {
        let id = rt.attach_finalizer(&global, token(number)).unwrap();
        assert_eq!(rt.cancel_finalizer(id), Some(token(number)));
    }
    assert!(!rt.is_pinned(&global));
}

#[test]
fn tokens_append_to_what_the_caller_has() {
    let rt = engine();
    let object = rt.object().unwrap();
    rt.attach_finalizer(&object, token(2)).unwrap();
    drop(object);
    let mut tokens = vec![token(1)];
    rt.take_finalized(&mut tokens);
    assert_eq!(tokens, [token(1), token(2)]);
}

#[test]
fn deaths_during_collections_forced_by_allocation_are_safe() {
    let rt = engine();
    let mut count = 0;
    for round in 0..200 {
        for number in 0..50 {
            let object = js(
                rt,
                "(() => { const a = {big: new Array(50).fill({})}; a.a = a; return a })()",
            );
            rt.attach_finalizer(&object, token(round * 50 + number))
                .unwrap();
        }
        count += dead(rt).len();
    }
    rt.gc();
    count += dead(rt).len();
    assert_eq!(count, 10_000);
}
