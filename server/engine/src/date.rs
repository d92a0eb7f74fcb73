//! Dates: making them and reading their time.

use hostd_quickjs as q;

use crate::{JsResult, Runtime, Value};

/// The largest distance from 1970 that a date can hold, in milliseconds.
const TIME_MAX: f64 = 8.64e15;

impl Runtime {
    /// `new Date(milliseconds)`, truncated to whole ones; out of range is an invalid date.
    pub fn date(self, milliseconds: f64) -> JsResult {
        // Adding zero turns -0 into 0, as TimeClip demands.
        let clipped = if milliseconds.abs() <= TIME_MAX {
            milliseconds.trunc() + 0.0
        } else {
            f64::NAN
        };
        // SAFETY: E1; the context and its runtime are live while there is a handle.
        self.adopt(unsafe { q::JS_NewDate(self.ctx(), clipped) })
    }

    /// Returns whether it is a date.
    #[inline]
    pub fn is_date(self, value: &Value) -> bool {
        // SAFETY: E2; it returns false for other values.
        unsafe { q::JS_IsDate(value.0) }
    }

    /// The milliseconds of a date, NaN if it is invalid; `None` for other values.
    pub fn date_value(self, value: &Value) -> Option<f64> {
        if !self.is_date(value) {
            return None;
        }
        self.call_native(&self.intrinsics().date_get_time, value, &[])
            .ok()?
            .as_f64()
    }
}
