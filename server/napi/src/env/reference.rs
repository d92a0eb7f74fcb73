//! References (`napi_ref`): counted, strong above zero and weak at zero.

use hostd_engine::{Value, Weak};

/// A counted reference.
#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) count: u32,
    pub(crate) hold: Hold,
    /// The finalizer that deleting this reference cancels.
    pub(crate) finalizer: Option<usize>,
}

/// How a reference holds its value.
#[derive(Debug)]
pub(crate) enum Hold {
    /// The count is above zero.
    Strong(Value),
    /// The count is zero and the value can die.
    Weak(Weak),
    /// The value was a primitive, dropped when the count reached zero.
    Dropped,
}

impl Reference {
    /// The object's address, if it is held strongly.
    #[inline]
    pub(crate) fn pinned(&self) -> Option<usize> {
        match &self.hold {
            Hold::Strong(value) if value.is_object() => value.identity(),
            _ => None,
        }
    }

    /// The value, if it is held strongly.
    #[inline]
    pub(crate) fn strong(&self) -> Option<&Value> {
        match &self.hold {
            Hold::Strong(value) => Some(value),
            _ => None,
        }
    }

    /// The value, if it lives.
    pub(crate) fn value(&self) -> Option<Value> {
        match &self.hold {
            Hold::Strong(value) => Some(value.clone()),
            Hold::Weak(weak) => weak.get(),
            Hold::Dropped => None,
        }
    }
}
