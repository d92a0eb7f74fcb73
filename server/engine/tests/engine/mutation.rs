//! What counts as a change.

use hostd_engine::{Attributes, Descriptor, FunctionSpec, Invocation, JsResult, Runtime, Value};

use crate::engine;

fn nothing(_: Runtime, _: &Invocation<'_>) -> JsResult {
    Ok(Value::UNDEFINED)
}

/// Returns whether `run` counted as a change.
fn counts(rt: Runtime, action: impl FnOnce()) -> bool {
    let before = rt.mutations();
    action();
    rt.mutations() != before
}

#[test]
fn reading_and_making_count_nothing() {
    let rt = engine();
    let object = rt.object().unwrap();
    let key = rt.key_utf8(b"a").unwrap();
    let native = rt.function(FunctionSpec::new(nothing, 1, [0; 3])).unwrap();
    assert!(!counts(rt, || {
        rt.get(&object, &key).unwrap();
        rt.get_index(&object, 0).unwrap();
        rt.own_keys(&object).unwrap();
        rt.has(&object, &key).unwrap();
        rt.string_utf8(b"x").unwrap();
        rt.call(&native, &Value::UNDEFINED, &[]).unwrap();
        rt.construct(&native, &[]).unwrap();
        rt.slot(&object);
    }));
}

#[test]
fn changes_count() {
    let rt = engine();
    let object = rt.object().unwrap();
    let key = rt.key_utf8(b"a").unwrap();
    let one = Value::from(1);
    let buffer = rt.array_buffer(4).unwrap();
    assert!(counts(rt, || drop(rt.set(&object, &key, Value::from(1)))));
    assert!(counts(rt, || drop(rt.set_index(
        &object,
        0,
        Value::from(1)
    ))));
    assert!(counts(rt, || drop(rt.define(
        &object,
        &key,
        Descriptor::Value(&one, Attributes::ALL)
    ))));
    assert!(counts(rt, || drop(rt.delete(&object, &key))));
    assert!(counts(rt, || assert!(rt.data_pointer(&buffer).is_some())));
    assert!(counts(rt, || assert!(rt.write_bytes(&buffer, 0, b"x"))));
    assert!(counts(rt, || rt.detach(&buffer)));
    assert!(counts(rt, || rt.count_mutation()));
}

#[test]
fn calling_javascript_counts() {
    let rt = engine();
    let array = rt.array().unwrap();
    let push = rt.get_named(&array, "push").unwrap();
    assert!(counts(rt, || drop(rt.call(
        &push,
        &array,
        &[Value::from(1)]
    ))));
}

#[test]
fn once_foreign_code_exists_reads_count_for_getters_may_write() {
    let rt = engine();
    let object = rt.object().unwrap();
    let key = rt.key_utf8(b"a").unwrap();
    assert!(!counts(rt, || drop(rt.get(&object, &key))));
    let function = rt.get_named(&rt.global(), "Function").unwrap();
    rt.construct(&function, &[rt.string_utf8(b"return 1").unwrap()])
        .unwrap();
    assert!(counts(rt, || drop(rt.get(&object, &key))));
}

#[test]
fn conversions_of_objects_count_for_they_call_their_methods() {
    let rt = engine();
    let object = rt.object().unwrap();
    let text = rt.string_utf8(b"x").unwrap();
    assert!(counts(rt, || drop(rt.utf8(&object))));
    assert!(counts(rt, || drop(rt.to_number(&object))));
    assert!(counts(rt, || drop(rt.key_value(&object))));
    assert!(!counts(rt, || drop((
        rt.utf8(&text),
        rt.to_number(&text),
        rt.key_value(&text)
    ))));
}
