//! The element types of device memory, by the names that numpy has for them.

use pyo3::exceptions::{PyAttributeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::call::attribute;
use crate::errors;
use crate::foreign::dlpack::ElementType;

/// An element type.
pub(super) struct Element {
    pub(super) name: &'static str,
    pub(super) dlpack: ElementType,
}

const fn element(name: &'static str, dlpack: ElementType) -> Element {
    Element { name, dlpack }
}

/// The first is that of a buffer without a view.
static ELEMENTS: [Element; 15] = [
    element("uint8", ElementType::uint(8)),
    element("uint16", ElementType::uint(16)),
    element("uint32", ElementType::uint(32)),
    element("uint64", ElementType::uint(64)),
    element("int8", ElementType::int(8)),
    element("int16", ElementType::int(16)),
    element("int32", ElementType::int(32)),
    element("int64", ElementType::int(64)),
    element("bfloat16", ElementType::bfloat(16)),
    element("float16", ElementType::float(16)),
    element("float32", ElementType::float(32)),
    element("float64", ElementType::float(64)),
    element("complex64", ElementType::complex(64)),
    element("complex128", ElementType::complex(128)),
    element("bool", ElementType::bool()),
];

impl Element {
    /// Bytes, which is what a buffer consists of at first.
    pub(super) fn bytes() -> &'static Self {
        &ELEMENTS[0]
    }

    /// Its size in bytes.
    pub(super) fn size(&self) -> u64 {
        u64::from(self.dlpack.size())
    }

    /// The type that is named by a string or by a numpy dtype.
    pub(super) fn named(dtype: &Bound<'_, PyAny>) -> PyResult<&'static Self> {
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
        let of_name = |element: &&Self| {
            element.name == name
                || element
                    .dlpack
                    .typestr()
                    .is_some_and(|typestr| typestr == name)
        };
        ELEMENTS
            .iter()
            .find(of_name)
            .ok_or_else(|| unknown_name(&name))
    }
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
    let known: Vec<&str> = ELEMENTS.iter().map(|element| element.name).collect();
    let shown: String = name.chars().take(SHOWN_NAME_MAX).collect();
    errors::raised::<PyValueError>(format!(
        "dtype must be one of {}, got {shown:?}",
        known.join(", ")
    ))
}
