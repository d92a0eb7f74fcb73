//! Keys by their names: native code names the same few properties again and again, and the engine
//! frees a key with the last object that has it.

use std::cell::RefCell;
use std::fmt;

use crate::Key;

/// The longest name that is kept, in bytes.
const NAME_BYTES_MAX: usize = 24;
/// The number of sets, of two keys each.
const SETS: usize = 512;

/// A name of up to [`NAME_BYTES_MAX`] bytes: its length, and its first, middle and last bytes, which
/// overlap. Two names are equal if these are.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Name {
    words: [u64; 3],
    length: usize,
}

impl Name {
    /// Reads whole words, because words that were copied byte by byte are slow to read.
    #[inline]
    fn new(text: &[u8]) -> Option<Name> {
        let words = match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
            (Some(first), Some(last)) => {
                let middle = match text.len() {
                    ..=16 => 0,
                    17..=NAME_BYTES_MAX => text.get(8..16)?.first_chunk().copied().map(word)?,
                    _ => return None,
                };
                [word(*first), middle, word(*last)]
            }
            _ => match (text.first_chunk::<4>(), text.last_chunk::<4>()) {
                (Some(first), Some(last)) => {
                    let half = |bytes: &[u8; 4]| u64::from(u32::from_le_bytes(*bytes));
                    [half(first), 0, half(last)]
                }
                _ => [
                    text.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)),
                    0,
                    0,
                ],
            },
        };
        Some(Name {
            words,
            length: text.len(),
        })
    }

    /// The number of its set. A product is folded, so that each bit of a word changes it.
    #[inline]
    fn set(&self) -> usize {
        // Odd, with bits in random places.
        const FACTOR: u128 = 0xF135_7AEA_2E62_A9C5;
        let mut hash = self.length as u64;
        for word in self.words {
            let product = u128::from(hash ^ word) * FACTOR;
            #[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
            let folded = product as u64 ^ (product >> 64) as u64;
            hash = folded.rotate_left(23);
        }
        (hash >> 32) as usize % SETS
    }
}

fn word(bytes: [u8; 8]) -> u64 {
    u64::from_le_bytes(bytes)
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
