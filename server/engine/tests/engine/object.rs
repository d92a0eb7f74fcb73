//! Objects, arrays and prototypes.

use hostd_engine::{KeyQuery, Kind, Value};

use crate::{OWN, call_js, engine, js, text, thrown_text};

#[test]
fn kinds_are_those_of_napi_typeof() {
    let rt = engine();
    for (source, kind) in [
        ("undefined", Kind::Undefined),
        ("null", Kind::Null),
        ("true", Kind::Boolean),
        ("1.5", Kind::Number),
        ("10n", Kind::BigInt),
        ("2n ** 80n", Kind::BigInt),
        ("'s'", Kind::String),
        ("Symbol()", Kind::Symbol),
        ("({})", Kind::Object),
        ("[]", Kind::Object),
        ("new Number(1)", Kind::Object),
        ("(() => 1)", Kind::Function),
        ("class A {}; A", Kind::Function),
        ("Math.max", Kind::Function),
        ("new Proxy({}, {})", Kind::Object),
        ("new Proxy(() => 1, {})", Kind::Function),
    ] {
        assert_eq!(rt.kind(&js(rt, source)), kind, "{source}");
    }
    assert_eq!(rt.kind(&rt.external([0; 3]).unwrap()), Kind::External);
}

#[test]
fn object_from_keeps_order_and_defines_proto() {
    let rt = engine();
    let key = |name: &str| rt.key_utf8(name.as_bytes()).unwrap();
    let keys = [key("b"), key("__proto__"), key("a")];
    let object = rt
        .object_from(
            &keys,
            vec![Value::from(1), rt.object().unwrap(), Value::from(3)],
        )
        .unwrap();
    let json = call_js(
        rt,
        "o => JSON.stringify(o) + (Object.getPrototypeOf(o) === Object.prototype)",
        &[object],
    );
    assert_eq!(text(rt, &json), r#"{"b":1,"__proto__":{},"a":3}true"#);
}

#[test]
fn array_from_takes_the_values() {
    let rt = engine();
    let values = vec![Value::from(1), rt.string_utf8(b"two").unwrap(), Value::NULL];
    let array = rt.array_from(values).unwrap();
    assert_eq!(rt.array_length(&array), Some(3));
    assert_eq!(
        text(rt, &call_js(rt, "JSON.stringify", &[array])),
        r#"[1,"two",null]"#
    );
    assert_eq!(
        rt.array_length(&rt.array_from(Vec::new()).unwrap()),
        Some(0)
    );
}

#[test]
fn array_with_length_has_holes() {
    let rt = engine();
    let array = rt.array_with_length(5).unwrap();
    assert_eq!(rt.array_length(&array), Some(5));
    assert_eq!(call_js(rt, "a => 0 in a", &[array]).as_bool(), Some(false));
    assert_eq!(
        rt.array_length(&rt.array_with_length(u32::MAX).unwrap()),
        Some(u32::MAX)
    );
}

#[test]
fn only_real_arrays_are_arrays() {
    let rt = engine();
    assert!(rt.is_array(&js(rt, "class L extends Array {}; new L()")));
    assert!(!rt.is_array(&js(rt, "new Proxy([], {})")));
    assert_eq!(rt.array_length(&js(rt, "new Uint8Array(3)")), None);
    assert_eq!(rt.array_length(&js(rt, "({length: 3})")), None);
}

#[test]
fn the_quiet_prototype_of_a_proxy_is_null() {
    let rt = engine();
    let proxy = js(
        rt,
        "globalThis.ran = 0; new Proxy({}, {getPrototypeOf() { ran++; return Array.prototype }})",
    );
    assert!(rt.prototype_no_trap(&proxy).unwrap().is_null());
    assert_eq!(js(rt, "ran").as_i32(), Some(0));
    let prototype = rt.prototype(&proxy).unwrap();
    assert!(rt.strict_equals(&prototype, &js(rt, "Array.prototype")));
}

#[test]
fn freezing_sealing_and_extending() {
    let rt = engine();
    let object = js(rt, "({a: 1})");
    assert!(rt.is_extensible(&object).unwrap());
    rt.seal(&object).unwrap();
    assert!(!rt.is_extensible(&object).unwrap());
    rt.freeze(&object).unwrap();
    assert_eq!(
        call_js(rt, "o => Object.isFrozen(o)", &[object]).as_bool(),
        Some(true)
    );
    let array = js(rt, "new Uint8Array(1)");
    assert!(thrown_text(rt, rt.freeze(&array)).starts_with("TypeError"));
}

#[test]
fn to_object_of_nothing_is_a_type_error() {
    let rt = engine();
    assert!(thrown_text(rt, rt.to_object(&Value::NULL)).starts_with("TypeError"));
    assert_eq!(
        rt.kind(&rt.to_object(&Value::from(1)).unwrap()),
        Kind::Object
    );
}

#[test]
fn instance_of_follows_symbol_has_instance() {
    let rt = engine();
    let even = js(rt, "({[Symbol.hasInstance](x) { return x % 2 === 0 }})");
    assert!(rt.instance_of(&Value::from(2), &even).unwrap());
    assert!(!rt.instance_of(&Value::from(3), &even).unwrap());
    assert!(
        thrown_text(rt, rt.instance_of(&Value::from(3), &Value::from(3))).starts_with("TypeError")
    );
}

#[test]
fn a_cycle_is_collected() {
    let rt = engine();
    let before = rt.memory().objects;
    js(
        rt,
        "for (let i = 0; i < 1000; i++) { const a = {}; a.a = a; } null",
    );
    rt.gc();
    assert!(rt.memory().objects < before + 100);
}

#[test]
fn is_plain_object_rejects_others() {
    let rt = engine();
    for (source, plain) in [
        ("({a: 1})", true),
        ("Object.create(null)", true),
        ("Object.freeze({})", true),
        ("new (class A {})()", false),
        ("Object.create({})", false),
        ("Object.setPrototypeOf(new Map(), Object.prototype)", false),
        ("[]", false),
        ("(() => 1)", false),
        ("new Proxy({}, {getPrototypeOf() { throw 1 }})", false),
        ("(function () { return arguments })()", false),
        ("1", false),
    ] {
        assert_eq!(rt.is_plain_object(&js(rt, source)), plain, "{source}");
    }
}

#[test]
fn is_plain_array_rejects_others() {
    let rt = engine();
    js(rt, "var hide = Object.defineProperty");
    for (source, plain) in [
        ("[1, 2]", true),
        ("[]", true),
        ("[1, , 3]", true),
        ("const far = []; far[4294967294] = 1; far", true),
        ("Object.assign([1], {extra: 1})", false),
        ("Object.assign([1], {[Symbol()]: 1})", false),
        ("Object.assign([1], {4294967295: 1})", false),
        ("Object.assign([1], {'01': 1})", false),
        ("class L extends Array {}; new L()", false),
        ("({length: 0})", false),
        ("hide([1], 'extra', {value: 1})", true),
        ("hide([1], Symbol(), {value: {}})", true),
        ("hide([1], 'extra', {value() {}})", false),
        ("hide([1], 'extra', {get() { throw 1 }})", false),
        ("hide(hide([1], 'b', {value: 1}), 'a', {set(v) {}})", false),
        ("Object.assign(hide([1], 'a', {value: 1}), {b: 1})", false),
        ("Object.freeze([1, 2])", true),
    ] {
        assert_eq!(
            rt.is_plain_array(&js(rt, source)).unwrap(),
            plain,
            "{source}"
        );
    }
}

#[test]
fn circle_of_prototypes_ends_in_an_error() {
    let rt = engine();
    let object = js(
        rt,
        "(() => { const o = {}; Object.setPrototypeOf(o, new Proxy(o, {})); return o })()",
    );
    let query = KeyQuery {
        inherited: true,
        ..OWN
    };
    let thrown = rt.keys(&object, query).unwrap_err();
    assert!(text(rt, &thrown.0).contains("RangeError"));
    let thrown = rt.instance_of(&object, &js(rt, "Date")).unwrap_err();
    assert!(text(rt, &thrown.0).contains("RangeError"));
    assert_eq!(rt.keys(&object, OWN).unwrap().len(), 0);
}

#[test]
fn constructor_has_its_say_behind_a_proxy() {
    let rt = engine();
    let heir = js(rt, "Object.create(new Proxy(Date.prototype, {}))");
    for (constructor, is_instance) in [
        ("Object", true),
        ("Date", false),
        ("Map", false),
        ("Map.bind()", false),
        (
            "class { static [Symbol.hasInstance](x) { return x !== null } }",
            true,
        ),
        (
            "class { static [Symbol.hasInstance]() { return 0 } }",
            false,
        ),
    ] {
        let class = js(rt, &format!("({constructor})"));
        assert_eq!(
            rt.instance_of(&heir, &class).unwrap(),
            is_instance,
            "{constructor}"
        );
    }
}

#[test]
fn arrays_with_more_than_elements_are_not_plain() {
    let rt = engine();
    for (script, plain) in [
        ("[]", true),
        ("[1, 2, 3]", true),
        ("[1,, 3]", true),
        ("Object.freeze([1, 2])", true),
        ("Object.assign([1], {a: 1})", false),
        ("Object.defineProperty([1], 'a', {value: 1})", true),
        ("Object.defineProperty([1], 'f', {value() {}})", false),
        ("Object.assign([1], {[Symbol('s')]: 1})", false),
        ("class A extends Array {} new A(3)", false),
        (
            "(() => { const a = [1, 2]; a.x = 1; delete a.x; return a })()",
            true,
        ),
    ] {
        let value = js(rt, script);
        assert_eq!(rt.is_plain_array(&value).unwrap(), plain, "{script}");
    }
}
