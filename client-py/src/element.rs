//! The element types of arrays: how numpy, the buffer protocol, DLPack and JavaScript name each.

use std::ffi::CStr;

use hostd_protocol::value::ElementKind;

/// `DLDataType` of DLPack, of one lane.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct DataType {
    code: u8,
    bits: u8,
    lanes: u16,
}

impl DataType {
    pub(crate) const fn int(bits: u8) -> Self {
        Self::new(0, bits)
    }

    pub(crate) const fn uint(bits: u8) -> Self {
        Self::new(1, bits)
    }

    pub(crate) const fn float(bits: u8) -> Self {
        Self::new(2, bits)
    }

    pub(crate) const fn bfloat(bits: u8) -> Self {
        Self::new(4, bits)
    }

    pub(crate) const fn complex(bits: u8) -> Self {
        Self::new(5, bits)
    }

    pub(crate) const fn bool() -> Self {
        Self::new(6, 8)
    }

    const fn new(code: u8, bits: u8) -> Self {
        let lanes = 1;
        Self { code, bits, lanes }
    }
}

/// An element type.
#[derive(Debug)]
pub(crate) struct ElementType {
    /// The name that numpy has for it.
    pub(crate) name: &'static str,
    /// Its size in bytes.
    pub(crate) size: usize,
    /// Its format in the buffer protocol, if it has one.
    pub(crate) format: Option<&'static CStr>,
    /// The type in the interfaces of numpy, little-endian, if it has a name there.
    pub(crate) typestr: Option<&'static str>,
    pub(crate) dlpack: DataType,
    /// The kind of typed array that has such elements, if there is one.
    pub(crate) javascript: Option<ElementKind>,
}

static UINT8: ElementType = ElementType {
    name: "uint8",
    size: 1,
    format: Some(c"B"),
    typestr: Some("|u1"),
    dlpack: DataType::uint(8),
    javascript: Some(ElementKind::Uint8),
};
static UINT16: ElementType = ElementType {
    name: "uint16",
    size: 2,
    format: Some(c"H"),
    typestr: Some("<u2"),
    dlpack: DataType::uint(16),
    javascript: Some(ElementKind::Uint16),
};
static UINT32: ElementType = ElementType {
    name: "uint32",
    size: 4,
    format: Some(c"I"),
    typestr: Some("<u4"),
    dlpack: DataType::uint(32),
    javascript: Some(ElementKind::Uint32),
};
static UINT64: ElementType = ElementType {
    name: "uint64",
    size: 8,
    format: Some(c"L"),
    typestr: Some("<u8"),
    dlpack: DataType::uint(64),
    javascript: Some(ElementKind::BigUint64),
};
static INT8: ElementType = ElementType {
    name: "int8",
    size: 1,
    format: Some(c"b"),
    typestr: Some("|i1"),
    dlpack: DataType::int(8),
    javascript: Some(ElementKind::Int8),
};
static INT16: ElementType = ElementType {
    name: "int16",
    size: 2,
    format: Some(c"h"),
    typestr: Some("<i2"),
    dlpack: DataType::int(16),
    javascript: Some(ElementKind::Int16),
};
static INT32: ElementType = ElementType {
    name: "int32",
    size: 4,
    format: Some(c"i"),
    typestr: Some("<i4"),
    dlpack: DataType::int(32),
    javascript: Some(ElementKind::Int32),
};
static INT64: ElementType = ElementType {
    name: "int64",
    size: 8,
    format: Some(c"l"),
    typestr: Some("<i8"),
    dlpack: DataType::int(64),
    javascript: Some(ElementKind::BigInt64),
};
static BFLOAT16: ElementType = ElementType {
    name: "bfloat16",
    size: 2,
    format: None,
    typestr: None,
    dlpack: DataType::bfloat(16),
    javascript: None,
};
static FLOAT16: ElementType = ElementType {
    name: "float16",
    size: 2,
    format: Some(c"e"),
    typestr: Some("<f2"),
    dlpack: DataType::float(16),
    javascript: Some(ElementKind::Float16),
};
static FLOAT32: ElementType = ElementType {
    name: "float32",
    size: 4,
    format: Some(c"f"),
    typestr: Some("<f4"),
    dlpack: DataType::float(32),
    javascript: Some(ElementKind::Float32),
};
static FLOAT64: ElementType = ElementType {
    name: "float64",
    size: 8,
    format: Some(c"d"),
    typestr: Some("<f8"),
    dlpack: DataType::float(64),
    javascript: Some(ElementKind::Float64),
};
static COMPLEX64: ElementType = ElementType {
    name: "complex64",
    size: 8,
    format: Some(c"Zf"),
    typestr: Some("<c8"),
    dlpack: DataType::complex(64),
    javascript: None,
};
static COMPLEX128: ElementType = ElementType {
    name: "complex128",
    size: 16,
    format: Some(c"Zd"),
    typestr: Some("<c16"),
    dlpack: DataType::complex(128),
    javascript: None,
};
static BOOL: ElementType = ElementType {
    name: "bool",
    size: 1,
    format: Some(c"?"),
    typestr: Some("|b1"),
    dlpack: DataType::bool(),
    javascript: Some(ElementKind::Uint8),
};

/// All element types, in the order in which errors list them.
pub(crate) static ELEMENT_TYPES: [&ElementType; 15] = [
    &UINT8,
    &UINT16,
    &UINT32,
    &UINT64,
    &INT8,
    &INT16,
    &INT32,
    &INT64,
    &BFLOAT16,
    &FLOAT16,
    &FLOAT32,
    &FLOAT64,
    &COMPLEX64,
    &COMPLEX128,
    &BOOL,
];

impl ElementType {
    /// Bytes.
    pub(crate) fn bytes() -> &'static Self {
        &UINT8
    }

    /// The type that a predicate finds.
    pub(crate) fn find(is_it: impl Fn(&Self) -> bool) -> Option<&'static Self> {
        ELEMENT_TYPES.into_iter().find(|known| is_it(known))
    }

    /// The type that a format of one character means for elements of this size.
    pub(crate) fn of_code(code: u8, size: usize) -> Option<&'static Self> {
        Some(match (code, size) {
            (b'B' | b'c', 1) => &UINT8,
            (b'b', 1) => &INT8,
            (b'?', 1) => &BOOL,
            (b'H', 2) => &UINT16,
            (b'h', 2) => &INT16,
            (b'e', 2) => &FLOAT16,
            (b'I' | b'L', 4) => &UINT32,
            (b'i' | b'l', 4) => &INT32,
            (b'f', 4) => &FLOAT32,
            (b'L' | b'Q' | b'N', 8) => &UINT64,
            (b'l' | b'q' | b'n', 8) => &INT64,
            (b'd', 8) => &FLOAT64,
            _ => return None,
        })
    }

    /// The type of elements with this format and size in the byte order of this machine, if it is known.
    pub(crate) fn of_format(format: &[u8], size: usize) -> Option<&'static Self> {
        match format {
            [] => Self::of_code(b'B', size),
            [code] | [b'@' | b'=' | b'<' | b'|', code] => Self::of_code(*code, size),
            [b'>' | b'!', code] if size == 1 => Self::of_code(*code, size),
            [b'@' | b'=' | b'<' | b'|', plain @ ..] | plain => {
                Self::find(|known| known.size == size && known.has_format(plain))
            }
        }
    }

    /// Whether this is its format, without a prefix.
    pub(crate) fn has_format(&self, plain: &[u8]) -> bool {
        self.format.is_some_and(|own| own.to_bytes() == plain)
    }

    /// The type of the elements of a JavaScript buffer.
    pub(crate) fn of_javascript(kind: ElementKind) -> &'static Self {
        match kind {
            ElementKind::Int8 => &INT8,
            ElementKind::Int16 => &INT16,
            ElementKind::Int32 => &INT32,
            ElementKind::BigInt64 => &INT64,
            ElementKind::Uint16 => &UINT16,
            ElementKind::Uint32 => &UINT32,
            ElementKind::BigUint64 => &UINT64,
            ElementKind::Float16 => &FLOAT16,
            ElementKind::Float32 => &FLOAT32,
            ElementKind::Float64 => &FLOAT64,
            ElementKind::Uint8
            | ElementKind::Uint8Clamped
            | ElementKind::Buffer
            | ElementKind::ArrayBuffer
            | ElementKind::DataView
            | ElementKind::SharedArrayBuffer => &UINT8,
        }
    }
}
