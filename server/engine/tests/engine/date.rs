//! Dates.

use crate::{call_js, engine, js};

#[test]
fn dates_are_clipped() {
    let rt = engine();
    let value = |milliseconds: f64| rt.date_value(&rt.date(milliseconds).unwrap()).unwrap();
    assert_eq!(value(1.9).to_bits(), 1.0_f64.to_bits());
    assert_eq!(value(-1.9).to_bits(), (-1.0_f64).to_bits());
    assert_eq!(value(-0.5).to_bits(), 0.0_f64.to_bits());
    assert_eq!(value(8.64e15).to_bits(), 8.64e15_f64.to_bits());
    assert!(value(8.64e15 + 2.0).is_nan());
    assert!(value(f64::NAN).is_nan());
}

#[test]
fn a_date_is_one_in_scripts() {
    let rt = engine();
    let date = rt.date(86_400_000.0).unwrap();
    assert!(rt.is_date(&date));
    assert_eq!(
        call_js(
            rt,
            "d => d instanceof Date && d.toISOString() === '1970-01-02T00:00:00.000Z'",
            &[date]
        )
        .as_bool(),
        Some(true)
    );
    assert!(!rt.is_date(&js(rt, "({})")));
    assert_eq!(rt.date_value(&js(rt, "({})")), None);
}
