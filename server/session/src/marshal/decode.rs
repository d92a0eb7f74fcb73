//! Wire → engine: reads one block of a frame and builds the values in the engine.
//!
//! Arrays and plain objects are built at once from their elements, unless an element refers to
//! the container around it. Nothing here runs JavaScript of the addon.

use hostd_engine::{JsResult, Key, Runtime, Thrown, Value};
use hostd_protocol::error::{ProtocolError, RemoteError};
use hostd_protocol::ids::SlotId;
use hostd_protocol::value::{Number, Packed, Token, ValueReader};

use super::{Original, RequestObjects, buffer};
use crate::tables::ObjectTables;

/// Containers are built from lists that start no larger than this, whatever count was announced.
pub(super) const FIRST_ROOM: usize = 1 << 10;

/// Why a block could not be turned into values.
#[derive(Debug)]
pub(crate) enum DecodeError {
    /// The frame is wrong or too large.
    Protocol(ProtocolError),
    /// The engine refused: out of memory, a bigint too large.
    Thrown(Thrown),
    /// The frame is in order, but cannot be served.
    Remote(RemoteError),
}

impl From<ProtocolError> for DecodeError {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl From<Thrown> for DecodeError {
    fn from(thrown: Thrown) -> Self {
        Self::Thrown(thrown)
    }
}

impl From<RemoteError> for DecodeError {
    fn from(error: RemoteError) -> Self {
        Self::Remote(error)
    }
}

pub(crate) type Decoded<T = Value> = Result<T, DecodeError>;

/// A container whose elements are being read, in case one of them refers to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unbuilt {
    Array,
    Object,
}

#[derive(Debug)]
pub(crate) struct Decoder<'d, 'b> {
    pub(super) tables: &'d ObjectTables,
    pub(super) rt: Runtime,
    pub(super) reader: ValueReader<'b>,
    pub(super) objects: &'d mut RequestObjects,
    /// In a write-back block: the compounds of the request that it is about.
    pub(super) originals: &'d [Original],
    unbuilt: Vec<(u32, Unbuilt)>,
    stale: Option<SlotId>,
}

impl<'d, 'b> Decoder<'d, 'b> {
    /// A decoder of what `reader` has left; the compounds go to `objects`.
    pub(crate) fn new(
        tables: &'d ObjectTables,
        reader: ValueReader<'b>,
        objects: &'d mut RequestObjects,
    ) -> Self {
        Self {
            tables,
            rt: tables.rt,
            reader,
            objects,
            originals: &[],
            unbuilt: Vec::new(),
            stale: None,
        }
    }

    pub(crate) fn fields(&mut self) -> &mut ValueReader<'b> {
        &mut self.reader
    }

    /// Checks that the body is read to its end and named nothing that is gone.
    pub(crate) fn finish(&self) -> Decoded<()> {
        self.reader.finish()?;
        match self.stale {
            Some(id) => Err(RemoteError::Stale(id.get()).into()),
            None => Ok(()),
        }
    }

    /// Reads a property key: a string, a number, or a symbol of this host.
    pub(crate) fn key(&mut self) -> Decoded<Key> {
        let at = self.reader.position();
        let key = match self.reader.next()? {
            Token::Str(text) => self.rt.key_utf8(text.as_bytes())?,
            Token::Int32(index) if index >= 0 => self.rt.key_index(index.unsigned_abs())?,
            token @ (Token::Str16(_)
            | Token::Int32(_)
            | Token::Int64(_)
            | Token::Float(_)
            | Token::Own(_)) => {
                let value = self.build(token)?;
                if value.is_object() {
                    return Err(malformed("a key that is an object", at));
                }
                self.rt.key_value(&value)?
            }
            _ => {
                let what = "a key that is not a string, number or symbol";
                return Err(malformed(what, at));
            }
        };
        Ok(key)
    }

    /// Reads an outermost value.
    pub(crate) fn value(&mut self) -> Decoded {
        let (position, compounds) = (self.reader.position(), self.reader.compounds());
        let value = self.part()?;
        if self.reader.compounds() != compounds {
            self.objects.note_start(self.rt, position)?;
        }
        Ok(value)
    }

    /// Reads a value inside another one.
    pub(super) fn part(&mut self) -> Decoded {
        let token = self.reader.next()?;
        self.build(token)
    }

    #[inline]
    fn build(&mut self, token: Token<'b>) -> Decoded {
        Ok(match token {
            Token::Undefined => Value::UNDEFINED,
            Token::Null => Value::NULL,
            Token::Bool(value) => value.into(),
            Token::Int32(value) => value.into(),
            Token::Float(value) => value.into(),
            Token::Str(text) => self.rt.string_wtf8(text.as_bytes())?,
            Token::Array { index, count } => self.array(index, count)?,
            Token::Object { index, count } => self.object(index, count)?,
            Token::Own(id) => self.own(id),
            _ => self.build_rare(token)?,
        })
    }

    #[inline(never)]
    fn build_rare(&mut self, token: Token<'b>) -> Decoded {
        let at = self.reader.position();
        Ok(match token {
            #[expect(clippy::cast_precision_loss, reason = "the reader checked |n| < 2^53")]
            Token::Int64(value) => Value::from(value as f64),
            Token::BigInt { negative, words } => {
                let words: Vec<u64> = self.rt.list_from(words.iter())?;
                self.rt.bigint_words(negative, &words)?
            }
            Token::Str16(units) => {
                let units: Vec<u16> = self.rt.list_from(units.iter())?;
                self.rt.string_utf16(&units)?
            }
            Token::Date(milliseconds) => self.rt.date(milliseconds)?,
            Token::ArrayI32 { index, items } => self.packed(index, &items)?,
            Token::ArrayF64 { index, items } => self.packed(index, &items)?,
            Token::Map { index, count } => {
                self.check_stack()?;
                let map = self.rt.map(Vec::new())?;
                let map = self.keep(index, map)?;
                let map_set = &self.tables.intrinsics.map_set;
                for _ in 0..count {
                    let entry = [self.part()?, self.part()?];
                    self.rt.call(map_set, &map, &entry)?;
                }
                self.reader.leave();
                map
            }
            Token::Set { index, count } => {
                self.check_stack()?;
                let set = self.rt.set_of(Vec::new())?;
                let set = self.keep(index, set)?;
                for _ in 0..count {
                    let item = [self.part()?];
                    self.rt.call(&self.tables.intrinsics.set_add, &set, &item)?;
                }
                self.reader.leave();
                set
            }
            Token::Buffer {
                index,
                element,
                id,
                bytes,
                ..
            } => {
                let existing = id.map(|id| self.own(id));
                let value = buffer::decode(self.tables, element, existing, bytes)?;
                self.keep(index, value)?
            }
            Token::SharedText(region) => {
                let (shared, token) = buffer::receive(self.tables, region)?;
                #[cfg(feature = "faults")]
                crate::fault::plan_allocations_of(&shared);
                let text = self.rt.string_shared(&shared);
                self.tables.remotes.borrow_mut().memory_unused(token);
                text?
            }
            Token::SharedBuffer {
                index,
                element,
                id: None,
                region,
                ..
            } => {
                let (shared, token) = buffer::receive(self.tables, region)?;
                let memory = self.rt.shared_memory_buffer(shared, token)?;
                let value = buffer::view(self.tables, element, memory)?;
                self.keep(index, value)?
            }
            Token::Error { index, id, class } => self.error(index, id, class)?,
            Token::Ref(index) => self.reference(index, at)?,
            Token::Lent { id, kind, class } => self.proxy(id, kind, class)?,
            Token::Hole => return Err(malformed("a hole outside an array", at)),
            Token::RequestObject(index) => match self.originals.get(index as usize) {
                Some(original) => original.value.clone(),
                None => return Err(malformed("a reference to no object of the request", at)),
            },
            // The common ones were built by the caller.
            _ => return Err(malformed("an unexpected kind of value", at)),
        })
    }

    fn packed<T>(&mut self, index: u32, items: &Packed<'_, T>) -> JsResult
    where
        T: Number,
        Value: From<T>,
    {
        let items = self.rt.list_from(items.iter().map(Value::from))?;
        let list = self.rt.array_from(items)?;
        self.keep(index, list)
    }

    /// Notes which object a compound became.
    pub(super) fn keep(&mut self, index: u32, value: Value) -> JsResult {
        self.objects.set(self.rt, index, value.clone())?;
        Ok(value)
    }

    /// The object of this host with this id.
    pub(super) fn own(&mut self, id: SlotId) -> Value {
        let found = self.tables.lent_value(id);
        if found.is_none() {
            self.stale.get_or_insert(id);
        }
        found.unwrap_or_default()
    }

    fn array(&mut self, index: u32, count: u32) -> Decoded {
        self.check_stack()?;
        self.objects.reserve(self.rt, index)?;
        self.unbuilt.push((index, Unbuilt::Array));
        let room = (count as usize).min(FIRST_ROOM);
        let mut items: Vec<Value> = Vec::new();
        self.rt.reserve(&mut items, room)?;
        let mut holes: Vec<u32> = Vec::new();
        for place in 0..count {
            let item = match self.reader.next()? {
                Token::Hole => {
                    self.rt.push(&mut holes, place)?;
                    Value::UNDEFINED
                }
                token => self.build(token)?,
            };
            self.rt.push(&mut items, item)?;
        }
        self.reader.leave();
        self.unbuilt.pop();
        if holes.is_empty() && self.objects.get(index).is_none() {
            let array = self.rt.array_from(items)?;
            return Ok(self.keep(index, array)?);
        }
        let array = match self.objects.get(index) {
            Some(array) => array.clone(),
            None => self.rt.array()?,
        };
        let mut holes = holes.into_iter().peekable();
        for (place, item) in (0_u32..).zip(items) {
            if holes.next_if_eq(&place).is_none() {
                self.rt.put_index(&array, place, item)?;
            }
        }
        // Holes at the end leave the length to be set.
        let length = Value::from(f64::from(count));
        let key = &self.tables.intrinsics.length;
        self.rt.set_strict(&array, key, length)?;
        Ok(self.keep(index, array)?)
    }

    fn object(&mut self, index: u32, count: u32) -> Decoded {
        self.check_stack()?;
        self.objects.reserve(self.rt, index)?;
        self.unbuilt.push((index, Unbuilt::Object));
        let room = (count as usize).min(FIRST_ROOM);
        let (mut keys, mut values): (Vec<Key>, Vec<Value>) = (Vec::new(), Vec::new());
        self.rt.reserve(&mut keys, room)?;
        self.rt.reserve(&mut values, room)?;
        for _ in 0..count {
            let key = match self.reader.key()? {
                Token::Str(text) => self.rt.key_utf8(text.as_bytes())?,
                token => {
                    let name = self.build_rare(token)?;
                    self.rt.key_value(&name)?
                }
            };
            self.rt.push(&mut keys, key)?;
            let value = self.part()?;
            self.rt.push(&mut values, value)?;
        }
        self.reader.leave();
        self.unbuilt.pop();
        let Some(object) = self.objects.get(index).cloned() else {
            let object = self.rt.object_from(&keys, values)?;
            return Ok(self.keep(index, object)?);
        };
        for (key, value) in keys.iter().zip(values) {
            self.rt.put(&object, key, value)?;
        }
        Ok(object)
    }

    fn reference(&mut self, index: u32, at: usize) -> Decoded {
        if let Some(value) = self.objects.get(index) {
            return Ok(value.clone());
        }
        let unbuilt = self.unbuilt.iter().find(|entry| entry.0 == index);
        let container = match unbuilt.map(|entry| entry.1) {
            Some(Unbuilt::Array) => self.rt.array()?,
            Some(Unbuilt::Object) => self.rt.object()?,
            None => {
                let what = "a reference to a value that is not an object";
                return Err(malformed(what, at));
            }
        };
        Ok(self.keep(index, container)?)
    }

    pub(super) fn check_stack(&self) -> JsResult<()> {
        if self.rt.stack_ok() {
            Ok(())
        } else {
            Err(self.rt.stack_overflow())
        }
    }
}

fn malformed(what: &'static str, at: usize) -> DecodeError {
    ProtocolError::malformed(what, at).into()
}
