//! Bigints of every size.

use crate::{call_js, engine, js, text, thrown_text};

#[test]
fn sixty_four_bits_go_both_ways() {
    let rt = engine();
    for value in [0, 1, -1, i64::MAX, i64::MIN, 1 << 40] {
        let bigint = rt.bigint_i64(value).unwrap();
        assert_eq!(text(rt, &bigint), value.to_string());
        assert_eq!(rt.bigint_as_i64(&bigint), Some((value, true)));
    }
    let bigint = rt.bigint_u64(u64::MAX).unwrap();
    assert_eq!(text(rt, &bigint), u64::MAX.to_string());
    assert_eq!(rt.bigint_as_u64(&bigint), Some((u64::MAX, true)));
    assert_eq!(rt.bigint_as_i64(&bigint), Some((-1, false)));
}

#[test]
fn lost_bits_are_reported() {
    let rt = engine();
    assert_eq!(
        rt.bigint_as_i64(&js(rt, "2n ** 64n + 5n")),
        Some((5, false))
    );
    assert_eq!(rt.bigint_as_u64(&js(rt, "-1n")), Some((u64::MAX, false)));
    assert_eq!(rt.bigint_as_u64(&js(rt, "1")), None);
}

#[test]
fn words_go_both_ways() {
    let rt = engine();
    let cases: [(bool, &[u64], &str); 9] = [
        (false, &[], "0n"),
        (true, &[], "0n"),
        (true, &[5], "-5n"),
        (false, &[0, 1], "2n ** 64n"),
        (true, &[0, 1], "-(2n ** 64n)"),
        (true, &[0, 1 << 63], "-(2n ** 127n)"),
        (true, &[1 << 63], "-(2n ** 63n)"),
        (true, &[(1 << 63) + 1], "-(2n ** 63n) - 1n"),
        (false, &[u64::MAX, u64::MAX, 7], "8n * 2n ** 128n - 1n"),
    ];
    for (negative, words, source) in cases {
        let made = rt.bigint_words(negative, words).unwrap();
        let expected = js(rt, source);
        assert!(rt.strict_equals(&made, &expected), "{source}");
        let back = rt.bigint_to_words(&expected).unwrap().unwrap();
        assert_eq!(
            back,
            (negative && !words.is_empty(), words.to_vec()),
            "{source}"
        );
    }
}

#[test]
fn leading_zero_words_are_dropped() {
    let rt = engine();
    let made = rt.bigint_words(false, &[1, 0, 0]).unwrap();
    assert_eq!(call_js(rt, "x => x === 1n", &[made]).as_bool(), Some(true));
}

#[test]
fn the_largest_work_and_larger_ones_are_a_range_error() {
    let rt = engine();
    let words = vec![u64::MAX; 16_383];
    for negative in [false, true] {
        let made = rt.bigint_words(negative, &words).unwrap();
        assert_eq!(
            rt.bigint_to_words(&made).unwrap().unwrap(),
            (negative, words.clone())
        );
    }
    let answer = thrown_text(rt, rt.bigint_words(false, &vec![1; 16_385]));
    assert_eq!(answer, "RangeError: Maximum BigInt size exceeded");
}

#[test]
fn foreign_code_cannot_change_bigints() {
    let rt = engine();
    js(
        rt,
        "BigInt.prototype.toString = () => 'x'; globalThis.BigInt = null",
    );
    let made = rt.bigint_words(true, &[1, 2, 3]).unwrap();
    assert_eq!(
        rt.bigint_to_words(&made).unwrap().unwrap(),
        (true, vec![1, 2, 3])
    );
}
