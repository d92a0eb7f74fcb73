//! Microtasks and the hooks.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use hostd_engine::{FunctionSpec, Invocation, JsResult, Runtime, Value};

use crate::{engine, js, text};

#[test]
fn unhandled_rejections_are_reported_and_withdrawn() {
    let rt = engine();
    let log = Rc::new(RefCell::new(Vec::new()));
    let writer = Rc::clone(&log);
    rt.set_rejection_hook(Some(Rc::new(move |rt, promise, reason, handled| {
        assert!(rt.is_promise(promise));
        writer.borrow_mut().push((text(rt, reason), handled));
    })));
    js(rt, "globalThis.p = Promise.reject('lost')");
    js(rt, "p.catch(() => 1)");
    rt.run_microtasks().unwrap();
    assert_eq!(
        *log.borrow(),
        [("lost".to_owned(), false), ("lost".to_owned(), true)]
    );
}

#[test]
fn the_interrupt_hook_stops_what_no_catch_can_stop() {
    let rt = engine();
    let asked = Rc::new(Cell::new(0));
    let counter = Rc::clone(&asked);
    rt.set_interrupt_hook(Some(Rc::new(move || {
        counter.set(counter.get() + 1);
        counter.get() > 3
    })));
    let thrown = rt
        .eval_script("for (;;) { try { for (;;); } catch {} }", "loop.js")
        .unwrap_err();
    assert!(thrown.is_uncatchable());
    rt.set_interrupt_hook(None);
    assert_eq!(js(rt, "6 * 7").as_i32(), Some(42));
    assert!(
        !rt.eval_script("throw new Error('x')", "x.js")
            .unwrap_err()
            .is_uncatchable()
    );
}

#[test]
fn an_interrupt_ends_the_microtasks() {
    let rt = engine();
    js(rt, "Promise.resolve().then(() => { for (;;); }); null");
    rt.set_interrupt_hook(Some(Rc::new(|| true)));
    assert!(rt.run_microtasks().unwrap_err().is_uncatchable());
    rt.set_interrupt_hook(None);
    assert!(rt.run_microtasks().is_ok());
}

#[test]
fn a_panicking_hook_is_survived() {
    let rt = engine();
    rt.set_rejection_hook(Some(Rc::new(|_, _, _, _| panic!("on purpose"))));
    js(rt, "Promise.reject(1); null");
    assert_eq!(js(rt, "1").as_i32(), Some(1));
}

fn current(rt: Runtime, _: &Invocation<'_>) -> JsResult {
    Ok(rt.continuation_data())
}

fn within(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let _outer = rt.enter_continuation(call.args[0].clone());
    rt.call(&call.args[1], &Value::UNDEFINED, &[])
}

/// Defines the functions `current()` and `within(data, callback)`.
fn define_data(rt: Runtime) -> JsResult<()> {
    let functions = [
        ("current", FunctionSpec::new(current, 0, [0; 3])),
        ("within", FunctionSpec::new(within, 2, [0; 3])),
    ];
    for (name, function) in functions {
        let key = rt.key_utf8(name.as_bytes())?;
        rt.put(&rt.global(), &key, rt.function(function)?)?;
    }
    Ok(())
}

/// What is in the array `seen` once a script and its microtasks have run.
fn seen(rt: Runtime, script: &str) -> JsResult<String> {
    define_data(rt)?;
    js(rt, &format!("globalThis.seen = []; {script}; null"));
    rt.run_microtasks()?;
    assert!(rt.continuation_data().is_undefined());
    Ok(text(rt, &js(rt, "seen.map(String).join()")))
}

#[test]
fn continuation_data_follow_await_and_then() {
    let rt = engine();
    let script = "
        const work = async () => {
            seen.push(current()); await null; seen.push(current());
            try { await Promise.reject(1); } catch { seen.push(current()); }
            await { then(done) { seen.push('then ' + current()); done(); } };
            seen.push(current());
        };
        within('a', work); within('b', work); work().then(() => seen.push('end ' + current()));
        within('c', () => Promise.resolve().then(() => seen.push(current())));
        seen.push(current())";
    let expected = "a,b,none,none,a,b,none,c,a,b,none,then a,then b,then none,a,b,none,end none";
    assert_eq!(
        seen(rt, script).unwrap().replace("undefined", "none"),
        expected
    );
}

#[test]
fn continuation_data_are_those_of_the_reaction_and_not_of_what_settles() {
    let rt = engine();
    let script = "
        let settle;
        const promise = new Promise((resolve) => { settle = resolve; });
        within(1, () => promise.then(() => seen.push(current())));
        within(2, () => promise.then(() => seen.push(current())));
        within(3, () => settle())";
    assert_eq!(seen(rt, script).unwrap(), "1,2");
}

#[test]
fn continuation_data_are_current_until_the_reaction_ends() {
    let rt = engine();
    let script = "
        within(1, () => Promise.resolve().then(() => { throw 1; }).catch(() => seen.push(current())));
        Promise.resolve().then(() => seen.push(current()))";
    assert_eq!(seen(rt, script).unwrap(), "undefined,1");
}

#[test]
fn continuation_data_are_freed_with_the_promises_that_keep_them() {
    let rt = engine();
    let script = "
        for (let i = 0; i < 100; i++) {
            const data = { i };
            within(data, () => { const never = new Promise(() => {}); data.kept = never.then(() => data); });
            globalThis.last = new WeakRef(data);
        }";
    assert_eq!(seen(rt, script).unwrap(), "");
    rt.gc();
    assert!(js(rt, "last.deref()").is_undefined());
}
