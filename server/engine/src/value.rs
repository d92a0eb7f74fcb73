//! JavaScript values: their reference counts, and what can be read without a call of the engine.

use std::mem::ManuallyDrop;

use hostd_quickjs as q;

use crate::thread::engine;

/// A JavaScript value: an owned reference, or a primitive that needs none.
///
/// It has the layout of the engine's own value, so a slice of the engine's values is a slice of
/// these.
#[repr(transparent)]
pub struct Value(pub(crate) q::JSValue);

impl Value {
    /// `undefined`.
    pub const UNDEFINED: Value = Value(q::JS_UNDEFINED);
    /// `null`.
    pub const NULL: Value = Value(q::JS_NULL);
    /// `true`.
    pub const TRUE: Value = Value(q::JS_TRUE);
    /// `false`.
    pub const FALSE: Value = Value(q::JS_FALSE);

    /// Borrows a value that the engine lends for a callback.
    pub(crate) fn lent(raw: &q::JSValue) -> &Value {
        // SAFETY: E2; the layout is the same, and the reference lives no longer than the lent
        // value.
        unsafe { &*std::ptr::from_ref(raw).cast::<Value>() }
    }

    /// Gives the reference count away.
    pub(crate) fn into_raw(self) -> q::JSValue {
        ManuallyDrop::new(self).0
    }

    #[inline]
    pub(crate) fn tag(&self) -> i32 {
        // SAFETY: E2; reads a field of the plain struct.
        unsafe { q::JS_VALUE_GET_TAG(self.0) }
    }

    /// Returns whether it is a string.
    #[inline]
    pub fn is_string(&self) -> bool {
        // SAFETY: E2; it reads the tag only.
        unsafe { q::JS_IsString(self.0) }
    }

    /// Reads a boolean.
    #[inline]
    pub fn as_bool(&self) -> Option<bool> {
        // SAFETY: E2; the tag says that the union holds a boolean.
        self.is_boolean()
            .then(|| unsafe { q::JS_VALUE_GET_BOOL(self.0) })
    }

    /// The address of an object or symbol: equal exactly for the same one while both live.
    #[inline]
    pub fn identity(&self) -> Option<usize> {
        matches!(self.tag(), q::JS_TAG_OBJECT | q::JS_TAG_SYMBOL)
            // SAFETY: E2; the tag says that the union holds a pointer.
            .then(|| unsafe { q::JS_VALUE_GET_PTR(self.0) }.addr())
    }

    #[inline]
    pub(crate) fn class_id(&self) -> q::JSClassID {
        // SAFETY: E2; it returns 0 for other values.
        unsafe { q::JS_GetClassID(self.0) }
    }

    #[inline]
    fn counted(&self) -> bool {
        self.tag() < 0
    }

    /// Where the engine counts the references to what a counted value points to.
    #[inline]
    fn count(&self) -> *mut i32 {
        // SAFETY: E2; the tag says that the union holds a pointer.
        let block = unsafe { q::JS_VALUE_GET_PTR(self.0) }.cast::<i32>();
        // SAFETY: E10; every block of the engine has its count right before it.
        unsafe { block.sub(1) }
    }

    /// Returns whether the value has another owner too, so that a release frees nothing.
    #[inline]
    pub fn is_shared(&self) -> bool {
        // SAFETY: E10; as in `count`.
        !self.counted() || unsafe { self.count().read() } > 1
    }

    /// Drops a value that is [shared](Self::is_shared) without a call of the engine. A value that
    /// is not shared leaks.
    #[inline]
    pub fn release_shared(self) {
        let value = ManuallyDrop::new(self);
        if value.is_shared() && value.counted() {
            let count = value.count();
            // SAFETY: E1, E2, E10; the one release of the count that we own, and not the last one.
            unsafe { *count -= 1 };
        }
    }

    /// Returns whether [`count`](Self::count) reads the right place: whether the engine's own
    /// duplication changes it.
    pub(crate) fn count_is_found(&self) -> bool {
        if !self.counted() {
            return false;
        }
        // SAFETY: E10; every block of the engine has a head of eight bytes.
        let before = unsafe { self.count().read() };
        // SAFETY: E2; the engine ignores the runtime argument of a duplication.
        let twin = Value(unsafe { q::JS_DupValueRT(std::ptr::null_mut(), self.0) });
        // SAFETY: E10; as above.
        unsafe { twin.count().read() == before + 1 }
    }
}

/// The kinds of values: what their tag is.
macro_rules! kinds {
    ($($doc:literal $name:ident: $($tag:ident)|+;)*) => {
        impl Value {
            $(
                #[doc = concat!("Returns whether it is ", $doc, ".")]
                #[inline]
                pub fn $name(&self) -> bool {
                    matches!(self.tag(), $(q::$tag)|+)
                }
            )*
        }
    };
}

kinds! {
    "`undefined`" is_undefined: JS_TAG_UNDEFINED;
    "`null`" is_null: JS_TAG_NULL;
    "`undefined` or `null`" is_nullish: JS_TAG_UNDEFINED | JS_TAG_NULL;
    "a boolean" is_boolean: JS_TAG_BOOL;
    "a number" is_number: JS_TAG_INT | JS_TAG_FLOAT64;
    "a symbol" is_symbol: JS_TAG_SYMBOL;
    "a bigint" is_bigint: JS_TAG_BIG_INT | JS_TAG_SHORT_BIG_INT;
    "an object of any kind, functions and externals included" is_object: JS_TAG_OBJECT;
}

impl Clone for Value {
    #[inline]
    fn clone(&self) -> Value {
        if self.counted() {
            let count = self.count();
            // SAFETY: E1, E2, E10; only this thread counts.
            unsafe { *count += 1 };
        }
        Value(self.0)
    }
}

impl Drop for Value {
    #[inline]
    fn drop(&mut self) {
        if !self.counted() {
            return;
        }
        let count = self.count();
        // SAFETY: E1, E10; only this thread counts.
        let others = unsafe { count.read() }.wrapping_sub(1);
        if others > 0 {
            // SAFETY: E1, E2, E10; this is the one release of the count that we own, and another
            // owner keeps the value alive.
            unsafe { count.write(others) };
            return;
        }
        let engine = engine();
        if !engine.is_null() {
            // SAFETY: E1, E2; this is the one release of the count that we own.
            unsafe { q::JS_FreeValueRT(engine, self.0) };
        }
    }
}

impl Default for Value {
    fn default() -> Value {
        Value::UNDEFINED
    }
}

impl From<bool> for Value {
    #[inline]
    fn from(value: bool) -> Value {
        if value { Value::TRUE } else { Value::FALSE }
    }
}

impl From<i32> for Value {
    #[inline]
    fn from(value: i32) -> Value {
        Value(q::JS_MKVAL(q::JS_TAG_INT, value))
    }
}

impl From<f64> for Value {
    /// Integral values of the i32 range take the engine's integer form; -0 stays a double.
    #[inline]
    fn from(value: f64) -> Value {
        Value(q::JS_NewFloat64(value))
    }
}

/// What JavaScript threw; not necessarily an `Error`. Its `Debug` form converts the value to text,
/// which runs JavaScript: for tests, and before the process ends.
#[derive(Clone)]
pub struct Thrown(pub Value);

/// The result of an operation that may throw.
pub type JsResult<T = Value> = Result<T, Thrown>;
