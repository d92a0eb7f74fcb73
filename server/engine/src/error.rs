//! Exceptions: what was thrown, and the making of error objects.

use std::fmt;

use rquickjs_sys as q;

use crate::{Runtime, Value};

/// What JavaScript threw; not necessarily an `Error`. Its `Debug` form converts the value to text,
/// which runs JavaScript: for tests and last words only.
#[derive(Clone)]
pub struct Thrown(pub Value);

/// What an operation that may run JavaScript answers.
pub type JsResult<T = Value> = Result<T, Thrown>;

/// The native error constructors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// `Error`.
    Error,
    /// `TypeError`.
    TypeError,
    /// `RangeError`.
    RangeError,
    /// `SyntaxError`.
    SyntaxError,
    /// `ReferenceError`.
    ReferenceError,
    /// `EvalError`.
    EvalError,
    /// `URIError`.
    UriError,
    /// `InternalError`, the engine's own: out of memory, interrupted, a defect of the host.
    InternalError,
}

impl ErrorClass {
    pub(crate) const ALL: [(ErrorClass, &'static str); 8] = [
        (ErrorClass::Error, "Error"),
        (ErrorClass::TypeError, "TypeError"),
        (ErrorClass::RangeError, "RangeError"),
        (ErrorClass::SyntaxError, "SyntaxError"),
        (ErrorClass::ReferenceError, "ReferenceError"),
        (ErrorClass::EvalError, "EvalError"),
        (ErrorClass::UriError, "URIError"),
        (ErrorClass::InternalError, "InternalError"),
    ];
}

impl Thrown {
    /// Tells whether no `catch` may stop it: the interrupt hook ended the script.
    pub fn is_uncatchable(&self) -> bool {
        // SAFETY: E2; answers false for all that is not an error object.
        unsafe { q::JS_IsUncatchableError(self.0.0) }
    }
}

impl fmt::Debug for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Runtime::current().and_then(|rt| {
            let text = rt.to_string_value(&self.0).ok()?;
            rt.utf8(&text).ok().map(|text| text.as_str().to_owned())
        });
        write!(f, "Thrown({})", text.as_deref().unwrap_or("?"))
    }
}

impl Runtime {
    /// Makes an error object with a message.
    pub fn error(self, class: ErrorClass, message: &str) -> JsResult {
        let message = self.string_utf8(message.as_bytes())?;
        self.error_with(class, &message)
    }

    /// Makes an error object; the message is any value, converted as the constructor does.
    pub fn error_with(self, class: ErrorClass, message: &Value) -> JsResult {
        let constructor = &self.intrinsics().errors[class as usize];
        self.construct_native(constructor, std::slice::from_ref(message))
    }

    /// Makes an exception ready to be returned as `Err`.
    pub fn throw(self, class: ErrorClass, message: &str) -> Thrown {
        match self.error(class, message) {
            Ok(error) => Thrown(error),
            Err(thrown) => thrown,
        }
    }

    /// The `TypeError` with that message.
    pub fn type_error(self, message: &str) -> Thrown {
        self.throw(ErrorClass::TypeError, message)
    }

    /// The `RangeError` with that message.
    pub fn range_error(self, message: &str) -> Thrown {
        self.throw(ErrorClass::RangeError, message)
    }

    /// Tells whether the value carries the native error brand (a constructor made it, whatever
    /// its prototype).
    pub fn is_error(self, value: &Value) -> bool {
        // SAFETY: E2; answers false for all that is not an error object.
        unsafe { q::JS_IsError(value.0) }
    }

    /// Tells whether `DOMException` made it, which V8 counts among the errors.
    #[inline]
    pub fn is_dom_exception(self, value: &Value) -> bool {
        value.is_object() && value.class_id() == self.intrinsics().dom_exception_class
    }

    /// Turns what the engine returned into a result.
    #[inline]
    pub(crate) fn adopt(self, raw: q::JSValue) -> JsResult {
        let value = Value(raw);
        if value.tag() == q::JS_TAG_EXCEPTION {
            Err(self.pending())
        } else {
            Ok(value)
        }
    }

    /// Turns the engine's three-way answer (-1 thrown, 0 false, 1 true) into a result.
    #[inline]
    pub(crate) fn answer(self, code: i32) -> JsResult<bool> {
        if code < 0 {
            Err(self.pending())
        } else {
            Ok(code != 0)
        }
    }

    /// Takes the pending exception out of the engine.
    #[cold]
    pub(crate) fn pending(self) -> Thrown {
        // SAFETY: E1, E3.
        let value = Value(unsafe { q::JS_GetException(self.ctx()) });
        if value.tag() == q::JS_TAG_UNINITIALIZED {
            Thrown(Value::UNDEFINED)
        } else {
            Thrown(value)
        }
    }

    /// Puts an exception into the engine, as a callback's answer.
    #[cold]
    pub(crate) fn raise(self, thrown: Thrown) -> q::JSValue {
        // SAFETY: E1, E2; the engine takes the count over.
        unsafe { q::JS_Throw(self.ctx(), thrown.0.into_raw()) }
    }
}
