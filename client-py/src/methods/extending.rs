//! JavaScript classes, functions and exports as classes of Python: `isinstance`, `issubclass`, and as the
//! base of a class statement.

use std::sync::Arc;

use hostd_protocol::calls;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::call::call;
use crate::errors;
use crate::fallible;
use crate::proxy::{JSObject, Reference, reference_of};

/// `value instanceof class`; false for what is no JavaScript object of the host that runs.
pub(super) fn is_instance(value: &Bound<'_, PyAny>, class: Reference<'_>) -> PyResult<bool> {
    if let Ok(object) = value.cast::<JSObject>() {
        return is_object_instance(object, class);
    }
    let object_of = fallible::import(value.py(), "napi_python._delegate", "object_of")?;
    match call(&object_of, (value,))?.cast::<JSObject>() {
        Ok(object) => is_object_instance(object, class),
        Err(_) => Ok(false),
    }
}

fn is_object_instance(object: &Bound<'_, JSObject>, class: Reference<'_>) -> PyResult<bool> {
    let handle = &object.get().handle;
    if !Arc::ptr_eq(&handle.addon, class.addon()) {
        return Ok(false);
    }
    // An object of an earlier process is no instance of a class of this one.
    if class.addon().current().is_none_or(|generation| {
        let home = handle.home();
        home.is_some_and(|home| !Arc::ptr_eq(&generation, home)) || generation.is_dead()
    }) {
        return Ok(false);
    }
    class.request(object.py(), calls::InstanceOf, &(object.as_any(), class))
}

/// Whether a class is another one or extends it; false for classes of Python and of other hosts.
pub(super) fn is_subclass(class: &Bound<'_, PyAny>, base: Reference<'_>) -> PyResult<bool> {
    let not_a_class = |what: &str| {
        Err(errors::raised::<PyTypeError>(format!(
            "issubclass() {what}"
        )))
    };
    if class.is_instance_of::<PyType>() {
        return Ok(false);
    }
    let Some(reference) = reference_of(class)? else {
        return not_a_class("arg 1 must be a class");
    };
    if !Arc::ptr_eq(reference.addon(), base.addon()) {
        return Ok(false);
    }
    let (is_class, is_base, extends) =
        base.request(class.py(), calls::Extends, &(class.as_any(), base))?;
    match (is_class, is_base) {
        (false, _) => not_a_class("arg 1 must be a class"),
        (true, false) => not_a_class("arg 2 must be a class, a tuple of classes, or a union"),
        (true, true) => Ok(extends),
    }
}

/// What a class statement has in the place of a JavaScript base: `_extending.py` makes the class.
pub(super) fn mro_entries<'py>(
    py: Python<'py>,
    bases: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    call(
        &fallible::import(py, "napi_python._extending", "mro_entries")?,
        (bases,),
    )
}
