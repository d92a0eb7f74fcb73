//! [`Data`], the pointers that addons pass to get them back in their callbacks.

use std::ffi::c_void;

/// A pointer of the addon's that is passed through and never followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Data(pub(crate) *mut c_void);

impl Data {
    /// The NULL pointer.
    pub(crate) const NULL: Self = Self(std::ptr::null_mut());

    /// The pointer as an integer, for storage.
    pub(crate) fn word(self) -> usize {
        self.0.expose_provenance()
    }

    /// The pointer that [`Data::word`] was made of.
    pub(crate) fn from_word(word: usize) -> Self {
        Self(std::ptr::with_exposed_provenance_mut(word))
    }
}
