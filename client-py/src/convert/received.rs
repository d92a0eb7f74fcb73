//! The mutable containers of a request of the host, and what Python changed in them. The changes are
//! written back into the JavaScript originals when the callback returns, and before each call in it.
//!
//! The contents of a container are kept as a shallow copy and compared by identity, which is cheaper
//! than reading the request again and runs no Python code. `Buffer`s are immutable, so there is
//! nothing to compare.

use std::cell::RefCell;
use std::rc::Rc;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PySet, PyTuple};
use rustc_hash::FxHashMap;

use crate::call::release;
use crate::fallible::{self, push};

/// What a container is at the host and here.
#[derive(Clone, Copy, PartialEq, Eq)]
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
pub(super) struct Container {
    /// Its number in the request.
    pub(super) index: u32,
    /// The position of the argument that it is part of, if it is part of one.
    pub(super) argument: Option<u32>,
    pub(super) object: Py<PyAny>,
    pub(super) kind: Kind,
    /// Its contents as they were decoded.
    decoded: Py<PyTuple>,
}

/// The contents of containers after a write-back, by the positions of the containers.
type Settled = FxHashMap<usize, Py<PyTuple>>;

/// The containers of one request.
pub(crate) struct Received {
    containers: Vec<Container>,
    settled: RefCell<Settled>,
    /// As it was before the last request was sent.
    before: RefCell<Settled>,
}

/// What one container became.
pub(crate) struct Change {
    place: usize,
    pub(super) former: Py<PyTuple>,
    pub(super) now: Py<PyTuple>,
}

impl Received {
    /// Notes what is in the containers among the compounds of a request; none without containers.
    /// `arguments` has the position of each argument with compounds in it, and its first compound.
    pub(super) fn new(
        compounds: &[Option<Bound<'_, PyAny>>],
        kind_of: impl Fn(usize, &Bound<'_, PyAny>) -> Option<Kind>,
        arguments: &[(u32, usize)],
    ) -> PyResult<Option<Rc<Self>>> {
        let mut containers = Vec::new();
        let mut arguments = arguments.iter().copied().peekable();
        let mut argument = None;
        for (index, compound) in compounds.iter().enumerate() {
            if let Some(next) = arguments.next_if(|next| next.1 == index) {
                argument = Some(next.0);
            }
            if let Some(object) = compound
                && let Some(kind) = kind_of(index, object)
            {
                let container = Container {
                    index: u32::try_from(index).unwrap_or(u32::MAX),
                    argument,
                    decoded: contents(object)?.unbind(),
                    object: object.clone().unbind(),
                    kind,
                };
                push(&mut containers, container)?;
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
            if !holds(object, former.bind(py))? {
                let change = Change {
                    place,
                    former: former.clone_ref(py),
                    now: contents(object)?.unbind(),
                };
                push(&mut changes, change)?;
            }
        }
        let known = settled.len();
        drop(settled);
        // [`Self::settle`] does not fail.
        room(&mut self.before.borrow_mut(), known)?;
        room(&mut self.settled.borrow_mut(), changes.len())?;
        Ok(changes)
    }

    /// The numbers of the containers, by the addresses of their objects.
    pub(crate) fn by_address(&self) -> PyResult<FxHashMap<usize, u32>> {
        let mut indexes = FxHashMap::default();
        room(&mut indexes, self.containers.len())?;
        let entries = self.containers.iter();
        indexes.extend(entries.map(|entry| (entry.object.as_ptr() as usize, entry.index)));
        Ok(indexes)
    }

    pub(super) fn container(&self, change: &Change) -> Option<&Container> {
        self.containers.get(change.place)
    }

    /// Changes were sent: the next ones are relative to these. Drops nothing.
    pub(crate) fn settle(&self, py: Python<'_>, changes: &[Change]) {
        let mut settled = self.settled.borrow_mut();
        let known = settled.iter();
        let known = known.map(|(place, contents)| (*place, contents.clone_ref(py)));
        self.before.borrow_mut().extend(known);
        for change in changes {
            settled.insert(change.place, change.now.clone_ref(py));
        }
    }

    /// The host did not read the changes that were sent last: they are sent again.
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

fn room<T>(table: &mut FxHashMap<usize, T>, more: usize) -> PyResult<()> {
    table.try_reserve(more).map_err(|_| fallible::memory())
}

fn release_settled(py: Python<'_>, settled: Settled) {
    for contents in settled.into_values() {
        release(contents.into_bound(py).into_any());
    }
}

/// What is in a container: of a dict, keys and values in turns. Runs no Python code.
fn contents<'py>(container: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
    if let Ok(list) = container.cast::<PyList>() {
        return fallible::tuple(list);
    }
    let items = fallible::list(container.py())?;
    if let Ok(dict) = container.cast::<PyDict>() {
        for (key, value) in dict {
            items.append(key)?;
            items.append(value)?;
        }
    } else if let Ok(set) = container.cast::<PySet>() {
        for item in set.try_iter()? {
            items.append(item?)?;
        }
    }
    fallible::tuple(&items)
}

/// Whether a container still holds these very objects. Runs no Python code.
fn holds(container: &Bound<'_, PyAny>, expected: &Bound<'_, PyTuple>) -> PyResult<bool> {
    let count = expected.len();
    let is_at = |place: usize, item: &Bound<'_, PyAny>| {
        expected
            .get_borrowed_item(place)
            .is_ok_and(|expected| expected.is(item))
    };
    if let Ok(list) = container.cast::<PyList>() {
        // Items of a tuple are read without counting references: twice as fast as those of a list.
        if list.len() != count {
            return Ok(false);
        }
        let now = fallible::tuple(list)?;
        return Ok(now.len() == count
            && (0..count).all(|place| {
                now.get_borrowed_item(place)
                    .is_ok_and(|item| is_at(place, &item))
            }));
    }
    if let Ok(dict) = container.cast::<PyDict>() {
        return Ok(dict.len() * 2 == count
            && dict.iter().enumerate().all(|(entry, (key, value))| {
                is_at(entry * 2, &key) && is_at(entry * 2 + 1, &value)
            }));
    }
    let Ok(set) = container.cast::<PySet>() else {
        return Ok(false);
    };
    if set.len() != count {
        return Ok(false);
    }
    for (place, item) in set.try_iter()?.enumerate() {
        if !is_at(place, &item?) {
            return Ok(false);
        }
    }
    Ok(true)
}
