//! Numbers: reading them as C's types do. What fits an `i32` has the engine's integer form, except
//! -0.

use hostd_quickjs as q;

use crate::Value;

impl Value {
    /// Reads a number.
    #[inline]
    pub fn as_f64(&self) -> Option<f64> {
        match self.tag() {
            // SAFETY: E2; the tag says what the union holds.
            q::JS_TAG_INT => Some(f64::from(unsafe { q::JS_VALUE_GET_INT(self.0) })),
            // SAFETY: E2; the tag says what the union holds.
            q::JS_TAG_FLOAT64 => Some(unsafe { q::JS_VALUE_GET_FLOAT64(self.0) }),
            _ => None,
        }
    }

    /// Reads a number that has the engine's integer form.
    #[inline]
    pub fn as_int(&self) -> Option<i32> {
        // SAFETY: E2; the tag says what the union holds.
        (self.tag() == q::JS_TAG_INT).then(|| unsafe { q::JS_VALUE_GET_INT(self.0) })
    }

    /// Reads a number that is exactly an `i32` and not -0.
    #[inline]
    pub fn as_i32(&self) -> Option<i32> {
        if let Some(int) = self.as_int() {
            return Some(int);
        }
        let double = self.as_f64()?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "compared bit for bit below"
        )]
        let int = double as i32;
        (f64::from(int).to_bits() == double.to_bits()).then_some(int)
    }

    /// Reads a number the way ECMAScript's `ToInt32` does: truncated, modulo 2^32.
    #[inline]
    pub fn as_wrapped_i32(&self) -> Option<i32> {
        self.as_int().or_else(|| self.as_f64().map(wrap_i32))
    }

    /// Reads a number truncated and saturated to `i64`; NaN and the infinities give 0.
    #[inline]
    pub fn as_saturated_i64(&self) -> Option<i64> {
        if let Some(int) = self.as_int() {
            return Some(i64::from(int));
        }
        #[expect(clippy::cast_possible_truncation, reason = "saturation is the purpose")]
        self.as_f64()
            .map(|double| if double.is_finite() { double as i64 } else { 0 })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "modulo 2^32 is the purpose"
)]
#[inline]
fn wrap_i32(double: f64) -> i32 {
    if double.abs() < 9.0e18 {
        double as i64 as i32
    } else {
        wrap_far(double)
    }
}

/// [`wrap_i32`] of what is too large for an `i64`, or infinite, or no number.
#[expect(
    clippy::cast_possible_truncation,
    reason = "modulo 2^32 is the purpose"
)]
#[cold]
fn wrap_far(double: f64) -> i32 {
    const RANGE: f64 = 4_294_967_296.0;
    if double.is_finite() {
        (double % RANGE) as i64 as i32
    } else {
        0
    }
}
