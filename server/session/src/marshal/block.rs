//! What one block keeps track of: the compounds it has so far, by identity when written, by number
//! when read.

use hostd_engine::{JsResult, Runtime, Value};
use rustc_hash::FxHashMap;

/// How many entries' memory is kept for the next block.
const KEPT: usize = 1 << 12;
/// Up to here a scan beats hashing.
const SCANNED: usize = 12;

/// A compound of a request to the client, which the client may change until its reply.
#[derive(Clone, Debug)]
pub(crate) struct Original {
    pub(crate) value: Value,
    /// The position of the argument that it is part of, if it is part of one.
    pub(crate) argument: Option<u32>,
}

/// The compounds that were written into a block, by identity: aliases and cycles become references.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    few: Vec<(usize, u32)>,
    many: FxHashMap<usize, u32>,
    /// The compounds in the order of their numbers, if they are to be kept.
    originals: Option<Vec<Original>>,
    /// The position of the argument that is being written.
    argument: Option<u32>,
}

impl Seen {
    /// The number of the compound with this identity, if it was written.
    #[inline]
    pub(crate) fn find(&self, identity: usize) -> Option<u32> {
        if self.many.is_empty() {
            let found = self.few.iter().find(|entry| entry.0 == identity);
            return found.map(|entry| entry.1);
        }
        self.many.get(&identity).copied()
    }

    /// Keeps the compounds of the next block, for a write-back of the client.
    pub(crate) fn keep_originals(&mut self) {
        self.originals = Some(Vec::new());
    }

    pub(crate) fn take_originals(&mut self) -> Vec<Original> {
        self.originals.take().unwrap_or_default()
    }

    /// The compounds from here on are part of the argument at this position.
    #[inline]
    pub(crate) fn begin_argument(&mut self, position: u32) {
        self.argument = Some(position);
    }

    /// Notes a compound before its contents are written.
    #[inline]
    pub(crate) fn insert(
        &mut self,
        rt: Runtime,
        value: &Value,
        identity: usize,
        index: u32,
    ) -> JsResult<()> {
        if let Some(originals) = &mut self.originals {
            let original = Original {
                value: value.clone(),
                argument: self.argument,
            };
            rt.push(originals, original)?;
        }
        if self.many.is_empty() {
            if self.few.len() < SCANNED {
                self.few.push((identity, index));
                return Ok(());
            }
            self.many.extend(self.few.drain(..));
        }
        let room = self.many.try_reserve(1);
        room.map_err(|_| rt.out_of_memory())?;
        self.many.insert(identity, index);
        Ok(())
    }

    /// Forgets everything and keeps an ordinary amount of memory.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.few.clear();
        if !self.many.is_empty() {
            self.many.clear();
            self.many.shrink_to(KEPT);
        }
        self.argument = None;
        if let Some(originals) = &mut self.originals {
            originals.clear();
        }
    }
}

/// The compounds that a request brought, by number.
#[derive(Debug, Default)]
pub(crate) struct RequestObjects {
    values: Vec<Option<Value>>,
    /// Where the outermost values with compounds in them begin in the body.
    starts: Vec<usize>,
    /// The arguments of the call, until its reply is sent.
    pub(crate) arguments: Vec<Value>,
}

impl RequestObjects {
    /// Makes room for the compound with this number, which is being read.
    #[inline]
    pub(crate) fn reserve(&mut self, rt: Runtime, index: u32) -> JsResult<()> {
        let length = index as usize + 1;
        let more = length.saturating_sub(self.values.len());
        if more > 0 {
            rt.reserve(&mut self.values, more)?;
            self.values.resize(length, None);
        }
        Ok(())
    }

    /// Says which object the compound with this number became.
    #[inline]
    pub(crate) fn set(&mut self, rt: Runtime, index: u32, value: Value) -> JsResult<()> {
        self.reserve(rt, index)?;
        if let Some(slot) = self.values.get_mut(index as usize) {
            *slot = Some(value);
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn get(&self, index: u32) -> Option<&Value> {
        self.values.get(index as usize)?.as_ref()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Notes that an outermost value with compounds in it begins here.
    pub(crate) fn note_start(&mut self, rt: Runtime, position: usize) -> JsResult<()> {
        rt.push(&mut self.starts, position)
    }

    pub(crate) fn starts(&self) -> impl Iterator<Item = usize> {
        self.starts.iter().copied()
    }

    pub(crate) fn by_identity(&self, rt: Runtime) -> JsResult<FxHashMap<usize, u32>> {
        let mut numbers = FxHashMap::default();
        let room = numbers.try_reserve(self.values.len());
        room.map_err(|_| rt.out_of_memory())?;
        let entries = (0..).zip(&self.values);
        let identity = |value: &Option<Value>| value.as_ref()?.identity();
        numbers.extend(entries.filter_map(|(index, value)| Some((identity(value)?, index))));
        Ok(numbers)
    }

    /// Forgets everything and keeps an ordinary amount of memory.
    #[inline]
    pub(crate) fn clear(&mut self) {
        clear(&mut self.values);
        clear(&mut self.starts);
        clear(&mut self.arguments);
    }
}

#[inline]
fn clear<T>(items: &mut Vec<T>) {
    if !items.is_empty() {
        items.clear();
        items.shrink_to(KEPT);
    }
}

#[cfg(test)]
mod tests {
    use hostd_engine::{Options, Runtime, Value};

    use super::{SCANNED, Seen};

    #[test]
    fn seen_finds_the_first_and_the_thousandth() {
        let options = Options {
            stack_bytes: 1 << 20,
            memory_limit: None,
        };
        let rt = Runtime::new(options).unwrap();
        let mut seen = Seen::default();
        for index in 0..1000_u32 {
            assert_eq!(seen.find(index as usize + 7), None);
            seen.insert(rt, &Value::NULL, index as usize + 7, index)
                .unwrap();
        }
        assert_eq!(seen.find(7), Some(0));
        assert_eq!(seen.find(SCANNED + 7), Some(12));
        assert_eq!(seen.find(1006), Some(999));
        seen.clear();
        assert_eq!(seen.find(7), None);
    }
}
