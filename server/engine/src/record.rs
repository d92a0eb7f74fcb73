//! The record of an object: the hidden data that native code attaches to it.

use std::cell::Cell;
use std::rc::Rc;

use hostd_quickjs as q;

/// In a record: the object has no finalizer.
pub(crate) const NO_ENTRY: u32 = u32::MAX;
/// In the record of an object that is not held.
pub(crate) const NOT_HELD: u32 = u32::MAX;

/// The plain data of a slot. Each user reads and writes its own field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotData {
    /// Node-API's wrap: the id of its record.
    pub wrap: Option<u64>,
    /// Node-API's type tag.
    pub type_tag: Option<[u64; 2]>,
    /// The id under which the server lent the object out.
    pub lent: Option<u64>,
    /// A mark of the server's on the proxies of errors and promises.
    pub extra: Option<u64>,
}

/// The hidden part of an object, made when first needed.
pub(crate) struct Record {
    pub(crate) data: Cell<SlotData>,
    /// The first of its entries in the table of finalizers.
    pub(crate) first: Cell<u32>,
    /// Whether the nursery holds the object: see [`NOT_HELD`].
    pub(crate) held: Cell<u32>,
    pub(crate) weak: Cell<Option<Rc<WeakCell>>>,
}

/// The address of a living object, uncounted.
pub(crate) struct WeakCell {
    pub(crate) value: Cell<q::JSValue>,
}

impl WeakCell {
    pub(crate) fn clear(&self) {
        self.value.set(q::JS_UNDEFINED);
    }
}

/// The beginning of every payload (E4): the record, or null.
#[repr(transparent)]
pub(crate) struct Base {
    record: Cell<*mut Record>,
}

impl Default for Base {
    fn default() -> Base {
        Base {
            record: Cell::new(std::ptr::null_mut()),
        }
    }
}

impl Base {
    /// The record, if it was made.
    #[inline]
    pub(crate) fn record(&self) -> Option<&Record> {
        // SAFETY: E4; the record lives as long as the payload and is only lent out shared.
        unsafe { self.record.get().as_ref() }
    }

    pub(crate) fn record_or_new(&self) -> &Record {
        if self.record.get().is_null() {
            let record = Record {
                data: Cell::default(),
                first: Cell::new(NO_ENTRY),
                held: Cell::new(NOT_HELD),
                weak: Cell::new(None),
            };
            self.record.set(Box::into_raw(Box::new(record)));
        }
        // SAFETY: E4; made above at the latest.
        unsafe { &*self.record.get() }
    }

    /// Takes the record of an object that died.
    pub(crate) fn take(&self) -> Option<Box<Record>> {
        let record = self.record.replace(std::ptr::null_mut());
        // SAFETY: E4; it came from a box and was just taken out.
        (!record.is_null()).then(|| unsafe { Box::from_raw(record) })
    }
}
