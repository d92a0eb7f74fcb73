//! The kinds of values and their comparisons, none of which runs JavaScript.

use std::fmt;

use hostd_quickjs as q;

use crate::{Runtime, Value};

/// The type of a value, as `napi_typeof` returns and numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// `undefined`.
    Undefined,
    /// `null`.
    Null,
    /// A boolean.
    Boolean,
    /// A number.
    Number,
    /// A string.
    String,
    /// A symbol.
    Symbol,
    /// Any object that is neither callable nor an external.
    Object,
    /// A callable object, proxies of functions among them.
    Function,
    /// An object made by [`Runtime::external`].
    External,
    /// A bigint.
    BigInt,
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Runtime::current() {
            Some(rt) => write!(f, "Value({:?})", rt.kind(self)),
            None => f.write_str("Value"),
        }
    }
}

impl Runtime {
    /// The type of a value, as `napi_typeof` returns it.
    #[inline]
    pub fn kind(self, value: &Value) -> Kind {
        match value.tag() {
            q::JS_TAG_UNDEFINED => Kind::Undefined,
            q::JS_TAG_NULL => Kind::Null,
            q::JS_TAG_BOOL => Kind::Boolean,
            q::JS_TAG_INT | q::JS_TAG_FLOAT64 => Kind::Number,
            q::JS_TAG_SYMBOL => Kind::Symbol,
            q::JS_TAG_BIG_INT | q::JS_TAG_SHORT_BIG_INT => Kind::BigInt,
            _ if value.is_string() => Kind::String,
            _ if self.is_function(value) => Kind::Function,
            _ if self.is_external(value) => Kind::External,
            _ => Kind::Object,
        }
    }

    /// Returns whether the value is callable.
    #[inline]
    pub fn is_function(self, value: &Value) -> bool {
        // SAFETY: E1, E2; the call borrows live values of this context.
        unsafe { q::JS_IsFunction(self.ctx(), value.0) }
    }

    /// Returns whether `new value()` is possible.
    pub fn is_constructor(self, value: &Value) -> bool {
        // SAFETY: E1, E2; the call borrows live values of this context.
        unsafe { q::JS_IsConstructor(self.ctx(), value.0) }
    }

    /// The engine's number of the class of an object, which is the same for all of one class; 0 for
    /// what is no object.
    pub fn class_number(self, value: &Value) -> u32 {
        // SAFETY: E1, E2; the call borrows a live value.
        unsafe { q::JS_GetClassID(value.0) }
    }

    /// `left === right`.
    #[inline]
    pub fn strict_equals(self, left: &Value, right: &Value) -> bool {
        // SAFETY: E1, E2; the call borrows live values of this context.
        unsafe { q::JS_IsStrictEqual(self.ctx(), left.0, right.0) }
    }

    /// `Object.is(left, right)`.
    #[inline]
    pub fn same_value(self, left: &Value, right: &Value) -> bool {
        // SAFETY: E1, E2; the call borrows live values of this context.
        unsafe { q::JS_IsSameValue(self.ctx(), left.0, right.0) }
    }
}
