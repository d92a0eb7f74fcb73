//! The properties of an object in one pass: what the general functions list, or a refusal.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use hostd_engine::{Content, OwnData, Runtime, Value};

use crate::{engine, js};

/// What the general functions say of an object.
#[derive(Debug, PartialEq)]
enum Expected {
    Listed(Vec<(String, String)>),
    Behaviour,
}

fn shown(rt: Runtime, value: &Value) -> String {
    let text = value.identity().map_or_else(
        || rt.to_string_value(value).and_then(|text| rt.utf8(&text)),
        |identity| rt.utf8(&rt.string_utf8(identity.to_string().as_bytes())?),
    );
    let text = text.unwrap_or_else(|thrown| panic!("{thrown:?}"));
    format!("{:?} {}", rt.kind(value), text.as_str())
}

/// Lists an object by its keys, one property at a time.
fn slowly(rt: Runtime, object: &Value) -> Expected {
    let mut listed = Vec::new();
    let keys = rt.own_keys(object).unwrap();
    let mut hidden = false;
    for key in keys.iter() {
        let property = rt.own_property(object, &key).unwrap().unwrap();
        let Content::Value(value) = property.content else {
            return Expected::Behaviour;
        };
        if rt.is_function(&value) || (property.attributes.enumerable && rt.key_is_symbol(&key)) {
            return Expected::Behaviour;
        }
        if !property.attributes.enumerable {
            hidden = true;
            continue;
        }
        let units = rt.utf16(&rt.key_to_value(&key).unwrap()).unwrap();
        listed.push((format!("{:?}", units.as_units()), shown(rt, &value)));
    }
    if hidden && listed.is_empty() {
        return Expected::Behaviour;
    }
    Expected::Listed(listed)
}

/// Lists an object in one pass; `None` where that is refused.
fn quickly(rt: Runtime, object: &Value) -> Option<Expected> {
    match rt.own_data(object).unwrap() {
        OwnData::Unknown => None,
        OwnData::Behaviour => Some(Expected::Behaviour),
        OwnData::Listed(properties) => {
            let pairs = properties.as_slice().iter().map(|property| {
                let units = rt
                    .utf16(&rt.key_to_value(&property.key()).unwrap())
                    .unwrap();
                if let Some(text) = property.ascii_key() {
                    assert!(text.encode_utf16().eq(units.iter().copied()), "{text}");
                    assert!(text.is_ascii());
                }
                (
                    format!("{:?}", units.as_units()),
                    shown(rt, property.value()),
                )
            });
            Some(Expected::Listed(pairs.collect()))
        }
    }
}

#[test]
fn ordinary_objects_are_listed() {
    let rt = engine();
    for script in [
        "({})",
        "({b: 1, a: 'x', c: null, d: undefined, e: 1.5, f: 10n, g: Symbol.iterator, h: {}, i: []})",
        "Object.freeze({a: 1, b: 2})",
        "Object.create(null, {a: {value: 1, enumerable: true}})",
        "Object.defineProperty({a: 1, b: 2}, 'a', {enumerable: false})",
        "(() => { const o = {a: 1, b: 2, c: 3}; delete o.b; o.b = 4; return o })()",
        "({['\\xe9']: 1, ['\\u20ac']: 2, ['\\ud800']: 3, '': 4, '-1': 5, '01': 6, '1.5': 7})",
        "({['__proto__']: 1, constructor: 2, length: 3, toString: 4})",
        "({4294967295: 1})",
        "(() => { const o = {}; for (let i = 0; i < 300; i++) o['k' + i] = i; return o })()",
        "(() => { const o = {}; for (let i = 0; i < 60; i++) o['k' + i] = i; \
         for (let i = 0; i < 60; i += 2) delete o['k' + i]; return o })()",
        "(() => { const o = {}; o[('x'.repeat(9000) + 'y').slice(0, 8999)] = 1; return o })()",
    ] {
        let object = js(rt, script);
        let quick = quickly(rt, &object);
        assert_eq!(quick, Some(slowly(rt, &object)), "{script}");
        assert!(matches!(quick, Some(Expected::Listed(_))), "{script}");
    }
}

#[test]
fn behaviour_and_what_is_not_ordinary_is_not_listed() {
    let rt = engine();
    for script in [
        "({get a() { throw 1 }})",
        "({a: 1, set b(value) {}})",
        "({a: 1, f() {}})",
        "({a: class {}})",
        "({a: new Proxy(function () {}, {})})",
        "Object.defineProperty({a: 1}, 'f', {value() {}, enumerable: false})",
        "Object.defineProperty({}, 'a', {value: 1, enumerable: false})",
        "({[Symbol('s')]: 1})",
        "({b: 1, 1: 2})",
        "({3000000000: 1})",
        "[1, 2]",
        "new Proxy({a: 1}, {})",
        "new Date(0)",
        "(function () { return arguments })(1)",
        "1",
        "'text'",
    ] {
        let value = js(rt, script);
        let found = rt.own_data(&value).unwrap();
        assert!(!matches!(found, OwnData::Listed(_)), "{script}");
    }
}

#[test]
fn private_names_are_not_listed() {
    let rt = engine();
    let object = js(
        rt,
        "class Base { constructor(o) { return o } } class Stamp extends Base { #x = 1 } \
         new Stamp({a: 1})",
    );
    assert_eq!(quickly(rt, &object), Some(slowly(rt, &object)));
}

#[test]
fn random_objects_are_listed_as_by_the_general_functions() {
    let rt = engine();
    let make = js(
        rt,
        "(() => {
            let state = 12345;
            const below = n => {
                state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
                return Math.floor(state / 4294967296 * n);
            };
            const keys = ['a', 'b', 'c', 'key', '__proto__', 'length', '\\xe9', '\\u20ac', '\\udc00',
                '', '-0', '00', 'then', 'x'.repeat(50)];
            const rare = [Symbol('s'), Symbol.for('t'), '0', '7', '4294967294', '2147483648'];
            const values = () => [below(100), -0, 1.5, NaN, 'text', '\\u20ac', null, undefined, true, 5n,
                Symbol.iterator, {}, [], new Map()][below(14)];
            return () => {
                const object = below(4) ? {} : Object.create(null);
                for (let n = below(20); n > 0; n--) {
                    const key = below(40) ? keys[below(keys.length)] + (below(3) ? below(9) : '')
                        : rare[below(rare.length)];
                    const kind = below(60);
                    if (kind < 6) delete object[key];
                    else if (kind == 6) Reflect.defineProperty(object, key, {get() { throw 1 },
                        enumerable: true, configurable: true});
                    else if (kind == 7) Reflect.defineProperty(object, key, {value() {},
                        enumerable: below(2) == 1, configurable: true});
                    else Reflect.defineProperty(object, key, {value: values(), writable: below(5) > 0,
                        enumerable: below(8) > 0, configurable: below(8) > 0});
                }
                if (!below(10)) Object.freeze(object);
                return object;
            };
        })()",
    );
    let (mut listed, mut refused) = (0, 0);
    for _ in 0..5000 {
        let object = rt.call(&make, &Value::UNDEFINED, &[]).unwrap();
        match quickly(rt, &object) {
            Some(found) => {
                assert_eq!(found, slowly(rt, &object));
                listed += 1;
            }
            None => refused += 1,
        }
    }
    assert!(listed > 2000 && refused > 200, "{listed} {refused}");
}

#[test]
fn listing_and_failing_keep_no_counts() {
    let rt = engine();
    let objects = js(
        rt,
        "[{a: {}, b: 'text' + Math.random()}, {a: {}, b: 1, c() {}}, {a: {}, 1: 2}, {}]",
    );
    let before = rt.memory().allocated;
    for _ in 0..100 {
        for index in 0..4 {
            let object = rt.get_index(&objects, index).unwrap();
            drop(rt.own_data(&object).unwrap());
        }
    }
    assert_eq!(rt.memory().allocated, before);
    let first = rt.get_index(&objects, 0).unwrap();
    let Ok(OwnData::Listed(properties)) = rt.own_data(&first) else {
        panic!("not listed")
    };
    // The list outlives the object.
    drop((first, objects));
    rt.gc();
    let keys = properties
        .as_slice()
        .iter()
        .map(|property| property.ascii_key());
    assert!(keys.eq([Some("a"), Some("b")]));
    assert!(properties.as_slice()[0].value().is_object());
}

#[test]
fn dense_elements_are_those_of_the_array() {
    let rt = engine();
    let array = js(rt, "[1, 'text', {}, undefined]");
    for index in 0..4 {
        let element = array.dense_element(index).unwrap();
        let expected = rt.get_index(&array, index).unwrap();
        assert!(rt.strict_equals(&element, &expected));
    }
    assert!(array.dense_element(4).is_none());
    assert!(array.dense_element(u32::MAX).is_none());
    for script in [
        "[, 1]",
        "Object.defineProperty([1], 0, {get() { throw 1 }})",
        "new Int32Array(2)",
        "new Proxy([1], {})",
        "({0: 1})",
        "(function () { return arguments })(1)",
        "'text'",
        "undefined",
    ] {
        assert!(js(rt, script).dense_element(0).is_none(), "{script}");
    }
}
