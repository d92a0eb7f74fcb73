//! Write-back: what the addon changed in the containers and buffers of a request, applied to the
//! Python objects in place.
//!
//! A block is read completely before any of it is applied, since applying runs Python code.

use hostd_protocol::value::{self, Change, ChangeReader, ReadChange};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyNone, PySet, PyString, PyTuple};

use super::decode::Decoder;
use super::encode::wire;
use super::hashes;
use super::pace::{self, PAUSE_ITEMS};
use crate::call::call;
use crate::errors;
use crate::exporter::WritableView;
use crate::fallible;
use crate::names::Names;

/// A compound, and what the addon has changed in it.
type Changed<'a, 'py> = (Bound<'py, PyAny>, ReadChange<'a, Decoder<'a, 'py>>);

type Entries<'py> = Vec<(Bound<'py, PyString>, Bound<'py, PyAny>)>;

impl<'a, 'py> ChangeReader<'a> for Decoder<'a, 'py> {
    type Name = Bound<'py, PyString>;

    fn bytes(&mut self, length: usize) -> PyResult<&'a [u8]> {
        wire(self.reader.take_bytes(length))
    }

    fn name(&mut self) -> PyResult<Bound<'py, PyString>> {
        self.key()
    }
}

/// Reads a write-back block; the reader then stands at the rest of the frame.
pub(crate) fn read_changes<'a, 'py>(
    decoder: &mut Decoder<'a, 'py>,
) -> PyResult<Vec<Changed<'a, 'py>>> {
    let changes = value::read_changes(decoder, decoder.request_count(), |decoder, index| {
        decoder.request_object(index)
    })?;
    decoder.restart();
    Ok(changes)
}

/// Changes the Python objects, except immutable ones (tuples, data classes, bytes).
pub(crate) fn apply<'py>(
    decoder: &mut Decoder<'_, 'py>,
    changes: Vec<Changed<'_, 'py>>,
) -> PyResult<()> {
    let py = decoder.py;
    for (target, what) in changes {
        match what {
            Change::Array { length, slots } => {
                if let Ok(list) = target.cast::<PyList>() {
                    apply_list(decoder, list, length as usize, slots)?;
                } else if let Some(copy) = refillable(&target)? {
                    apply_list(decoder, &copy, length as usize, slots)?;
                    call(Names::get(py)?.refill.bind(py), (&target, copy))?;
                }
            }
            Change::Object { sets, deletes } => {
                if let Ok(dict) = target.cast::<PyDict>() {
                    apply_dict(decoder, dict, sets, deletes)?;
                } else {
                    call(Names::get(py)?.update.bind(py), (&target, sets, deletes))?;
                }
            }
            Change::Refilled(items) => {
                if let Ok(set) = target.cast::<PySet>() {
                    let items = fallible::list_of(py, items.into_iter().map(Ok))?;
                    if hashes::collide(&items, || decoder.pause())? {
                        return Err(errors::raised::<PyValueError>(
                            "the addon's changes to a set were lost: more than 64 of its new items \
                             have the same hash",
                        ));
                    }
                    let before = set.len();
                    // An unhashable item is refused before anything is changed.
                    let (fresh, mut refused) = (PySet::empty(py)?, Ok(()));
                    decoder.all_in(items.iter(), |item| {
                        if refused.is_ok() {
                            refused = fresh.add(item);
                        }
                        Ok(())
                    })?;
                    refused?;
                    set.clear();
                    decoder.all_in(fresh.iter(), |item| set.add(item))?;
                    decoder.changed_length(before, set.len());
                }
            }
            Change::Bytes { offset, bytes } => {
                if !target.is_instance_of::<pyo3::types::PyBytes>() {
                    let start = usize::try_from(offset).unwrap_or(usize::MAX);
                    WritableView::new(&target)?.write(start, bytes)?;
                }
            }
        }
    }
    Ok(())
}

/// A copy of the items of a sequence that is no list; None if changes are not written back to it.
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

fn apply_list<'py>(
    decoder: &mut Decoder<'_, 'py>,
    list: &Bound<'py, PyList>,
    length: usize,
    slots: Vec<(u32, Bound<'py, PyAny>)>,
) -> PyResult<()> {
    let before = list.len();
    if length < before {
        list.del_slice(length, before)?;
    }
    let new = slots.iter().filter(|slot| slot.0 as usize >= before);
    decoder.grow(length.saturating_sub(before).saturating_sub(new.count()))?;
    let filled = fill(decoder, list, length, slots);
    decoder.changed_length(before, list.len());
    filled
}

/// Puts items into their places, and None where the list has none.
fn fill<'py>(
    decoder: &mut Decoder<'_, 'py>,
    list: &Bound<'py, PyList>,
    length: usize,
    slots: Vec<(u32, Bound<'py, PyAny>)>,
) -> PyResult<()> {
    for (position, (slot, item)) in slots.into_iter().enumerate() {
        if pace::is_due(position) {
            decoder.pause()?;
        }
        let slot = slot as usize;
        extend(decoder, list, slot)?;
        if slot < list.len() {
            list.set_item(slot, item)?;
        } else {
            list.append(item)?;
        }
    }
    extend(decoder, list, length)
}

/// Appends None until the list has this length.
fn extend(decoder: &mut Decoder<'_, '_>, list: &Bound<'_, PyList>, length: usize) -> PyResult<()> {
    while list.len() < length {
        let py = decoder.py;
        let some = (length - list.len()).min(PAUSE_ITEMS);
        let holes = (0..some).map(|_| Ok(PyNone::get(py).to_owned().into_any()));
        let holes = fallible::list_of(py, holes)?;
        list.set_slice(list.len(), list.len(), &holes)?;
        if list.len() < length {
            decoder.pause()?;
        }
    }
    Ok(())
}

fn apply_dict<'py>(
    decoder: &mut Decoder<'_, 'py>,
    dict: &Bound<'py, PyDict>,
    sets: Entries<'py>,
    deletes: Vec<Bound<'py, PyString>>,
) -> PyResult<()> {
    let (py, before) = (decoder.py, dict.len());
    for (position, (key, value)) in sets.into_iter().enumerate() {
        if pace::is_due(position) {
            decoder.pause()?;
        }
        match int_key(py, dict, &key)? {
            Some(int) => dict.set_item(int, value)?,
            None => dict.set_item(key, value)?,
        }
    }
    decoder.changed_length(before, dict.len());
    let before = dict.len();
    for (position, key) in deletes.into_iter().enumerate() {
        if pace::is_due(position) {
            decoder.pause()?;
        }
        let found = match int_key(py, dict, &key)? {
            Some(int) => int,
            None => key.into_any(),
        };
        if dict.contains(&found)? {
            dict.del_item(found)?;
        }
    }
    decoder.changed_length(before, dict.len());
    Ok(())
}

/// The int key of the dict that was sent as this string, if there is one.
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
    let number = fallible::int(py, number)?;
    if number.str()?.to_string_lossy() == text && !dict.contains(key)? && dict.contains(&number)? {
        return Ok(Some(number));
    }
    Ok(None)
}
