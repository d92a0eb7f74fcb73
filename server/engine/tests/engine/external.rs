//! Externals.

use hostd_engine::Value;

use crate::{call_js, engine, text};

#[test]
fn an_external_is_an_empty_sealed_object() {
    let rt = engine();
    let external = rt.external([1, 2, 3]).unwrap();
    assert_eq!(rt.external_words(&external), Some([1, 2, 3]));
    let script = "e => { 'use strict'; let refused; try { e.x = 1 } catch (x) { refused = x instanceof TypeError }
        return [typeof e, Object.getPrototypeOf(e), Object.isExtensible(e), refused, JSON.stringify(e)].join() }";
    assert_eq!(
        text(rt, &call_js(rt, script, &[external])),
        "object,,false,true,{}"
    );
}

#[test]
fn other_values_are_no_externals() {
    let rt = engine();
    assert!(!rt.is_external(&rt.object().unwrap()));
    assert_eq!(rt.external_words(&rt.object().unwrap()), None);
    assert_eq!(rt.external_words(&Value::NULL), None);
}
