//! Calls of Python code that may be anybody's, and long.
//!
//! When the interpreter ends, a daemon thread that runs such code is ended by it, up to Python 3.13, as
//! by `pthread_exit`: the stack is unwound, which frames of Rust do not stand, and the process would
//! abort at its exit. So the unwinding is caught above them, and the thread sleeps until the process is
//! gone, as later versions of Python have it.
//!
//! The binding declares the same function as one that never unwinds, and where the whole program is
//! optimised at once the two declarations become one: nothing would be caught. So it is called through
//! a pointer that the compiler does not see through.
//!
//! Destructors are Python code, too: what goes to a call goes with it, and what else may be the last
//! reference to an object of a program's is let go of by [`release`]. Code that is not called from here
//! is that of the interpreter itself, which neither waits nor gives way to other threads, but for a
//! destructor that the collector runs in the middle of an allocation.
//!
//! Invariants:
//! C1. The interpreter is held (there is a token of it), and the callable and its arguments are alive
//!     for the call: they are borrowed.
//! C2. What gives an object gives a new reference, or null with an exception set. It unwinds in the case
//!     above only, as the other functions here do, and then nothing after the call runs, nor anything
//!     of the frames below.
//! C3. A reference that was given up by its owner is let go of once.
#![expect(
    unsafe_code,
    reason = "the declarations of the binding have the calls unwind nowhere"
)]

use std::hint::black_box;
use std::ptr;
use std::thread;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

mod raw {
    use pyo3::ffi::PyObject;

    /// What the functions are.
    pub(super) type Call = unsafe extern "C-unwind" fn(
        callable: *mut PyObject,
        args: *mut PyObject,
        kwargs: *mut PyObject,
    ) -> *mut PyObject;
    pub(super) type Get =
        unsafe extern "C-unwind" fn(object: *mut PyObject, name: *mut PyObject) -> *mut PyObject;
    pub(super) type Take = unsafe extern "C-unwind" fn(object: *mut PyObject);

    unsafe extern "C-unwind" {
        pub(super) fn PyObject_Call(
            callable: *mut PyObject,
            args: *mut PyObject,
            kwargs: *mut PyObject,
        ) -> *mut PyObject;
        pub(super) fn PyObject_GetAttr(object: *mut PyObject, name: *mut PyObject)
        -> *mut PyObject;
        pub(super) fn Py_DecRef(object: *mut PyObject);
        pub(super) fn PyErr_WriteUnraisable(object: *mut PyObject);
    }
}

/// Keeps the thread from unwinding further.
struct Stay {
    has_returned: bool,
}

impl Stay {
    /// Runs what may never return.
    #[inline]
    fn during<R>(what: impl FnOnce() -> R) -> R {
        let mut stay = Self {
            has_returned: false,
        };
        let result = what();
        stay.has_returned = true;
        result
    }
}

impl Drop for Stay {
    #[inline]
    fn drop(&mut self) {
        if self.has_returned {
            return;
        }
        loop {
            thread::park();
        }
    }
}

/// Calls a callable with positional arguments.
#[inline]
pub(crate) fn call<'py, A>(callable: &Bound<'py, PyAny>, args: A) -> PyResult<Bound<'py, PyAny>>
where
    A: IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>>,
    PyErr: From<A::Error>,
{
    call_with(callable, args, None)
}

/// Calls a method with positional arguments.
#[inline]
pub(crate) fn method<'py, A>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
    args: A,
) -> PyResult<Bound<'py, PyAny>>
where
    A: IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>>,
    PyErr: From<A::Error>,
{
    call(&attribute(object, name)?, args)
}

/// Reads an attribute, which a class may compute.
#[inline]
pub(crate) fn attribute<'py>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyAny>> {
    let function = black_box::<raw::Get>(raw::PyObject_GetAttr);
    // SAFETY: C1.
    let result = Stay::during(|| unsafe { function(object.as_ptr(), name.as_ptr()) });
    // SAFETY: C2.
    unsafe { Bound::from_owned_ptr_or_err(object.py(), result) }
}

/// Calls a callable with positional and keyword arguments.
#[inline]
pub(crate) fn call_with<'py, A>(
    callable: &Bound<'py, PyAny>,
    args: A,
    keywords: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>>
where
    A: IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>>,
    PyErr: From<A::Error>,
{
    let py = callable.py();
    let args = args.into_pyobject(py)?;
    let keywords = keywords.map_or(ptr::null_mut(), Bound::as_ptr);
    let function = black_box::<raw::Call>(raw::PyObject_Call);
    // SAFETY: C1; a null pointer for the keywords means that there are none.
    let result = Stay::during(|| unsafe { function(callable.as_ptr(), args.as_ptr(), keywords) });
    // SAFETY: C2.
    let result = unsafe { Bound::from_owned_ptr_or_err(py, result) };
    release(args.into_any());
    result
}

/// Lets go of an object, whose destructor may be anybody's.
#[inline]
pub(crate) fn release(object: Bound<'_, PyAny>) {
    // SAFETY: C1.
    if unsafe { ffi::Py_REFCNT(object.as_ptr()) } > 1 {
        // Others hold it, and the interpreter: nothing is destroyed.
        return;
    }
    let function = black_box::<raw::Take>(raw::Py_DecRef);
    let object = object.into_ptr();
    // SAFETY: C1, C3.
    Stay::during(|| unsafe { function(object) });
}

/// Tells `sys.unraisablehook` of an error.
#[cold]
pub(crate) fn unraisable(py: Python<'_>, error: PyErr) {
    let function = black_box::<raw::Take>(raw::PyErr_WriteUnraisable);
    error.restore(py);
    // SAFETY: C1; a null pointer for the object means that there is none.
    Stay::during(|| unsafe { function(ptr::null_mut()) });
}
