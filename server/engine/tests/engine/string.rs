//! Strings in and out, in every encoding.

use hostd_engine::Value;

use crate::{call_js, engine, js, text};

#[test]
fn ascii_goes_in_and_out() {
    let rt = engine();
    let value = rt.string_utf8(b"hello\0world").unwrap();
    assert_eq!(text(rt, &value), "hello\0world");
    assert_eq!(rt.utf16(&value).unwrap().len(), 11);
}

#[test]
fn invalid_utf8_becomes_replacement_characters_as_in_node() {
    let rt = engine();
    let value = rt.string_utf8(b"\xED\xA0\x80").unwrap();
    assert_eq!(text(rt, &value), "\u{FFFD}\u{FFFD}\u{FFFD}");
    assert_eq!(rt.utf16(&value).unwrap().len(), 3);
    let value = rt.string_utf8(b"a\xFF\xC3").unwrap();
    assert_eq!(text(rt, &value), "a\u{FFFD}\u{FFFD}");
}

#[test]
fn every_byte_alone_becomes_what_it_is_in_utf8() {
    let rt = engine();
    for byte in 0..=u8::MAX {
        let bytes = [b'x', byte];
        let value = rt.string_utf8(&bytes).unwrap();
        assert_eq!(text(rt, &value), String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn text_in_one_piece_can_be_read_in_place() {
    let rt = engine();
    for ascii in ["", "x", "a text that is longer than the head of its block"] {
        let value = rt.string_utf8(ascii.as_bytes()).unwrap();
        assert_eq!(value.as_ascii(), Some(ascii.as_bytes()));
        assert_eq!(value.as_latin1(), Some(ascii.as_bytes()));
    }
    let latin1 = rt.string_utf8("café".as_bytes()).unwrap();
    assert_eq!(latin1.as_latin1(), Some(&b"caf\xE9"[..]));
    assert_eq!(latin1.as_ascii(), None);
    // What is wide, a part of another string or a rope may be read as nothing, but not as another
    // text.
    let made = "const part = '0123456789'.repeat(100)";
    for (source, expected) in [
        ("'€'".to_owned(), "€".to_owned()),
        (
            format!("{made}; part.slice(5, 905)"),
            "5678901234".repeat(90),
        ),
        (
            format!("{made}; part + part + part"),
            "0123456789".repeat(300),
        ),
        ("/x/.source".to_owned(), "x".to_owned()),
    ] {
        let value = js(rt, &format!("(() => {{ {} }})()", at_the_end(&source)));
        if let Some(found) = value.as_ascii() {
            assert_eq!(found, expected.as_bytes(), "{source}");
        }
        assert_eq!(text(rt, &value), expected);
    }
    for primitive in [Value::NULL, Value::from(1), Value::from(1.5)] {
        assert_eq!(primitive.as_ascii(), None);
    }
    assert_eq!(rt.object().unwrap().as_ascii(), None);
}

/// The statements with the last one returned.
fn at_the_end(source: &str) -> String {
    let (before, last) = source.rsplit_once("; ").unwrap_or(("", source));
    format!("{before}; return {last};")
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
fn concatenations_are_read() {
    let rt = engine();
    let value = js(
        rt,
        "let s = ''; for (let i = 0; i < 5000; i++) s += 'ab' + i; s",
    );
    let length = rt.utf16(&value).unwrap().len();
    assert_eq!(rt.utf8(&value).unwrap().len(), length);
    assert!(rt.utf8(&value).unwrap().ends_with("ab4999"));
}

#[test]
fn a_guard_outlives_its_value() {
    let rt = engine();
    let value = call_js(rt, "() => 'guard' + Math.random()", &[]);
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
        assert!(rt.utf16(&value).unwrap().is_empty());
        assert_eq!(text(rt, &value), "");
    }
}

#[test]
fn short_ascii_is_lent_as_text() {
    let rt = engine();
    let text = |text: &str| rt.string_utf8(text.as_bytes()).unwrap();
    assert_eq!(text("").as_short_ascii(), Some(""));
    assert_eq!(text("text").as_short_ascii(), Some("text"));
    assert_eq!(
        text(&"x".repeat(64)).as_short_ascii().map(str::len),
        Some(64)
    );
    assert_eq!(text(&"x".repeat(65)).as_short_ascii(), None);
    assert_eq!(text("\u{e9}").as_short_ascii(), None);
    assert_eq!(text("\u{20ac}").as_short_ascii(), None);
    assert_eq!(Value::NULL.as_short_ascii(), None);
}
