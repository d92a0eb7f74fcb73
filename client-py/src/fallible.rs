//! Constructors of Python objects that raise `MemoryError` without memory, where those of the binding
//! panic.
//!
//! Invariants:
//! F1. The interpreter is held (there is a token of it).
//! F2. What makes an object gives a new reference, or null with an exception set.
//! F3. A list or tuple that `PyList_New` or `PyTuple_New` made has a place for each item, which
//!     `PyList_SetItem` or `PyTuple_SetItem` fills, taking over the reference to the item; nothing
//!     else has seen it by then.
//! F4. An item of a list stays as long as no Python code runs, which reading an exact int or float
//!     does not.
#![expect(
    unsafe_code,
    reason = "the binding panics where there is no memory for an object"
)]

use std::iter;

use pyo3::exceptions::PyMemoryError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyList, PyString, PyTuple};

/// The error for a message that there is no memory to convert. Without memory for its text it is the
/// interpreter's own `MemoryError`.
#[cold]
pub(crate) fn memory() -> PyErr {
    let text = "out of memory: a message of the addon is too large to be converted";
    Python::attach(|py| match string(py, text) {
        Ok(text) => PyMemoryError::new_err(text.unbind()),
        Err(error) => error,
    })
}

#[inline]
pub(crate) fn int(py: Python<'_>, number: i64) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: F1.
    let made = unsafe { ffi::PyLong_FromLongLong(number) };
    // SAFETY: F2.
    unsafe { Bound::from_owned_ptr_or_err(py, made) }
}

fn unsigned(py: Python<'_>, number: u64) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: F1.
    let made = unsafe { ffi::PyLong_FromUnsignedLongLong(number) };
    // SAFETY: F2.
    unsafe { Bound::from_owned_ptr_or_err(py, made) }
}

#[inline]
pub(crate) fn float(py: Python<'_>, number: f64) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: F1.
    let made = unsafe { ffi::PyFloat_FromDouble(number) };
    // SAFETY: F2.
    unsafe { Bound::from_owned_ptr_or_err(py, made) }
}

#[inline]
pub(crate) fn string<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyString>> {
    utf8(py, text.as_bytes())
}

/// A string of UTF-8; a `UnicodeDecodeError` if it is none.
pub(crate) fn utf8<'py>(py: Python<'py>, text: &[u8]) -> PyResult<Bound<'py, PyString>> {
    PyString::from_bytes(py, text)
}

pub(crate) fn bytes<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, bytes.len(), |target| {
        target.copy_from_slice(bytes);
        Ok(())
    })
}

/// An empty list.
#[inline]
pub(crate) fn list(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    list_of(py, iter::empty())
}

/// A list of few items; no Python code runs.
#[inline]
pub(crate) fn list_of<'py>(
    py: Python<'py>,
    items: impl ExactSizeIterator<Item = PyResult<Bound<'py, PyAny>>>,
) -> PyResult<Bound<'py, PyList>> {
    let length = isize::try_from(items.len())?;
    // SAFETY: F1.
    let made = unsafe { ffi::PyList_New(length) };
    // SAFETY: F2.
    let list = unsafe { Bound::from_owned_ptr_or_err(py, made)? };
    let mut filled = 0;
    for (place, item) in (0..length).zip(items) {
        let item = item?;
        // SAFETY: F1, F3: `place` is below the length.
        unsafe { ffi::PyList_SetItem(list.as_ptr(), place, item.into_ptr()) };
        filled += 1;
    }
    if filled != length {
        // A list with an empty place would crash its users.
        return Err(memory());
    }
    Ok(list.cast_into()?)
}

/// An item of a list, if it is exactly an int or a float.
#[derive(Clone, Copy)]
pub(crate) enum Item {
    Int(i64),
    Float(f64),
    /// Anything else, and an int of more than 64 bits.
    Other,
}

/// Reads an item of a list without counting a reference to it.
#[inline]
pub(crate) fn number_at(list: &Bound<'_, PyList>, place: isize) -> PyResult<Item> {
    // SAFETY: F1; a borrowed reference, or null with an exception set.
    let item = unsafe { ffi::PyList_GetItem(list.as_ptr(), place) };
    if item.is_null() {
        return Err(PyErr::fetch(list.py()));
    }
    // SAFETY: F1, F4.
    if unsafe { ffi::PyLong_CheckExact(item) } != 0 {
        let mut overflow = 0;
        // SAFETY: F1, F4; the type was checked, so that it does not fail.
        let number = unsafe { ffi::PyLong_AsLongLongAndOverflow(item, &raw mut overflow) };
        return Ok(if overflow == 0 {
            Item::Int(number)
        } else {
            Item::Other
        });
    }
    // SAFETY: F1, F4.
    if unsafe { ffi::PyFloat_CheckExact(item) } != 0 {
        // SAFETY: F1, F4; the type was checked, so that it does not fail.
        return Ok(Item::Float(unsafe { ffi::PyFloat_AsDouble(item) }));
    }
    Ok(Item::Other)
}

/// An empty dict.
#[inline]
pub(crate) fn dict(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    // SAFETY: F1.
    let made = unsafe { ffi::PyDict_New() };
    // SAFETY: F2.
    let dict = unsafe { Bound::from_owned_ptr_or_err(py, made)? };
    Ok(dict.cast_into()?)
}

/// The items of a list.
pub(crate) fn tuple<'py>(list: &Bound<'py, PyList>) -> PyResult<Bound<'py, PyTuple>> {
    list.as_sequence().to_tuple()
}

#[inline]
pub(crate) fn tuple_of<'py, const N: usize>(
    py: Python<'py>,
    items: [Bound<'py, PyAny>; N],
) -> PyResult<Bound<'py, PyTuple>> {
    // SAFETY: F1; there are few items.
    let made = unsafe { ffi::PyTuple_New(N.cast_signed()) };
    // SAFETY: F2.
    let tuple = unsafe { Bound::from_owned_ptr_or_err(py, made)? };
    for (place, item) in (0..).zip(items) {
        // SAFETY: F1, F3: `place` is below the length.
        unsafe { ffi::PyTuple_SetItem(tuple.as_ptr(), place, item.into_ptr()) };
    }
    Ok(tuple.cast_into()?)
}

pub(crate) fn import<'py>(
    py: Python<'py>,
    module: &str,
    name: &str,
) -> PyResult<Bound<'py, PyAny>> {
    py.import(string(py, module)?)?.getattr(string(py, name)?)
}

pub(crate) struct Facts<'py>(pub(crate) Bound<'py, PyDict>);

impl<'py> Facts<'py> {
    pub(crate) fn new(py: Python<'py>) -> PyResult<Self> {
        dict(py).map(Self)
    }

    pub(crate) fn set(&self, name: &str, value: impl Argument<'py>) -> PyResult<()> {
        let py = self.0.py();
        self.0.set_item(string(py, name)?, value.object(py)?)
    }
}

/// A value that can be an argument of a call.
pub(crate) trait Argument<'py> {
    fn object(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>>;
}

/// How the values of a type become arguments.
macro_rules! argument {
    ($([$($param:ident)?] $type:ty: |$value:ident, $py:pat_param| $object:expr;)*) => {$(
        impl<'py, $($param)?> Argument<'py> for $type {
            #[inline]
            fn object(self, $py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                let $value = self;
                $object
            }
        }
    )*};
}

argument! {
    [T] Bound<'py, T>: |object, _| Ok(object.into_any());
    [T] &Bound<'py, T>: |object, _| Ok(object.clone().into_any());
    [T] Py<T>: |object, py| Ok(object.into_bound(py).into_any());
    [T] &Py<T>: |object, py| Ok(object.bind(py).clone().into_any());
    [] &str: |text, py| Ok(string(py, text)?.into_any());
    [] String: |text, py| text.as_str().object(py);
    [] bool: |flag, py| Ok(PyBool::new(py, flag).to_owned().into_any());
    [] u8: |number, py| int(py, i64::from(number));
    [] i32: |number, py| int(py, i64::from(number));
    [] u32: |number, py| int(py, i64::from(number));
    [] u64: |number, py| unsigned(py, number);
    [] usize: |number, py| unsigned(py, number as u64);
    [] f64: |number, py| float(py, number);
}

impl<'py, T: Argument<'py>> Argument<'py> for Vec<T> {
    fn object(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let items = self.into_iter().map(|item| item.object(py));
        Ok(list_of(py, items)?.into_any())
    }
}

impl<'py, A: Argument<'py>, B: Argument<'py>> Argument<'py> for (A, B) {
    fn object(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.tuple(py)?.into_any())
    }
}

impl<'py, A: Argument<'py>> Argument<'py> for Option<A> {
    #[inline]
    fn object(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Some(argument) => argument.object(py),
            None => Ok(py.None().into_bound(py)),
        }
    }
}

/// The positional arguments of a call.
pub(crate) trait Arguments<'py> {
    fn tuple(self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>>;
}

impl<'py> Arguments<'py> for Bound<'py, PyTuple> {
    #[inline]
    fn tuple(self, _: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        Ok(self)
    }
}

impl<'py> Arguments<'py> for () {
    #[inline]
    fn tuple(self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        // The empty tuple is a singleton and allocates nothing.
        Ok(PyTuple::empty(py))
    }
}

macro_rules! arguments {
    ($($type:ident $place:tt),*) => {
        impl<'py, $($type: Argument<'py>),*> Arguments<'py> for ($($type,)*) {
            #[inline]
            fn tuple(self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
                tuple_of(py, [$(self.$place.object(py)?),*])
            }
        }
    };
}

arguments!(A 0);
arguments!(A 0, B 1);
arguments!(A 0, B 1, C 2);
arguments!(A 0, B 1, C 2, D 3);
arguments!(A 0, B 1, C 2, D 3, E 4);
arguments!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);

/// A copy of bytes. None if there is no memory.
pub(crate) fn copied(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len()).ok()?;
    copy.extend_from_slice(bytes);
    Some(copy)
}

/// Appends to a vector.
#[inline]
pub(crate) fn push<T>(items: &mut Vec<T>, item: T) -> PyResult<()> {
    if items.len() == items.capacity() {
        grow(items)?;
    }
    items.push(item);
    Ok(())
}

/// Makes room for more items of a vector.
#[inline]
pub(crate) fn reserve<T>(items: &mut Vec<T>, more: usize) -> PyResult<()> {
    items.try_reserve(more).map_err(|_| memory())
}

#[cold]
fn grow<T>(items: &mut Vec<T>) -> PyResult<()> {
    reserve(items, 1)
}
