//! Write-back of the client: what Python changed in the arguments of a callback, applied to the
//! JavaScript originals in place.
//!
//! A block is read completely, and the message around it too, before any of it is applied, since
//! applying may run JavaScript.

use hostd_engine::{JsResult, Key, Runtime, Thrown, Value};
use hostd_protocol::error::ProtocolError;

use super::Original;
use super::decode::{Decoded, Decoder};
use super::write_back::{ARRAY, Change, OBJECT, REFILLED};
use crate::tables::ObjectTables;

/// What one compound of a request to the client became.
pub(crate) type Applied = (Original, Change);

impl<'d> Decoder<'d, '_> {
    /// Reads a write-back block, which comes before everything else: what the client changed in the
    /// compounds of a request to it.
    pub(crate) fn write_back(&mut self, originals: &'d [Original]) -> Decoded<Vec<Applied>> {
        self.originals = originals;
        let changes = read(self, originals)?;
        self.originals = &[];
        self.objects.clear();
        self.reader.restart_numbering();
        Ok(changes)
    }
}

fn read(decoder: &mut Decoder<'_, '_>, originals: &[Original]) -> Decoded<Vec<Applied>> {
    let count = decoder.fields().take_count(5)?;
    if count as usize > originals.len() {
        return Err(ProtocolError::violation("more changes than the request has compounds").into());
    }
    let (rt, mut changes) = (decoder.rt, Vec::new());
    for _ in 0..count {
        let index = decoder.fields().take_u32()?;
        let Some(original) = originals.get(index as usize) else {
            return Err(ProtocolError::violation("a change of no compound").into());
        };
        let change = read_change(decoder, &original.value)?;
        rt.push(&mut changes, (original.clone(), change))?;
    }
    Ok(changes)
}

fn read_change(decoder: &mut Decoder<'_, '_>, original: &Value) -> Decoded<Change> {
    let rt = decoder.rt;
    match decoder.fields().take_u8()? {
        ARRAY if rt.is_array(original) => {
            let length = decoder.fields().take_u32()?;
            let slots = read_list(decoder, 5, |decoder| {
                let slot = decoder.fields().take_u32()?;
                if slot >= length {
                    let what = "a change beyond the end of an array";
                    return Err(ProtocolError::violation(what).into());
                }
                Ok((slot, decoder.part()?))
            })?;
            Ok(Change::Array { length, slots })
        }
        OBJECT if rt.is_plain_object(original) => {
            let entry = |decoder: &mut Decoder<'_, '_>| Ok((decoder.key()?, decoder.part()?));
            let sets = read_list(decoder, 6, entry)?;
            let deletes = read_list(decoder, 5, Decoder::key)?;
            Ok(Change::Object { sets, deletes })
        }
        REFILLED if rt.is_map(original) || rt.is_set(original) => {
            let items = read_list(decoder, 1, Decoder::part)?;
            if rt.is_map(original) && items.len() % 2 != 0 {
                return Err(ProtocolError::violation("a key of a map without a value").into());
            }
            Ok(Change::Refilled(items))
        }
        _ => Err(ProtocolError::violation("a change that the compound can't have").into()),
    }
}

/// Reads items after their count; each has at least `bytes`.
fn read_list<'d, 'b, T>(
    decoder: &mut Decoder<'d, 'b>,
    bytes: usize,
    read: impl Fn(&mut Decoder<'d, 'b>) -> Decoded<T>,
) -> Decoded<Vec<T>> {
    let mut items = Vec::new();
    for _ in 0..decoder.fields().take_count(bytes)? {
        let item = read(decoder)?;
        decoder.rt.push(&mut items, item)?;
    }
    Ok(items)
}

/// Changes the originals. What can't be changed any more, as an array that was frozen meanwhile, is
/// a `TypeError`.
pub(crate) fn apply(
    tables: &ObjectTables,
    changes: Vec<Applied>,
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

fn apply_change(tables: &ObjectTables, target: &Value, change: Change) -> JsResult<()> {
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
