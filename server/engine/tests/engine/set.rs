//! Sloppy sets: what is refused in silence and what throws.

use crate::{call_js, engine, js, thrown_text};
use hostd_engine::Value;

#[test]
fn a_frozen_object_refuses_silently() {
    let rt = engine();
    let key = rt.key_utf8(b"a").unwrap();
    for source in [
        "Object.freeze({a: 1})",
        "Object.freeze({})",
        "Object.defineProperty({}, 'a', {value: 1})",
        "({get a() { return 1 }})",
        "Object.create(Object.freeze({a: 1}))",
        "Object.create({get a() { return 1 }})",
        "Object.freeze([1])",
        "Object.freeze(function () {})",
    ] {
        let object = js(rt, source);
        assert!(!rt.set(&object, &key, Value::from(2)).unwrap(), "{source}");
        assert!(
            thrown_text(rt, rt.set_strict(&object, &key, Value::from(2))).starts_with("TypeError")
        );
    }
}

#[test]
fn frozen_arrays_refuse_elements_silently() {
    let rt = engine();
    let array = js(rt, "Object.freeze([1, 2])");
    assert!(!rt.set_index(&array, 0, Value::from(9)).unwrap());
    assert!(!rt.set_index(&array, 7, Value::from(9)).unwrap());
    assert_eq!(rt.get_index(&array, 0).unwrap().as_i32(), Some(1));
}

#[test]
fn a_throwing_setter_throws() {
    let rt = engine();
    let key = rt.key_utf8(b"a").unwrap();
    for source in [
        "({set a(x) { throw new TypeError('mine') }})",
        "Object.create({set a(x) { throw new TypeError('mine') }})",
        "new Proxy({}, {set() { throw new TypeError('mine') }})",
    ] {
        let object = js(rt, source);
        assert_eq!(
            thrown_text(rt, rt.set(&object, &key, Value::from(2))),
            "TypeError: mine",
            "{source}"
        );
    }
}

#[test]
fn a_proxy_that_says_no_is_no_exception() {
    let rt = engine();
    let key = rt.key_utf8(b"a").unwrap();
    let proxy = js(rt, "new Proxy({}, {set() { return false }})");
    assert!(!rt.set(&proxy, &key, Value::from(1)).unwrap());
    assert!(!rt.set_index(&proxy, 0, Value::from(1)).unwrap());
    let proxy = js(
        rt,
        "globalThis.seen = []; new Proxy({}, {set(t, k, v) { seen.push(k, v); return true }})",
    );
    assert!(rt.set(&proxy, &key, Value::from(1)).unwrap());
    assert!(rt.set_index(&proxy, 5, Value::from(2)).unwrap());
    assert_eq!(crate::text(rt, &js(rt, "seen.join()")), "a,1,5,2");
}

#[test]
fn a_proxy_on_the_chain_refuses_silently_and_throws_aloud() {
    let rt = engine();
    let key = rt.key_utf8(b"a").unwrap();
    for source in [
        "new Proxy({}, {set() { return false }})",
        "new Proxy(Object.freeze({a: 1}), {})",
        "new Proxy({get a() { return 1 }}, {})",
    ] {
        let heir = js(rt, &format!("Object.create({source})"));
        assert!(!rt.set(&heir, &key, Value::from(1)).unwrap(), "{source}");
    }
    for source in [
        "new Proxy({}, {set() { 'use strict'; Object.freeze([]).a = 1; return true }})",
        "new Proxy({}, {set() { throw new TypeError('proxy: cannot set property') }})",
        "new Proxy({}, {set: 5})",
    ] {
        let heir = js(rt, &format!("Object.create({source})"));
        let thrown = thrown_text(rt, rt.set(&heir, &key, Value::from(1)));
        assert!(thrown.starts_with("TypeError"), "{source}: {thrown}");
    }
}

#[test]
fn a_proxy_breaking_its_invariant_throws() {
    let rt = engine();
    let key = rt.key_utf8(b"a").unwrap();
    let proxy = js(
        rt,
        "new Proxy(Object.defineProperty({}, 'a', {value: 1}), {set() { return true }})",
    );
    assert!(thrown_text(rt, rt.set(&proxy, &key, Value::from(2))).starts_with("TypeError"));
}

#[test]
fn a_bad_array_length_throws_and_a_frozen_one_does_not() {
    let rt = engine();
    let key = rt.key_utf8(b"length").unwrap();
    let array = js(rt, "[1, 2, 3]");
    assert!(thrown_text(rt, rt.set(&array, &key, Value::from(-1))).starts_with("RangeError"));
    assert!(rt.set(&array, &key, Value::from(1)).unwrap());
    assert_eq!(rt.array_length(&array), Some(1));
    let frozen = js(rt, "Object.freeze([1])");
    assert!(!rt.set(&frozen, &key, Value::from(0)).unwrap());
    // Nothing is converted for it.
    let length = js(rt, "({valueOf() { throw 'asked' }})");
    assert!(!rt.set(&frozen, &key, length).unwrap());
    assert!(!rt.set(&frozen, &key, Value::from(-1)).unwrap());
}

#[test]
fn a_conversion_that_throws_throws() {
    let rt = engine();
    let array = js(rt, "new Uint8Array(2)");
    let bad = js(rt, "({valueOf() { throw new TypeError('convert') }})");
    assert_eq!(
        thrown_text(rt, rt.set_index(&array, 0, bad)),
        "TypeError: convert"
    );
    assert!(thrown_text(rt, rt.set_index(&array, 0, js(rt, "Symbol()"))).starts_with("TypeError"));
    assert!(rt.set_index(&array, 9, Value::from(1)).is_ok());
}

#[test]
fn set_through_the_prototype_reaches_the_receiver() {
    let rt = engine();
    let object = js(rt, "Object.create({set a(x) { this.got = x }})");
    let key = rt.key_utf8(b"a").unwrap();
    assert!(rt.set(&object, &key, Value::from(6)).unwrap());
    assert_eq!(call_js(rt, "o => o.got", &[object]).as_i32(), Some(6));
}

#[test]
fn primitives_swallow_sets() {
    let rt = engine();
    let key = rt.key_utf8(b"a").unwrap();
    assert!(!rt.set(&Value::from(1), &key, Value::from(2)).unwrap());
}
