//! The calls: one row each, with the side that requests it (`Notice` is the host, one way on the home
//! lane), and a number that is never given to another call.
//!
//! A header carries the number; the body is read only once the number is known. An unknown number
//! is answered with [`crate::error::RemoteError::Unsupported`]. What a body consists of is in
//! `parts.rs`; both sides read and write it by the types of its row.

use crate::bulk::{RowFailure, RowOperation, Rows};
use crate::ids::SlotId;
use crate::message::{Description, HostStats, LoadRequest};
use crate::parts::{
    AnyValue, Arguments, LentAgain, List, Part, PromiseOutcome, PropertyKey, Record, Target,
};
use crate::profile::HostProfile;

/// A row of the table: a call with what its bodies consist of.
pub trait TypedCall {
    /// Which call it is.
    const KIND: CallKind;
    /// The body of its request.
    type Request: Part;
    /// The body of its reply.
    type Reply: Part;
}

/// What the side `S` reads a request as.
pub type RequestOf<C, S> = <<C as TypedCall>::Request as Part>::Read<S>;
/// What the side `S` reads a reply as.
pub type ReplyOf<C, S> = <<C as TypedCall>::Reply as Part>::Read<S>;

macro_rules! calls {
    ($(
        $(#[$doc:meta])*
        $requester:ident $number:literal $name:ident($($part:ty),*) -> $reply:ty;
    )*) => {
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
        }

        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub struct $name;

            impl TypedCall for $name {
                const KIND: CallKind = CallKind::$name;
                type Request = ($($part,)*);
                type Reply = $reply;
            }
        )*
    };
}

calls! {
    /// Loads what the host is for: its exports, and those that are functions or classes by name.
    Client 1 Load(Record<LoadRequest>) -> (AnyValue, List<NamedExport>);
    /// Calls a function; `this` is undefined if it is not given. One block.
    Client 2 Call(Target, Option<AnyValue>, Arguments) -> AnyValue;
    /// `new target(...arguments)`; if true, the microtasks and ticks that it leaves wait for the next turn.
    Client 3 Construct(Target, bool, Arguments) -> AnyValue;
    /// `target[key](...arguments)`
    Client 4 CallMethod(Target, PropertyKey, Arguments) -> AnyValue;
    /// Whether `key in target`, and `target[key]`
    Client 5 Get(Target, PropertyKey) -> (bool, AnyValue);
    /// `target[key] = value`
    Client 6 Set(Target, PropertyKey, AnyValue) -> ();
    /// `delete target[key]`
    Client 7 Delete(Target, PropertyKey) -> bool;
    /// `key in target`
    Client 8 Has(Target, PropertyKey) -> bool;
    /// The names of its own enumerable properties, or of all along the prototypes: an array of strings.
    Client 9 Keys(Target, bool) -> AnyValue;
    /// What an object is, or if true the class with this id.
    Client 10 Describe(bool, SlotId) -> Record<Description>;
    /// Runs JavaScript.
    Client 11 RunScript(AnyValue) -> AnyValue;
    /// Takes a turn: whether something is left to do, and the promises that were settled.
    Client 12 Turn() -> (bool, List<SettledPromise>);
    /// Carries releases.
    Client 13 Release() -> ();
    /// Counters.
    Client 14 Stats() -> Record<HostStats>;
    /// The outcome of a promise, or the number of a settlement subscription.
    Client 15 Watch(SlotId) -> PromiseOutcome<u32>;
    /// An iterator over an object.
    Client 16 Iterate(Target) -> AnyValue;
    /// Whether an iterator is at its end, and else its next item.
    Client 17 Next(SlotId) -> (bool, AnyValue);
    /// `String(target)`
    Client 18 Coerce(Target) -> AnyValue;
    /// Makes an object that lives in the host.
    Client 19 NewObject(AnyValue) -> AnyValue;
    /// `value instanceof target`
    Client 20 InstanceOf(AnyValue, Target) -> bool;
    /// The outcome of an awaitable, which is not pending.
    Client 21 Settle(LentAgain, PromiseOutcome<()>) -> ();
    /// Calls an iterator's `return`, if it has one.
    Client 23 CloseIterator(SlotId) -> ();
    /// An asynchronous iterator over an object.
    Client 24 IterateAsync(Target) -> AnyValue;
    /// Collects garbage, and runs finalizers.
    Client 25 Collect() -> ();
    /// A promise that follows an object with a method `then`; undefined if it has none.
    Client 26 Follow(Target) -> AnyValue;
    /// Calls a function; its result stays in the host.
    Client 27 RunStep(AnyValue) -> ();
    /// Loads something more, by reference.
    Client 28 LoadMore(Record<LoadRequest>) -> AnyValue;
    /// Whether a value is a constructor, the target is one, and the value is the target or extends it.
    Client 29 Extends(AnyValue, Target) -> (bool, bool, bool);
    /// Does the same with each row, until one fails if true: the results of the first rows, one at least, and
    /// the rows among them that have none. A row that ended it has no result.
    Client 30 Bulk(RowOperation, bool, Rows) -> (AnyValue, List<RowFailure>);
    /// What the host has collected for a profile since this was asked for the last time.
    Client 31 Profile() -> Record<HostProfile>;
    /// Calls a callable.
    Host 32 Invoke(Target, Arguments) -> AnyValue;
    /// Whether `key in target`, and `target[key]`; of a callable the number of its parameters, `length`.
    Host 33 RemoteGet(Target, PropertyKey) -> (bool, AnyValue);
    /// `target[key] = value`
    Host 34 RemoteSet(Target, PropertyKey, AnyValue) -> ();
    /// `key in target`
    Host 35 RemoteHas(Target, PropertyKey) -> bool;
    /// Its keys: an array of strings and numbers.
    Host 36 RemoteKeys(Target) -> AnyValue;
    /// `delete target[key]`
    Host 37 RemoteDelete(Target, PropertyKey) -> bool;
    /// A step of an iterator, an `IteratorStep`: `{done, value}` or a promise of it.
    Host 39 RemoteStep(Target, u8, AnyValue) -> AnyValue;
    /// A wake-up request.
    Notice 64 WakeUp() -> ();
    /// Promises that were settled, and their settlement subscriptions.
    Notice 65 Settled(List<SettledPromise>) -> ();
    /// An unhandled exception, and where it comes from.
    Notice 66 Uncaught(AnyValue, AnyValue) -> ();
    /// Carries releases.
    Notice 67 Released() -> ();
}

/// The name of an export, and the function or class.
pub type NamedExport = (AnyValue, AnyValue);
/// A promise that was settled. Each is a block of its own.
pub type SettledPromise = (SettledId, SettledOutcome);
/// The promise, and its settlement subscription.
pub type SettledId = (SlotId, u32);
/// Its outcome: pending if it is too large to be sent without a request.
pub type SettledOutcome = PromiseOutcome<()>;
