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
//! Invariants:
//! C1. The interpreter is held (there is a token of it), and the callable and its arguments are alive
//!     for the call: they are borrowed.
//! C2. `PyObject_Call` gives a new reference, or null with an exception set. It unwinds in the case
//!     above only, and then nothing after the call runs, nor anything of the frames below.
#![expect(
    unsafe_code,
    reason = "the declarations of the binding have the call unwind nowhere"
)]

use std::hint::black_box;
use std::ptr;
use std::thread;

use pyo3::prelude::*;
use pyo3::types::PyTuple;

mod raw {
    use pyo3::ffi::PyObject;

    /// What the function is.
    pub(super) type Call = unsafe extern "C-unwind" fn(
        callable: *mut PyObject,
        args: *mut PyObject,
        kwargs: *mut PyObject,
    ) -> *mut PyObject;

    unsafe extern "C-unwind" {
        pub(super) fn PyObject_Call(
            callable: *mut PyObject,
            args: *mut PyObject,
            kwargs: *mut PyObject,
        ) -> *mut PyObject;
    }
}

/// Keeps the thread from unwinding further.
struct Stay {
    has_returned: bool,
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
    let py = callable.py();
    let args = args.into_pyobject(py)?;
    let function = black_box::<raw::Call>(raw::PyObject_Call);
    let mut stay = Stay {
        has_returned: false,
    };
    // SAFETY: C1; a null pointer for the keywords means that there are none.
    let result = unsafe { function(callable.as_ptr(), args.as_ptr(), ptr::null_mut()) };
    stay.has_returned = true;
    // SAFETY: C2.
    unsafe { Bound::from_owned_ptr_or_err(py, result) }
}
