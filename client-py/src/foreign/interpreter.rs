//! Which interpreter of the process runs: the package keeps state for the first one only.
//!
//! Invariants:
//! P1. The interpreter is held (there is a token of it): there is a current one, which lives as long.
#![expect(unsafe_code, reason = "functions that the binding does not wrap")]

use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::errors;

/// The number of the interpreter that the program begins with.
const MAIN: i64 = 0;

/// Refuses a sub-interpreter: its objects would be mixed with those of the first one.
///
/// # Errors
/// `ImportError` in a sub-interpreter.
pub(crate) fn check_main(_: Python<'_>) -> PyResult<()> {
    // SAFETY: P1.
    let current = unsafe { ffi::PyInterpreterState_Get() };
    // SAFETY: P1.
    let number = unsafe { ffi::PyInterpreterState_GetID(current) };
    if number == MAIN {
        return Ok(());
    }
    Err(errors::raised::<PyImportError>(
        "napi_python works in the main interpreter of a process only, not in a subinterpreter",
    ))
}
