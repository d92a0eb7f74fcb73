//! Hidden storage of objects, whatever kind they are.

use hostd_engine::{FinalizerToken, FunctionSpec, Invocation, JsResult, Runtime, SlotData, Value};

use crate::{engine, js, thrown_text};

fn nothing(_: Runtime, _: &Invocation<'_>) -> JsResult {
    Ok(Value::UNDEFINED)
}

fn all_kinds(rt: Runtime) -> Vec<Value> {
    let mut values: Vec<Value> = [
        "({})",
        "Object.freeze({})",
        "Object.freeze([])",
        "new Proxy({}, {get() { throw 1 }, has() { throw 1 }, getOwnPropertyDescriptor() { throw 1 }})",
        "(() => 1)",
        "globalThis",
        "new Uint8Array(1)",
        "Symbol('unregistered')",
    ]
    .iter()
    .map(|source| js(rt, source))
    .collect();
    let function = rt.function(FunctionSpec::new(nothing, 1, [0; 3]));
    let instance = function.and_then(|function| {
        let instance = rt.construct(&function, &[])?;
        values.push(function);
        Ok(instance)
    });
    values.extend([instance, rt.external([0; 3])].into_iter().flatten());
    values
}

#[test]
fn every_object_can_have_a_slot() {
    let rt = engine();
    let values = all_kinds(rt);
    assert_eq!(values.len(), 11);
    for (number, value) in values.iter().enumerate() {
        assert_eq!(rt.slot(value), None);
        assert!(!rt.is_pinned(value));
        let data = SlotData {
            wrap: Some(number as u64),
            ..SlotData::default()
        };
        rt.set_slot(value, data).unwrap();
    }
    rt.gc();
    for (number, value) in values.iter().enumerate() {
        assert_eq!(rt.slot(value).unwrap().wrap, Some(number as u64));
        let slot = rt.slot(value).unwrap();
        assert_eq!((slot.wrap, slot.lent), (Some(number as u64), None));
        assert!(rt.is_pinned(value));
        rt.set_slot(value, SlotData::default()).unwrap();
        assert!(!rt.is_pinned(value));
    }
}

#[test]
fn a_slot_is_not_inherited() {
    let rt = engine();
    let object = js(rt, "globalThis.base = {}");
    rt.set_slot(
        &object,
        SlotData {
            type_tag: Some([1, 2]),
            ..SlotData::default()
        },
    )
    .unwrap();
    assert_eq!(rt.slot(&js(rt, "Object.create(base)")), None);
    assert_eq!(rt.slot(&js(rt, "new Proxy(base, {})")), None);
    assert_eq!(rt.slot(&js(rt, "base")).unwrap().type_tag, Some([1, 2]));
}

#[test]
fn primitives_have_no_slot() {
    let rt = engine();
    for source in ["1", "'s'", "10n", "null", "Symbol.for('registered')"] {
        let value = js(rt, source);
        assert!(thrown_text(rt, rt.set_slot(&value, SlotData::default())).starts_with("TypeError"));
        assert_eq!(rt.slot(&value), None);
    }
}

#[test]
fn foreign_code_cannot_reach_the_slots() {
    let rt = engine();
    js(
        rt,
        "WeakMap.prototype.get = WeakMap.prototype.set = () => { throw 1 }; globalThis.WeakMap = null",
    );
    let object = rt.object().unwrap();
    rt.set_slot(
        &object,
        SlotData {
            lent: Some(5),
            ..SlotData::default()
        },
    )
    .unwrap();
    assert_eq!(rt.slot(&object).unwrap().lent, Some(5));
}

#[test]
fn a_finalizer_and_a_weak_reference_pin() {
    let rt = engine();
    let object = rt.object().unwrap();
    let id = rt
        .attach_finalizer(&object, FinalizerToken::default())
        .unwrap();
    assert!(rt.is_pinned(&object));
    rt.cancel_finalizer(id).unwrap();
    assert!(!rt.is_pinned(&object));
    let weak = rt.weak(&object).unwrap();
    assert!(rt.is_pinned(&object));
    drop(weak);
    assert!(!rt.is_pinned(&object));
}
