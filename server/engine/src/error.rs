//! Exceptions: what was thrown, how error objects are made, and fallible lists.
//!
//! Every call of the engine ends in [`Runtime::adopt`] or [`Runtime::answer`], which take a pending
//! exception out of the engine (E3).
//!
//! Upholds I-12.

use std::fmt;

use hostd_quickjs as q;

use crate::Value;
use crate::state::Runtime;
use crate::value::{JsResult, Thrown};

/// Declares the error constructors, each with its name in JavaScript.
macro_rules! error_constructors {
    ($($constructor:ident $name:literal;)*) => {
        /// The native error constructors. `InternalError` is the engine's own: out of memory,
        /// interrupted, a defect of the host.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorConstructor {
            $(#[doc = concat!("`", $name, "`.")] $constructor,)*
        }

        impl ErrorConstructor {
            /// The names of the constructors, in the order of the variants.
            pub(crate) const NAMES: [&'static str; 8] = [$($name),*];
        }
    };
}

error_constructors! {
    Error "Error";
    TypeError "TypeError";
    RangeError "RangeError";
    SyntaxError "SyntaxError";
    ReferenceError "ReferenceError";
    EvalError "EvalError";
    UriError "URIError";
    InternalError "InternalError";
}

impl Thrown {
    /// Returns whether no `catch` may stop it: the interrupt hook ended the script.
    pub fn is_uncatchable(&self) -> bool {
        // SAFETY: E2; it returns false for other values.
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
    pub fn error(self, class: ErrorConstructor, message: &str) -> JsResult {
        let message = self.string_utf8(message.as_bytes())?;
        self.error_with(class, &message)
    }

    /// Makes an error object; the message is any value, converted as the constructor does.
    pub fn error_with(self, class: ErrorConstructor, message: &Value) -> JsResult {
        let constructor = &self.intrinsics().errors[class as usize];
        self.construct_native(constructor, std::slice::from_ref(message))
    }

    /// Makes an exception ready to be returned as `Err`.
    pub fn throw(self, class: ErrorConstructor, message: &str) -> Thrown {
        match self.error(class, message) {
            Ok(error) => Thrown(error),
            Err(thrown) => thrown,
        }
    }

    /// The `TypeError` with that message.
    pub fn type_error(self, message: &str) -> Thrown {
        self.throw(ErrorConstructor::TypeError, message)
    }

    /// The `RangeError` with that message.
    pub fn range_error(self, message: &str) -> Thrown {
        self.throw(ErrorConstructor::RangeError, message)
    }

    /// The engine's own error for a failed allocation.
    #[cold]
    pub fn out_of_memory(self) -> Thrown {
        // SAFETY: E1; the exception that it leaves pending is taken at once.
        unsafe { q::JS_ThrowOutOfMemory(self.ctx()) };
        self.pending()
    }

    /// Reserves room in a list whose length a script, an addon or the client chooses.
    #[inline]
    pub fn reserve<T>(self, list: &mut Vec<T>, more: usize) -> JsResult<()> {
        list.try_reserve(more).map_err(|_| self.out_of_memory())
    }

    /// Appends to such a list.
    #[inline]
    pub fn push<T>(self, list: &mut Vec<T>, item: T) -> JsResult<()> {
        if list.len() == list.capacity() {
            self.reserve(list, 1)?;
        }
        list.push(item);
        Ok(())
    }

    /// Collects items into such a list.
    pub fn list_from<T>(self, items: impl IntoIterator<Item = T>) -> JsResult<Vec<T>> {
        let items = items.into_iter();
        let mut list = Vec::new();
        self.reserve(&mut list, items.size_hint().0)?;
        for item in items {
            self.push(&mut list, item)?;
        }
        Ok(list)
    }

    /// A copy of bytes.
    pub fn copied(self, bytes: &[u8]) -> JsResult<Vec<u8>> {
        let mut copy = Vec::new();
        self.reserve(&mut copy, bytes.len())?;
        copy.extend_from_slice(bytes);
        Ok(copy)
    }

    /// Returns whether a constructor of errors made the value, whatever its prototype is.
    pub fn is_error(self, value: &Value) -> bool {
        // SAFETY: E2; it returns false for other values.
        unsafe { q::JS_IsError(value.0) }
    }

    /// Returns whether `DOMException` made it, which V8 counts among the errors.
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

    /// Turns the engine's code (-1 thrown, 0 false, 1 true) into a result.
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
        // SAFETY: E1, E3; the engine gives the pending exception to us.
        let value = Value(unsafe { q::JS_GetException(self.ctx()) });
        if value.tag() == q::JS_TAG_UNINITIALIZED {
            Thrown(Value::UNDEFINED)
        } else {
            Thrown(value)
        }
    }

    /// Makes an exception pending in the engine; returns what a callback returns then.
    #[cold]
    pub(crate) fn raise(self, thrown: Thrown) -> q::JSValue {
        // SAFETY: E1, E2; the engine takes the count over.
        unsafe { q::JS_Throw(self.ctx(), thrown.0.into_raw()) }
    }
}
