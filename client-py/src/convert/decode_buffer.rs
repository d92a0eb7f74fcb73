//! Wire → Python: buffers and long texts, whose bytes are in the message or in memory that both sides
//! share.

use std::sync::Arc;

use hostd_client::HostBytes;
use hostd_protocol::error::ProtocolError;
use hostd_protocol::ids::SlotId;
use hostd_protocol::memory::Region;
use hostd_protocol::value::ElementKind;
use pyo3::exceptions::PyUnicodeDecodeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::decode::Decoder;
use crate::buffer::{Buffer, Contents, HeldMemory, SharedContents};
use crate::errors;
use crate::fallible::{self, push};
use crate::handle::Handle;

/// The bytes of a buffer that is read.
enum Incoming<'a> {
    Bytes(&'a [u8]),
    Copied(Py<PyBytes>),
    Shared(SharedContents),
}

impl<'py> Decoder<'_, 'py> {
    /// A buffer whose bytes are in the message.
    pub(super) fn copied_buffer(
        &mut self,
        element: ElementKind,
        id: Option<SlotId>,
        bytes: &[u8],
    ) -> PyResult<Bound<'py, PyAny>> {
        let buffer = self.buffer(element, id, Incoming::Bytes(bytes))?;
        push(&mut self.compounds, Some(buffer.clone()))?;
        Ok(buffer)
    }

    /// A buffer whose bytes are in memory that both sides share.
    pub(super) fn shared_buffer(
        &mut self,
        element: ElementKind,
        id: Option<SlotId>,
        writable: bool,
        region: Region,
    ) -> PyResult<Bound<'py, PyAny>> {
        let incoming = if self.is_own(region) {
            self.own_memory(region)?
        } else {
            Incoming::Shared(self.shared(region, writable)?)
        };
        let buffer = self.buffer(element, id, incoming)?;
        push(&mut self.compounds, Some(buffer.clone()))?;
        Ok(buffer)
    }

    fn buffer(
        &mut self,
        element: ElementKind,
        id: Option<SlotId>,
        incoming: Incoming<'_>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        let known = id.and_then(|id| self.generation.proxy(py, id));
        self.counted += u32::from(id.is_some());
        let mut times = u64::from(id.is_some());
        if let Some(known) = &known
            && let Ok(buffer) = known.cast::<Buffer>()
            && let Some(handle) = &buffer.get().handle
        {
            handle.count();
            let is_same = match &incoming {
                Incoming::Bytes(bytes) => buffer.get().is_copy_of(py, bytes),
                Incoming::Copied(bytes) => buffer.get().is_copy_of(py, bytes.as_bytes(py)),
                Incoming::Shared(shared) => {
                    shared.is_live && buffer.get().is_view_of(&shared.bytes)
                }
            };
            if is_same && buffer.get().element == element {
                return Ok(known.clone());
            }
            // The older proxy, which has other bytes, has counted this receipt.
            times = 0;
        }
        let handle = id.map(|id| Handle::new(self.addon, self.generation, id, 0, times));
        let handle = handle.transpose()?;
        let contents = match incoming {
            Incoming::Bytes(bytes) => Contents::Copied(fallible::bytes(py, bytes)?.unbind()),
            Incoming::Copied(bytes) => Contents::Copied(bytes),
            Incoming::Shared(shared) => Contents::Shared(shared),
        };
        let buffer = Buffer::new(handle, element, contents, py)?;
        let buffer = Bound::new(py, buffer)?.into_any();
        if let Some(id) = id
            && known.is_none()
        {
            self.generation.remember(id, &buffer)?;
        }
        Ok(buffer)
    }

    /// A text in memory that the host shares. It is copied first: the host could change it while it is
    /// decoded.
    pub(super) fn shared_text(&mut self, region: Region) -> PyResult<Bound<'py, PyAny>> {
        let shared = self.shared(region, false)?;
        let mut text = Vec::new();
        fallible::reserve(&mut text, shared.bytes.len())?;
        shared.bytes.append_to(&mut text);
        let text = fallible::utf8(self.py, &text).map_err(|error| {
            if error.is_instance_of::<PyUnicodeDecodeError>(self.py) {
                errors::violation("a string that is not UTF-8")
            } else {
                error
            }
        })?;
        Ok(text.into_any())
    }

    /// The bytes of a buffer in memory that the host shares, and lends by an id of its own.
    fn shared(&mut self, region: Region, is_live: bool) -> PyResult<SharedContents> {
        self.counted += 1;
        let lent = Handle::new(self.addon, self.generation, region.id, 0, 1)?;
        let Some(file) = self.generation.memory() else {
            // Unless the process has ended meanwhile.
            return Err(if self.generation.is_dead() {
                self.unknown()
            } else {
                errors::violation("a buffer in memory that is not shared")
            });
        };
        let bytes = HostBytes::new(&file, region).map_err(|error| match error {
            ProtocolError::Disconnected => self.addon.ended(self.generation),
            error => errors::protocol(error),
        })?;
        Ok(SharedContents {
            bytes: bytes.bytes().clone(),
            is_live,
            memory: Arc::new(HeldMemory::Host(lent, bytes)),
        })
    }

    /// Whether a region is not in the part of the memory in which the host allocates.
    pub(super) fn is_own(&self, region: Region) -> bool {
        let file = self.generation.memory();
        file.is_some_and(|file| file.is_own(region))
    }

    /// The bytes of a buffer in memory that was lent to the host: of an argument, or a pool.
    fn own_memory(&mut self, region: Region) -> PyResult<Incoming<'static>> {
        let py = self.py;
        let Some((memory, gone)) = self.generation.memory_came_back(py, region.id) else {
            return Err(if self.generation.is_dead() {
                self.unknown()
            } else {
                errors::violation("a region of memory that was never lent to it")
            });
        };
        self.counted += 1;
        drop(gone);
        let lent = memory.get();
        let Some(bytes) = lent.part(region) else {
            return Err(errors::violation(
                "a region outside of the memory that was lent",
            ));
        };
        if lent.is_readonly {
            let copy = PyBytes::new_with(py, bytes.len(), |target| {
                bytes.read(0, target);
                Ok(())
            })?;
            return Ok(Incoming::Copied(copy.unbind()));
        }
        Ok(Incoming::Shared(SharedContents {
            bytes,
            is_live: true,
            memory: Arc::new(HeldMemory::Argument(memory)),
        }))
    }
}
