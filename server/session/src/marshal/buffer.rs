//! Buffers: array buffers, typed arrays, views and Node's `Buffer`, their bytes copied or shared.

use hostd_engine::{ElementType, FinalizerToken, JsResult, Runtime, Value};
use hostd_protocol::error::{ProtocolError, Result as Carried};
use hostd_protocol::ids::SlotId;
use hostd_protocol::memory::{Region, SHARED_MIN, SharedBytes, shared_min};
use hostd_protocol::value::ElementKind;

use super::encode::{Encoded, Encoder};
use crate::tables::ObjectTables;

/// Builds a buffer; one that lives here already takes the bytes over instead.
pub(super) fn decode(
    tables: &ObjectTables,
    element: ElementKind,
    existing: Option<Value>,
    bytes: &[u8],
) -> JsResult {
    let rt = tables.rt;
    if let Some(existing) = existing {
        if rt.byte_length(&existing) == Some(bytes.len()) && !rt.bytes_equal(&existing, bytes) {
            rt.write_bytes(&existing, 0, bytes);
        }
        return Ok(existing);
    }
    if element == ElementKind::SharedArrayBuffer {
        let shared = rt.shared_array_buffer(bytes.len())?;
        rt.write_bytes(&shared, 0, bytes);
        return Ok(shared);
    }
    view(tables, element, rt.array_buffer_copy(bytes)?)
}

const NOT_SHARED: ProtocolError = ProtocolError::violation("bytes in memory that is not shared");

/// Bytes in memory of the client's, of which a receipt is counted, and the token to be left behind when
/// they are not used any more.
pub(super) fn receive(
    tables: &ObjectTables,
    region: Region,
) -> Carried<(SharedBytes, FinalizerToken)> {
    let memory = tables.memory.as_ref().ok_or(NOT_SHARED)?;
    let shared = memory.of_client(region)?;
    let mut remotes = tables.remotes.borrow_mut();
    let token = remotes.receive_memory(region, shared.address())?;
    Ok((shared, token))
}

/// What is seen of all bytes of an array buffer. A shared array buffer gets a copy of them.
pub(super) fn view(tables: &ObjectTables, element: ElementKind, memory: Value) -> JsResult {
    let rt = tables.rt;
    let length = rt.byte_length(&memory).unwrap_or(0);
    match element {
        ElementKind::Buffer => tables.host.buffer_over(&memory),
        ElementKind::ArrayBuffer => Ok(memory),
        ElementKind::SharedArrayBuffer => {
            let shared = rt.shared_array_buffer(length)?;
            rt.copy_between(&memory, &shared);
            Ok(shared)
        }
        ElementKind::DataView => rt.data_view(&memory, 0, length),
        _ => {
            let number = u32::from(element.code());
            let kind = ElementType::from_number(number).unwrap_or(ElementType::Uint8);
            rt.typed_array(kind, &memory, 0, length / kind.size())
        }
    }
}

impl Encoder<'_, '_> {
    pub(super) fn buffer(&mut self, value: &Value, identity: usize, id: SlotId) -> Encoded {
        let element = element_kind(self.tables, self.rt, value);
        if let Some(index) = self.shared_buffer(value, element, id)? {
            return Ok(self.note(value, identity, index)?);
        }
        let bytes = self.rt.copy_bytes(value)?.unwrap_or_default();
        // A view that shrank in the middle of an element loses the rest of that element.
        let whole = bytes.len() - bytes.len() % element.size();
        let whole = bytes.get(..whole).unwrap_or_default();
        let index = self.out.buffer(element, Some(id), true, whole)?;
        self.note(value, identity, index)?;
        Ok(())
    }

    /// Writes a long text to shared memory, and where it lies; false if it is short, or there is no room.
    pub(super) fn shared_text(&mut self, text: &str) -> Encoded<bool> {
        if text.len() < shared_min(SHARED_MIN) {
            return Ok(false);
        }
        let Some(memory) = self.rt.share_text(text) else {
            return Ok(false);
        };
        let offset = memory.offset() as u64;
        let id = self.lend_memory(memory)?;
        self.out.shared_text(Region {
            id,
            file: 0,
            offset,
            length: text.len() as u64,
        });
        Ok(true)
    }

    /// Writes a buffer without its bytes: those of an argument or a pool lie in memory of the client's,
    /// those that the engine has allocated in shared memory, and all others are copied there. None if it
    /// is small, or there is no room.
    fn shared_buffer(
        &mut self,
        value: &Value,
        element: ElementKind,
        id: SlotId,
    ) -> Encoded<Option<u32>> {
        let length = self.rt.byte_length(value).unwrap_or(0);
        let whole = length - length % element.size();
        if let Some(region) = self.of_client(value, whole) {
            self.count_back(region.id)?;
            let index = self.out.shared_buffer(element, Some(id), true, region)?;
            return Ok(Some(index));
        }
        if length < shared_min(SHARED_MIN) {
            return Ok(None);
        }
        let live = self.rt.pin(value);
        let is_live = live.is_some();
        let Some(memory) = live.or_else(|| self.rt.copy_shared(value, whole)) else {
            return Ok(None);
        };
        let offset = memory.offset() as u64;
        let region = Region {
            id: self.lend_memory(memory)?,
            file: 0,
            offset,
            length: whole as u64,
        };
        let index = self.out.shared_buffer(element, Some(id), is_live, region)?;
        Ok(Some(index))
    }

    /// Where these bytes of a buffer lie in memory of the client's; none if they lie elsewhere, or are a
    /// small part of an argument, which would keep all of its memory.
    fn of_client(&self, value: &Value, length: usize) -> Option<Region> {
        let remotes = self.tables.remotes.borrow();
        if length == 0 || !remotes.uses_memory() {
            return None;
        }
        let region = remotes.memory_at(self.rt.bytes_address(value)?, length)?;
        (region.file != 0 || length >= shared_min(SHARED_MIN)).then_some(region)
    }
}

fn element_kind(tables: &ObjectTables, rt: Runtime, value: &Value) -> ElementKind {
    if tables.host.is_buffer(value) {
        return ElementKind::Buffer;
    }
    if let Some(element) = rt.element_type(value) {
        let code = u8::try_from(element as u32).unwrap_or_default();
        return ElementKind::from_code(code).unwrap_or(ElementKind::Uint8);
    }
    if rt.is_data_view(value) {
        ElementKind::DataView
    } else if rt.is_shared_array_buffer(value) {
        ElementKind::SharedArrayBuffer
    } else {
        ElementKind::ArrayBuffer
    }
}
