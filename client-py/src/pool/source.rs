//! Copies the bytes of Python objects into buffers of a pool.

use std::ptr;

use hostd_protocol::memory::SharedBytes;
use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;

use super::layout::{Element, Layout};
use crate::errors::raised;
use crate::exporter::Exported;
use crate::fallible;

/// An object whose buffer is copied into a pool.
pub(crate) struct Source(Exported);

impl Source {
    pub(crate) fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        Exported::of(object, ffi::PyBUF_FULL_RO).map(Self)
    }

    /// The layout of its copy.
    pub(crate) fn layout(&self) -> PyResult<Layout> {
        Layout::contiguous(element(&self.0)?, &self.0.shape())
    }

    /// Copies its bytes into a buffer that was allocated for its layout.
    pub(crate) fn copy_to(&self, py: Python<'_>, target: &SharedBytes) -> PyResult<()> {
        if self.0.length() > target.len() {
            return Err(raised::<PyBufferError>(
                "the buffer cannot be copied: its length is not that of its shape; convert it first",
            ));
        }
        self.0
            .copy_to(py, ptr::with_exposed_provenance_mut(target.address()))
    }
}

/// Copies the elements of an object to a buffer with the same element type and shape.
pub(crate) fn assign(target: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = target.py();
    let target = Exported::of(target, ffi::PyBUF_FULL)?;
    let source = Exported::of(value, ffi::PyBUF_FULL_RO)?;
    let (wanted, given) = (element(&target)?.name(), element(&source)?.name());
    let has_place = source.shape() == target.shape() && source.length() == target.length();
    if wanted != given || !has_place {
        return Err(raised::<PyValueError>(format!(
            "the assigned buffer must have the element type and shape of what it replaces ({wanted} \
             {:?}), got {given} {:?}; use numpy() to convert",
            target.shape(),
            source.shape()
        )));
    }
    if source.is_contiguous() && target.is_contiguous() {
        return source.copy_to(py, target.start().cast());
    }
    // The two can overlap.
    let mut copy = Vec::new();
    fallible::reserve(&mut copy, source.length())?;
    copy.resize(source.length(), 0);
    source.copy_to(py, copy.as_mut_ptr())?;
    target.copy_from(py, &copy)
}

fn element(exported: &Exported) -> PyResult<Element> {
    Element::of_format(exported.format(), exported.item_size())
}
