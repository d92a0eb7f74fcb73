//! What function a Python callable is in JavaScript.

use hostd_protocol::value::{CallableForm, FunctionKind};
use pyo3::intern;
use pyo3::prelude::*;

use crate::names::Names;

// `inspect` has these flags of code objects.
const GENERATOR: u32 = 0x20;
const COROUTINE: u32 = 0x80;
const ASYNC_GENERATOR: u32 = 0x200;

const PLAIN: CallableForm = CallableForm {
    kind: FunctionKind::Plain,
    passes_this: false,
};

/// The form of a callable of any type.
pub(super) fn form(value: &Bound<'_, PyAny>) -> PyResult<CallableForm> {
    let (py, class) = (value.py(), value.get_type());
    let names = Names::get(py)?;
    if class.is(&names.function) {
        return form_of_function(value);
    }
    if class.is(&names.method) {
        let function = value.getattr(intern!(py, "__func__"))?;
        if function.get_type().is(&names.function) {
            return form_of_function(&function);
        }
        return Ok(PLAIN);
    }
    if class.is(&names.pass_this) {
        let function = value.getattr(intern!(py, "function"))?;
        let form = form(&function)?;
        return Ok(CallableForm {
            passes_this: true,
            ..form
        });
    }
    Ok(PLAIN)
}

/// The form of a function or method of Python, if no converter may apply to it.
#[inline]
pub(crate) fn callable_form(value: &Bound<'_, PyAny>) -> Option<CallableForm> {
    let names = Names::get(value.py()).ok()?;
    let class = value.get_type_ptr().cast();
    // No converter can be registered for functions.
    let is_plain = class == names.function.as_ptr()
        || (class == names.method.as_ptr() && names.converters.bind(value.py()).is_empty());
    is_plain.then(|| form(value).ok()).flatten()
}

/// The form of an object of the type `types.FunctionType`.
#[inline]
pub(super) fn form_of_function(function: &Bound<'_, PyAny>) -> PyResult<CallableForm> {
    let py = function.py();
    let code = function.getattr(intern!(py, "__code__"))?;
    let flags: u32 = code.getattr(intern!(py, "co_flags"))?.extract()?;
    let kind = match flags & (GENERATOR | COROUTINE | ASYNC_GENERATOR) {
        0 => FunctionKind::Plain,
        GENERATOR => FunctionKind::Generator,
        COROUTINE => FunctionKind::Async,
        _ => FunctionKind::AsyncGenerator,
    };
    Ok(CallableForm { kind, ..PLAIN })
}
