//! Keys of JavaScript objects as Python strings. Few keys are used often, so each thread caches some,
//! with their hashes computed.

use std::cell::RefCell;
use std::hash::Hasher;

use pyo3::prelude::*;
use pyo3::types::PyString;
use rustc_hash::FxHasher;

use crate::fallible;

/// The number of sets of cached keys of a thread: two keys each, so that few keys of an object of some
/// hundred displace each other.
const SETS: usize = 512;
/// The longest key that is cached, in bytes.
const CACHED_BYTES_MAX: usize = 40;

type Kept = Option<(Box<str>, Py<PyString>)>;

thread_local! {
    static KEYS: RefCell<Vec<[Kept; 2]>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn key<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyString>> {
    if text.len() > CACHED_BYTES_MAX {
        return fallible::string(py, text);
    }
    let mut hasher = FxHasher::default();
    hasher.write(text.as_bytes());
    let place = (hasher.finish() >> 20) as usize % SETS;
    let known = KEYS.with(|sets| {
        let sets = sets.try_borrow().ok()?;
        let is_it = |(kept, _): &&(Box<str>, _)| **kept == *text;
        let (_, string) = sets.get(place)?.iter().flatten().find(is_it)?;
        Some(string.bind(py).clone())
    });
    match known {
        Some(known) => Ok(known),
        None => new_key(py, text, place),
    }
}

#[cold]
fn new_key<'py>(py: Python<'py>, text: &str, place: usize) -> PyResult<Bound<'py, PyString>> {
    let string = fallible::string(py, text)?;
    let former = KEYS.with(|sets| {
        let mut sets = sets.try_borrow_mut().ok()?;
        if sets.is_empty() {
            sets.resize_with(SETS, || [None, None]);
        }
        let set = sets.get_mut(place)?;
        set.swap(0, 1);
        set[0].replace((text.into(), string.clone().unbind()))
    });
    // Dropping a string runs no code.
    drop(former);
    Ok(string)
}
