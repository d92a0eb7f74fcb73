//! Microtasks and the hooks.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

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
