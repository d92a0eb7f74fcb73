//! Write-back blocks: what a call changed in the compounds of a request, which they name by number.

use super::ValueWriter;
use super::tag::codes;
use crate::error::{ProtocolError, violation};
use crate::parts::{Part, PartReader, PartResult, Side};

codes! {
    /// What a change begins with, after the number of its compound ([`ValueWriter::change`]).
    pub enum ChangeKind {
        /// `u32` length, `u32` n, n times a `u32` index and a value.
        Array = 0,
        /// `u32` n, n times a key and a value, `u32` m, m times a key.
        Object = 1,
        /// `u32` n, n values.
        Refilled = 2,
        /// `u64` offset, `u64` length, the bytes.
        Bytes = 3,
    }
}

/// What one compound became, with keys, values and bytes as a side has them.
#[expect(missing_docs, reason = "as the variants say")]
#[derive(Debug)]
pub enum Change<K, V, B> {
    /// The new length of an array, and the items that are others, by their indexes.
    Array { length: u32, slots: Vec<(u32, V)> },
    /// What is set in an object, and what is deleted.
    Object { sets: Vec<(K, V)>, deletes: Vec<K> },
    /// The items of a set, or the keys and values of a map in turns.
    Refilled(Vec<V>),
    /// Bytes of a buffer, from an offset on; only the host sends it.
    Bytes { offset: u64, bytes: B },
}

/// A change as the decoder `D` reads it.
pub type ReadChange<'a, D> =
    Change<<D as ChangeReader<'a>>::Name, <<D as PartReader>::Side as Side>::Value, &'a [u8]>;

/// The decoder of a side, for write-back blocks.
pub trait ChangeReader<'a>: PartReader {
    /// The key of a property of a plain object.
    type Name;

    /// Bytes as they are.
    fn bytes(&mut self, length: usize) -> PartResult<Self, &'a [u8]>;
    /// The key of a property.
    fn name(&mut self) -> PartResult<Self, Self::Name>;
}

/// Reads a write-back block of a request with so many compounds. Returns the changes, each with what
/// `target` gives for the number of its compound.
pub fn read_changes<'a, D: ChangeReader<'a>, T>(
    decoder: &mut D,
    compounds: usize,
    target: impl Fn(&mut D, u32) -> PartResult<D, T>,
) -> PartResult<D, Vec<(T, ReadChange<'a, D>)>> {
    let mut indexes = Vec::new();
    let changes = list(decoder, 5, |decoder| {
        let index = u32::read(decoder)?;
        push(decoder, &mut indexes, index)?;
        if indexes.len() > compounds {
            return refuse(decoder, "more changes than the request had compounds");
        }
        Ok((target(decoder, index)?, change(decoder)?))
    })?;
    indexes.sort_unstable();
    indexes.dedup();
    if indexes.len() < changes.len() {
        return refuse(decoder, "a compound that is written back twice");
    }
    Ok(changes)
}

fn change<'a, D: ChangeReader<'a>>(decoder: &mut D) -> PartResult<D, ReadChange<'a, D>> {
    Ok(match ChangeKind::from_code(u8::read(decoder)?) {
        Some(ChangeKind::Array) => {
            let length = u32::read(decoder)?;
            let slots = list(decoder, 5, |decoder| {
                let slot = u32::read(decoder)?;
                if slot >= length {
                    return refuse(decoder, "a change beyond the end of an array");
                }
                Ok((slot, decoder.value()?))
            })?;
            Change::Array { length, slots }
        }
        Some(ChangeKind::Object) => Change::Object {
            sets: list(decoder, 6, |decoder| {
                Ok((decoder.name()?, decoder.value()?))
            })?,
            deletes: list(decoder, 5, D::name)?,
        },
        Some(ChangeKind::Refilled) => Change::Refilled(list(decoder, 1, D::value)?),
        Some(ChangeKind::Bytes) => {
            let (offset, length) =
                decoder.field(|body| Ok((body.take_u64()?, body.take_u64()?)))?;
            let bytes = decoder.bytes(usize::try_from(length).unwrap_or(usize::MAX))?;
            Change::Bytes { offset, bytes }
        }
        None => return refuse(decoder, "an unknown kind of change"),
    })
}

/// Reads items after their count; each has at least so many bytes.
fn list<'a, D: ChangeReader<'a>, T>(
    decoder: &mut D,
    bytes: usize,
    mut read: impl FnMut(&mut D) -> PartResult<D, T>,
) -> PartResult<D, Vec<T>> {
    let mut items = Vec::new();
    for _ in 0..decoder.field(|body| body.take_count(bytes))? {
        let item = read(decoder)?;
        push(decoder, &mut items, item)?;
    }
    Ok(items)
}

fn push<D: PartReader, T>(decoder: &mut D, items: &mut Vec<T>, item: T) -> PartResult<D, ()> {
    let bytes = size_of::<T>();
    let room = items.try_reserve(1);
    decoder.field(|_| room.map_err(|_| ProtocolError::Memory { bytes }))?;
    items.push(item);
    Ok(())
}

fn refuse<D: PartReader, T>(decoder: &mut D, what: &'static str) -> PartResult<D, T> {
    decoder.field(|_| violation(what))
}

impl ValueWriter<'_> {
    /// Begins a change of the compound `index`.
    pub fn change(&mut self, index: u32, kind: ChangeKind) {
        self.put_u32(index);
        self.put_u8(kind.code());
    }
}
