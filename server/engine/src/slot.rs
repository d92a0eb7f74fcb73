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
//! many maps, of a few keys each.

use std::rc::Rc;

use hostd_quickjs as q;

use crate::classes::{Class, Payload};
use crate::record::{Base, NO_ENTRY, Record, SlotData};
use crate::slots::SlotPayload;
use crate::state::current;
use crate::{JsResult, Runtime, Value};

impl Payload for SlotPayload {
    const FIRST: Class = Class::Slot;

    fn retire(&mut self) {
        if let Some(state) = current() {
            state.slots.remove(self);
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
        let slot = self.object_of_class(Class::Slot, &Value::NULL, payload)?;
        let Some(payload) = self.payload::<SlotPayload>(&slot).map(std::ptr::from_ref) else {
            return Err(self.type_error("the slot of the object is broken"));
        };
        let args = [value.clone(), slot];
        self.call_native(&intrinsics.weak_map_set, &map, &args)?;
        slots.insert(address, payload);
        Ok(payload)
    }
}
