//! The ids of our classes of engine objects, and what their payloads have in common.

use hostd_quickjs as q;

/// The brand of a native class: its constructor gives it to the objects that it makes, and its
/// methods require it of `this`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Brand(pub(crate) u32);

/// Our classes, in the order of their ids.
#[derive(Clone, Copy)]
pub(crate) enum Class {
    Function,
    Instance,
    External,
    Slot,
    RemoteObject,
    RemoteFunction,
}

/// How many there are.
pub(crate) const COUNT: u32 = 6;

/// The ids of our classes, which follow one another.
pub(crate) struct Classes {
    first: q::JSClassID,
}

impl Classes {
    /// With these ids.
    pub(crate) fn new(ids: [q::JSClassID; COUNT as usize]) -> Classes {
        Classes { first: ids[0] }
    }

    #[inline]
    pub(crate) fn id(&self, class: Class) -> q::JSClassID {
        self.first + class as u32
    }

    /// Returns whether objects of the class have a payload of ours (E4).
    #[inline]
    pub(crate) fn is_own(&self, class: q::JSClassID) -> bool {
        class.wrapping_sub(self.first) < COUNT
    }

    /// Returns whether objects of the class have this type of payload.
    #[inline]
    pub(crate) fn has<P: Payload>(&self, class: q::JSClassID) -> bool {
        class.wrapping_sub(self.id(P::FIRST)) <= P::LAST as u32 - P::FIRST as u32
    }
}

/// The data of an object of one of our classes. It begins with its `Base` (E4).
pub(crate) trait Payload {
    /// The first and the last class whose objects have this type of payload.
    const FIRST: Class;
    const LAST: Class = Self::FIRST;

    /// Runs when the object dies, after its `Base` was retired. It may not call the engine (E5).
    fn retire(&mut self) {}
}
