//! Bigints.

use std::ptr;

use crate::harness::*;

#[test]
fn int64_and_uint64_tell_what_they_lose() {
    with_env(|env| {
        let cases = [
            ("-1n", -1, true, u64::MAX, false),
            ("2n ** 63n", i64::MIN, false, 1 << 63, true),
        ];
        for (source, signed, signed_exact, unsigned, unsigned_exact) in cases {
            let value = eval(env, source);
            let (mut int, mut uint, mut exact) = (0, 0, false);
            assert_eq!(
                call!(napi_get_value_bigint_int64(
                    env,
                    value,
                    &raw mut int,
                    &raw mut exact
                )),
                Status::Ok
            );
            assert_eq!((int, exact), (signed, signed_exact), "{source}");
            assert_eq!(
                call!(napi_get_value_bigint_uint64(
                    env,
                    value,
                    &raw mut uint,
                    &raw mut exact
                )),
                Status::Ok
            );
            assert_eq!((uint, exact), (unsigned, unsigned_exact), "{source}");
        }
    });
}

#[test]
fn words_round_trip_and_count_is_the_number_needed() {
    with_env(|env| {
        let words = [1u64, 2, 3];
        let value = get!(napi_create_bigint_words(env, 1, 3, words.as_ptr()));
        set_global(env, "big", value);
        assert_eq!(
            global_text(env, "big === -(3n << 128n | 2n << 64n | 1n)"),
            "true"
        );
        let (mut sign, mut count, mut out) = (0, 1, [0u64; 2]);
        let status = call!(napi_get_value_bigint_words(
            env,
            value,
            &raw mut sign,
            &raw mut count,
            out.as_mut_ptr()
        ));
        assert_eq!((status, sign, count, out), (Status::Ok, 1, 3, [1, 0]));
        count = 0;
        let status = call!(napi_get_value_bigint_words(
            env,
            value,
            ptr::null_mut(),
            &raw mut count,
            ptr::null_mut()
        ));
        assert_eq!((status, count), (Status::Ok, 3));
        let half = call!(napi_get_value_bigint_words(
            env,
            value,
            &raw mut sign,
            &raw mut count,
            ptr::null_mut()
        ));
        assert_eq!(half, Status::InvalidArg);
    });
}

#[test]
fn zero_has_no_sign_and_no_words() {
    with_env(|env| {
        let words = [0u64];
        let value = get!(napi_create_bigint_words(env, 1, 1, words.as_ptr()));
        let (mut sign, mut count, mut out) = (1, 1, [9u64]);
        let status = call!(napi_get_value_bigint_words(
            env,
            value,
            &raw mut sign,
            &raw mut count,
            out.as_mut_ptr()
        ));
        assert_eq!((status, sign, count, out), (Status::Ok, 0, 0, [9]));
    });
}

#[test]
fn too_many_words_are_a_range_error_and_a_negative_count_is_invalid() {
    with_env(|env| {
        let words = vec![u64::MAX; 20_000];
        let mut result = NULL;
        assert_eq!(
            call!(napi_create_bigint_words(
                env,
                0,
                words.len(),
                words.as_ptr(),
                &raw mut result
            )),
            Status::PendingException
        );
        assert!(take_exception(env).starts_with("RangeError: Maximum BigInt size exceeded"));
        assert_eq!(
            call!(napi_create_bigint_words(
                env,
                0,
                usize::MAX,
                words.as_ptr(),
                &raw mut result
            )),
            Status::InvalidArg
        );
    });
}

#[test]
fn number_is_bigint_expected() {
    with_env(|env| {
        let value = number(env, 1.0);
        let (mut int, mut exact) = (0, false);
        assert_eq!(
            call!(napi_get_value_bigint_int64(
                env,
                value,
                &raw mut int,
                &raw mut exact
            )),
            Status::BigintExpected
        );
        assert_eq!(
            call!(napi_get_value_bigint_int64(
                env,
                value,
                &raw mut int,
                ptr::null_mut()
            )),
            Status::InvalidArg
        );
        let made = get!(napi_create_bigint_uint64(env, u64::MAX));
        assert_eq!(show(env, made), "18446744073709551615");
        let made = get!(napi_create_bigint_int64(env, i64::MIN));
        assert_eq!(show(env, made), "-9223372036854775808");
    });
}
