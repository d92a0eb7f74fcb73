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
