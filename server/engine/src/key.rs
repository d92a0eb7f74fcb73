//! Property keys: owned references to the engine's atoms.

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;

use hostd_quickjs as q;

use crate::thread::engine;

/// An owned property key: a string, an index or a symbol. Equal keys have equal atoms.
#[derive(PartialEq, Eq, Hash)]
pub struct Key {
    pub(crate) atom: q::JSAtom,
    thread: PhantomData<*const ()>,
}

/// A key borrowed from a list of keys.
pub struct KeyRef<'a> {
    key: ManuallyDrop<Key>,
    list: PhantomData<&'a ()>,
}

/// The engine keeps integers up to 2^31 - 1 in the atom itself, marked by the top bit.
const INDEX_BIT: u32 = 1 << 31;

impl Key {
    /// Takes over an atom.
    pub(crate) fn own(atom: q::JSAtom) -> Key {
        Key {
            atom,
            thread: PhantomData,
        }
    }

    /// The index, if the key is one below 2^31.
    #[inline]
    pub fn as_index(&self) -> Option<u32> {
        (self.atom & INDEX_BIT != 0).then_some(self.atom & !INDEX_BIT)
    }
}

impl<'a> KeyRef<'a> {
    /// Borrows an atom whose owner keeps it for `'a`.
    pub(crate) fn lend(atom: q::JSAtom) -> KeyRef<'a> {
        KeyRef {
            key: ManuallyDrop::new(Key::own(atom)),
            list: PhantomData,
        }
    }
}

impl Deref for KeyRef<'_> {
    type Target = Key;

    fn deref(&self) -> &Key {
        &self.key
    }
}

impl Clone for Key {
    fn clone(&self) -> Key {
        let engine = engine();
        if !engine.is_null() {
            // SAFETY: E1, E8; the new key owns the count that this adds.
            unsafe { q::JS_DupAtomRT(engine, self.atom) };
        }
        Key::own(self.atom)
    }
}

impl Drop for Key {
    #[inline]
    fn drop(&mut self) {
        let engine = engine();
        if self.atom & INDEX_BIT == 0 && !engine.is_null() {
            // SAFETY: E1, E8; the one release of our count.
            unsafe { q::JS_FreeAtomRT(engine, self.atom) };
        }
    }
}
