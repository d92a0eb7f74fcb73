//! The mutable containers of a request of the host, and what Python changed in them: written back
//! into the JavaScript originals when the callback returns, and before each call that it makes.
//!
//! What a container had in it when it was decoded is kept as a shallow copy, and compared by identity:
//! that is cheaper than reading the request again and runs no code of a program's.
//! `Buffer`s are immutable, so there is nothing to compare.

use std::cell::RefCell;
use std::rc::Rc;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PySet, PyTuple};
use rustc_hash::FxHashMap;

use super::encode::Encoder;
use super::place::Step;
use crate::call::release;

/// What a container is at the host and here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An `Array`: a list.
    Array,
    /// A plain object: an `Object`.
    Object,
    /// A `Map`: a dict.
    Map,
    /// A `Map` that no dict can be: a list of pairs.
    Pairs,
    /// A `Set`: a set.
    Set,
    /// A `Set` that no set can be: a list.
    Items,
}

/// A container that the host sent.
#[derive(Debug)]
struct Container {
    /// Its number in the request.
    index: u32,
    /// The position of the argument that it is part of, if it is part of one.
    argument: Option<u32>,
    object: Py<PyAny>,
    kind: Kind,
    /// Its contents as they were decoded.
    decoded: Py<PyTuple>,
}

/// The contents of containers after a write-back, by the places of the containers.
type Settled = FxHashMap<usize, Py<PyTuple>>;

/// The containers of one request.
#[derive(Debug)]
pub(crate) struct Received {
    containers: Vec<Container>,
    settled: RefCell<Settled>,
    /// As it was before the last request was sent.
    before: RefCell<Settled>,
}

/// What one container became.
#[derive(Debug)]
pub(crate) struct Change {
    place: usize,
    former: Py<PyTuple>,
    now: Py<PyTuple>,
}

impl Received {
    /// Notes what is in the containers among the compounds of a request; none without containers.
    /// `arguments` has the position of each argument with compounds in it, and its first compound.
    pub(super) fn new(
        compounds: &[Option<Bound<'_, PyAny>>],
        kind_of: impl Fn(usize, &Bound<'_, PyAny>) -> Option<Kind>,
        arguments: &[(u32, usize)],
    ) -> PyResult<Option<Rc<Self>>> {
        let mut containers = Vec::with_capacity(compounds.len());
        let mut arguments = arguments.iter().copied().peekable();
        let mut argument = None;
        for (index, compound) in compounds.iter().enumerate() {
            if let Some(next) = arguments.next_if(|next| next.1 == index) {
                argument = Some(next.0);
            }
            if let Some(object) = compound
                && let Some(kind) = kind_of(index, object)
            {
                containers.push(Container {
                    index: u32::try_from(index).unwrap_or(u32::MAX),
                    argument,
                    decoded: contents(object)?.unbind(),
                    object: object.clone().unbind(),
                    kind,
                });
            }
        }
        if containers.is_empty() {
            return Ok(None);
        }
        Ok(Some(Rc::new(Self {
            containers,
            settled: RefCell::default(),
            before: RefCell::default(),
        })))
    }

    /// What changed since the containers were decoded, or since that was last sent.
    pub(crate) fn changes(&self, py: Python<'_>) -> PyResult<Vec<Change>> {
        release_settled(py, self.before.take());
        let settled = self.settled.borrow();
        let mut changes = Vec::new();
        for (place, container) in self.containers.iter().enumerate() {
            let former = settled.get(&place).unwrap_or(&container.decoded);
            let object = container.object.bind(py);
            if !holds(object, former.bind(py)) {
                changes.push(Change {
                    place,
                    former: former.clone_ref(py),
                    now: contents(object)?.unbind(),
                });
            }
        }
        Ok(changes)
    }

    /// The numbers of the containers, by the addresses of their objects.
    pub(crate) fn by_address(&self) -> FxHashMap<usize, u32> {
        self.containers
            .iter()
            .map(|container| (container.object.as_ptr() as usize, container.index))
            .collect()
    }

    /// Writes changes. A container that can't be sent is a `TypeError` that names its argument.
    pub(crate) fn write(&self, encoder: &mut Encoder<'_, '_>, changes: &[Change]) -> PyResult<()> {
        encoder.out.put_u32(u32::try_from(changes.len())?);
        for change in changes {
            let Some(container) = self.containers.get(change.place) else {
                continue;
            };
            encoder.out.put_u32(container.index);
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

    /// Changes were sent: the next ones are found against these. Drops nothing.
    pub(crate) fn settle(&self, py: Python<'_>, changes: &[Change]) {
        let mut settled = self.settled.borrow_mut();
        let before = settled
            .iter()
            .map(|(place, contents)| (*place, contents.clone_ref(py)))
            .collect();
        self.before.replace(before);
        for change in changes {
            settled.insert(change.place, change.now.clone_ref(py));
        }
    }

    /// The host did not read the changes that were sent last: they are to be sent again.
    pub(crate) fn unsettle(&self) {
        self.settled.swap(&self.before);
    }

    /// Drops everything, where destructors may run.
    pub(crate) fn release(self: Rc<Self>, py: Python<'_>) {
        let Some(received) = Rc::into_inner(self) else {
            return;
        };
        release_settled(py, received.before.into_inner());
        release_settled(py, received.settled.into_inner());
        for container in received.containers {
            release(container.decoded.into_bound(py).into_any());
            release(container.object.into_bound(py));
        }
    }
}

fn release_settled(py: Python<'_>, settled: Settled) {
    for contents in settled.into_values() {
        release(contents.into_bound(py).into_any());
    }
}

/// What is in a container: of a dict, keys and values in turns. Runs no Python code.
fn contents<'py>(container: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
    let py = container.py();
    if let Ok(list) = container.cast::<PyList>() {
        return Ok(list.to_tuple());
    }
    let mut items = Vec::new();
    if let Ok(dict) = container.cast::<PyDict>() {
        items.reserve(dict.len() * 2);
        items.extend(dict.iter().flat_map(|(key, value)| [key, value]));
    } else if let Ok(set) = container.cast::<PySet>() {
        items.extend(set.iter());
    }
    PyTuple::new(py, items)
}

/// Whether a container still holds these very objects. Runs no Python code.
fn holds(container: &Bound<'_, PyAny>, expected: &Bound<'_, PyTuple>) -> bool {
    let count = expected.len();
    let is_at = |place: usize, item: &Bound<'_, PyAny>| {
        expected
            .get_borrowed_item(place)
            .is_ok_and(|expected| expected.is(item))
    };
    if let Ok(list) = container.cast::<PyList>() {
        // Items of a tuple are read without counting references: twice as fast as those of a list.
        let now = list.to_tuple();
        return now.len() == count
            && (0..count).all(|place| {
                now.get_borrowed_item(place)
                    .is_ok_and(|item| is_at(place, &item))
            });
    }
    if let Ok(dict) = container.cast::<PyDict>() {
        return dict.len() * 2 == count
            && dict.iter().enumerate().all(|(entry, (key, value))| {
                is_at(entry * 2, &key) && is_at(entry * 2 + 1, &value)
            });
    }
    container.cast::<PySet>().is_ok_and(|set| {
        set.len() == count
            && set
                .iter()
                .enumerate()
                .all(|(place, item)| is_at(place, &item))
    })
}

const ARRAY: u8 = 0;
const OBJECT: u8 = 1;
const REFILLED: u8 = 2;

fn write_change(
    encoder: &mut Encoder<'_, '_>,
    container: &Container,
    change: &Change,
) -> PyResult<()> {
    let py = encoder.py;
    match container.kind {
        Kind::Array => write_array(encoder, change),
        Kind::Object => write_object(encoder, container, change),
        Kind::Map | Kind::Set | Kind::Items => write_items(encoder, change.now.bind(py).iter()),
        Kind::Pairs => {
            let mut flat = Vec::with_capacity(change.now.bind(py).len() * 2);
            for item in change.now.bind(py) {
                flat.extend(pair(encoder, &item)?);
            }
            write_items(encoder, flat.into_iter())
        }
    }
}

fn write_array(encoder: &mut Encoder<'_, '_>, change: &Change) -> PyResult<()> {
    let (former, now) = (change.former.bind(encoder.py), change.now.bind(encoder.py));
    let slots: Vec<_> = now
        .iter()
        .enumerate()
        .filter(|(place, item)| {
            former
                .get_borrowed_item(*place)
                .map_or(true, |former| !former.is(item))
        })
        .collect();
    encoder.out.put_u8(ARRAY);
    encoder.out.put_u32(u32::try_from(now.len())?);
    encoder.out.put_u32(u32::try_from(slots.len())?);
    for (place, item) in slots {
        encoder.out.put_u32(u32::try_from(place)?);
        encoder
            .value(&item)
            .map_err(|error| encoder.place.inside(Step::Item(place), error))?;
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
    let former = PyDict::new(py);
    for (key, value) in entries(change.former.bind(py)) {
        former.set_item(key, value)?;
    }
    let mut sets = Vec::new();
    for (key, value) in entries(change.now.bind(py)) {
        if former
            .get_item(&key)?
            .is_none_or(|former| !former.is(&value))
        {
            sets.push((key, value));
        }
    }
    encoder.out.put_u8(OBJECT);
    encoder.out.put_u32(u32::try_from(sets.len())?);
    for (key, value) in sets {
        encoder.key(&now, &key)?;
        encoder
            .value(&value)
            .map_err(|error| encoder.place.inside(Step::key(&key), error))?;
    }
    let mut deletes = Vec::new();
    for key in former.keys() {
        if !now.contains(&key)? {
            deletes.push(key);
        }
    }
    encoder.out.put_u32(u32::try_from(deletes.len())?);
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
    encoder.out.put_u8(REFILLED);
    encoder.out.put_u32(u32::try_from(items.len())?);
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
        Ok(list) => Some(list.to_tuple()),
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
