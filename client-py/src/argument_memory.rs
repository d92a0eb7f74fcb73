//! The memory of arguments that the host shares, as long as it is lent to it.

use std::cell::RefCell;

use hostd_client::LentMemory;
use hostd_protocol::memory::{Region, SharedBytes};
use pyo3::prelude::*;
use pyo3::types::PyMemoryView;

/// Memory that is lent to the host with an argument.
#[pyclass(frozen, module = "napi_python")]
pub(crate) struct ArgumentMemory {
    pub(crate) bytes: SharedBytes,
    /// The number of its file.
    pub(crate) file: u32,
    /// Whether Python may not write to it.
    pub(crate) is_readonly: bool,
    pub(crate) _kept: Kept,
}

impl ArgumentMemory {
    /// The bytes of a region that the host has sent; none if they are not all inside of this memory.
    pub(crate) fn part(&self, region: Region) -> Option<SharedBytes> {
        let offset = usize::try_from(region.offset).ok()?;
        let offset = offset.checked_sub(self.bytes.offset())?;
        let part = self
            .bytes
            .part(offset, usize::try_from(region.length).ok()?)?;
        (region.file == self.file).then_some(part)
    }
}

/// What keeps the memory of an argument.
#[expect(dead_code, reason = "their drop is what matters")]
pub(crate) enum Kept {
    Copy(LentMemory),
    /// A view of a pool buffer, which is not released while there is one.
    View(Py<PyMemoryView>),
}

/// An argument whose changes are copied back.
pub(crate) struct SharedArgument {
    /// Its number among the objects of the request.
    pub(crate) object: usize,
    pub(crate) memory: SharedBytes,
    /// Keeps the memory.
    pub(crate) _kept: Py<ArgumentMemory>,
    /// The hash of each piece.
    pub(crate) hashes: RefCell<Vec<u64>>,
}
