//! Keys by their names: native code names the same few properties again and again, and the engine
//! frees a key with the last object that has it.

use std::cell::RefCell;
use std::fmt;

use crate::Key;

/// The longest name that is kept, in bytes.
const NAME_BYTES_MAX: usize = 24;
/// The number of sets, of two keys each.
const SETS: usize = 512;

/// A name of up to [`NAME_BYTES_MAX`] bytes, filled up with zeros, and its length.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Name {
    words: [u64; NAME_BYTES_MAX / 8],
    length: usize,
}

impl Name {
    #[inline]
    fn new(text: &[u8]) -> Option<Name> {
        let mut bytes = [0; NAME_BYTES_MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        let mut name = Name {
            length: text.len(),
            ..Name::default()
        };
        for (word, bytes) in name.words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Some(name)
    }

    /// The number of its set.
    #[inline]
    fn set(&self) -> usize {
        // Odd, with bits in random places.
        const FACTOR: u64 = 0xF135_7AEA_2E62_A9C5;
        let mut hash = self.length as u64;
        for word in self.words {
            hash = (hash.rotate_left(5) ^ word).wrapping_mul(FACTOR);
        }
        (hash >> 40) as usize % SETS
    }
}

#[derive(Default)]
struct Entry {
    name: Name,
    key: Option<Key>,
}

/// The keys that were made of names last: two for each hash, the newer one first.
#[derive(Default)]
pub(crate) struct RecentKeys(RefCell<Vec<[Entry; 2]>>);

impl RecentKeys {
    /// The key of a name, made by `make` if it is not kept.
    #[inline]
    pub(crate) fn get<E>(
        &self,
        name: &[u8],
        make: impl FnOnce() -> Result<Key, E>,
    ) -> Result<Key, E> {
        let Some(name) = Name::new(name) else {
            return make();
        };
        let set = name.set();
        if let Some(entries) = self.0.borrow().get(set) {
            for entry in entries {
                if entry.name == name
                    && let Some(key) = &entry.key
                {
                    return Ok(key.clone());
                }
            }
        }
        let key = make()?;
        self.keep(set, name, key.clone());
        Ok(key)
    }

    #[cold]
    fn keep(&self, set: usize, name: Name, key: Key) {
        let mut sets = self.0.borrow_mut();
        if sets.is_empty() {
            if sets.try_reserve_exact(SETS).is_err() {
                return;
            }
            sets.resize_with(SETS, Default::default);
        }
        if let Some(entries) = sets.get_mut(set) {
            entries.swap(0, 1);
            entries[0] = Entry {
                name,
                key: Some(key),
            };
        }
    }
}

impl fmt::Debug for RecentKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecentKeys")
    }
}
