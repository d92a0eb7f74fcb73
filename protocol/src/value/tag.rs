//! The one-byte codes of the value format. A number is never given another meaning.

macro_rules! codes {
    ($($(#[$doc:meta])* $visibility:vis enum $name:ident {
        $($(#[$item:meta])* $variant:ident = $number:literal,)*
    })*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        $visibility enum $name {
            $($(#[$item])* $variant = $number,)*
        }

        impl $name {
            /// The code as it travels.
            $visibility const fn code(self) -> u8 {
                self as u8
            }

            /// What the code means, if anything.
            #[inline]
            $visibility const fn from_code(code: u8) -> Option<Self> {
                match code {
                    $($number => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    )* };
}
pub(crate) use codes;

codes! {
    /// What a value begins with.
    pub(crate) enum Tag {
        Undefined = 0,
        Null = 1,
        False = 2,
        True = 3,
        Int32 = 4,
        Int64 = 5,
        Float = 6,
        BigInt = 7,
        Str8 = 8,
        Str16 = 9,
        Date = 10,
        Array = 11,
        ArrayI32 = 12,
        ArrayF64 = 13,
        Object = 14,
        Map = 15,
        Set = 16,
        Buffer = 17,
        Error = 18,
        Hole = 19,
        Ref = 20,
        Own = 21,
        Lent = 22,
        RequestObject = 23,
        SharedBuffer = 24,
        SharedText = 25,
    }

    /// What a buffer is a view of bytes as. The first twelve are Node-API's typed array types.
    #[expect(missing_docs, reason = "named as the view in JavaScript")]
    pub enum ElementKind {
        Int8 = 0,
        Uint8 = 1,
        Uint8Clamped = 2,
        Int16 = 3,
        Uint16 = 4,
        Int32 = 5,
        Uint32 = 6,
        Float32 = 7,
        Float64 = 8,
        BigInt64 = 9,
        BigUint64 = 10,
        Float16 = 11,
        Buffer = 32,
        ArrayBuffer = 33,
        DataView = 34,
        SharedArrayBuffer = 35,
    }

    /// What an object that the host lends is.
    pub enum HostKind {
        /// A function that is called.
        Function = 0,
        /// A function that is constructed.
        Class = 1,
        /// Any other object.
        Object = 2,
        /// A promise.
        Promise = 3,
        /// A symbol.
        Symbol = 4,
        /// A Node-API external.
        External = 5,
        /// An error object.
        Error = 6,
    }

    /// What an object that the client lends is.
    pub enum ClientKind {
        /// It may be called, nothing else.
        Callable = 0,
        /// Live: the names in a table that the client keeps.
        Exposed = 1,
        /// A live mapping: its items.
        Mapping = 2,
        /// A live sequence: its items.
        Sequence = 3,
        /// Identity, nothing else.
        Opaque = 4,
        /// A promise in the host that the client settles.
        Awaitable = 5,
        /// The exception behind an error value.
        Exception = 6,
        /// It gives one item after another, nothing else.
        Iterator = 7,
        /// As an iterator; it also has `return` and `throw`.
        Generator = 8,
        /// It gives promises of one item after another, nothing else.
        AsyncIterator = 9,
        /// As an asynchronous iterator; it also has `return` and `throw`.
        AsyncGenerator = 10,
        /// An instance of the class of the host whose id is its class.
        Instance = 11,
    }

    /// Which kind of function a callable of the client is in JavaScript.
    pub enum FunctionKind {
        /// An ordinary function.
        Plain = 0,
        /// A `GeneratorFunction`.
        Generator = 1,
        /// An `AsyncFunction`.
        Async = 2,
        /// An `AsyncGeneratorFunction`.
        AsyncGenerator = 3,
    }

    /// A step of an iterator that the client lends.
    pub enum IteratorStep {
        /// `next`
        Next = 0,
        /// `return`, of generators.
        Return = 1,
        /// `throw`, of generators.
        Throw = 2,
    }

    /// The class of an error value.
    #[expect(missing_docs, reason = "named as the class in JavaScript, without Error")]
    pub enum ErrorClass {
        Error = 0,
        Type = 1,
        Range = 2,
        Syntax = 3,
        Reference = 4,
        Eval = 5,
        Uri = 6,
        Aggregate = 7,
        /// A class of the addon's or of the client's own.
        Other = 8,
    }
}

/// What function a callable of the client is: its code travels in the place of the class of an
/// instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallableForm {
    /// The kind of function.
    pub kind: FunctionKind,
    /// Whether `this` is sent before the arguments.
    pub passes_this: bool,
}

impl CallableForm {
    const PASSES_THIS: u32 = 1 << 8;

    /// The code as it travels.
    pub const fn code(self) -> u32 {
        let this = if self.passes_this {
            Self::PASSES_THIS
        } else {
            0
        };
        self.kind.code() as u32 | this
    }

    /// What the code means, if anything.
    pub fn from_code(code: u32) -> Option<Self> {
        let kind = u8::try_from(code & !Self::PASSES_THIS).ok();
        let kind = kind.and_then(FunctionKind::from_code)?;
        let passes_this = code & Self::PASSES_THIS != 0;
        Some(Self { kind, passes_this })
    }
}

impl ElementKind {
    /// Bytes per element; a view without elements counts bytes.
    pub const fn size(self) -> usize {
        match self {
            Self::Int8
            | Self::Uint8
            | Self::Uint8Clamped
            | Self::Buffer
            | Self::ArrayBuffer
            | Self::DataView
            | Self::SharedArrayBuffer => 1,
            Self::Int16 | Self::Uint16 | Self::Float16 => 2,
            Self::Int32 | Self::Uint32 | Self::Float32 => 4,
            Self::Float64 | Self::BigInt64 | Self::BigUint64 => 8,
        }
    }
}
