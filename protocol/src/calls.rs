//! The calls: one row each, with a number that is never given to another call.
//!
//! A header carries the number; the body is read only once the number is known. An unknown number
//! is answered with [`crate::error::RemoteError::Unsupported`].

/// The side that sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Requester {
    /// The Python side.
    Client,
    /// The process with the addon, in the middle of a call.
    Host,
    /// The process with the addon, one way on the home lane.
    Notice,
}

macro_rules! calls {
    ($($(#[$doc:meta])* $asker:ident $number:literal $name:ident;)*) => {
        /// A call, by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum CallKind {
            $($(#[$doc])* $name = $number,)*
        }

        impl CallKind {
            /// Every call there is.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The number that travels.
            #[inline]
            pub const fn number(self) -> u16 {
                self as u16
            }

            /// The call with this number, if there is one.
            #[inline]
            pub const fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// The side that sends it.
            pub const fn requester(self) -> Requester {
                match self {
                    $(Self::$name => Requester::$asker,)*
                }
            }
        }
    };
}

calls! {
    /// `LoadRequest` → exports V, `u32 n, (name V, kind u8 [0 live, 1 value follows: V])*n`,
    /// callable u8.
    Client 1 Load;
    /// target u32, this u8 (0 undefined; 1: V), argc u32, V* → V. One block.
    Client 2 Call;
    /// target u32, argc u32, V* → V
    Client 3 Construct;
    /// target u32, key V, argc u32, V* → V
    Client 4 CallMethod;
    /// target u32, key V → present u8, V
    Client 5 Get;
    /// target u32, key V, V → ()
    Client 6 Set;
    /// target u32, key V → u8
    Client 7 Delete;
    /// target u32, key V → u8
    Client 8 Has;
    /// target u32, mode u8 (0 own enumerable, 1 along the prototypes) → V array of strings
    Client 9 Keys;
    /// what u8 (0 object, 1 class), u32 → `Description`
    Client 10 Describe;
    /// source V → V
    Client 11 RunScript;
    /// () → more u8, then as in `Settled`
    Client 12 Turn;
    /// () → ()
    Client 13 Release;
    /// () → `HostStats`
    Client 14 Stats;
    /// promise u32 → state u8 (0 pending: watch u32, 1 fulfilled V, 2 rejected V)
    Client 15 Watch;
    /// target u32 → V iterator
    Client 16 Iterate;
    /// iterator u32 → done u8, V
    Client 17 Next;
    /// target u32, to u8 (0 string, 1 number) → V
    Client 18 Coerce;
    /// V → V, an object that lives in the host
    Client 19 NewObject;
    /// V, class u32 → u8
    Client 20 InstanceOf;
    /// awaitable u32 (one more sending of it), state u8, V → ()
    Client 21 Settle;
    /// () → (), then the host tears down
    Client 22 Close;
    /// iterator u32 → (): its `return` is called, if it has one
    Client 23 CloseIterator;
    /// target u32 → V asynchronous iterator
    Client 24 IterateAsync;
    /// () → (): garbage is collected, and finalizers are run
    Client 25 Collect;
    /// callable u32, this u8 (0 undefined; 1: V), argc u32, V* → V
    Host 32 Invoke;
    /// target u32, key V → present u8, V
    Host 33 RemoteGet;
    /// target u32, key V, V → ()
    Host 34 RemoteSet;
    /// target u32, key V → u8
    Host 35 RemoteHas;
    /// target u32 → V array of strings
    Host 36 RemoteKeys;
    /// target u32, key V → u8
    Host 37 RemoteDelete;
    /// callable u32, argc u32, V* → V
    Host 38 RemoteConstruct;
    /// iterator u32, step u8 (0 next, 1 return, 2 throw), V → V, `{done, value}` or a promise of it
    Host 39 RemoteStep;
    /// ()
    Notice 64 Ring;
    /// `u32 n, (promise u32, watch u32, state u8 (0 settled, but too large to be told, 1 V, 2 V))*n`,
    /// each a block of its own
    Notice 65 Settled;
    /// V, origin V
    Notice 66 Uncaught;
    /// a release block, nothing else
    Notice 67 Released;
}
