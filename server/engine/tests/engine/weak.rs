//! Weak references.

use crate::{engine, js};

#[test]
fn a_weak_reference_dies_with_its_object() {
    let rt = engine();
    for source in [
        "({})",
        "Object.freeze({})",
        "new Proxy({}, {})",
        "(function () {})",
        "Symbol('s')",
    ] {
        let value = js(rt, source);
        let weak = rt.weak(&value).unwrap();
        assert!(rt.strict_equals(&weak.get().unwrap(), &value));
        let copy = rt.weak(&value).unwrap();
        drop(value);
        rt.gc();
        assert!(weak.get().is_none(), "{source}");
        assert!(!copy.is_alive());
    }
}

#[test]
fn own_classes_are_weakly_held_too() {
    let rt = engine();
    let external = rt.external([0; 3]).unwrap();
    let weak = rt.weak(&external).unwrap();
    assert!(weak.get().is_some());
    drop(external);
    assert!(weak.get().is_none());
}

#[test]
fn getting_it_makes_it_strong() {
    let rt = engine();
    let value = rt.object().unwrap();
    let weak = rt.weak(&value).unwrap();
    let strong = weak.get().unwrap();
    drop(value);
    assert!(weak.is_alive());
    drop(strong);
    assert!(!weak.is_alive());
}

#[test]
fn cycles_die_in_the_collector() {
    let rt = engine();
    let value = js(rt, "(() => { const a = {}; a.a = a; return a })()");
    let weak = rt.weak(&value).unwrap();
    drop(value);
    assert!(weak.is_alive());
    rt.gc();
    assert!(!weak.is_alive());
}

#[test]
fn what_never_dies_is_held_strongly() {
    let rt = engine();
    for source in ["Symbol.for('registered')", "1", "'text' + Math.random()"] {
        let value = js(rt, source);
        let weak = rt.weak(&value).unwrap();
        drop(value);
        rt.gc();
        assert!(weak.get().is_some(), "{source}");
    }
}
