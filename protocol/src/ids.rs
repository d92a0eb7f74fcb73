//! The numbers that cross the boundary, each a type of its own.
//!
//! A [`SlotId`] is a slot of the table of one side, and zero is none: on the wire it means "none".
//!
//! Upholds I-8.

use std::fmt;
use std::num::NonZeroU32;

pub use hostd_shm::{HOME_LANE, LaneNumber};
use serde::{Deserialize, Serialize};

/// A slot in a table of lent objects, of one side or the other.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SlotId(NonZeroU32);

impl SlotId {
    /// The id with this number, if it is one: zero is not.
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number as it travels.
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// The number as it travels, zero for none.
    pub fn wire(id: Option<Self>) -> u32 {
        id.map_or(0, Self::get)
    }
}

impl fmt::Debug for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SlotId({})", self.get())
    }
}

impl fmt::Display for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.get(), f)
    }
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident($inner:ty);)*) => { $(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize,
            Deserialize,
        )]
        pub struct $name(pub $inner);

        impl $name {
            /// The number that follows, wrapping around.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.wrapping_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    )* };
}

numbers! {
    /// A request, numbered by the end of the lane that sent it.
    CallId(u32);
    /// An incarnation of the host: a frame of another one is a violation.
    Generation(u32);
}
