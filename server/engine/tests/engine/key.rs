//! Property keys.

use crate::{call_js, engine, js, text};
use hostd_engine::Value;

#[test]
fn a_non_ascii_name_is_right_after_its_mojibake_twin() {
    let rt = engine();
    let object = rt.object().unwrap();
    let twin = rt.key_utf8("Ã©k".as_bytes()).unwrap();
    rt.put(&object, &twin, Value::from(1)).unwrap();
    let key = rt.key_utf8("ék".as_bytes()).unwrap();
    assert_ne!(twin, key);
    assert_eq!(text(rt, &rt.key_to_value(&key).unwrap()), "ék");
    assert!(!rt.has(&object, &key).unwrap());
}

#[test]
fn keys_of_one_name_are_equal() {
    let rt = engine();
    let name = rt.string_utf8(b"name").unwrap();
    assert_eq!(rt.key_utf8(b"name").unwrap(), rt.key_value(&name).unwrap());
    assert_eq!(rt.key_utf8(b"7").unwrap(), rt.key_index(7).unwrap());
    assert_eq!(rt.key_utf8(b"7").unwrap().as_index(), Some(7));
    assert_eq!(rt.key_utf8(b"07").unwrap().as_index(), None);
}

#[test]
fn large_indexes_stay_exact() {
    let rt = engine();
    for index in [0, 1, i32::MAX.cast_unsigned(), 1 << 31, u32::MAX] {
        let key = rt.key_index(index).unwrap();
        assert_eq!(rt.key_text(&key).unwrap().as_str(), index.to_string());
    }
}

#[test]
fn symbols_are_keys() {
    let rt = engine();
    let symbol = js(rt, "globalThis.s = Symbol('sy')");
    let key = rt.key_value(&symbol).unwrap();
    assert!(rt.key_is_symbol(&key));
    assert!(!rt.key_is_symbol(&rt.key_utf8(b"sy").unwrap()));
    assert!(rt.strict_equals(&rt.key_to_value(&key).unwrap(), &symbol));
    let object = js(rt, "({[s]: 'found'})");
    assert_eq!(text(rt, &rt.get(&object, &key).unwrap()), "found");
}

#[test]
fn a_key_outlives_its_string() {
    let rt = engine();
    let value = call_js(rt, "() => 'key' + Math.random()", &[]);
    let name = text(rt, &value);
    let key = rt.key_value(&value).unwrap();
    let copy = key.clone();
    drop((value, key));
    rt.gc();
    assert_eq!(rt.key_text(&copy).unwrap().as_str(), name);
}

#[test]
fn numeric_keys_are_the_texts_of_numbers() {
    let rt = engine();
    let is_numeric = |name: &str| rt.key_is_numeric(&rt.key_utf8(name.as_bytes()).unwrap());
    for name in [
        "0",
        "7",
        "4294967296",
        "-1",
        "-0",
        "1.5",
        "1e+21",
        "NaN",
        "Infinity",
        "-Infinity",
    ] {
        assert!(is_numeric(name), "{name}");
    }
    for name in ["", "01", "+1", "1e21", "1.50", " 1", "a", "infinity"] {
        assert!(!is_numeric(name), "{name}");
    }
    assert!(!rt.key_is_numeric(&rt.key_value(&js(rt, "Symbol('1')")).unwrap()));
}

#[test]
fn key_that_native_code_names_again_is_the_same() {
    let rt = engine();
    let names: Vec<String> = (0..3000).map(|number| format!("name{number}")).collect();
    for _ in 0..3 {
        for name in &names {
            let key = rt.key_utf8(name.as_bytes()).unwrap();
            assert_eq!(rt.key_text(&key).unwrap().as_str(), name);
            let value = rt.string_utf8(name.as_bytes()).unwrap();
            assert_eq!(key, rt.key_value(&value).unwrap());
        }
    }
    for name in [
        &b""[..],
        b"\0",
        b"\0\0",
        b"a",
        b"a\0",
        b"24 bytes long, no more..",
        "é".as_bytes(),
        b"\xff",
    ] {
        let key = rt.key_utf8(name).unwrap();
        assert_eq!(rt.key_utf8(name).unwrap(), key);
        let text = rt.key_text(&key).unwrap();
        assert_eq!(text.as_str(), String::from_utf8_lossy(name));
    }
    // Each byte counts, at each length.
    for length in 1..30 {
        for place in 0..length {
            let mut name = vec![b'x'; length];
            name[place] = b'y';
            let key = rt.key_utf8(&name).unwrap();
            assert_eq!(rt.key_text(&key).unwrap().as_bytes(), name);
        }
    }
    assert_eq!(rt.key_utf8(b"7").unwrap().as_index(), Some(7));
    assert_eq!(rt.key_utf8(b"7").unwrap().as_index(), Some(7));
}
