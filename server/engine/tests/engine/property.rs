//! Reading, writing and defining properties.

use hostd_engine::{Attributes, Content, Descriptor, Value};

use crate::{call_js, engine, js, text, thrown_text};

#[test]
fn get_runs_getters_and_passes_exceptions_on() {
    let rt = engine();
    let object = js(
        rt,
        "({get ok() { return 5 }, get bad() { throw new RangeError('no') }})",
    );
    assert_eq!(rt.get_named(&object, "ok").unwrap().as_i32(), Some(5));
    assert_eq!(
        thrown_text(rt, rt.get_named(&object, "bad")),
        "RangeError: no"
    );
    assert!(rt.get_named(&object, "absent").unwrap().is_undefined());
}

#[test]
fn primitives_have_properties_and_nothing_has_none() {
    let rt = engine();
    let string = rt.string_utf8(b"abc").unwrap();
    assert_eq!(rt.get_named(&string, "length").unwrap().as_i32(), Some(3));
    assert!(
        thrown_text(rt, rt.get_named(&hostd_engine::Value::NULL, "x")).starts_with("TypeError")
    );
}

#[test]
fn define_sets_exactly_the_given_attributes() {
    let rt = engine();
    let object = rt.object().unwrap();
    let key = rt.key_utf8(b"x").unwrap();
    let seven = Value::from(7);
    assert!(
        rt.define(&object, &key, Descriptor::Value(&seven, Attributes::NONE))
            .unwrap()
    );
    let property = rt.own_property(&object, &key).unwrap().unwrap();
    assert_eq!(property.attributes, Attributes::NONE);
    assert!(matches!(property.content, Content::Value(value) if value.as_i32() == Some(7)));
    // It cannot be redefined, and that is no exception.
    let eight = Value::from(8);
    assert!(
        !rt.define(&object, &key, Descriptor::Value(&eight, Attributes::ALL))
            .unwrap()
    );
    assert!(!rt.delete(&object, &key).unwrap());
}

#[test]
fn define_makes_accessors() {
    let rt = engine();
    let object = rt.object().unwrap();
    let key = rt.key_utf8(b"x").unwrap();
    let getter = js(rt, "(function () { return 'got' })");
    let attributes = Attributes {
        writable: true,
        enumerable: true,
        configurable: false,
    };
    let accessor = Descriptor::Accessor {
        getter: Some(&getter),
        setter: None,
        attributes,
    };
    assert!(rt.define(&object, &key, accessor).unwrap());
    let property = rt.own_property(&object, &key).unwrap().unwrap();
    assert!(property.attributes.enumerable && !property.attributes.writable);
    assert!(matches!(
        property.content,
        Content::Accessor {
            getter: Some(_),
            setter: None
        }
    ));
    assert_eq!(text(rt, &rt.get(&object, &key).unwrap()), "got");
}

#[test]
fn half_of_an_accessor_leaves_the_other_half() {
    let rt = engine();
    let object = js(rt, "({get x() { return 'got' }})");
    let key = rt.key_utf8(b"x").unwrap();
    let setter = js(rt, "(function () {})");
    let accessor = Descriptor::Accessor {
        getter: None,
        setter: Some(&setter),
        attributes: Attributes::ALL,
    };
    assert!(rt.define(&object, &key, accessor).unwrap());
    assert_eq!(text(rt, &rt.get(&object, &key).unwrap()), "got");
}

#[test]
fn define_on_a_frozen_object_is_refused_without_exception() {
    let rt = engine();
    let object = js(rt, "Object.freeze({})");
    let key = rt.key_utf8(b"x").unwrap();
    assert!(!rt.put(&object, &key, Value::from(1)).unwrap());
}

#[test]
fn an_array_that_refuses_an_element_keeps_its_length() {
    let rt = engine();
    let array = js(rt, "Object.preventExtensions([1, 2])");
    for index in [2, 4_294_967_294] {
        let key = rt.key_index(index).unwrap();
        let value = Descriptor::Value(&array, Attributes::NONE);
        assert!(!rt.define(&array, &key, value).unwrap());
        assert_eq!(rt.array_length(&array), Some(2));
    }
    let value = Value::from(7);
    let key = rt.key_index(1).unwrap();
    assert!(
        rt.define(&array, &key, Descriptor::Value(&value, Attributes::NONE))
            .unwrap()
    );
}

#[test]
fn put_defines_where_set_would_run_a_setter() {
    let rt = engine();
    js(
        rt,
        "Object.defineProperty(Object.prototype, 'trap', {set() { throw 1 }, configurable: true})",
    );
    let object = rt.object().unwrap();
    let key = rt.key_utf8(b"trap").unwrap();
    assert!(rt.put(&object, &key, Value::from(1)).unwrap());
    assert!(rt.has_own(&object, &key).unwrap());
    assert!(rt.put_index(&object, 3, Value::from(4)).unwrap());
    assert_eq!(rt.get_index(&object, 3).unwrap().as_i32(), Some(4));
}

#[test]
fn delete_is_sloppy() {
    let rt = engine();
    let object = js(rt, "Object.freeze({a: 1})");
    let key = rt.key_utf8(b"a").unwrap();
    assert!(!rt.delete(&object, &key).unwrap());
    let proxy = js(
        rt,
        "new Proxy({}, {deleteProperty() { throw new Error('trap') }})",
    );
    assert_eq!(thrown_text(rt, rt.delete(&proxy, &key)), "Error: trap");
}

#[test]
fn own_and_inherited_differ() {
    let rt = engine();
    let object = js(rt, "Object.create({inherited: 1})");
    let key = rt.key_utf8(b"inherited").unwrap();
    assert!(rt.has(&object, &key).unwrap());
    assert!(!rt.has_own(&object, &key).unwrap());
    assert!(rt.own_property(&object, &key).unwrap().is_none());
    assert_eq!(call_js(rt, "o => o.inherited", &[object]).as_i32(), Some(1));
}
