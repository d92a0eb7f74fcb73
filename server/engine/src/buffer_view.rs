//! Views of array buffers: typed arrays of every element type, and `DataView`.

use rquickjs_sys as q;

use crate::{JsResult, Runtime, Value};

/// The element types of typed arrays, numbered as Node-API numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ElementType {
    /// `Int8Array`.
    Int8 = 0,
    /// `Uint8Array`.
    Uint8 = 1,
    /// `Uint8ClampedArray`.
    Uint8Clamped = 2,
    /// `Int16Array`.
    Int16 = 3,
    /// `Uint16Array`.
    Uint16 = 4,
    /// `Int32Array`.
    Int32 = 5,
    /// `Uint32Array`.
    Uint32 = 6,
    /// `Float32Array`.
    Float32 = 7,
    /// `Float64Array`.
    Float64 = 8,
    /// `BigInt64Array`.
    BigInt64 = 9,
    /// `BigUint64Array`.
    BigUint64 = 10,
    /// `Float16Array`.
    Float16 = 11,
}

impl ElementType {
    /// All of them, in the order of their numbers.
    pub const ALL: [ElementType; 12] = [
        ElementType::Int8,
        ElementType::Uint8,
        ElementType::Uint8Clamped,
        ElementType::Int16,
        ElementType::Uint16,
        ElementType::Int32,
        ElementType::Uint32,
        ElementType::Float32,
        ElementType::Float64,
        ElementType::BigInt64,
        ElementType::BigUint64,
        ElementType::Float16,
    ];

    /// The type with that number.
    pub fn from_number(number: u32) -> Option<ElementType> {
        ElementType::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// The size of an element in bytes.
    pub fn size(self) -> usize {
        match self {
            ElementType::Int8 | ElementType::Uint8 | ElementType::Uint8Clamped => 1,
            ElementType::Int16 | ElementType::Uint16 | ElementType::Float16 => 2,
            ElementType::Int32 | ElementType::Uint32 | ElementType::Float32 => 4,
            ElementType::Float64 | ElementType::BigInt64 | ElementType::BigUint64 => 8,
        }
    }

    /// The name of its typed array.
    pub fn array_name(self) -> &'static str {
        match self {
            ElementType::Int8 => "Int8Array",
            ElementType::Uint8 => "Uint8Array",
            ElementType::Uint8Clamped => "Uint8ClampedArray",
            ElementType::Int16 => "Int16Array",
            ElementType::Uint16 => "Uint16Array",
            ElementType::Int32 => "Int32Array",
            ElementType::Uint32 => "Uint32Array",
            ElementType::Float32 => "Float32Array",
            ElementType::Float64 => "Float64Array",
            ElementType::BigInt64 => "BigInt64Array",
            ElementType::BigUint64 => "BigUint64Array",
            ElementType::Float16 => "Float16Array",
        }
    }

    /// The engine's own number, which has another order.
    fn engine_type(self) -> q::JSTypedArrayEnum {
        ENGINE_ORDER
            .iter()
            .zip(0..)
            .find(|(other, _)| **other == self)
            .map_or(0, |(_, number)| number)
    }
}

const ENGINE_ORDER: [ElementType; 12] = [
    ElementType::Uint8Clamped,
    ElementType::Int8,
    ElementType::Uint8,
    ElementType::Int16,
    ElementType::Uint16,
    ElementType::Int32,
    ElementType::Uint32,
    ElementType::BigInt64,
    ElementType::BigUint64,
    ElementType::Float16,
    ElementType::Float32,
    ElementType::Float64,
];

/// What kind of view it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ViewKind {
    /// A typed array.
    TypedArray(ElementType),
    /// A `DataView`.
    DataView,
}

/// The parts of a view. Over a detached or shrunk buffer, offset and length are 0.
#[derive(Debug)]
pub struct View {
    /// The kind.
    pub kind: ViewKind,
    /// The buffer, shared or not.
    pub buffer: Value,
    /// Where the view begins in the buffer.
    pub byte_offset: usize,
    /// How many bytes it has.
    pub byte_length: usize,
}

impl View {
    /// The number of elements; of a `DataView`, bytes.
    pub fn length(&self) -> usize {
        match self.kind {
            ViewKind::TypedArray(element) => self.byte_length / element.size(),
            ViewKind::DataView => self.byte_length,
        }
    }
}

impl Runtime {
    /// Makes a typed array over `length` elements of a buffer from `byte_offset` on. The engine's
    /// own `RangeError`s report a bad offset or length.
    pub fn typed_array(
        self,
        element: ElementType,
        buffer: &Value,
        byte_offset: usize,
        length: usize,
    ) -> JsResult {
        if !self.is_array_buffer(buffer) && !self.is_shared_array_buffer(buffer) {
            return Err(self.type_error("not an array buffer"));
        }
        let args = [buffer.clone(), count(byte_offset), count(length)];
        let (count, values) = self.raw_args(&args)?;
        // SAFETY: E1, E2; the engine does not write to the arguments.
        self.adopt(unsafe { q::JS_NewTypedArray(self.ctx(), count, values, element.engine_type()) })
    }

    /// Makes a `DataView`.
    pub fn data_view(self, buffer: &Value, byte_offset: usize, byte_length: usize) -> JsResult {
        let args = [buffer.clone(), count(byte_offset), count(byte_length)];
        self.construct_native(&self.intrinsics().data_view, &args)
    }

    /// The element type of a typed array; nothing for other values.
    #[inline]
    pub fn element_type(self, value: &Value) -> Option<ElementType> {
        // SAFETY: E2; it returns -1 for other values.
        let number = unsafe { q::JS_GetTypedArrayType(value.0) };
        ENGINE_ORDER.get(usize::try_from(number).ok()?).copied()
    }

    /// Returns whether it is a typed array.
    #[inline]
    pub fn is_typed_array(self, value: &Value) -> bool {
        self.element_type(value).is_some()
    }

    /// Returns whether it is a `DataView`.
    #[inline]
    pub fn is_data_view(self, value: &Value) -> bool {
        // SAFETY: E2; it returns false for other values.
        unsafe { q::JS_IsDataView(value.0) }
    }

    /// The parts of a view; `None` for other values.
    pub fn view(self, value: &Value) -> Option<View> {
        if let Some(element) = self.element_type(value) {
            return self.typed_array_view(value, element);
        }
        if !self.is_data_view(value) {
            return None;
        }
        let intrinsics = self.intrinsics();
        let call = |getter| self.call_native(getter, value, &[]).ok();
        let size = |getter| call(getter).and_then(|size| bytes(&size)).unwrap_or(0);
        let buffer = call(&intrinsics.data_view_buffer)?;
        let byte_length = size(&intrinsics.data_view_length);
        let byte_offset = size(&intrinsics.data_view_offset);
        Some(View {
            kind: ViewKind::DataView,
            buffer,
            byte_offset,
            byte_length,
        })
    }

    fn typed_array_view(self, value: &Value, element: ElementType) -> Option<View> {
        let kind = ViewKind::TypedArray(element);
        let intrinsics = self.intrinsics();
        let call = |getter| self.call_native(getter, value, &[]).ok();
        // The C interface has fixed lengths only, so the getter is called.
        let byte_length = bytes(&call(&intrinsics.typed_array_length)?).unwrap_or(0);
        if byte_length == 0 {
            // It may be detached, for which the C interface throws.
            let offset = call(&intrinsics.typed_array_offset);
            return Some(View {
                kind,
                buffer: call(&intrinsics.typed_array_buffer)?,
                byte_offset: offset.and_then(|offset| bytes(&offset)).unwrap_or(0),
                byte_length,
            });
        }
        let mut offset = 0;
        let unused = std::ptr::null_mut();
        // SAFETY: E1, E2; the out-pointer lives on our stack, null ones are not written.
        let raw = unsafe {
            q::JS_GetTypedArrayBuffer(self.ctx(), value.0, &raw mut offset, unused, unused)
        };
        let buffer = self.adopt(raw).ok()?;
        Some(View {
            kind,
            buffer,
            byte_offset: crate::size(offset),
            byte_length,
        })
    }
}

/// A count as a number; what exceeds 2^53 is rounded and refused by the engine as too large.
#[expect(clippy::cast_precision_loss, reason = "such counts are refused anyway")]
fn count(count: usize) -> Value {
    Value::from(count as f64)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "buffers are shorter than 2^31"
)]
#[expect(clippy::cast_sign_loss, reason = "sizes are not negative")]
fn bytes(value: &Value) -> Option<usize> {
    value.as_f64().map(|size| size as usize)
}
