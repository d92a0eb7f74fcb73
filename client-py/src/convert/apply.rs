//! Write-back: what the addon changed in the containers and buffers of a request, applied to the
//! Python objects in place.
//!
//! A block is read completely before any of it is applied, since applying runs Python code.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyList, PySet, PyString, PyTuple};

use super::decode::Decoder;
use crate::buffer;
use crate::call::call;
use crate::errors;
use crate::names::Names;

/// One compound's changes.
#[derive(Debug)]
pub(crate) enum Change<'py> {
    Array {
        target: Bound<'py, PyAny>,
        length: u32,
        slots: Vec<(u32, Bound<'py, PyAny>)>,
    },
    Object {
        target: Bound<'py, PyAny>,
        sets: Vec<(Bound<'py, PyString>, Bound<'py, PyAny>)>,
        deletes: Vec<Bound<'py, PyString>>,
    },
    Refilled {
        target: Bound<'py, PyAny>,
        items: Vec<Bound<'py, PyAny>>,
    },
    Bytes {
        target: Bound<'py, PyAny>,
        offset: u64,
        bytes: Vec<u8>,
    },
}

/// Reads a write-back block; the reader then stands at the rest of the frame.
pub(crate) fn read_changes<'py>(decoder: &mut Decoder<'_, 'py>) -> PyResult<Vec<Change<'py>>> {
    let count = decoder.reader.take_count(5).map_err(errors::protocol)?;
    if count as usize > decoder.brought_count() {
        return Err(errors::violation(
            "more changes than the request had objects",
        ));
    }
    let mut changes = Vec::with_capacity(count as usize);
    for _ in 0..count {
        changes.push(read_change(decoder)?);
    }
    decoder.restart();
    Ok(changes)
}

fn read_change<'py>(decoder: &mut Decoder<'_, 'py>) -> PyResult<Change<'py>> {
    let index = decoder.reader.take_u32().map_err(errors::protocol)?;
    let target = decoder.brought(index)?;
    Ok(match decoder.reader.take_u8().map_err(errors::protocol)? {
        0 => {
            let length = decoder.reader.take_u32().map_err(errors::protocol)?;
            let count = decoder.reader.take_count(5).map_err(errors::protocol)?;
            let mut slots = Vec::with_capacity(count as usize);
            for _ in 0..count {
                let slot = decoder.reader.take_u32().map_err(errors::protocol)?;
                if slot >= length {
                    return Err(errors::violation("a change beyond the end of an array"));
                }
                slots.push((slot, decoder.value()?));
            }
            Change::Array {
                target,
                length,
                slots,
            }
        }
        1 => {
            let count = decoder.reader.take_count(6).map_err(errors::protocol)?;
            let mut sets = Vec::with_capacity(count as usize);
            for _ in 0..count {
                sets.push((decoder.key()?, decoder.value()?));
            }
            let count = decoder.reader.take_count(5).map_err(errors::protocol)?;
            let mut deletes = Vec::with_capacity(count as usize);
            for _ in 0..count {
                deletes.push(decoder.key()?);
            }
            Change::Object {
                target,
                sets,
                deletes,
            }
        }
        2 => {
            let count = decoder.reader.take_count(1).map_err(errors::protocol)?;
            let mut items = Vec::with_capacity(count as usize);
            for _ in 0..count {
                items.push(decoder.value()?);
            }
            Change::Refilled { target, items }
        }
        3 => {
            let offset = decoder.reader.take_u64().map_err(errors::protocol)?;
            let length = decoder.reader.take_u64().map_err(errors::protocol)?;
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let bytes = decoder
                .reader
                .take_bytes(length)
                .map_err(errors::protocol)?;
            Change::Bytes {
                target,
                offset,
                bytes: bytes.to_vec(),
            }
        }
        _ => return Err(errors::violation("an unknown kind of change")),
    })
}

/// Changes the Python objects. What is immutable in Python (tuples, data classes, bytes) stays.
pub(crate) fn apply(py: Python<'_>, changes: Vec<Change<'_>>) -> PyResult<()> {
    for change in changes {
        match change {
            Change::Array {
                target,
                length,
                slots,
            } => {
                if let Ok(list) = target.cast::<PyList>() {
                    apply_list(py, list, length as usize, slots)?;
                } else if let Some(copy) = refillable(&target)? {
                    apply_list(py, &copy, length as usize, slots)?;
                    call(Names::get(py)?.refill.bind(py), (&target, copy))?;
                }
            }
            Change::Object {
                target,
                sets,
                deletes,
            } => {
                if let Ok(dict) = target.cast::<PyDict>() {
                    apply_dict(py, dict, sets, deletes)?;
                } else {
                    call(Names::get(py)?.update.bind(py), (&target, sets, deletes))?;
                }
            }
            Change::Refilled { target, items } => {
                if let Ok(set) = target.cast::<PySet>() {
                    // An unhashable item is refused before anything is changed.
                    let fresh = PySet::new(py, items)?;
                    set.clear();
                    for item in fresh {
                        set.add(item)?;
                    }
                }
            }
            Change::Bytes {
                target,
                offset,
                bytes,
            } => {
                if !target.is_instance_of::<pyo3::types::PyBytes>() {
                    buffer::write_back(&target, offset, &bytes)?;
                }
            }
        }
    }
    Ok(())
}

/// A copy of the items of a sequence that is no list and is written back; nothing for those that
/// are not.
fn refillable<'py>(target: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyList>>> {
    if target.is_instance_of::<PyTuple>() {
        return Ok(None);
    }
    let copy = call(
        Names::get(target.py())?.refillable.bind(target.py()),
        (target,),
    )?;
    Ok(copy.cast_into::<PyList>().ok())
}

/// More slots than this are not filled with None at the word of the host.
const MAX_HOLES: usize = 1 << 26;

fn apply_list(
    py: Python<'_>,
    list: &Bound<'_, PyList>,
    length: usize,
    slots: Vec<(u32, Bound<'_, PyAny>)>,
) -> PyResult<()> {
    if length < list.len() {
        list.del_slice(length, list.len())?;
    }
    if length.saturating_sub(list.len()) > slots.len().saturating_add(MAX_HOLES) {
        return Err(errors::violation("an array that grew beyond the limit"));
    }
    for (slot, item) in slots {
        let slot = slot as usize;
        while list.len() < slot {
            list.append(py.None())?;
        }
        if slot < list.len() {
            list.set_item(slot, item)?;
        } else {
            list.append(item)?;
        }
    }
    while list.len() < length {
        list.append(py.None())?;
    }
    Ok(())
}

fn apply_dict(
    py: Python<'_>,
    dict: &Bound<'_, PyDict>,
    sets: Vec<(Bound<'_, PyString>, Bound<'_, PyAny>)>,
    deletes: Vec<Bound<'_, PyString>>,
) -> PyResult<()> {
    for (key, value) in sets {
        match int_key(py, dict, &key)? {
            Some(int) => dict.set_item(int, value)?,
            None => dict.set_item(key, value)?,
        }
    }
    for key in deletes {
        let found = match int_key(py, dict, &key)? {
            Some(int) => int,
            None => key.into_any(),
        };
        if dict.contains(&found)? {
            dict.del_item(found)?;
        }
    }
    Ok(())
}

/// The int key of the dict that became this string on the way, if there is one.
fn int_key<'py>(
    py: Python<'py>,
    dict: &Bound<'py, PyDict>,
    key: &Bound<'py, PyString>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let Ok(text) = key.to_str() else {
        return Ok(None);
    };
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || digits.len() > 18 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let Ok(number) = text.parse::<i64>() else {
        return Ok(None);
    };
    let number = PyInt::new(py, number).into_any();
    if number.str()?.to_string_lossy() == text && !dict.contains(key)? && dict.contains(&number)? {
        return Ok(Some(number));
    }
    Ok(None)
}
