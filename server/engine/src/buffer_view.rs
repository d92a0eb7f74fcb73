//! Views of array buffers: typed arrays of every element type, and `DataView`.

use hostd_quickjs as q;

use crate::{JsResult, Runtime, Value};

/// Declares the element types, each with the size of an element in bytes.
macro_rules! element_types {
    ($($element:ident $size:literal;)*) => {
        /// The element types of typed arrays, numbered as Node-API numbers them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum ElementType {
            $(#[doc = concat!("`", stringify!($element), "Array`.")] $element,)*
        }

        impl ElementType {
            /// All of them, in the order of their numbers.
            pub const ALL: [ElementType; 12] = [$(ElementType::$element),*];

            /// The size of an element in bytes.
            pub fn size(self) -> usize {
                match self {
                    $(ElementType::$element => $size,)*
                }
            }

            /// The name of its typed array.
            pub fn array_name(self) -> &'static str {
                match self {
                    $(ElementType::$element => concat!(stringify!($element), "Array"),)*
                }
            }
        }
    };
}

element_types! {
    Int8 1;
    Uint8 1;
    Uint8Clamped 1;
    Int16 2;
    Uint16 2;
    Int32 4;
    Uint32 4;
    Float32 4;
    Float64 8;
    BigInt64 8;
    BigUint64 8;
    Float16 2;
}

impl ElementType {
    /// The type with that number.
    pub fn from_number(number: u32) -> Option<ElementType> {
        ElementType::ALL.get(usize::try_from(number).ok()?).copied()
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
        let intrinsics = self.intrinsics();
        let (kind, [buffer, offset, length]) = if let Some(element) = self.element_type(value) {
            (
                ViewKind::TypedArray(element),
                &intrinsics.typed_array_getters,
            )
        } else if self.is_data_view(value) {
            (ViewKind::DataView, &intrinsics.data_view_getters)
        } else {
            return None;
        };
        let call = |getter| self.call_native(getter, value, &[]).ok();
        let size = |getter| call(getter).and_then(|size| bytes(&size)).unwrap_or(0);
        // The C interface has fixed lengths only, so the getter is called.
        let byte_length = size(length);
        let (buffer, byte_offset) = match kind {
            // The C interface throws for one that is detached, which has no bytes.
            ViewKind::TypedArray(_) if byte_length > 0 => self.typed_array_buffer(value).ok()?,
            _ => (call(buffer)?, size(offset)),
        };
        Some(View {
            kind,
            buffer,
            byte_offset,
            byte_length,
        })
    }

    /// The buffer of a typed array, and where the array begins in it.
    fn typed_array_buffer(self, array: &Value) -> JsResult<(Value, usize)> {
        let mut offset = 0;
        let unused = std::ptr::null_mut();
        // SAFETY: E1, E2; the out-pointer lives on our stack, null ones are not written.
        let raw = unsafe {
            q::JS_GetTypedArrayBuffer(self.ctx(), array.0, &raw mut offset, unused, unused)
        };
        Ok((self.adopt(raw)?, crate::size(offset)))
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
