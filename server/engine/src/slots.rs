//! The table of the slots of objects that are not of our classes: see [`slot`](crate::slot).

use std::cell::RefCell;

use rustc_hash::FxHashMap;

use crate::Value;
use crate::record::Base;

/// The payload of a value in a map of slots.
#[repr(C)]
pub(crate) struct SlotPayload {
    pub(crate) base: Base,
    /// The address of the object whose slot it is.
    pub(crate) address: usize,
    /// The number of the map that it is in.
    pub(crate) map: u32,
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
    pub(crate) fn find(&self, address: usize) -> Option<*const SlotPayload> {
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
    pub(crate) fn reserve(&self) -> Option<(u32, Value)> {
        let table = &mut *self.0.borrow_mut();
        let &number = table.open.last()?;
        let map = table.maps.get_mut(number as usize)?;
        map.keys += 1;
        if map.keys == KEYS_MAX {
            table.open.pop();
        }
        Some((number, map.map.clone()))
    }

    pub(crate) fn add_map(&self, map: Value) {
        let table = &mut *self.0.borrow_mut();
        table
            .open
            .push(u32::try_from(table.maps.len()).unwrap_or(u32::MAX));
        table.maps.push(SlotMap { map, keys: 0 });
    }

    pub(crate) fn insert(&self, address: usize, payload: *const SlotPayload) {
        self.0.borrow_mut().by_address.insert(address, payload);
    }
}
