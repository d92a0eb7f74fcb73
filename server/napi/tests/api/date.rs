//! Dates.

use crate::harness::*;

#[test]
fn time_is_clipped() {
    with_env(|env| {
        for (time, expected) in [(1.9, 1.0), (-1.9, -1.0), (8.64e15, 8.64e15)] {
            let date = get!(napi_create_date(env, time));
            assert!(get!(napi_is_date(env, date)));
            let read = get!(napi_get_date_value(env, date));
            assert!((read - expected).abs() < f64::EPSILON, "{time}");
        }
        let invalid = get!(napi_create_date(env, 8.64e15 + 1.0));
        assert!(get!(napi_get_date_value(env, invalid)).is_nan());
    });
}

#[test]
fn other_values_are_date_expected() {
    with_env(|env| {
        let object = eval(env, "Object.create(new Date())");
        assert!(!get!(napi_is_date(env, object)));
        let mut time = 0.0;
        assert_eq!(
            call!(napi_get_date_value(env, object, &raw mut time)),
            Status::DateExpected
        );
    });
}
