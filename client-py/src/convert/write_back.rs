//! Write-back: what Python changed in the containers of a request of the host, written for the host.

use hostd_protocol::value::ChangeKind;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use super::encode::{Encoder, wire};
use super::place::Step;
use super::received::{Change, Container, Kind, Received};
use crate::fallible::{self, push};

/// Writes changes. A container that can't be converted is a `TypeError` that names its argument.
pub(crate) fn write(
    encoder: &mut Encoder<'_, '_>,
    received: &Received,
    changes: &[Change],
) -> PyResult<()> {
    wire(encoder.out.put_count(changes.len()))?;
    for change in changes {
        let Some(container) = received.container(change) else {
            continue;
        };
        write_change(encoder, container, change).map_err(|error| {
            let argument = container.argument.map_or_else(
                || "a value for Python".to_owned(),
                |position| format!("argument {} of the callback", position.saturating_add(1)),
            );
            encoder.place.inside(Step::Named(argument), error)
        })?;
    }
    Ok(())
}

fn write_change(
    encoder: &mut Encoder<'_, '_>,
    container: &Container,
    change: &Change,
) -> PyResult<()> {
    let py = encoder.py;
    let kind = match container.kind {
        Kind::Array => ChangeKind::Array,
        Kind::Object => ChangeKind::Object,
        Kind::Map | Kind::Pairs | Kind::Set | Kind::Items => ChangeKind::Refilled,
    };
    encoder.out.change(container.index, kind);
    match container.kind {
        Kind::Array => write_array(encoder, change),
        Kind::Object => write_object(encoder, container, change),
        Kind::Map | Kind::Set | Kind::Items => write_items(encoder, change.now.bind(py).iter()),
        Kind::Pairs => {
            let mut flat = Vec::new();
            for item in change.now.bind(py) {
                for part in pair(encoder, &item)? {
                    push(&mut flat, part)?;
                }
            }
            write_items(encoder, flat.into_iter())
        }
    }
}

fn write_array(encoder: &mut Encoder<'_, '_>, change: &Change) -> PyResult<()> {
    let (former, now) = (change.former.bind(encoder.py), change.now.bind(encoder.py));
    let changed = now.iter().enumerate().filter(|(place, item)| {
        former
            .get_borrowed_item(*place)
            .map_or(true, |former| !former.is(item))
    });
    let mut slots = Vec::new();
    for slot in changed {
        push(&mut slots, slot)?;
    }
    wire(encoder.out.put_count(now.len()))?;
    wire(encoder.out.put_count(slots.len()))?;
    for (place, item) in slots {
        encoder.out.put_u32(u32::try_from(place)?);
        encoder.value_at(&item, || Step::Item(place))?;
    }
    Ok(())
}

fn write_object(
    encoder: &mut Encoder<'_, '_>,
    container: &Container,
    change: &Change,
) -> PyResult<()> {
    let py = encoder.py;
    // Copies, since looking up a key may run Python code, which may change the original.
    let now = container.object.bind(py).cast::<PyDict>()?.copy()?;
    let former = fallible::dict(py)?;
    for (key, value) in entries(change.former.bind(py)) {
        former.set_item(key, value)?;
    }
    let mut sets = Vec::new();
    for (key, value) in entries(change.now.bind(py)) {
        if former
            .get_item(&key)?
            .is_none_or(|former| !former.is(&value))
        {
            push(&mut sets, (key, value))?;
        }
    }
    wire(encoder.out.put_count(sets.len()))?;
    for (key, value) in sets {
        encoder.key(&now, &key)?;
        encoder.value_at(&value, || Step::key(&key))?;
    }
    let mut deletes = Vec::new();
    for (key, _) in &former {
        if !now.contains(&key)? {
            push(&mut deletes, key)?;
        }
    }
    wire(encoder.out.put_count(deletes.len()))?;
    for key in deletes {
        encoder.key(&former, &key)?;
    }
    Ok(())
}

/// The entries of a dict whose keys and values lie in turns.
fn entries<'py>(
    flat: &Bound<'py, PyTuple>,
) -> impl Iterator<Item = (Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    flat.iter().step_by(2).zip(flat.iter().skip(1).step_by(2))
}

fn write_items<'py>(
    encoder: &mut Encoder<'_, 'py>,
    items: impl ExactSizeIterator<Item = Bound<'py, PyAny>>,
) -> PyResult<()> {
    wire(encoder.out.put_count(items.len()))?;
    for item in items {
        encoder.value(&item)?;
    }
    Ok(())
}

/// The key and the value of an entry of a `Map` that is a list of pairs.
fn pair<'py>(
    encoder: &mut Encoder<'_, 'py>,
    item: &Bound<'py, PyAny>,
) -> PyResult<[Bound<'py, PyAny>; 2]> {
    let pair = match item.cast::<PyList>() {
        Ok(list) => Some(fallible::tuple(list)?),
        Err(_) => item.cast::<PyTuple>().ok().cloned(),
    };
    pair.and_then(|pair| {
        pair.extract::<(Bound<'py, PyAny>, Bound<'py, PyAny>)>()
            .ok()
    })
    .map(|(key, value)| [key, value])
    .ok_or_else(|| {
        let why = "the items of a list that stands for a Map must be pairs";
        encoder.place.refuse(why)
    })
}
