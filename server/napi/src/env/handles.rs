//! The handle stack: what `napi_value` is an index into.
//!
//! A handle is the slot's index in the low half and in the high one the epoch that it was made in. A
//! scope is a height to fall back to, so closing one is a truncation, which begins another epoch: a
//! handle that outlived its scope finds no slot or one of another epoch. What needs no slot has
//! handles that never expire: `undefined`, `null`, `true` and `false`, because addons keep them in
//! statics, and numbers of the engine's integer form, whose handle is the number.

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

/// The high half of the handles that are integers; no epoch gets there.
const INTEGER: usize = 0x8069_6e74;

#[derive(Debug)]
struct Slot {
    /// The handle.
    id: usize,
    value: Value,
}

/// The stack.
#[derive(Debug)]
pub(crate) struct HandleStack {
    slots: Vec<Slot>,
    /// The epoch, in the high half.
    epoch: usize,
}

const EPOCH: usize = 1 << 32;
const LAST_EPOCH: usize = 0x7fff_ffff << 32;

/// The handle of a value that needs no slot.
#[inline]
pub(crate) fn without_slot(value: &Value) -> Option<napi_value> {
    if let Some(integer) = value.as_int() {
        return Some(napi_value(INTEGER << 32 | integer.cast_unsigned() as usize));
    }
    if let Some(value) = value.as_bool() {
        return Some(if value { TRUE } else { FALSE });
    }
    if value.is_undefined() {
        Some(UNDEFINED)
    } else if value.is_null() {
        Some(NULL)
    } else {
        None
    }
}

/// The number that a handle is.
#[inline]
pub(crate) fn integer(handle: napi_value) -> Option<i32> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the low half is the number"
    )]
    (handle.0 >> 32 == INTEGER).then_some((handle.0 as u32).cast_signed())
}

impl HandleStack {
    /// A stack that holds the constants only.
    pub(crate) fn new() -> Self {
        let mut slots = Vec::with_capacity(1024);
        let constants = [
            // No handle has this id and the index 0.
            (1, Value::UNDEFINED),
            (UNDEFINED.0, Value::UNDEFINED),
            (NULL.0, Value::NULL),
            (TRUE.0, Value::TRUE),
            (FALSE.0, Value::FALSE),
        ];
        slots.extend(constants.map(|(id, value)| Slot { id, value }));
        let epoch = EPOCH;
        Self { slots, epoch }
    }

    /// The height to fall back to.
    #[inline]
    pub(crate) fn height(&self) -> usize {
        self.slots.len()
    }

    /// The value in the slot of a handle that is alive.
    #[inline]
    pub(crate) fn get(&self, handle: napi_value) -> Option<&Value> {
        match self.slots.get(index(handle)) {
            Some(slot) if slot.id == handle.0 => Some(&slot.value),
            _ => None,
        }
    }

    /// The value of a handle that is alive, with slot or without.
    #[inline]
    pub(crate) fn value(&self, handle: napi_value) -> Option<Value> {
        match self.get(handle) {
            Some(value) => Some(value.clone()),
            None => integer(handle).map(Value::from),
        }
    }

    /// Adds a value and gives its handle.
    #[inline]
    pub(crate) fn push(&mut self, value: Value) -> napi_value {
        let id = self.epoch | self.slots.len();
        self.slots.push(Slot { id, value });
        napi_value(id)
    }

    /// Adds a value if there is room.
    #[inline]
    pub(crate) fn quick_push(&mut self, value: &Value) -> Option<napi_value> {
        if self.slots.len() == self.slots.capacity() {
            return None;
        }
        Some(self.push(value.clone()))
    }

    /// Replaces the value of a slot that is alive.
    pub(crate) fn set(&mut self, handle: napi_value, value: Value) -> bool {
        match self.slots.get_mut(index(handle)) {
            Some(slot) if slot.id == handle.0 && index(handle) >= BASE => {
                slot.value = value;
                true
            }
            _ => false,
        }
    }

    /// Falls back to a height, ending every handle above it.
    #[inline]
    pub(crate) fn truncate(&mut self, height: usize) {
        if height >= self.slots.len() {
            return;
        }
        self.slots.truncate(height.max(BASE));
        self.epoch = if self.epoch == LAST_EPOCH {
            EPOCH
        } else {
            self.epoch + EPOCH
        };
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the low half is the index")]
fn index(handle: napi_value) -> usize {
    handle.0 as u32 as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn double(value: f64) -> Value {
        Value::from(value)
    }

    #[test]
    fn what_needs_no_slot_never_expires() {
        let mut stack = HandleStack::new();
        assert_eq!(without_slot(&Value::TRUE), Some(TRUE));
        assert_eq!(without_slot(&Value::NULL), Some(NULL));
        stack.truncate(0);
        assert!(stack.value(UNDEFINED).unwrap().is_undefined());
        assert_eq!(stack.value(FALSE).unwrap().as_bool(), Some(false));
        for number in [0, 1, -1, i32::MIN, i32::MAX] {
            let handle = without_slot(&Value::from(number)).unwrap();
            assert_eq!(stack.value(handle).unwrap().as_int(), Some(number));
            assert!(stack.get(handle).is_none());
        }
        assert_eq!(without_slot(&double(0.5)), None);
        assert_eq!(without_slot(&double(-0.0)), None);
    }

    #[test]
    fn handle_ends_with_its_scope_even_when_the_slot_is_used_again() {
        let mut stack = HandleStack::new();
        let outer = stack.push(double(0.5));
        let height = stack.height();
        let old = stack.push(double(1.5));
        stack.truncate(height);
        assert!(stack.value(old).is_none());
        let new = stack.push(double(2.5));
        assert!(stack.value(old).is_none());
        assert_eq!(stack.value(new).unwrap().as_f64(), Some(2.5));
        assert_eq!(stack.value(outer).unwrap().as_f64(), Some(0.5));
    }

    #[test]
    fn last_epoch_is_followed_by_the_first() {
        let mut stack = HandleStack::new();
        stack.epoch = LAST_EPOCH;
        let height = stack.height();
        let old = stack.push(double(1.5));
        assert!(integer(old).is_none());
        stack.truncate(height);
        assert!(stack.value(old).is_none());
        let new = stack.push(double(2.5));
        assert_eq!(stack.value(new).unwrap().as_f64(), Some(2.5));
        assert_eq!(new.0 >> 32, 1);
    }

    #[test]
    fn null_and_made_up_handles_are_misses() {
        let stack = HandleStack::new();
        for wrong in [0, 5, 1 << 32, 1 << 32 | 1, usize::MAX] {
            assert!(stack.value(napi_value(wrong)).is_none(), "{wrong:#x}");
        }
    }
}
