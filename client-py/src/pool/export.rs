//! The buffer protocol of a `PoolBuffer`.
//!
//! Invariants:
//! X1. A `Handle` keeps its reference, and with that the mapping and the range of the buffer, while
//!     its count of exports is above 0. What exports memory raises the count before it gives out an
//!     address, and lowers it when the view ends.
//! X2. A layout lies inside the bytes of its reference: it was made for their length, checked against
//!     it, or selects a part of such a layout. No reference to these bytes is formed.
//! X3. A view that is filled points to arrays of the `PoolBuffer`, which is frozen and held by the view.
#![expect(
    unsafe_code,
    reason = "the buffer protocol has no safe form in the stable ABI"
)]

use std::ffi::{c_char, c_int, c_void};
use std::ptr;

use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;

use super::handle::Handle;
use super::layout::Layout;
use crate::errors::raised;

/// What a view of a pool buffer is filled with.
pub(super) struct Exporter<'a, 'py> {
    /// The `PoolBuffer`.
    pub(super) owner: &'a Bound<'py, PyAny>,
    pub(super) handle: &'a Handle,
    pub(super) layout: &'a Layout,
    pub(super) is_readonly: bool,
}

impl Exporter<'_, '_> {
    /// Fills a view, and counts it as an export of the handle until it ends.
    ///
    /// # Safety
    ///
    /// `view` must be valid for writing, and nothing else may use it meanwhile. The owner must keep the
    /// layout in place.
    pub(super) unsafe fn fill(&self, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let layout = self.layout;
        let wants = |flag: c_int| flags & flag == flag;
        let is_c = layout.is_c_contiguous();
        let refused = (self.is_readonly && wants(ffi::PyBUF_WRITABLE))
            || (!is_c && !wants(ffi::PyBUF_STRIDES))
            || (!is_c && wants(ffi::PyBUF_C_CONTIGUOUS))
            || (wants(ffi::PyBUF_F_CONTIGUOUS) && !layout.is_f_contiguous())
            || (wants(ffi::PyBUF_ANY_CONTIGUOUS) && !is_c && !layout.is_f_contiguous());
        if refused {
            return Err(raised::<PyBufferError>(
                "the pool buffer cannot be exported: it is read-only, or its elements have gaps \
                 between them, which is not what was asked for; copy it first",
            ));
        }
        let reference = self.handle.export()?;
        let start = reference.bytes().address() + layout.offset;
        let start = ptr::with_exposed_provenance_mut::<c_void>(start);
        let length = layout.bytes().cast_signed();
        let readonly = c_int::from(self.is_readonly);
        // SAFETY: the caller's view. X1, X2: the memory stays until the caller ends the export.
        let filled = unsafe {
            ffi::PyBuffer_FillInfo(view, self.owner.as_ptr(), start, length, readonly, flags)
        };
        if filled != 0 {
            self.handle.end_export();
            return Err(PyErr::fetch(self.owner.py()));
        }
        // SAFETY: the view was filled above and is ours alone until we return.
        let view = unsafe { &mut *view };
        view.itemsize = layout.element.size.cast_signed();
        view.format = if wants(ffi::PyBUF_FORMAT) {
            layout.element.format.as_ptr().cast_mut()
        } else {
            ptr::null_mut::<c_char>()
        };
        // X3.
        if wants(ffi::PyBUF_ND) {
            view.ndim = c_int::try_from(layout.shape.len())?;
            view.shape = layout.shape.as_ptr().cast_mut();
        }
        if wants(ffi::PyBUF_STRIDES) {
            view.strides = layout.strides.as_ptr().cast_mut();
        }
        Ok(())
    }
}
