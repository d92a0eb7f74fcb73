//! Write-back of the client: what Python changed in the arguments of a callback, applied to the
//! JavaScript originals in place.
//!
//! A block is read completely, and the message around it too, before any of it is applied, since
//! applying may run JavaScript.

use hostd_engine::{JsResult, Key, Runtime, Thrown, Value};
use hostd_protocol::error::ProtocolError;
use hostd_protocol::value::{ChangeReader, read_changes};

use super::Original;
use super::decode::{Decoded, Decoder};
use crate::tables::ObjectTables;

/// What the client changed in a compound that it was sent.
type Change<'b> = hostd_protocol::value::Change<Key, Value, &'b [u8]>;

/// What one compound of a request to the client became.
pub(crate) type Applied<'b> = (Original, Change<'b>);

impl<'d, 'b> Decoder<'d, 'b> {
    /// Reads a write-back block, which comes before everything else: what the client changed in the
    /// compounds of a request to it.
    pub(crate) fn write_back(&mut self, originals: &'d [Original]) -> Decoded<Vec<Applied<'b>>> {
        self.originals = originals;
        let changes = read_changes(self, originals.len(), |_, index| {
            let original = originals.get(index as usize).cloned();
            original.ok_or_else(|| ProtocolError::violation("a change of no compound").into())
        })?;
        let fits = |(original, change): &Applied<'_>| is_possible(self.rt, &original.value, change);
        if !changes.iter().all(fits) {
            return Err(ProtocolError::violation("a change that the compound can't have").into());
        }
        self.originals = &[];
        self.objects.clear();
        self.reader.restart_numbering();
        Ok(changes)
    }
}

impl<'b> ChangeReader<'b> for Decoder<'_, 'b> {
    type Name = Key;

    fn bytes(&mut self, length: usize) -> Decoded<&'b [u8]> {
        Ok(self.reader.take_bytes(length)?)
    }

    fn name(&mut self) -> Decoded<Key> {
        self.key()
    }
}

/// Whether the client may change a compound in this way.
fn is_possible(rt: Runtime, original: &Value, change: &Change<'_>) -> bool {
    match change {
        Change::Array { .. } => rt.is_array(original),
        Change::Object { .. } => rt.is_plain_object(original),
        Change::Refilled(items) if rt.is_map(original) => items.len().is_multiple_of(2),
        Change::Refilled(_) => rt.is_set(original),
        Change::Bytes { .. } => false,
    }
}

/// Changes the originals. What can't be changed any more, as an array that was frozen meanwhile, is
/// a `TypeError`.
pub(crate) fn apply(
    tables: &ObjectTables,
    changes: Vec<Applied<'_>>,
    is_cancelled: impl Fn() -> bool,
) -> JsResult<()> {
    for (original, change) in changes {
        apply_change(tables, &original.value, change).map_err(|thrown| {
            if is_cancelled() {
                return thrown;
            }
            refused(tables.rt, original.argument, &thrown)
        })?;
    }
    Ok(())
}

fn apply_change(tables: &ObjectTables, target: &Value, change: Change<'_>) -> JsResult<()> {
    let (rt, intrinsics) = (tables.rt, &tables.intrinsics);
    match change {
        Change::Array { length, slots } => {
            let number = Value::from(f64::from(length));
            let former = rt.array_length(target).unwrap_or(length);
            if length < former {
                rt.set_strict(target, &intrinsics.length, number.clone())?;
            }
            for (slot, value) in slots {
                write(rt, target, &rt.key_index(slot)?, value)?;
            }
            if rt.array_length(target).is_some_and(|now| now < length) {
                rt.set_strict(target, &intrinsics.length, number)?;
            }
        }
        Change::Object { sets, deletes } => {
            for key in deletes {
                if !rt.delete(target, &key)? {
                    return Err(rt.type_error("a property can't be deleted"));
                }
            }
            for (key, value) in sets {
                write(rt, target, &key, value)?;
            }
        }
        Change::Refilled(items) if rt.is_map(target) => {
            rt.call(&intrinsics.map_clear, target, &[])?;
            for entry in items.chunks_exact(2) {
                rt.call(&intrinsics.map_set, target, entry)?;
            }
        }
        Change::Refilled(items) => {
            rt.call(&intrinsics.set_clear, target, &[])?;
            for item in items {
                rt.call(&intrinsics.set_add, target, &[item])?;
            }
        }
        Change::Bytes { .. } => {}
    }
    Ok(())
}

/// Assigns to an own property, or adds one: no setter of a prototype is in the way of new data.
fn write(rt: Runtime, target: &Value, key: &Key, value: Value) -> JsResult<()> {
    if rt.has_own(target, key)? {
        return rt.set_strict(target, key, value);
    }
    if rt.put(target, key, value)? {
        Ok(())
    } else {
        Err(rt.type_error("object is not extensible"))
    }
}

/// The error that says which argument could not be changed.
fn refused(rt: Runtime, argument: Option<u32>, thrown: &Thrown) -> Thrown {
    let what = argument.map_or_else(
        || "a value".to_owned(),
        |position| format!("argument {}", position.saturating_add(1)),
    );
    let message = rt
        .key_utf8(b"message")
        .ok()
        .and_then(|key| rt.data_property(&thrown.0, &key))
        .filter(Value::is_string)
        .and_then(|text| Some(rt.utf8(&text).ok()?.as_str().to_owned()))
        .unwrap_or_default();
    rt.type_error(&format!(
        "{what} of a Python callback was changed in Python and can't be written back: {message}"
    ))
}
