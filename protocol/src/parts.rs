//! The parts that the bodies of calls consist of, and their codecs, which both sides use.
//!
//! A [`Part`] is a type that stands for bytes in a body. Values, keys, objects and arguments are
//! holes: each side reads them with its decoder into its own types ([`Side`]), and writes them with
//! its encoder by implementing [`Put`] for what it has.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{ProtocolError, Result, violation};
use crate::ids::SlotId;
use crate::message;
use crate::value::{Token, ValueReader, ValueWriter};

/// One side: what the holes of a body are once they are read.
pub trait Side {
    /// Why a body cannot be read.
    type Error;
    /// Any value.
    type Value;
    /// The key of a property.
    type Key;
    /// An object that this side has lent.
    type Target;
    /// An object that the other side has lent once more.
    type Received;
    /// The arguments of a call.
    type Arguments;
}

/// The result of reading with a decoder.
pub type PartResult<D, T> = Result<T, <<D as PartReader>::Side as Side>::Error>;

/// The decoder of a side: reads fixed fields, and the holes.
#[expect(missing_docs, reason = "the types say it")]
pub trait PartReader {
    type Side: Side;

    fn field<T>(
        &mut self,
        take: impl FnOnce(&mut ValueReader<'_>) -> Result<T>,
    ) -> PartResult<Self, T>;
    fn value(&mut self) -> PartResult<Self, <Self::Side as Side>::Value>;
    fn key(&mut self) -> PartResult<Self, <Self::Side as Side>::Key>;
    fn target(&mut self, id: SlotId) -> PartResult<Self, <Self::Side as Side>::Target>;
    fn received(&mut self, id: SlotId) -> PartResult<Self, <Self::Side as Side>::Received>;
    fn arguments(&mut self, count: u32) -> PartResult<Self, <Self::Side as Side>::Arguments>;
}

/// The encoder of a side: writes fixed fields.
#[expect(missing_docs, reason = "the types say it")]
pub trait PartWriter {
    type Error;

    fn field(
        &mut self,
        put: impl FnOnce(&mut ValueWriter<'_>) -> Result,
    ) -> Result<(), Self::Error>;
}

/// Bytes in a body.
pub trait Part {
    /// What a side reads them as.
    type Read<S: Side>;

    /// Reads them.
    fn read<D: PartReader>(body: &mut D) -> PartResult<D, Self::Read<D::Side>>;
}

/// What an encoder can write as the part `P`.
pub trait Put<P, E: PartWriter> {
    /// Writes it.
    fn put(&self, body: &mut E) -> Result<(), E::Error>;
}

impl<P, E: PartWriter, T: Put<P, E> + ?Sized> Put<P, E> for &T {
    #[inline]
    fn put(&self, body: &mut E) -> Result<(), E::Error> {
        (**self).put(body)
    }
}

impl<P, E: PartWriter, T: Put<P, E> + ?Sized> Put<P, E> for Box<T> {
    fn put(&self, body: &mut E) -> Result<(), E::Error> {
        (**self).put(body)
    }
}

macro_rules! holes {
    ($($(#[$doc:meta])* $name:ident: $kind:ident, |$body:ident| $read:expr;)*) => { $(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}

        impl Part for $name {
            type Read<S: Side> = S::$kind;

            #[inline]
            fn read<D: PartReader>($body: &mut D) -> PartResult<D, Self::Read<D::Side>> {
                $read
            }
        }
    )* };
}

holes! {
    /// A value.
    AnyValue: Value, |body| body.value();
    /// A value that is the key of a property: a string, a number or a symbol.
    PropertyKey: Key, |body| body.key();
    /// u32: the id of an object that the receiver has lent.
    Target: Target, |body| {
        let id = SlotId::read(body)?;
        body.target(id)
    };
    /// u32: the id of an object that the sender lends once more.
    LentAgain: Received, |body| {
        let id = SlotId::read(body)?;
        body.received(id)
    };
    /// u32 n, V * n
    Arguments: Arguments, |body| {
        let count = body.field(|body| body.take_count(1))?;
        body.arguments(count)
    };
}

impl<E: PartWriter> Put<Target, E> for SlotId {
    fn put(&self, body: &mut E) -> Result<(), E::Error> {
        body.field(|body| {
            body.put_u32(self.get());
            Ok(())
        })
    }
}

impl<E: PartWriter> Put<AnyValue, E> for str {
    fn put(&self, body: &mut E) -> Result<(), E::Error> {
        body.field(|body| body.str(self))
    }
}

macro_rules! fields {
    ($($kind:ty: $take:ident, |$body:ident, $value:ident| $put:expr;)*) => { $(
        impl Part for $kind {
            type Read<S: Side> = Self;

            #[inline]
            fn read<D: PartReader>(body: &mut D) -> PartResult<D, Self> {
                body.field(|body| body.$take())
            }
        }

        impl<E: PartWriter> Put<$kind, E> for $kind {
            #[inline]
            fn put(&self, body: &mut E) -> Result<(), E::Error> {
                let $value = *self;
                body.field(|$body| {
                    $put;
                    Ok(())
                })
            }
        }
    )* };
}

fields! {
    u8: take_u8, |body, value| body.put_u8(value);
    bool: take_bool, |body, value| body.put_u8(u8::from(value));
    u32: take_u32, |body, value| body.put_u32(value);
    SlotId: take_id, |body, value| body.put_u32(value.get());
}

/// A message, encoded by serde.
#[derive(Debug)]
pub struct Record<T>(pub T);

impl<T: DeserializeOwned> Part for Record<T> {
    type Read<S: Side> = T;

    fn read<D: PartReader>(body: &mut D) -> PartResult<D, T> {
        body.field(message::read)
    }
}

impl<T: Serialize, E: PartWriter> Put<Self, E> for Record<T> {
    fn put(&self, body: &mut E) -> Result<(), E::Error> {
        body.field(|body| message::write(body, &self.0))
    }
}

macro_rules! sequences {
    ($(($($part:ident $put:ident $place:tt),*) by $body:ident;)*) => { $(
        impl<$($part: Part),*> Part for ($($part,)*) {
            type Read<S: Side> = ($($part::Read<S>,)*);

            #[inline]
            fn read<D: PartReader>($body: &mut D) -> PartResult<D, Self::Read<D::Side>> {
                Ok(($($part::read($body)?,)*))
            }
        }

        impl<E: PartWriter, $($part, $put: Put<$part, E>),*> Put<($($part,)*), E> for ($($put,)*) {
            #[inline]
            fn put(&self, $body: &mut E) -> Result<(), E::Error> {
                $(self.$place.put($body)?;)*
                Ok(())
            }
        }
    )* };
}

sequences! {
    () by _body;
    (A TA 0) by body;
    (A TA 0, B TB 1) by body;
    (A TA 0, B TB 1, C TC 2) by body;
}

/// u8: 0, or 1 and the part.
impl<P: Part> Part for Option<P> {
    type Read<S: Side> = Option<P::Read<S>>;

    #[inline]
    fn read<D: PartReader>(body: &mut D) -> PartResult<D, Self::Read<D::Side>> {
        let is_given = bool::read(body)?;
        is_given.then(|| P::read(body)).transpose()
    }
}

impl<P, E: PartWriter, T: Put<P, E>> Put<Option<P>, E> for Option<T> {
    #[inline]
    fn put(&self, body: &mut E) -> Result<(), E::Error> {
        match self {
            Some(part) => (true, part).put(body),
            None => false.put(body),
        }
    }
}

/// u8: 0 and `P` if a promise is pending, 1 and its value, 2 and the reason of its rejection.
#[derive(Debug)]
pub enum PromiseOutcome<P, V = AnyValue> {
    /// It is pending, or the result is not sent.
    Pending(P),
    /// Its value.
    Fulfilled(V),
    /// The reason of its rejection.
    Rejected(V),
}

impl<P: Part, V: Part> Part for PromiseOutcome<P, V> {
    type Read<S: Side> = PromiseOutcome<P::Read<S>, V::Read<S>>;

    fn read<D: PartReader>(body: &mut D) -> PartResult<D, Self::Read<D::Side>> {
        let state = body.field(|body| match body.take_u8()? {
            state @ 0..=2 => Ok(state),
            _ => violation("an unknown state of a promise"),
        })?;
        Ok(match state {
            0 => PromiseOutcome::Pending(P::read(body)?),
            1 => PromiseOutcome::Fulfilled(V::read(body)?),
            _ => PromiseOutcome::Rejected(V::read(body)?),
        })
    }
}

impl<P, V, TP, TV, E> Put<PromiseOutcome<P, V>, E> for PromiseOutcome<TP, TV>
where
    TP: Put<P, E>,
    TV: Put<V, E>,
    E: PartWriter,
{
    fn put(&self, body: &mut E) -> Result<(), E::Error> {
        match self {
            Self::Pending(pending) => (0_u8, pending).put(body),
            Self::Fulfilled(value) => (1_u8, value).put(body),
            Self::Rejected(reason) => (2_u8, reason).put(body),
        }
    }
}

/// u32 n, P * n. It is read as its count; the receiver then reads one item after another.
#[derive(Debug)]
pub struct List<P>(PhantomData<P>);

impl<P> Part for List<P> {
    type Read<S: Side> = u32;

    fn read<D: PartReader>(body: &mut D) -> PartResult<D, u32> {
        body.field(|body| body.take_count(1))
    }
}

impl<P, E: PartWriter, T: Put<P, E>> Put<List<P>, E> for Vec<T> {
    fn put(&self, body: &mut E) -> Result<(), E::Error> {
        u32::try_from(self.len()).unwrap_or(u32::MAX).put(body)?;
        self.iter().try_for_each(|item| item.put(body))
    }
}

/// A side that reads tokens, where no objects are made.
impl Side for Token<'_> {
    type Error = ProtocolError;
    type Value = Self;
    type Key = Self;
    type Target = SlotId;
    type Received = SlotId;
    type Arguments = u32;
}

impl<'a> PartReader for ValueReader<'a> {
    type Side = Token<'a>;

    fn field<T>(&mut self, take: impl FnOnce(&mut ValueReader<'_>) -> Result<T>) -> Result<T> {
        take(self)
    }

    fn value(&mut self) -> Result<Token<'a>> {
        self.next()
    }

    fn key(&mut self) -> Result<Token<'a>> {
        self.next()
    }

    fn target(&mut self, id: SlotId) -> Result<SlotId> {
        Ok(id)
    }

    fn received(&mut self, id: SlotId) -> Result<SlotId> {
        Ok(id)
    }

    fn arguments(&mut self, count: u32) -> Result<u32> {
        Ok(count)
    }
}

impl PartWriter for ValueWriter<'_> {
    type Error = ProtocolError;

    fn field(&mut self, put: impl FnOnce(&mut ValueWriter<'_>) -> Result) -> Result {
        put(self)
    }
}
