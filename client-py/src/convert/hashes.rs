//! Detects keys that were chosen to collide: the addon can choose the hashes of ints beyond 2^61 and
//! of buffers, and a hash table takes quadratic time for keys with equal hashes.

use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyInt, PyList, PyString};

use super::pace;
use crate::fallible::push;

/// The most keys of one hash in a table; tables of at most as many keys are not checked.
const SAME_HASH_MAX: usize = 64;

/// Whether too many of these keys have the same hash. Unhashable ones are ignored.
pub(super) fn collide(
    keys: &Bound<'_, PyList>,
    mut pause: impl FnMut() -> PyResult<()>,
) -> PyResult<bool> {
    if keys.len() <= SAME_HASH_MAX {
        return Ok(false);
    }
    let mut hashes = Vec::new();
    for (position, key) in keys.iter().enumerate() {
        if pace::is_due(position) {
            pause()?;
        }
        // The hashes of strings are salted, and few numbers of JavaScript have the same one.
        let has_own_hash = key.is_exact_instance_of::<PyString>()
            || key.is_exact_instance_of::<PyInt>()
            || key.is_exact_instance_of::<PyFloat>();
        if !has_own_hash && let Ok(hash) = key.hash() {
            push(&mut hashes, hash)?;
        }
    }
    if hashes.len() <= SAME_HASH_MAX {
        return Ok(false);
    }
    hashes.sort_unstable();
    // Of hashes in order, two at this distance are equal if all between them are.
    let later = hashes.iter().skip(SAME_HASH_MAX);
    Ok(hashes.iter().zip(later).any(|(one, other)| one == other))
}
