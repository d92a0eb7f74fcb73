//! Numbers and their conversions.

use hostd_engine::Value;

use crate::{call_js, engine, js};

#[test]
fn integral_doubles_take_the_integer_form_and_compare_equal() {
    let rt = engine();
    for (double, int) in [
        (0.0, 0),
        (42.0, 42),
        (-1.0, -1),
        (2_147_483_647.0, i32::MAX),
    ] {
        assert_eq!(Value::from(double).as_i32(), Some(int));
        assert!(rt.strict_equals(&Value::from(double), &Value::from(int)));
    }
    assert_eq!(Value::from(2_147_483_648.0).as_i32(), None);
    assert_eq!(Value::from(2_147_483_648.0).as_f64(), Some(2_147_483_648.0));
}

#[test]
fn negative_zero_is_kept() {
    let rt = engine();
    let zero = Value::from(-0.0);
    assert_eq!(zero.as_i32(), None);
    assert!(zero.as_f64().unwrap().is_sign_negative());
    assert_eq!(
        call_js(rt, "x => Object.is(x, -0)", &[zero]).as_bool(),
        Some(true)
    );
}

#[test]
fn nan_is_a_number() {
    assert!(Value::from(f64::NAN).as_f64().unwrap().is_nan());
    assert_eq!(Value::from(f64::NAN).as_wrapped_i32(), Some(0));
    assert_eq!(Value::from(f64::INFINITY).as_saturated_i64(), Some(0));
}

#[test]
fn doubles_that_scripts_computed_are_read_as_integers() {
    let rt = engine();
    assert_eq!(js(rt, "1.5 + 0.5").as_i32(), Some(2));
}

#[test]
fn wrapping_follows_to_int32() {
    let rt = engine();
    let wrapped = |double: f64| Value::from(double).as_wrapped_i32().unwrap();
    assert_eq!(wrapped(4_294_967_301.0), 5);
    assert_eq!(wrapped(-2_147_483_649.0), 2_147_483_647);
    assert_eq!(wrapped(1e300), 0);
    assert_eq!(wrapped(-1.9), -1);
    let engine_says = call_js(rt, "x => x | 0", &[Value::from(1.234e19)])
        .as_i32()
        .unwrap();
    assert_eq!(wrapped(1.234e19), engine_says);
}

#[test]
fn saturation_stops_at_the_ends() {
    assert_eq!(Value::from(1e300).as_saturated_i64(), Some(i64::MAX));
    assert_eq!(Value::from(-1e300).as_saturated_i64(), Some(i64::MIN));
    assert_eq!(Value::from(-1.5).as_saturated_i64(), Some(-1));
}

#[test]
fn other_values_are_no_numbers() {
    let rt = engine();
    assert_eq!(Value::TRUE.as_f64(), None);
    assert_eq!(js(rt, "1n").as_f64(), None);
    assert_eq!(js(rt, "'1'").as_i32(), None);
}
