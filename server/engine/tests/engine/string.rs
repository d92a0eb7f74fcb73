//! Strings in and out, in every encoding.

use crate::{ask, engine, js, text};

#[test]
fn ascii_goes_in_and_out() {
    let rt = engine();
    let value = rt.string_utf8(b"hello\0world").unwrap();
    assert_eq!(text(rt, &value), "hello\0world");
    assert_eq!(rt.string_length(&value), Some(11));
}

#[test]
fn invalid_utf8_becomes_replacement_characters_as_in_node() {
    let rt = engine();
    let value = rt.string_utf8(b"\xED\xA0\x80").unwrap();
    assert_eq!(text(rt, &value), "\u{FFFD}\u{FFFD}\u{FFFD}");
    assert_eq!(rt.string_length(&value), Some(3));
    let value = rt.string_utf8(b"a\xFF\xC3").unwrap();
    assert_eq!(text(rt, &value), "a\u{FFFD}\u{FFFD}");
}

#[test]
fn wtf8_keeps_lone_surrogates() {
    let rt = engine();
    let value = rt.string_wtf8(b"x\xED\xA0\x80y").unwrap();
    assert_eq!(&*rt.utf16(&value).unwrap(), &[0x78, 0xD800, 0x79]);
    assert_eq!(&*rt.wtf8(&value).unwrap(), b"x\xED\xA0\x80y");
}

#[test]
fn lone_surrogates_come_out_as_replacement_characters() {
    let rt = engine();
    let value = js(rt, "'a\\uD800b\\uDC00\\uD83D\\uDE00'");
    let utf8 = rt.utf8(&value).unwrap();
    assert_eq!(utf8.as_str(), "a\u{FFFD}b\u{FFFD}\u{1F600}");
    assert!(utf8.is_lossy());
    assert!(!rt.utf8(&js(rt, "'\\uD83D\\uDE00é'")).unwrap().is_lossy());
}

#[test]
fn utf16_goes_in_and_out() {
    let rt = engine();
    let units = [0x41, 0xD800, 0xE9, 0xD83D, 0xDE00];
    let value = rt.string_utf16(&units).unwrap();
    assert_eq!(&*rt.utf16(&value).unwrap(), &units);
    assert_eq!(
        &*rt.utf16(&rt.string_utf8(b"abc").unwrap()).unwrap(),
        &[97, 98, 99]
    );
}

#[test]
fn latin1_bytes_are_code_units() {
    let rt = engine();
    let value = rt.string_latin1(b"caf\xE9").unwrap();
    assert_eq!(text(rt, &value), "café");
}

#[test]
fn ropes_are_read() {
    let rt = engine();
    let value = js(
        rt,
        "let s = ''; for (let i = 0; i < 5000; i++) s += 'ab' + i; s",
    );
    let length = rt.string_length(&value).unwrap();
    assert_eq!(rt.utf8(&value).unwrap().len(), length);
    assert!(rt.utf8(&value).unwrap().ends_with("ab4999"));
}

#[test]
fn a_guard_outlives_its_value() {
    let rt = engine();
    let value = ask(rt, "() => 'guard' + Math.random()", &[]);
    let guard = rt.utf8(&value).unwrap();
    drop(value);
    rt.gc();
    assert!(guard.starts_with("guard0."));
}

#[test]
fn empty_strings_work_everywhere() {
    let rt = engine();
    for value in [
        rt.string_empty(),
        rt.string_utf8(b"").unwrap(),
        rt.string_utf16(&[]).unwrap(),
        rt.string_latin1(b"").unwrap(),
    ] {
        assert_eq!(rt.string_length(&value), Some(0));
        assert_eq!(text(rt, &value), "");
    }
}
