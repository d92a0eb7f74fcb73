//! The arguments of functions for device memory: sizes, devices, shapes, streams.
//!
//! They can be objects of a program, whose methods are Python code: it is called through `call.rs`.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyList, PyTuple};

use super::runtime::Kind;
use crate::call::method;
use crate::element::ElementType;
use crate::errors;
use crate::fallible;

/// Dimensions that a view may have: as many as numpy allows.
const DIMENSIONS_MAX: usize = 64;

/// An argument that is an integer.
pub(super) fn whole(value: &Bound<'_, PyAny>, name: &str) -> PyResult<i64> {
    let index = intern!(value.py(), "__index__");
    let number = if value.is_instance_of::<PyInt>() {
        value.clone()
    } else if value.get_type().hasattr(index)? {
        method(value, index, ())?
    } else {
        let class = value.get_type().name().map(|name| name.to_string());
        return Err(errors::raised::<PyTypeError>(format!(
            "{name} must be an int, got {}",
            class.as_deref().unwrap_or("another object")
        )));
    };
    number.cast::<PyInt>()?.extract().map_err(|_| {
        errors::raised::<PyValueError>(format!("{name} must be between -2^63 and 2^63 - 1"))
    })
}

/// The number of a device, 0 by default.
pub(super) fn number_of_device(device: Option<&Bound<'_, PyAny>>) -> PyResult<i32> {
    let Some(device) = device else {
        return Ok(0);
    };
    let number = whole(device, "device")?;
    i32::try_from(number).map_err(|_| {
        errors::raised::<PyValueError>(format!("device must be the number of one, got {number}"))
    })
}

/// A size in bytes, on a device.
pub(super) fn kind_of(
    size: &Bound<'_, PyAny>,
    device: Option<&Bound<'_, PyAny>>,
) -> PyResult<Kind> {
    let size = whole(size, "size")?;
    let device = number_of_device(device)?;
    match u64::try_from(size) {
        Ok(size @ 1..) => Ok(Kind { device, size }),
        _ => Err(errors::raised::<PyValueError>(format!(
            "size must be > 0, got {size}"
        ))),
    }
}

/// Checks the stream that a consumer of DLPack reads on.
pub(super) fn check_stream(stream: &Bound<'_, PyAny>) -> PyResult<()> {
    let is_valid = stream.is_instance_of::<PyInt>()
        && stream.extract::<i64>().map_or_else(
            |_| stream.extract::<u64>().is_ok(),
            |stream| stream == -1 || stream > 0,
        );
    if is_valid {
        return Ok(());
    }
    Err(errors::raised::<PyValueError>(
        "stream must be None, -1, 1 or 2, or the address of a CUDA stream; 0 is ambiguous in DLPack",
    ))
}

/// A shape: an int, or a tuple or list of ints.
pub(super) fn extents(shape: &Bound<'_, PyAny>) -> PyResult<Vec<i64>> {
    let mut extents = Vec::new();
    let mut add = |extent: &Bound<'_, PyAny>| -> PyResult<()> {
        let extent = whole(extent, "an extent of shape")?;
        if extent < 0 {
            return Err(errors::raised::<PyValueError>(format!(
                "an extent of shape must be >= 0, got {extent}"
            )));
        }
        if extents.len() == DIMENSIONS_MAX {
            return Err(errors::raised::<PyValueError>(format!(
                "shape must have at most {DIMENSIONS_MAX} dimensions"
            )));
        }
        fallible::push(&mut extents, extent)
    };
    if let Ok(shape) = shape.cast::<PyTuple>() {
        shape.iter().try_for_each(|extent| add(&extent))?;
    } else if let Ok(shape) = shape.cast::<PyList>() {
        shape.iter().try_for_each(|extent| add(&extent))?;
    } else {
        add(shape)?;
    }
    Ok(extents)
}

/// The bytes of an array, if there can be so many. All but empty extents count, so that no stride
/// overflows.
pub(super) fn bytes_of(shape: &[i64], element: &ElementType) -> Option<u64> {
    let size = shape
        .iter()
        .filter(|&&extent| extent != 0)
        .try_fold(element.size as u64, |size, extent| {
            size.checked_mul(extent.unsigned_abs())
        })?;
    i64::try_from(size).ok()?;
    Some(if shape.contains(&0) { 0 } else { size })
}
