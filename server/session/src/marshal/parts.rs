//! The parts of bodies on this side: what the holes are in the engine, and how they are read and
//! written.

use hostd_engine::{Key, Value};
use hostd_protocol::calls::RequestOf;
use hostd_protocol::error::Result as Carried;
use hostd_protocol::ids::SlotId;
use hostd_protocol::parts::{
    AnyValue, Arguments, PartReader, PartWriter, PropertyKey, Put, Side, Target,
};
use hostd_protocol::value::{ValueReader, ValueWriter};

use super::decode::{DecodeError, Decoded, Decoder};
use super::encode::{EncodeError, Encoded, Encoder};

#[derive(Debug)]
pub(crate) enum HostSide {}

/// What this side reads a request as.
pub(crate) type Asked<C> = RequestOf<C, HostSide>;

impl Side for HostSide {
    type Error = DecodeError;
    type Value = Value;
    type Key = Key;
    type Target = Value;
    /// The id of the client's object, and its proxy if there is one.
    type Received = (SlotId, Option<Value>);
    type Arguments = Vec<Value>;
}

impl PartReader for Decoder<'_, '_> {
    type Side = HostSide;

    #[inline]
    fn field<T>(&mut self, take: impl FnOnce(&mut ValueReader<'_>) -> Carried<T>) -> Decoded<T> {
        Ok(take(&mut self.reader)?)
    }

    #[inline]
    fn value(&mut self) -> Decoded {
        self.value()
    }

    #[inline]
    fn key(&mut self) -> Decoded<Key> {
        self.key()
    }

    #[inline]
    fn target(&mut self, id: SlotId) -> Decoded {
        Ok(self.own(id))
    }

    fn received(&mut self, id: SlotId) -> Decoded<(SlotId, Option<Value>)> {
        let object = self.tables.receive(id)?;
        if object.is_none() {
            self.tables.remotes.borrow_mut().give_back(id);
        }
        Ok((id, object))
    }

    #[inline]
    fn arguments(&mut self, count: u32) -> Decoded<Vec<Value>> {
        let mut arguments = std::mem::take(&mut self.objects.arguments);
        for _ in 0..count {
            let value = self.value()?;
            self.rt.push(&mut arguments, value)?;
        }
        Ok(arguments)
    }
}

impl PartWriter for Encoder<'_, '_> {
    type Error = EncodeError;

    #[inline]
    fn field(&mut self, put: impl FnOnce(&mut ValueWriter<'_>) -> Carried) -> Encoded {
        Ok(put(&mut self.out)?)
    }
}

pub(crate) trait Writable<P>: for<'e, 'w> Put<P, Encoder<'e, 'w>> {}

impl<P, T: for<'e, 'w> Put<P, Encoder<'e, 'w>>> Writable<P> for T {}

impl Put<AnyValue, Encoder<'_, '_>> for Value {
    #[inline]
    fn put(&self, body: &mut Encoder<'_, '_>) -> Encoded {
        body.value(self)
    }
}

/// An object of any kind that is sent by reference.
#[derive(Debug)]
pub(crate) struct Lent(pub(crate) Value);

impl Put<AnyValue, Encoder<'_, '_>> for Lent {
    fn put(&self, body: &mut Encoder<'_, '_>) -> Encoded {
        body.lend(&self.0)
    }
}

/// The id of an object of the client, as the engine keeps it.
impl Put<Target, Encoder<'_, '_>> for u32 {
    #[inline]
    fn put(&self, body: &mut Encoder<'_, '_>) -> Encoded {
        body.out.put_u32(*self);
        Ok(())
    }
}

/// Indexes are numbers, names are text.
impl Put<PropertyKey, Encoder<'_, '_>> for Key {
    fn put(&self, body: &mut Encoder<'_, '_>) -> Encoded {
        match self.as_index().and_then(|index| i32::try_from(index).ok()) {
            Some(index) => {
                body.out.int32(index);
                Ok(())
            }
            None => body.key(self),
        }
    }
}

impl Put<Arguments, Encoder<'_, '_>> for [Value] {
    #[inline]
    fn put(&self, body: &mut Encoder<'_, '_>) -> Encoded {
        body.arguments(self)
    }
}
