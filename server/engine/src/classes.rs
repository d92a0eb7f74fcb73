//! The ids of our classes of engine objects, and what their payloads have in common.

use rquickjs_sys as q;

/// The brand of a native class: its constructor gives it to the objects that it makes, and its
/// methods require it of `this`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Brand(pub(crate) u32);

/// The ids of our classes, which follow one another.
pub(crate) struct Classes {
    first: q::JSClassID,
}

/// How many there are.
pub(crate) const COUNT: u32 = 6;

impl Classes {
    /// With these ids.
    pub(crate) fn new(ids: [q::JSClassID; COUNT as usize]) -> Classes {
        Classes { first: ids[0] }
    }

    pub(crate) fn function(&self) -> q::JSClassID {
        self.first
    }

    pub(crate) fn instance(&self) -> q::JSClassID {
        self.first + 1
    }

    pub(crate) fn external(&self) -> q::JSClassID {
        self.first + 2
    }

    pub(crate) fn slot(&self) -> q::JSClassID {
        self.first + 3
    }

    pub(crate) fn remote_object(&self) -> q::JSClassID {
        self.first + 4
    }

    pub(crate) fn remote_function(&self) -> q::JSClassID {
        self.first + 5
    }

    /// Returns whether objects of the class have a payload of ours (E4).
    #[inline]
    pub(crate) fn is_own(&self, class: q::JSClassID) -> bool {
        class.wrapping_sub(self.first) < COUNT
    }

    #[inline]
    pub(crate) fn is_remote(&self, class: q::JSClassID) -> bool {
        class == self.remote_object() || class == self.remote_function()
    }
}

/// The data of an object of one of our classes. It begins with its `Base` (E4).
pub(crate) trait Payload {
    /// Returns whether objects of the class have this type of payload.
    fn belongs_to(classes: &Classes, class: q::JSClassID) -> bool;

    /// Runs when the object dies, after its `Base` was retired. It may not call the engine (E5).
    fn retire(&mut self) {}
}
