//! The element type that a user names for device memory.

use pyo3::exceptions::{PyAttributeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::call::attribute;
use crate::element::{ELEMENT_TYPES, ElementType};
use crate::errors;

/// The type that is named by a string or by a numpy dtype.
pub(super) fn named(dtype: &Bound<'_, PyAny>) -> PyResult<&'static ElementType> {
    let py = dtype.py();
    let name = match dtype.cast::<PyString>() {
        Ok(name) => name.clone(),
        Err(_) => match attribute(dtype, intern!(py, "name")) {
            Ok(name) => name.cast_into().map_err(|_| wrong_type(dtype))?,
            Err(error) if error.is_instance_of::<PyAttributeError>(py) => {
                return Err(wrong_type(dtype));
            }
            Err(error) => return Err(error),
        },
    };
    let name = name.to_string_lossy();
    let text: &str = &name;
    ElementType::find(|known| known.name == text || known.typestr == Some(text))
        .ok_or_else(|| unknown_name(text))
}

fn wrong_type(dtype: &Bound<'_, PyAny>) -> PyErr {
    let class = dtype.get_type().name().map(|name| name.to_string());
    errors::raised::<PyTypeError>(format!(
        "dtype must be a name such as 'float32' or a numpy dtype, got {}",
        class.as_deref().unwrap_or("another object")
    ))
}

/// Characters of a wrong name that its error shows.
const SHOWN_NAME_MAX: usize = 40;

fn unknown_name(name: &str) -> PyErr {
    let known: Vec<&str> = ELEMENT_TYPES.iter().map(|known| known.name).collect();
    let shown: String = name.chars().take(SHOWN_NAME_MAX).collect();
    errors::raised::<PyValueError>(format!(
        "dtype must be one of {}, got {shown:?}",
        known.join(", ")
    ))
}
