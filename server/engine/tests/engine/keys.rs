//! Lists of keys and their filters.

use hostd_engine::{KeyQuery, Runtime, Value};

use crate::{OWN, engine, js};

fn names(rt: Runtime, object: &Value, query: KeyQuery) -> Vec<String> {
    let keys = rt
        .keys(object, query)
        .unwrap_or_else(|thrown| panic!("{thrown:?}"));
    keys.iter()
        .map(|key| {
            rt.key_text(key)
                .map_or(String::new(), |text| text.to_string())
        })
        .collect()
}

#[test]
fn integers_come_first_then_strings_then_symbols() {
    let rt = engine();
    let object = js(rt, "({b: 1, 10: 1, [Symbol('s')]: 1, a: 1, 2: 1})");
    assert_eq!(names(rt, &object, OWN), ["2", "10", "b", "a", "s"]);
    assert_eq!(
        names(rt, &object, KeyQuery::OWN_ENUMERABLE),
        ["2", "10", "b", "a"]
    );
}

#[test]
fn filters_look_at_attributes() {
    let rt = engine();
    let object = js(
        rt,
        "Object.defineProperties({}, {w: {value: 1, writable: true}, c: {value: 1, configurable: \
         true}, e: {value: 1, enumerable: true}, g: {get() {}, enumerable: true}})",
    );
    let all = OWN;
    assert_eq!(
        names(
            rt,
            &object,
            KeyQuery {
                writable: true,
                ..all
            }
        ),
        ["w", "g"]
    );
    assert_eq!(
        names(
            rt,
            &object,
            KeyQuery {
                configurable: true,
                ..all
            }
        ),
        ["c"]
    );
    assert_eq!(
        names(
            rt,
            &object,
            KeyQuery {
                enumerable: true,
                ..all
            }
        ),
        ["e", "g"]
    );
    assert_eq!(
        names(
            rt,
            &object,
            KeyQuery {
                strings: false,
                ..all
            }
        ),
        [""; 0]
    );
}

#[test]
fn contiguous_elements_of_frozen_objects_pass_the_filters() {
    let rt = engine();
    let writable = KeyQuery {
        writable: true,
        ..OWN
    };
    for (source, expected) in [
        ("Object.freeze({0: 1, 9: 1, a: 1})", &["0", "9"][..]),
        ("Object.freeze({0: 1, 5000: 1})", &[]),
        ("Object.freeze({2147483648: 1})", &[]),
        ("new Proxy(Object.freeze({a: 1}), {})", &["a"]),
    ] {
        let object = js(rt, source);
        assert_eq!(names(rt, &object, writable), expected, "{source}");
    }
}

#[test]
fn inherited_keys_come_once_and_shadowed_ones_not() {
    let rt = engine();
    let object = js(
        rt,
        "Object.defineProperty(Object.create({a: 1, b: 2, hidden: 3, 1: 0}, {b: {value: 1, \
         enumerable: true}}), 'hidden', {value: 1, enumerable: false})",
    );
    let query = KeyQuery {
        inherited: true,
        ..KeyQuery::OWN_ENUMERABLE
    };
    assert_eq!(names(rt, &object, query), ["b", "1", "a"]);
}

#[test]
fn listed_keys_read_their_properties() {
    let rt = engine();
    let object = js(rt, "({x: 1, y: 2})");
    let keys = rt.own_enumerable_keys(&object).unwrap();
    assert_eq!(keys.len(), 2);
    let sum: i32 = keys
        .iter()
        .map(|key| rt.get(&object, &key).unwrap().as_i32().unwrap())
        .sum();
    assert_eq!(sum, 3);
}
