//! Write-back of the host: what a call changed in the data that its request brought. `serve` and `ask`
//! look for changes before they write a reply or a request to the client.
//!
//! The request is kept, and read a second time beside the objects that it became; nothing else
//! remembers how they were. What was written back becomes the baseline for the next time.

use hostd_engine::{Content, JsResult, Key, Runtime, Value};
use hostd_protocol::error::ProtocolError;
use hostd_protocol::limits::{LimitKind, Limits};
use hostd_protocol::value::{ChangeKind, Token, ValueReader};
use rustc_hash::{FxHashMap, FxHashSet};

use super::encode::{Encoded, Encoder};
use super::{RequestObjects, compare};
use crate::tables::ObjectTables;

/// What one compound became.
type Change = hostd_protocol::value::Change<Key, Value, Vec<u8>>;

/// The contents of a compound at the last write-back.
#[derive(Debug)]
pub(crate) enum Known {
    /// Of an array, or of a map or a set, as [`Change::Refilled`] has them.
    List(Vec<Value>),
    Object(Vec<(Key, Value)>),
    Bytes(Vec<u8>),
}

/// What was written back before, by compound.
pub(crate) type Baseline = FxHashMap<u32, Known>;

#[derive(Debug, Default)]
pub(crate) struct Changes {
    changed: Vec<(u32, Change)>,
    now: Vec<(u32, Known)>,
}

impl Changes {
    /// Compares what the request in `block` brought with what it is now.
    pub(crate) fn find(
        tables: &ObjectTables,
        limits: &Limits,
        body: &[u8],
        objects: &RequestObjects,
        baseline: &Baseline,
    ) -> Encoded<Self> {
        let mut search = Search {
            tables,
            values_max: limits.values,
            rt: tables.rt,
            block: ValueReader::new(body, limits),
            objects,
            baseline,
            changes: Self::default(),
        };
        for start in objects.starts() {
            let between = start.saturating_sub(search.block.position());
            search.block.take_bytes(between)?;
            search.field()?;
        }
        Ok(search.changes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.changed.is_empty()
    }

    pub(crate) fn write(&self, encoder: &mut Encoder<'_, '_>) -> Encoded {
        encoder.out.put_count(self.changed.len())?;
        for &(index, ref change) in &self.changed {
            match change {
                Change::Array { length, slots } => {
                    encoder.out.change(index, ChangeKind::Array);
                    encoder.out.put_u32(*length);
                    encoder.out.put_count(slots.len())?;
                    for (slot, value) in slots {
                        encoder.out.put_u32(*slot);
                        encoder.value(value)?;
                    }
                }
                Change::Object { sets, deletes } => {
                    encoder.out.change(index, ChangeKind::Object);
                    encoder.out.put_count(sets.len())?;
                    for (key, value) in sets {
                        encoder.key(key)?;
                        encoder.value(value)?;
                    }
                    encoder.out.put_count(deletes.len())?;
                    deletes.iter().try_for_each(|key| encoder.key(key))?;
                }
                Change::Refilled(values) => {
                    encoder.out.change(index, ChangeKind::Refilled);
                    encoder.out.put_count(values.len())?;
                    encoder.each(values)?;
                }
                Change::Bytes { offset, bytes } => {
                    encoder.out.change(index, ChangeKind::Bytes);
                    encoder.out.put_u64(*offset);
                    encoder.out.put_u64(bytes.len() as u64);
                    encoder.out.put_bytes(bytes)?;
                }
            }
        }
        Ok(())
    }

    /// The block was sent: what it said is the baseline from now on.
    pub(crate) fn settle(self, baseline: &mut Baseline) {
        baseline.extend(self.now);
    }
}

struct Search<'s, 'b> {
    tables: &'s ObjectTables,
    values_max: u32,
    rt: Runtime,
    block: ValueReader<'b>,
    objects: &'s RequestObjects,
    baseline: &'s Baseline,
    changes: Changes,
}

impl<'b> Search<'_, 'b> {
    /// Reads a value of the request and compares everything in it.
    fn field(&mut self) -> Encoded<Token<'b>> {
        let token = self.block.next()?;
        match token {
            Token::Array { index, count } => self.array(index, count)?,
            Token::ArrayI32 { index, items } => {
                self.packed(index, items.iter().map(f64::from))?;
            }
            Token::ArrayF64 { index, items } => self.packed(index, items.iter())?,
            Token::Object { index, count } => self.object(index, count)?,
            Token::Map { index, count } => self.collection(index, u64::from(count) * 2)?,
            Token::Set { index, count } => self.collection(index, u64::from(count))?,
            Token::Buffer {
                index,
                writable: true,
                bytes,
                ..
            } => self.bytes(index, bytes)?,
            Token::Error { .. } => {
                for _ in 0..5 {
                    self.field()?;
                }
                for _ in 0..u64::from(self.block.own_fields()?) * 2 {
                    self.field()?;
                }
                self.block.leave();
            }
            _ => {}
        }
        Ok(token)
    }

    /// Compares an array. Should the call have made an element an accessor, that one runs.
    fn array(&mut self, index: u32, count: u32) -> Encoded {
        let array = self.objects.get(index).cloned().unwrap_or_default();
        let length = self.length(&array)?;
        let first = self.known_list(index).is_none();
        let mut slots = Vec::new();
        for place in 0..count {
            let token = self.field()?;
            if first && place < length {
                let item = self.rt.get_index(&array, place)?;
                if !compare::matches(self.tables, &token, &item, self.objects) {
                    self.rt.push(&mut slots, (place, item))?;
                }
            }
        }
        self.block.leave();
        self.finish_array(index, &array, count, length, slots)
    }

    fn packed(&mut self, index: u32, items: impl ExactSizeIterator<Item = f64>) -> Encoded {
        let array = self.objects.get(index).cloned().unwrap_or_default();
        let length = self.length(&array)?;
        let total = u32::try_from(items.len()).unwrap_or(u32::MAX);
        let mut slots = Vec::new();
        if self.known_list(index).is_none() {
            for (place, expected) in (0..length).zip(items) {
                let item = self.rt.get_index(&array, place)?;
                if !compare::same_number(&item, expected) {
                    self.rt.push(&mut slots, (place, item))?;
                }
            }
        }
        self.finish_array(index, &array, total, length, slots)
    }

    /// Adds what lies beyond the former end, and the change as a whole if there is one.
    fn finish_array(
        &mut self,
        index: u32,
        array: &Value,
        mut former: u32,
        length: u32,
        mut slots: Vec<(u32, Value)>,
    ) -> Encoded {
        if let Some(known) = self.known_list(index) {
            former = u32::try_from(known.len()).unwrap_or(u32::MAX);
            for (place, expected) in (0..length).zip(known) {
                let item = self.rt.get_index(array, place)?;
                if !compare::same(&item, expected) {
                    self.rt.push(&mut slots, (place, item))?;
                }
            }
        }
        for place in former..length {
            let item = self.rt.get_index(array, place)?;
            self.rt.push(&mut slots, (place, item))?;
        }
        if slots.is_empty() && length == former {
            return Ok(());
        }
        let mut now = Vec::new();
        self.rt.reserve(&mut now, length as usize)?;
        for place in 0..length {
            now.push(self.rt.get_index(array, place)?);
        }
        let change = Change::Array { length, slots };
        Ok(self.note(index, Known::List(now), change)?)
    }

    /// Adds a change, and the contents that are known once it is sent.
    fn note(&mut self, index: u32, now: Known, change: Change) -> JsResult<()> {
        self.rt.push(&mut self.changes.now, (index, now))?;
        self.rt.push(&mut self.changes.changed, (index, change))
    }

    fn known_list(&self, index: u32) -> Option<&Vec<Value>> {
        match self.baseline.get(&index) {
            Some(Known::List(list)) => Some(list),
            _ => None,
        }
    }

    /// The length of an array, as far as the client could take it over.
    fn length(&self, array: &Value) -> Encoded<u32> {
        let length = self.rt.array_length(array).unwrap_or(0);
        let limit = self.values_max;
        if length > limit {
            return Err(ProtocolError::limit(LimitKind::Values, limit, length).into());
        }
        Ok(length)
    }

    fn object(&mut self, index: u32, count: u32) -> Encoded {
        let object = self.objects.get(index).cloned().unwrap_or_default();
        let now = entries(self.rt, &object)?;
        let (mut sets, mut deletes) = (Vec::new(), Vec::new());
        let mut former = FxHashSet::default();
        let known = match self.baseline.get(&index) {
            Some(Known::Object(known)) => Some(known),
            _ => None,
        };
        for _ in 0..count {
            let key = self.key()?;
            let token = self.field()?;
            if known.is_some() {
                continue;
            }
            match now.get(&key) {
                Some(value) => {
                    if !compare::matches(self.tables, &token, value, self.objects) {
                        self.rt.push(&mut sets, (key.clone(), value.clone()))?;
                    }
                }
                None => self.rt.push(&mut deletes, key.clone())?,
            }
            self.add(&mut former, key)?;
        }
        self.block.leave();
        for (key, expected) in known.into_iter().flatten() {
            match now.get(key) {
                Some(value) if compare::same(value, expected) => {}
                Some(value) => self.rt.push(&mut sets, (key.clone(), value.clone()))?,
                None => self.rt.push(&mut deletes, key.clone())?,
            }
            self.add(&mut former, key.clone())?;
        }
        for entry in &now.in_order {
            if !former.contains(&entry.0) {
                self.rt.push(&mut sets, entry.clone())?;
            }
        }
        if !sets.is_empty() || !deletes.is_empty() {
            let change = Change::Object { sets, deletes };
            self.note(index, Known::Object(now.in_order), change)?;
        }
        Ok(())
    }

    /// Adds a key to a set as long as there is memory for it.
    fn add(&self, keys: &mut FxHashSet<Key>, key: Key) -> JsResult<()> {
        if keys.try_reserve(1).is_err() {
            return Err(self.rt.out_of_memory());
        }
        keys.insert(key);
        Ok(())
    }

    fn key(&mut self) -> Encoded<Key> {
        Ok(match self.block.key()? {
            Token::Str(text) => self.rt.key_utf8(text.as_bytes())?,
            Token::Str16(units) => {
                let units: Vec<u16> = self.rt.list_from(units.iter())?;
                self.rt.key_value(&self.rt.string_utf16(&units)?)?
            }
            _ => {
                return Err(ProtocolError::violation("a request that cannot be read twice").into());
            }
        })
    }

    fn collection(&mut self, index: u32, count: u64) -> Encoded {
        let collection = self.objects.get(index).cloned().unwrap_or_default();
        let now = if self.rt.is_map(&collection) {
            self.rt.map_items(&collection)?
        } else {
            self.rt.set_values(&collection)?
        };
        let known = self.known_list(index).map(|known| {
            let mut pairs = known.iter().zip(&now);
            known.len() == now.len() && pairs.all(|(left, right)| compare::same(left, right))
        });
        let mut same = known.unwrap_or(count == now.len() as u64);
        let mut items = now.iter();
        for _ in 0..count {
            let token = self.field()?;
            if known.is_none() {
                same = same
                    && items.next().is_some_and(|item| {
                        compare::matches(self.tables, &token, item, self.objects)
                    });
            }
        }
        self.block.leave();
        if !same {
            let known = self.rt.list_from(now.iter().cloned())?;
            self.note(index, Known::List(known), Change::Refilled(now))?;
        }
        Ok(())
    }

    fn bytes(&mut self, index: u32, expected: &[u8]) -> JsResult<()> {
        let Some(buffer) = self.objects.get(index) else {
            return Ok(());
        };
        let expected = match self.baseline.get(&index) {
            Some(Known::Bytes(known)) => known,
            _ => expected,
        };
        // One that was detached or resized meanwhile has nothing to write back.
        if self.rt.byte_length(buffer) != Some(expected.len())
            || self.rt.bytes_equal(buffer, expected)
        {
            return Ok(());
        }
        let Some(now) = self.rt.copy_bytes(buffer)? else {
            return Ok(());
        };
        let differs = |(left, right): (&u8, &u8)| left != right;
        let Some(first) = now.iter().zip(expected).position(differs) else {
            return Ok(());
        };
        let last = now.iter().zip(expected).rposition(differs);
        let changed = now.get(first..=last.unwrap_or(first));
        let change = Change::Bytes {
            offset: first as u64,
            bytes: self.rt.copied(changed.unwrap_or_default())?,
        };
        self.note(index, Known::Bytes(now), change)
    }
}

/// The own enumerable data properties of an object with string keys.
#[derive(Default)]
struct Entries {
    in_order: Vec<(Key, Value)>,
    by_key: FxHashMap<Key, usize>,
}

impl Entries {
    fn get(&self, key: &Key) -> Option<&Value> {
        let entry = self.by_key.get(key)?;
        self.in_order.get(*entry).map(|entry| &entry.1)
    }
}

fn entries(rt: Runtime, object: &Value) -> JsResult<Entries> {
    let mut entries = Entries::default();
    for key in rt.own_keys(object)?.iter() {
        if rt.key_is_symbol(&key) {
            continue;
        }
        let Some(property) = rt.own_property(object, &key)? else {
            continue;
        };
        if let Content::Value(value) = property.content
            && property.attributes.enumerable
        {
            if entries.by_key.try_reserve(1).is_err() {
                return Err(rt.out_of_memory());
            }
            let place = entries.in_order.len();
            entries.by_key.insert((*key).clone(), place);
            rt.push(&mut entries.in_order, ((*key).clone(), value))?;
        }
    }
    Ok(entries)
}
