//! Buffers: array buffers, typed arrays, views and Node's `Buffer`, their bytes copied.

use hostd_engine::{ElementType, JsResult, Runtime, Value};
use hostd_protocol::ids::SlotId;
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
    match element {
        ElementKind::Buffer => tables.host.buffer(rt.copied(bytes)?),
        ElementKind::ArrayBuffer => rt.array_buffer_copy(bytes),
        ElementKind::SharedArrayBuffer => {
            let shared = rt.shared_array_buffer(bytes.len())?;
            rt.write_bytes(&shared, 0, bytes);
            Ok(shared)
        }
        ElementKind::DataView => {
            let buffer = rt.array_buffer_copy(bytes)?;
            rt.data_view(&buffer, 0, bytes.len())
        }
        _ => {
            let number = u32::from(element.code());
            let kind = ElementType::from_number(number).unwrap_or(ElementType::Uint8);
            let buffer = rt.array_buffer_copy(bytes)?;
            rt.typed_array(kind, &buffer, 0, bytes.len() / kind.size())
        }
    }
}

impl Encoder<'_, '_> {
    pub(super) fn buffer(&mut self, value: &Value, identity: usize, id: SlotId) -> Encoded {
        let element = element_kind(self.tables, self.rt, value);
        let bytes = self.rt.copy_bytes(value)?.unwrap_or_default();
        // A view that shrank in the middle of an element loses the rest of that element.
        let whole = bytes.len() - bytes.len() % element.size();
        let whole = bytes.get(..whole).unwrap_or_default();
        let index = self.out.buffer(element, Some(id), true, whole)?;
        self.note(value, identity, index)?;
        Ok(())
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
