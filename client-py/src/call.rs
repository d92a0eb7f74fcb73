//! Calls of Python code of a program, which can take long.
//!
//! Up to Python 3.13, the end of the interpreter ends a daemon thread in such code as by
//! `pthread_exit`: the stack is unwound, and the process aborts because Rust frames can't be unwound
//! that way. So the unwinding is caught above them, and the thread parks until the process exits, as
//! later versions of Python do.
//!
//! The binding declares the same functions as ones that never unwind. With link-time optimisation the
//! two declarations become one and nothing would be caught, so they are called through an opaque
//! pointer.
//!
//! Destructors are Python code as well: the arguments of a call are dropped with it, and other
//! references that can be the last one to an object of a program are dropped by [`release`]. Other
//! code of the interpreter neither waits nor releases the interpreter, but for a destructor that the
//! collector runs in an allocation.
//!
//! Invariants:
//! C1. The interpreter is held (there is a token of it), and the callable and its arguments are alive
//!     for the call: they are borrowed.
//! C2. A function that returns an object returns a new reference, or null with an exception set. It
//!     unwinds in the case above only, as the other functions here do, and then nothing after the
//!     call runs, nor anything of the frames below.
//! C3. A reference is released once, by its owner.
//!
//! Upholds I-22.
#![expect(
    unsafe_code,
    reason = "the declarations of the binding have the calls unwind nowhere"
)]

use std::hint::black_box;
use std::ptr;
use std::thread;

use arc_swap::ArcSwapOption;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::fallible::Arguments;
use crate::reserve;

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
    /// Runs a call that may unwind.
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

/// Runs the body of a thread of this package with one interpreter state until its end: the
/// interpreter aborts if it has no memory for a new state.
pub(crate) fn keep_thread_state(body: impl FnOnce()) {
    reserve::wait_for_thread_state();
    // The end of an `ArcSwap` registers a destructor of the thread once, and glibc aborts if it has no
    // memory for that.
    drop(ArcSwapOption::<()>::empty());
    // SAFETY: C1; it is called in the middle of another pair, so the state outlives that.
    let kept = Python::try_attach(|_| unsafe { ffi::PyGILState_Ensure() });
    body();
    if let Some(kept) = kept {
        // SAFETY: C1; the other half of the pair. Without an interpreter there is no state.
        let _ = Python::try_attach(|_| unsafe { ffi::PyGILState_Release(kept) });
    }
}

/// Calls a callable with positional arguments.
#[inline]
pub(crate) fn call<'py, A>(callable: &Bound<'py, PyAny>, args: A) -> PyResult<Bound<'py, PyAny>>
where
    A: Arguments<'py>,
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
    A: Arguments<'py>,
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
    A: Arguments<'py>,
{
    let py = callable.py();
    let args = args.tuple(py)?;
    let keywords = keywords.map_or(ptr::null_mut(), Bound::as_ptr);
    let function = black_box::<raw::Call>(raw::PyObject_Call);
    // SAFETY: C1; a null pointer for the keywords means that there are none.
    let result = Stay::during(|| unsafe { function(callable.as_ptr(), args.as_ptr(), keywords) });
    // SAFETY: C2.
    let result = unsafe { Bound::from_owned_ptr_or_err(py, result) };
    release(args.into_any());
    result
}

/// Drops an object whose destructor can be code of a program.
#[inline]
pub(crate) fn release(object: Bound<'_, PyAny>) {
    // SAFETY: C1.
    if unsafe { ffi::Py_REFCNT(object.as_ptr()) } > 1 {
        // There are other references and the interpreter is held, so nothing is destroyed.
        return;
    }
    let function = black_box::<raw::Take>(raw::Py_DecRef);
    let object = object.into_ptr();
    // SAFETY: C1, C3.
    Stay::during(|| unsafe { function(object) });
}

/// Gives an error to `sys.unraisablehook`.
#[cold]
pub(crate) fn unraisable(py: Python<'_>, error: PyErr) {
    let function = black_box::<raw::Take>(raw::PyErr_WriteUnraisable);
    error.restore(py);
    // SAFETY: C1; a null pointer for the object means that there is none.
    Stay::during(|| unsafe { function(ptr::null_mut()) });
}
