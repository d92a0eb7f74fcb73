//! Slots: hidden native data of an object, for wraps, type tags, finalizers and weak references.
//!
//! Every object can have a slot (frozen ones, proxies, functions), and every symbol that is not
//! registered. Objects of our own classes have it in their payload. For the others a table maps the
//! address to an object of our slot class, which a `WeakMap` keeps alive as long as its key. A slot
//! holds no JavaScript value, so nothing needs marking (E5). It dies with its object; its finalizer
//! queues tokens, clears weak references and removes it from the table.
//!
//! The engine's own look-up in a `WeakMap` is not used: the hash of an object is a multiple of its
//! address, so in a large map it searches lists of some twenty keys. For the same reason there are
//! many maps, of [`KEYS_MAX`] keys each.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use rquickjs_sys as q;
use rustc_hash::FxHashMap;

use crate::class::SlotPayload;
use crate::finalizer::NO_ENTRY;
use crate::nursery::NOT_HELD;
use crate::runtime::current;
use crate::weak::WeakCell;
use crate::{JsResult, Runtime, Value};

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
    data: Cell<SlotData>,
    /// The first of its entries in the table of finalizers.
    pub(crate) first: Cell<u32>,
    /// Whether the nursery holds the object: see `nursery::NOT_HELD`.
    pub(crate) held: Cell<u32>,
    pub(crate) weak: Cell<Option<Rc<WeakCell>>>,
}

/// How many keys each `WeakMap` has at most.
const KEYS_MAX: u8 = 4;

/// The slots of objects that are not of our classes.
#[derive(Default)]
pub(crate) struct Slots(RefCell<SlotTable>);

#[derive(Default)]
struct SlotTable {
    by_address: FxHashMap<usize, *const SlotPayload>,
    maps: Vec<SlotMap>,
    /// The maps that have room for another key.
    open: Vec<u32>,
}

struct SlotMap {
    map: Value,
    keys: u8,
}

impl Slots {
    /// The payload of the slot of the object at an address; it is that of a living object (E4).
    #[inline]
    fn find(&self, address: usize) -> Option<*const SlotPayload> {
        self.0.borrow().by_address.get(&address).copied()
    }

    /// Removes a slot that died. Runs in finalizers.
    pub(crate) fn remove(&self, payload: &SlotPayload) {
        let table = &mut *self.0.borrow_mut();
        if table.by_address.get(&payload.address) == Some(&std::ptr::from_ref(payload)) {
            table.by_address.remove(&payload.address);
        }
        if let Some(map) = table.maps.get_mut(payload.map as usize) {
            if map.keys == KEYS_MAX {
                table.open.push(payload.map);
            }
            map.keys = map.keys.saturating_sub(1);
        }
    }

    /// Reserves a place in a map that has room; `None` if there is no such map.
    fn reserve(&self) -> Option<(u32, Value)> {
        let table = &mut *self.0.borrow_mut();
        let &number = table.open.last()?;
        let map = table.maps.get_mut(number as usize)?;
        map.keys += 1;
        if map.keys == KEYS_MAX {
            table.open.pop();
        }
        Some((number, map.map.clone()))
    }

    fn add_map(&self, map: Value) {
        let table = &mut *self.0.borrow_mut();
        table
            .open
            .push(u32::try_from(table.maps.len()).unwrap_or(u32::MAX));
        table.maps.push(SlotMap { map, keys: 0 });
    }

    fn insert(&self, address: usize, payload: *const SlotPayload) {
        self.0.borrow_mut().by_address.insert(address, payload);
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

    fn record_or_new(&self) -> &Record {
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

    /// Queues the tokens of an object that died and clears its weak references.
    pub(crate) fn retire(&self) {
        let record = self.record.replace(std::ptr::null_mut());
        if record.is_null() {
            return;
        }
        // SAFETY: E4; it came from a box and was just taken out.
        let record = unsafe { Box::from_raw(record) };
        if let Some(weak) = record.weak.take() {
            weak.clear();
        }
        if record.held.get() != NOT_HELD
            && let Some(state) = current()
        {
            state.nursery.note_death(record.held.get());
        }
        if record.first.get() != NO_ENTRY
            && let Some(state) = current()
        {
            state.finalizers.borrow_mut().retire(record.first.get());
        }
    }
}

impl Runtime {
    /// The data of a value's slot, if it has one.
    #[inline]
    pub fn slot(self, value: &Value) -> Option<SlotData> {
        self.with_record(value, |record| record.data.get())
    }

    /// Writes a value's slot. It is a `TypeError` for values that can have none: primitives
    /// and registered symbols.
    pub fn set_slot(self, value: &Value, data: SlotData) -> JsResult<()> {
        self.with_new_record(value, |record| record.data.set(data))
    }

    /// Returns whether native code refers to the object: by slot data, a finalizer or a weak
    /// reference that still exists.
    pub fn is_pinned(self, value: &Value) -> bool {
        self.with_record(value, |record| {
            let weak = record.weak.take();
            let watched = weak.as_ref().is_some_and(|weak| Rc::strong_count(weak) > 1);
            record.weak.set(weak);
            watched || record.data.get() != SlotData::default() || record.first.get() != NO_ENTRY
        })
        .unwrap_or(false)
    }

    #[inline]
    fn own_base(self, value: &Value) -> Option<&Base> {
        let mut class = 0;
        // SAFETY: E2; the class id tells whether the pointer is ours.
        let payload = unsafe { q::JS_GetAnyOpaque(value.0, &raw mut class) }.cast::<Base>();
        if self.state.classes.is_own(class) {
            // SAFETY: E4; the borrow of the value keeps the object and its payload alive.
            unsafe { payload.as_ref() }
        } else {
            None
        }
    }

    /// Reads a value's record, if there is one. `look` must not call the engine.
    #[inline]
    pub(crate) fn with_record<T>(
        self,
        value: &Value,
        look: impl FnOnce(&Record) -> T,
    ) -> Option<T> {
        let address = value.identity()?;
        if let Some(base) = self.own_base(value) {
            return base.record().map(look);
        }
        let payload = self.state.slots.find(address)?;
        // SAFETY: E4; the borrow of the value keeps the slot alive.
        unsafe { &*payload }.base.record().map(look)
    }

    /// Reads a value's record, making one if there is none. `look` must not call the engine.
    pub(crate) fn with_new_record<T>(
        self,
        value: &Value,
        look: impl FnOnce(&Record) -> T,
    ) -> JsResult<T> {
        let Some(address) = value.identity() else {
            return Err(self.type_error("only objects and symbols have a slot"));
        };
        if let Some(base) = self.own_base(value) {
            return Ok(look(base.record_or_new()));
        }
        let payload = match self.state.slots.find(address) {
            Some(payload) => payload,
            None => self.new_slot(value, address)?,
        };
        // SAFETY: E4; the borrow of the value keeps the slot alive.
        Ok(look(unsafe { &*payload }.base.record_or_new()))
    }

    fn new_slot(self, value: &Value, address: usize) -> JsResult<*const SlotPayload> {
        let intrinsics = self.intrinsics();
        let slots = &self.state.slots;
        let place = if let Some(place) = slots.reserve() {
            Some(place)
        } else {
            slots.add_map(self.construct_native(&intrinsics.weak_map, &[])?);
            slots.reserve()
        };
        let (number, map) = place.ok_or_else(|| self.range_error("too many slots"))?;
        let payload = SlotPayload {
            base: Base::default(),
            address,
            map: number,
        };
        // From here on the slot's finalizer gives the place back.
        let slot = self.object_of_class(self.state.classes.slot(), &Value::NULL, payload)?;
        let Some(payload) = self.payload::<SlotPayload>(&slot).map(std::ptr::from_ref) else {
            return Err(self.type_error("the slot of the object is broken"));
        };
        let args = [value.clone(), slot];
        self.call_native(&intrinsics.weak_map_set, &map, &args)?;
        slots.insert(address, payload);
        Ok(payload)
    }
}
