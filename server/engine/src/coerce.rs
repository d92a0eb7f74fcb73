//! Coercions. Those of objects may run JavaScript.

use hostd_quickjs as q;

use crate::{JsResult, Runtime, Value};

impl Runtime {
    /// `Boolean(value)`.
    #[inline]
    pub fn to_bool(self, value: &Value) -> bool {
        // SAFETY: E1, E2; it cannot throw for a valid value.
        unsafe { q::JS_ToBool(self.ctx(), value.0) > 0 }
    }

    /// `Number(value)`, except that a bigint is a `TypeError`.
    pub fn to_number(self, value: &Value) -> JsResult {
        if value.is_number() {
            return Ok(value.clone());
        }
        self.count_script(value);
        // SAFETY: E1, E2; the call borrows live values of this context.
        self.adopt(unsafe { q::JS_ToNumber(self.ctx(), value.0) })
    }

    /// `ToString(value)`; a symbol is a `TypeError`.
    pub fn to_string_value(self, value: &Value) -> JsResult {
        self.count_script(value);
        // SAFETY: E1, E2; the call borrows live values of this context.
        self.adopt(unsafe { q::JS_ToString(self.ctx(), value.0) })
    }

    /// `Object(value)`; `undefined` and `null` are a `TypeError`.
    #[inline]
    pub fn to_object(self, value: &Value) -> JsResult {
        if value.is_object() {
            return Ok(value.clone());
        }
        if value.is_nullish() {
            return Err(self.type_error("Cannot convert undefined or null to object"));
        }
        // SAFETY: E1, E2; the call borrows live values of this context.
        self.adopt(unsafe { q::JS_ToObject(self.ctx(), value.0) })
    }

    /// Counts a coercion that may call into JavaScript code.
    #[inline]
    pub(crate) fn count_script(self, value: &Value) {
        if value.is_object() {
            self.count_mutation();
        }
    }
}
