//! Keys of JavaScript objects as Python strings. Few keys are used often, so each thread caches some,
//! with their hashes computed.

use std::cell::RefCell;
use std::hash::Hasher;

use pyo3::prelude::*;
use pyo3::types::PyString;
use rustc_hash::FxHasher;

use crate::fallible;

/// The number of cached keys of a thread.
const CACHED_KEYS: usize = 512;
/// The longest key that is cached, in bytes.
const CACHED_BYTES_MAX: usize = 40;

type Kept = Option<(Box<str>, Py<PyString>)>;

thread_local! {
    static KEYS: RefCell<Vec<Kept>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn key<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyString>> {
    if text.len() > CACHED_BYTES_MAX {
        return fallible::string(py, text);
    }
    let mut hasher = FxHasher::default();
    hasher.write(text.as_bytes());
    let place = (hasher.finish() >> 20) as usize % CACHED_KEYS;
    let known = KEYS.with(|keys| {
        let keys = keys.try_borrow().ok()?;
        let (kept, string) = keys.get(place)?.as_ref()?;
        (**kept == *text).then(|| string.bind(py).clone())
    });
    if let Some(known) = known {
        return Ok(known);
    }
    let string = fallible::string(py, text)?;
    let former = KEYS.with(|keys| {
        let mut keys = keys.try_borrow_mut().ok()?;
        if keys.is_empty() {
            keys.resize_with(CACHED_KEYS, || None);
        }
        keys.get_mut(place)?
            .replace((text.into(), string.clone().unbind()))
    });
    // Dropping a string runs no code.
    drop(former);
    Ok(string)
}
