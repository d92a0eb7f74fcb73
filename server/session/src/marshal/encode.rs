//! Engine → wire: writes values into one block of a frame.
//!
//! What is read here are own data properties, elements and built-in contents; no getter, no trap
//! and no other JavaScript runs, so what is being written cannot change meanwhile.

use hostd_engine::{JsResult, MemoryPin, Runtime, Thrown, Value};
use hostd_protocol::error::ProtocolError;
use hostd_protocol::ids::SlotId;
use hostd_protocol::limits::LimitKind;
use hostd_protocol::value::{HostKind, Open, ValueWriter};
use rustc_hash::FxHashMap;

use super::Seen;
use super::plain::{self, Plain};
use crate::lent::LentObject;
use crate::tables::ObjectTables;

/// Why a value could not be written.
#[derive(Debug)]
pub(crate) enum EncodeError {
    /// A limit, most likely.
    Protocol(ProtocolError),
    /// The engine refused: out of memory.
    Thrown(Thrown),
}

impl From<ProtocolError> for EncodeError {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl From<Thrown> for EncodeError {
    fn from(thrown: Thrown) -> Self {
        Self::Thrown(thrown)
    }
}

pub(crate) type Encoded<T = ()> = Result<T, EncodeError>;

/// Integers below this are exact in a double.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// The dates that fit into the years 1 to 9999.
const DATES: std::ops::Range<f64> = -62_135_596_800_000.0..253_402_300_800_000.0;

/// Room is made for so many values at a time.
const ROOM_VALUES: u32 = 4096;
/// Bytes of a value that has none of unlimited number, at most: those make room for themselves.
const VALUE_BYTES: usize = 16;

/// What was counted for a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sent {
    Ours(SlotId),
    Theirs(SlotId),
}

#[derive(Debug)]
pub(crate) struct Encoder<'e, 'w> {
    pub(crate) tables: &'e ObjectTables,
    pub(super) rt: Runtime,
    pub(super) out: ValueWriter<'w>,
    pub(super) seen: &'e mut Seen,
    /// What was counted, to be taken back if the frame is never sent.
    sent: &'e mut Vec<Sent>,
    /// In a write-back: the compounds of the request, by identity.
    objects: Option<&'e FxHashMap<usize, u32>>,
}

impl<'e, 'w> Encoder<'e, 'w> {
    pub(crate) fn new(
        tables: &'e ObjectTables,
        out: ValueWriter<'w>,
        seen: &'e mut Seen,
        sent: &'e mut Vec<Sent>,
    ) -> Self {
        seen.clear();
        Self {
            tables,
            rt: tables.rt,
            out,
            seen,
            sent,
            objects: None,
        }
    }

    /// In a write-back block, the compounds of the request are named by their numbers.
    pub(crate) fn with_request_objects(self, objects: &'e FxHashMap<usize, u32>) -> Self {
        Self {
            objects: Some(objects),
            ..self
        }
    }

    pub(crate) fn restart(&mut self) {
        self.seen.clear();
        self.out.restart_numbering();
    }

    pub(crate) fn fields(&mut self) -> &mut ValueWriter<'w> {
        &mut self.out
    }

    pub(crate) fn value(&mut self, value: &Value) -> Encoded {
        if let Some(int) = value.as_i32() {
            self.out.int32(int);
        } else if value.is_object() {
            self.object(value)?;
        } else if value.is_string() {
            self.string(value)?;
        } else if let Some(number) = value.as_f64() {
            self.number(number);
        } else if let Some(boolean) = value.as_bool() {
            self.out.boolean(boolean);
        } else if value.is_null() {
            self.out.null();
        } else if value.is_symbol() {
            self.by_reference(value, HostKind::Symbol, 0)?;
        } else if value.is_bigint() {
            let (negative, words) = self.rt.bigint_to_words(value)?.unwrap_or_default();
            self.out.bigint(negative, &words)?;
        } else {
            self.out.undefined();
        }
        Ok(())
    }

    /// Writes values one after the other. Room is made for many of them at a time: scalars are
    /// written without a check.
    pub(super) fn each(&mut self, values: &[Value]) -> Encoded {
        for some in values.chunks(ROOM_VALUES as usize) {
            self.out.reserve(some.len() * VALUE_BYTES)?;
            some.iter().try_for_each(|value| self.value(value))?;
        }
        Ok(())
    }

    /// `this`, which is never copied, and the arguments.
    pub(crate) fn arguments_with_this(&mut self, this: &Value, arguments: &[Value]) -> Encoded {
        self.out.put_count(arguments.len().saturating_add(1))?;
        let is_copied = this.is_object()
            && matches!(
                plain::classify(self.tables, this)?,
                Plain::Array(_)
                    | Plain::Data(_)
                    | Plain::Object(..)
                    | Plain::Map(_)
                    | Plain::Set(_)
            );
        if is_copied {
            self.lend(this)?;
        } else {
            self.value(this)?;
        }
        self.each_argument(arguments)
    }

    pub(crate) fn arguments(&mut self, arguments: &[Value]) -> Encoded {
        self.out.put_count(arguments.len())?;
        self.each_argument(arguments)
    }

    #[inline]
    fn each_argument(&mut self, arguments: &[Value]) -> Encoded {
        for (position, argument) in (0..).zip(arguments) {
            self.seen.begin_argument(position);
            self.value(argument)?;
        }
        Ok(())
    }

    pub(crate) fn lend(&mut self, value: &Value) -> Encoded {
        if value.identity().is_some()
            && let Some(id) = self.tables.remote_slot(value)
        {
            return self.send_back(id);
        }
        let (kind, class) = plain::nature(self.tables, value);
        self.by_reference(value, kind, class)
    }

    /// Gives a compound its number.
    pub(super) fn note(&mut self, value: &Value, identity: usize, index: u32) -> JsResult<()> {
        self.seen.insert(self.rt, value, identity, index)
    }

    fn number(&mut self, number: f64) {
        // −0 is an integer that only a double can hold.
        let integral = number.fract() == 0.0 && number.abs() < EXACT && number != 0.0;
        if integral {
            #[expect(clippy::cast_possible_truncation, reason = "integral and below 2^53")]
            self.out.integer(number as i64);
        } else {
            self.out.float(number);
        }
    }

    pub(super) fn string(&mut self, value: &Value) -> Encoded {
        if let Some(text) = value.as_short_ascii() {
            return Ok(self.out.str(text)?);
        }
        let text = self.rt.utf8(value)?;
        if text.is_lossy() {
            let units = self.rt.utf16(value)?;
            self.out.str16(units.as_units().iter().copied())?;
        } else if !self.shared_text(&text)? {
            self.out.str(&text)?;
        }
        Ok(())
    }

    fn object(&mut self, value: &Value) -> Encoded {
        let Some(identity) = value.identity() else {
            self.out.undefined();
            return Ok(());
        };
        if let Some(&index) = self.objects.and_then(|objects| objects.get(&identity)) {
            self.out.request_object(index);
            return Ok(());
        }
        if let Some(index) = self.seen.find(identity) {
            self.out.reference(index);
            return Ok(());
        }
        if self.tables.is_made_for_client(identity) {
            return self.lend_new(value, HostKind::Promise, 0);
        }
        if let Some(id) = self.tables.lent_id(identity) {
            return self.lent_again(value, identity, id);
        }
        if !self.rt.stack_ok() {
            return Err(self.rt.stack_overflow().into());
        }
        match plain::classify(self.tables, value)? {
            Plain::Array(length) => self.array(value, identity, length),
            Plain::Data(properties) => {
                let properties = properties.as_slice();
                let open = self.out.open_object()?;
                self.note(value, identity, open.index())?;
                for property in properties {
                    match property.ascii_key() {
                        Some(text) => self.out.str(text)?,
                        None => self.key(&property.key())?,
                    }
                    self.value(property.value())?;
                }
                self.out.close(open, count(properties.len())?);
                Ok(())
            }
            Plain::Object(keys, values) => {
                let open = self.out.open_object()?;
                self.note(value, identity, open.index())?;
                for (key, value) in keys.iter().zip(&values) {
                    self.key(&key)?;
                    self.value(value)?;
                }
                self.out.close(open, count(values.len())?);
                Ok(())
            }
            Plain::Date(milliseconds) if DATES.contains(&milliseconds) => {
                self.out.date(milliseconds);
                Ok(())
            }
            Plain::Map(entries) => {
                let open = self.out.open_map()?;
                self.collection(value, identity, open, &entries, entries.len() / 2)
            }
            Plain::Set(items) => {
                let open = self.out.open_set()?;
                self.collection(value, identity, open, &items, items.len())
            }
            Plain::Buffer => {
                let id = self.count_lent(value, HostKind::Object, 0)?;
                self.buffer(value, identity, id)
            }
            Plain::Error => {
                let id = self.count_lent(value, HostKind::Error, 0)?;
                self.error(value, identity, id)
            }
            Plain::Remote(id) => self.send_back(id),
            Plain::Date(_) | Plain::No => {
                let (kind, class) = plain::nature(self.tables, value);
                self.lend_new(value, kind, class)
            }
        }
    }

    fn collection(
        &mut self,
        value: &Value,
        identity: usize,
        open: Open,
        items: &[Value],
        total: usize,
    ) -> Encoded {
        self.note(value, identity, open.index())?;
        self.each(items)?;
        self.out.close(open, count(total)?);
        Ok(())
    }

    fn array(&mut self, value: &Value, identity: usize, length: u32) -> Encoded {
        if length > 0 && self.packed(value, identity, length)? {
            return Ok(());
        }
        let open = self.out.open_array()?;
        self.note(value, identity, open.index())?;
        let mut place = 0;
        while place < length {
            let end = length.min(place.saturating_add(ROOM_VALUES));
            self.out.reserve((end - place) as usize * VALUE_BYTES)?;
            for place in place..end {
                let item = self.rt.get_index(value, place)?;
                if item.is_undefined() && plain::is_hole(self.rt, value, place)? {
                    self.out.hole();
                } else {
                    self.value(&item)?;
                }
            }
            place = end;
        }
        self.out.close(open, length);
        Ok(())
    }

    /// Writes an array of nothing but numbers; false, and nothing written, if it is not one.
    fn packed(&mut self, value: &Value, identity: usize, length: u32) -> Encoded<bool> {
        let first = self.rt.get_index(value, 0)?;
        if !first.is_number() {
            return Ok(false);
        }
        let bytes = length as usize * size_of::<i32>();
        self.out.reserve(bytes)?;
        let open = self.out.open_array_i32()?;
        let mut whole = true;
        for place in 0..length {
            let item = self.rt.get_index(value, place)?;
            let Some(int) = item.as_i32() else {
                whole = false;
                break;
            };
            self.out.push_i32(int);
        }
        if whole {
            self.note(value, identity, open.index())?;
            self.out.close(open, length);
            return Ok(true);
        }
        self.out.rewind(open);
        self.out.reserve(length as usize * size_of::<f64>())?;
        let open = self.out.open_array_f64()?;
        for place in 0..length {
            let Some(number) = self.rt.get_index(value, place)?.as_f64() else {
                self.out.rewind(open);
                return Ok(false);
            };
            self.out.push_f64(number);
        }
        self.note(value, identity, open.index())?;
        self.out.close(open, length);
        Ok(true)
    }

    pub(crate) fn key(&mut self, key: &hostd_engine::Key) -> Encoded {
        let text = self.rt.key_text(key)?;
        if text.is_lossy() {
            let value = self.rt.key_to_value(key)?;
            return self.string(&value);
        }
        self.out.str(&text)?;
        Ok(())
    }

    fn lent_again(&mut self, value: &Value, identity: usize, id: SlotId) -> Encoded {
        let (kind, class) = self.count_again(id)?;
        match kind {
            HostKind::Error => self.error(value, identity, id),
            HostKind::Object if plain::is_buffer(self.rt, value) => {
                self.buffer(value, identity, id)
            }
            _ => {
                self.out.lent(id, kind.code(), class);
                Ok(())
            }
        }
    }

    fn by_reference(&mut self, value: &Value, kind: HostKind, class: u32) -> Encoded {
        if let Some(id) = self.tables.id_of(value) {
            let (kind, class) = self.count_again(id)?;
            self.out.lent(id, kind.code(), class);
            return Ok(());
        }
        self.lend_new(value, kind, class)
    }

    /// Counts another sending; returns kind and class as the client has them.
    fn count_again(&mut self, id: SlotId) -> Encoded<(HostKind, u32)> {
        self.rt.reserve(self.sent, 1)?;
        let sent = self.tables.lend_again(id)?;
        self.sent.push(Sent::Ours(id));
        Ok(sent)
    }

    fn lend_new(&mut self, value: &Value, kind: HostKind, class: u32) -> Encoded {
        let id = self.count_lent(value, kind, class)?;
        let class = if kind == HostKind::Promise {
            self.tables.adopt_watch(id, value)
        } else {
            class
        };
        self.out.lent(id, kind.code(), class);
        Ok(())
    }

    /// Writes an object of the client's and counts that it goes back.
    fn send_back(&mut self, id: SlotId) -> Encoded {
        self.count_back(id)?;
        self.out.own(id);
        Ok(())
    }

    /// Counts that an object or memory of the client's goes back.
    pub(super) fn count_back(&mut self, id: SlotId) -> Encoded {
        self.rt.reserve(self.sent, 1)?;
        self.tables.remotes.borrow_mut().send_back(id)?;
        self.sent.push(Sent::Theirs(id));
        Ok(())
    }

    /// Lends an object that is not lent yet.
    fn count_lent(&mut self, value: &Value, kind: HostKind, class: u32) -> Encoded<SlotId> {
        self.enter(LentObject::new(value.clone(), kind, class))
    }

    /// Lends the bytes of a buffer by themselves.
    pub(super) fn lend_memory(&mut self, memory: MemoryPin) -> Encoded<SlotId> {
        self.enter(LentObject {
            memory: Some(memory),
            ..LentObject::new(Value::UNDEFINED, HostKind::Object, 0)
        })
    }

    /// Enters an object into the table and counts one sending.
    fn enter(&mut self, object: LentObject) -> Encoded<SlotId> {
        self.rt.reserve(self.sent, 1)?;
        let id = self.tables.objects.borrow_mut().lend(object)?;
        self.sent.push(Sent::Ours(id));
        Ok(id)
    }
}

/// A count as it travels.
pub(super) fn count(length: usize) -> Encoded<u32> {
    let too_many = |_| ProtocolError::limit(LimitKind::Count, u32::MAX, length as u64);
    Ok(u32::try_from(length).map_err(too_many)?)
}
