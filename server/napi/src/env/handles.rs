//! The handle stack: what `napi_value` is an index into.
//!
//! A handle is the slot's index in the low half and the push's serial number in the high one. A
//! scope is a height to fall back to, so closing one is a truncation, and a handle that outlived its
//! scope finds no slot or a slot with another serial. `undefined`, `null`, `true` and `false` have
//! constant ids that never expire, because addons keep them in statics.

use hostd_engine::Value;

use crate::abi::types::napi_value;

/// The ids of the constants.
pub(crate) const UNDEFINED: napi_value = napi_value(1);
/// See [`UNDEFINED`].
pub(crate) const NULL: napi_value = napi_value(2);
/// See [`UNDEFINED`].
pub(crate) const TRUE: napi_value = napi_value(3);
/// See [`UNDEFINED`].
pub(crate) const FALSE: napi_value = napi_value(4);

const BASE: usize = 5;

#[derive(Debug)]
struct Slot {
    serial: u32,
    value: Value,
}

/// The stack.
#[derive(Debug)]
pub(crate) struct HandleStack {
    slots: Vec<Slot>,
    serial: u32,
}

impl HandleStack {
    /// A stack that holds the constants only.
    pub(crate) fn new() -> Self {
        let mut slots = Vec::with_capacity(1024);
        let constants = [
            Value::UNDEFINED,
            Value::UNDEFINED,
            Value::NULL,
            Value::TRUE,
            Value::FALSE,
        ];
        slots.extend(constants.map(|value| Slot { serial: 0, value }));
        Self { slots, serial: 0 }
    }

    /// The height to fall back to.
    #[inline]
    pub(crate) fn height(&self) -> usize {
        self.slots.len()
    }

    /// The value of a handle that is alive.
    #[inline]
    pub(crate) fn get(&self, handle: napi_value) -> Option<&Value> {
        let (serial, index) = split(handle);
        match self.slots.get(index) {
            Some(slot) if slot.serial == serial && index != 0 => Some(&slot.value),
            _ => None,
        }
    }

    /// Adds a value and gives its handle. Constants need no slot.
    #[inline]
    pub(crate) fn push(&mut self, value: Value) -> napi_value {
        if value.is_undefined() {
            return UNDEFINED;
        }
        if value.is_null() {
            return NULL;
        }
        if let Some(value) = value.as_bool() {
            return if value { TRUE } else { FALSE };
        }
        self.push_slot(value)
    }

    /// Adds a slot even for a constant, so that it can be [`set`](Self::set).
    #[inline]
    pub(crate) fn push_slot(&mut self, value: Value) -> napi_value {
        // Serial 0 belongs to the constants.
        self.serial = self.serial.wrapping_add(1).max(1);
        let handle = join(self.serial, self.slots.len());
        self.slots.push(Slot {
            serial: self.serial,
            value,
        });
        handle
    }

    /// Replaces the value of a slot that is alive.
    pub(crate) fn set(&mut self, handle: napi_value, value: Value) -> bool {
        let (serial, index) = split(handle);
        match self.slots.get_mut(index) {
            Some(slot) if slot.serial == serial && index >= BASE => {
                slot.value = value;
                true
            }
            _ => false,
        }
    }

    /// Falls back to a height, ending every handle above it.
    #[inline]
    pub(crate) fn truncate(&mut self, height: usize) {
        self.slots.truncate(height.max(BASE));
    }
}

#[inline]
fn join(serial: u32, index: usize) -> napi_value {
    napi_value((serial as usize) << 32 | index)
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the two halves of the id")]
fn split(handle: napi_value) -> (u32, usize) {
    ((handle.0 >> 32) as u32, handle.0 as u32 as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_never_expire_and_take_no_slot() {
        let mut stack = HandleStack::new();
        let height = stack.height();
        assert_eq!(stack.push(Value::TRUE), TRUE);
        assert_eq!(stack.push(Value::NULL), NULL);
        assert_eq!(stack.height(), height);
        stack.truncate(0);
        assert!(stack.get(UNDEFINED).unwrap().is_undefined());
        assert_eq!(stack.get(FALSE).unwrap().as_bool(), Some(false));
    }

    #[test]
    fn handle_ends_with_its_scope_even_when_the_slot_is_used_again() {
        let mut stack = HandleStack::new();
        let height = stack.height();
        let old = stack.push(Value::from(1));
        stack.truncate(height);
        assert!(stack.get(old).is_none());
        let new = stack.push(Value::from(2));
        assert!(stack.get(old).is_none());
        assert_eq!(stack.get(new).unwrap().as_i32(), Some(2));
    }

    #[test]
    fn null_and_made_up_handles_are_misses() {
        let stack = HandleStack::new();
        for wrong in [0, 5, 1 << 32 | 1, usize::MAX] {
            assert!(stack.get(napi_value(wrong)).is_none(), "{wrong:#x}");
        }
    }
}
