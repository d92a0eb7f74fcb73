//! The own data properties of an ordinary object, listed in one pass over it, and the elements of an
//! array without holes: what most objects and arrays have.

use std::fmt;

use hostd_quickjs as q;

use crate::key::KeyRef;
use crate::string::is_ascii;
use crate::{JsResult, Runtime, Value};

/// What one pass over an object finds.
#[derive(Debug)]
pub enum OwnData {
    /// All own properties are data: those that are enumerable.
    Listed(DataProperties),
    /// A property is an accessor or a function, or none is enumerable although there are some.
    Behaviour,
    /// The general functions have to tell: the object is no ordinary one, or a key is an integer or a
    /// symbol, or a property an accessor.
    Unknown,
}

/// Enumerable own data properties in the order of JavaScript. Their keys are strings that are no
/// integers, and their values no functions.
pub struct DataProperties {
    table: *mut q::JSDataProperty,
    length: u32,
}

/// One of them.
#[repr(transparent)]
pub struct DataProperty(q::JSDataProperty);

impl DataProperty {
    /// The value.
    #[inline]
    pub fn value(&self) -> &Value {
        Value::lent(&self.0.value)
    }

    /// The key.
    #[inline]
    pub fn key(&self) -> KeyRef<'_> {
        KeyRef::lend(self.0.atom)
    }

    /// The text of the key if that is ASCII.
    #[inline]
    pub fn ascii_key(&self) -> Option<&str> {
        if self.0.text.is_null() {
            return None;
        }
        // SAFETY: E7, E8; the list's count of the key keeps its immutable text alive.
        let text = unsafe { std::slice::from_raw_parts(self.0.text, self.0.length as usize) };
        // SAFETY: E7; ASCII is UTF-8.
        is_ascii(text).then(|| unsafe { std::str::from_utf8_unchecked(text) })
    }
}

impl fmt::Debug for DataProperty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {:?}", self.key(), self.value())
    }
}

impl DataProperties {
    /// The properties.
    #[inline]
    pub fn as_slice(&self) -> &[DataProperty] {
        if self.table.is_null() {
            return &[];
        }
        // SAFETY: E3, E8; the engine gave us the table and its counts, and `Drop` frees it. The
        // layout is the same.
        unsafe { std::slice::from_raw_parts(self.table.cast(), self.length as usize) }
    }
}

impl Drop for DataProperties {
    #[inline]
    fn drop(&mut self) {
        if self.table.is_null() {
            return;
        }
        if let Some(rt) = Runtime::current() {
            // SAFETY: E1, E8; the one release of the table and its counts.
            unsafe { q::JS_FreeDataProperties(rt.ctx(), self.table, self.length) };
        }
    }
}

impl fmt::Debug for DataProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}

impl Value {
    /// An element of an array that has no holes so far; `None` where it takes the general functions.
    /// Runs no JavaScript.
    #[inline]
    pub fn dense_element(&self, index: u32) -> Option<Value> {
        // SAFETY: E1, E2; the call borrows a live value, and the element's count is ours.
        let element = Value(unsafe { q::JS_GetDenseElement(self.0, index) });
        (element.tag() != q::JS_TAG_UNINITIALIZED).then_some(element)
    }
}

impl Runtime {
    /// Lists the own enumerable data properties of an object. Runs no JavaScript.
    pub fn own_data(self, object: &Value) -> JsResult<OwnData> {
        let mut list = DataProperties {
            table: std::ptr::null_mut(),
            length: 0,
        };
        // SAFETY: E1, E2; the out-pointers live on our stack.
        let found = unsafe {
            q::JS_GetDataProperties(
                self.ctx(),
                &raw mut list.table,
                &raw mut list.length,
                object.0,
            )
        };
        match found {
            q::JS_DATA_LISTED => Ok(OwnData::Listed(list)),
            q::JS_DATA_NONE => Ok(OwnData::Behaviour),
            q::JS_DATA_EXCEPTION => Err(self.pending()),
            _ => Ok(OwnData::Unknown),
        }
    }
}
