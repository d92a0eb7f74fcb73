//! Numbers in and out.

use crate::harness::*;

#[test]
fn int32_wraps_modulo_2_32_and_nan_is_0() {
    with_env(|env| {
        let cases = [
            (4_294_967_301.0, 5),
            (-2_147_483_649.0, i32::MAX),
            (f64::NAN, 0),
            (f64::INFINITY, 0),
            (1.9, 1),
            (-1.9, -1),
            (1e300, 0),
        ];
        for (input, expected) in cases {
            let value = number(env, input);
            assert_eq!(get!(napi_get_value_int32(env, value)), expected, "{input}");
        }
    });
}

#[test]
fn uint32_wraps_and_survives_above_2_31() {
    with_env(|env| {
        let minus_one = number(env, -1.0);
        assert_eq!(get!(napi_get_value_uint32(env, minus_one)), u32::MAX);
        let large = get!(napi_create_uint32(env, 4_000_000_000));
        assert!((get!(napi_get_value_double(env, large)) - 4e9).abs() < 0.5);
    });
}

#[test]
fn int64_saturates_and_nan_is_0() {
    with_env(|env| {
        let cases = [
            (1e300, i64::MAX),
            (-1e300, i64::MIN),
            (f64::NAN, 0),
            (f64::INFINITY, 0),
            (f64::NEG_INFINITY, 0),
            (-1.5, -1),
            (9_223_372_036_854_775_808.0, i64::MAX),
        ];
        for (input, expected) in cases {
            let value = number(env, input);
            assert_eq!(get!(napi_get_value_int64(env, value)), expected, "{input}");
        }
        let rounded = get!(napi_create_int64(env, (1 << 53) + 1));
        assert_eq!(get!(napi_get_value_int64(env, rounded)), 1 << 53);
    });
}

#[test]
fn bigint_is_number_expected_and_leaves_the_output() {
    with_env(|env| {
        let value = eval(env, "1n");
        let (mut int, mut double) = (7, 7.0);
        assert_eq!(
            call!(napi_get_value_int32(env, value, &raw mut int)),
            Status::NumberExpected
        );
        assert_eq!(
            call!(napi_get_value_double(env, value, &raw mut double)),
            Status::NumberExpected
        );
        assert_eq!(int, 7);
        assert_eq!(
            last_error(env),
            (
                Status::NumberExpected,
                Some("A number was expected".to_owned())
            )
        );
    });
}

#[test]
fn minus_zero_stays_minus_zero() {
    with_env(|env| {
        let value = number(env, -0.0);
        set_global(env, "zero", value);
        assert_eq!(global_text(env, "Object.is(zero, -0)"), "true");
    });
}
