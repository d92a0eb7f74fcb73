//! Strings in three encodings.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;

use crate::harness::*;

#[test]
fn utf8_is_cut_at_characters_and_always_ends_in_nul() {
    with_env(|env| {
        let value = string(env, "h\u{e9}\u{e9}");
        let mut buffer = [0x55u8; 8];
        let cases = [(1, 0), (2, 1), (3, 1), (4, 3), (5, 3), (6, 5), (8, 5)];
        for (size, expected) in cases {
            buffer.fill(0x55);
            let copied = get!(napi_get_value_string_utf8(
                env,
                value,
                buffer.as_mut_ptr().cast(),
                size
            ));
            assert_eq!(copied, expected, "size {size}");
            assert_eq!(buffer[copied], 0, "size {size}");
        }
        buffer.fill(0x55);
        let nothing = get!(napi_get_value_string_utf8(
            env,
            value,
            buffer.as_mut_ptr().cast(),
            0
        ));
        assert_eq!((nothing, buffer[0]), (0, 0x55));
        assert_eq!(
            get!(napi_get_value_string_utf8(env, value, ptr::null_mut(), 0)),
            5
        );
    });
}

/// Texts of each kind that the engine stores: narrow, wide, in pieces that were concatenated, a part of
/// another; long enough that they are not encoded at once.
#[test]
fn utf8_of_long_texts_is_whole_or_cut_at_a_character() {
    let scripts = [
        "'\\xe9x'.repeat(3000)",
        "'\\u20ac\\ud83d\\ude00a'.repeat(2000)",
        "'\\ud800\\u20ac\\udc00'.repeat(2000)",
        "'\\u20ac'.repeat(4000) + '\\xe9'.repeat(4000)",
        "'x'.repeat(5000) + 'y'.repeat(5000)",
        "'\\u20acx'.repeat(9000).slice(1, 17001)",
        "'\\xe9x'.repeat(9000).slice(1, 17001)",
    ];
    with_env(move |env| {
        for script in scripts {
            let units = eval(env, script);
            let mut wide = vec![0u16; 20_000];
            let count = get!(napi_get_value_string_utf16(
                env,
                units,
                wide.as_mut_ptr(),
                wide.len()
            ));
            let expected = String::from_utf16_lossy(&wide[..count]);
            // Made anew: reading a text can change how the engine stores it.
            let value = eval(env, script);
            let length = get!(napi_get_value_string_utf8(env, value, ptr::null_mut(), 0));
            assert_eq!(length, expected.len(), "{script}");
            for size in [
                1,
                2,
                4097,
                4098,
                4099,
                4100,
                8195,
                length,
                length + 1,
                length + 9,
            ] {
                let mut buffer = vec![0x55u8; size];
                let value = eval(env, script);
                let copied = get!(napi_get_value_string_utf8(
                    env,
                    value,
                    buffer.as_mut_ptr().cast(),
                    size
                ));
                let end = (0..size.min(length + 1))
                    .rev()
                    .find(|end| expected.is_char_boundary(*end));
                assert_eq!(Some(copied), end, "{script}, {size}");
                assert!(buffer[..copied] == expected.as_bytes()[..copied]);
                assert_eq!(buffer[copied], 0, "{script}, {size}");
            }
        }
    });
}

#[test]
fn lone_surrogates_are_replaced_in_utf8_and_kept_in_utf16() {
    with_env(|env| {
        let value = eval(env, "'a\\ud800b'");
        assert_eq!(text(env, value), "a\u{fffd}b");
        let mut units = [0u16; 8];
        let copied = get!(napi_get_value_string_utf16(
            env,
            value,
            units.as_mut_ptr(),
            8
        ));
        assert_eq!((copied, &units[..4]), (3, &[0x61, 0xd800, 0x62, 0][..]));
        let cut = get!(napi_get_value_string_utf16(
            env,
            value,
            units.as_mut_ptr(),
            3
        ));
        assert_eq!((cut, &units[..3]), (2, &[0x61, 0xd800, 0][..]));
    });
}

#[test]
fn latin1_keeps_the_low_byte() {
    with_env(|env| {
        let value = string(env, "\u{20ac}\u{e9}x");
        let mut bytes = [0u8; 8];
        let copied = get!(napi_get_value_string_latin1(
            env,
            value,
            bytes.as_mut_ptr().cast(),
            8
        ));
        assert_eq!((copied, &bytes[..4]), (3, &[0xac, 0xe9, b'x', 0][..]));
        let made = get!(napi_create_string_latin1(env, [0xe9u8].as_ptr().cast(), 1));
        assert_eq!(text(env, made), "\u{e9}");
    });
}

#[test]
fn invalid_utf8_becomes_one_replacement_per_maximal_subpart() {
    with_env(|env| {
        let bytes = [0xed, 0xa0, 0x80, b'a', 0xf0, 0x9f, 0x98];
        let value = get!(napi_create_string_utf8(
            env,
            bytes.as_ptr().cast(),
            bytes.len()
        ));
        assert_eq!(text(env, value), "\u{fffd}\u{fffd}\u{fffd}a\u{fffd}");
    });
}

#[test]
fn null_text_is_empty_only_with_length_0() {
    with_env(|env| {
        let empty = get!(napi_create_string_utf8(env, ptr::null(), 0));
        assert_eq!(text(env, empty), "");
        let mut result = NULL;
        for length in [1, NAPI_AUTO_LENGTH] {
            assert_eq!(
                call!(napi_create_string_utf8(
                    env,
                    ptr::null(),
                    length,
                    &raw mut result
                )),
                Status::InvalidArg
            );
            assert_eq!(
                call!(napi_create_string_utf16(
                    env,
                    ptr::null(),
                    length,
                    &raw mut result
                )),
                Status::InvalidArg
            );
        }
        let status = call!(napi_create_string_utf8(
            env,
            c"x".as_ptr(),
            usize::try_from(i32::MAX).unwrap() + 1,
            &raw mut result
        ));
        assert_eq!(status, Status::InvalidArg);
        let auto = get!(napi_create_string_utf8(
            env,
            c"auto".as_ptr(),
            NAPI_AUTO_LENGTH
        ));
        assert_eq!(text(env, auto), "auto");
        let with_nul = string(env, "a\0b");
        assert_eq!(
            get!(napi_get_value_string_utf8(
                env,
                with_nul,
                ptr::null_mut(),
                0
            )),
            3
        );
        let wide = get!(napi_create_string_utf16(
            env,
            [104u16, 105, 0].as_ptr(),
            NAPI_AUTO_LENGTH
        ));
        assert_eq!(text(env, wide), "hi");
    });
}

#[test]
fn getter_requires_a_string_and_a_place() {
    with_env(|env| {
        let (value, other) = (string(env, "x"), number(env, 1.0));
        let mut length = 0;
        assert_eq!(
            call!(napi_get_value_string_utf8(
                env,
                other,
                ptr::null_mut(),
                0,
                &raw mut length
            )),
            Status::StringExpected
        );
        assert_eq!(
            call!(napi_get_value_string_utf8(
                env,
                value,
                ptr::null_mut(),
                0,
                ptr::null_mut()
            )),
            Status::InvalidArg
        );
        let mut buffer = [0u8; 4];
        let status = call!(napi_get_value_string_utf8(
            env,
            value,
            buffer.as_mut_ptr().cast(),
            4,
            ptr::null_mut()
        ));
        assert_eq!((status, buffer), (Status::Ok, [b'x', 0, 0, 0]));
    });
}

thread_local! {
    static FREED: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

extern "C" fn freed(_: napi_env, data: *mut c_void, _: *mut c_void) {
    FREED.set((FREED.get().0 + 1, data.addr()));
}

#[test]
fn external_string_is_finalized_once_after_the_call_and_an_empty_one_at_once() {
    static mut BYTES: [u8; 4] = *b"caf\xe9";
    let bench = bench();
    bench.run(8, |env| {
        let bytes = &raw mut BYTES;
        let (mut value, mut copied) = (NULL, true);
        let status = call!(node_api_create_external_string_latin1(
            env,
            bytes.cast(),
            4,
            Some(freed),
            ptr::null_mut(),
            &raw mut value,
            &raw mut copied
        ));
        assert_eq!((status, copied), (Status::Ok, false));
        assert_eq!(FREED.get().0, 0, "the addon may still read it");
        assert_eq!(text(env, value), "caf\u{e9}");
        let mut units = [0x20acu16];
        copied = true;
        let status = call!(node_api_create_external_string_utf16(
            env,
            units.as_mut_ptr(),
            0,
            Some(freed),
            ptr::null_mut(),
            &raw mut value,
            &raw mut copied
        ));
        assert_eq!((status, copied, FREED.get().0), (Status::Ok, false, 1));
    });
    assert_eq!(FREED.get(), (2, (&raw const BYTES).addr()));
    bench.host.close();
    assert_eq!(FREED.get().0, 2, "never twice");
}

#[test]
fn property_keys_are_strings() {
    with_env(|env| {
        let key = get!(node_api_create_property_key_utf8(
            env,
            c"k\u{e9}y".as_ptr(),
            NAPI_AUTO_LENGTH
        ));
        assert_eq!(text(env, key), "k\u{e9}y");
        let key = get!(node_api_create_property_key_latin1(env, c"12".as_ptr(), 2));
        assert_eq!(get!(napi_typeof(env, key)), 4);
        let key = get!(node_api_create_property_key_utf16(
            env,
            [0xd800u16].as_ptr(),
            1
        ));
        assert_eq!(text(env, key), "\u{fffd}");
    });
}
