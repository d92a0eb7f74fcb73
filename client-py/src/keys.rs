//! Keys of JavaScript objects as Python strings: the same few come again and again, so each
//! thread keeps some, with their hashes computed.

use std::cell::RefCell;
use std::hash::Hasher;

use pyo3::prelude::*;
use pyo3::types::PyString;
use rustc_hash::FxHasher;

const KEPT: usize = 512;
const MAX_BYTES: usize = 40;

type Kept = Option<(Box<str>, Py<PyString>)>;

thread_local! {
    static KEYS: RefCell<Vec<Kept>> = const { RefCell::new(Vec::new()) };
}

/// The Python string of a key.
pub(crate) fn key<'py>(py: Python<'py>, text: &str) -> Bound<'py, PyString> {
    if text.len() > MAX_BYTES {
        return PyString::new(py, text);
    }
    let mut hasher = FxHasher::default();
    hasher.write(text.as_bytes());
    let place = (hasher.finish() >> 20) as usize % KEPT;
    let known = KEYS.with(|keys| {
        let keys = keys.try_borrow().ok()?;
        let (kept, string) = keys.get(place)?.as_ref()?;
        (**kept == *text).then(|| string.bind(py).clone())
    });
    if let Some(known) = known {
        return known;
    }
    let string = PyString::new(py, text);
    let former = KEYS.with(|keys| {
        let mut keys = keys.try_borrow_mut().ok()?;
        if keys.is_empty() {
            keys.resize_with(KEPT, || None);
        }
        keys.get_mut(place)?
            .replace((text.into(), string.clone().unbind()))
    });
    // A string is dropped: no code runs.
    drop(former);
    string
}
