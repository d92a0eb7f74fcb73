//! The handle stack: what `napi_value` is an index into.
//!
//! A handle is [`HANDLES`] plus the slot's index times 2^20 plus the epoch that it was made in, of
//! 20 bits. A scope is a height to fall back to, so closing one is a truncation, which begins
//! another epoch: a handle that outlived its scope finds no slot or one of another epoch. What
//! needs no slot has handles that never expire: `undefined`, `null`, `true` and `false`, because
//! addons keep them in statics, and numbers of the engine's integer form, whose handle is
//! [`INTEGERS`] plus the number.
//!
//! The epoch is in the low bits because an addon that reads behind its handles reads behind the
//! same few indices in each call: that is then a small part of the range, with few page tables.
//!
//! Addons return handles of a scope that they have just closed, because in C++ a scope is closed on
//! the way out of the function that returns. That works in Node, where what the handle refers to
//! stays until the next handle is made. So what a scope held is kept for a callback that returns
//! it: until another scope is opened or closed, garbage is collected or the callback has returned.

use hostd_engine::Value;

use crate::abi::address::{HANDLES, INTEGERS};
use crate::abi::types::napi_value;

/// The handles of the constants, which are in the first slots and of no epoch.
pub(crate) const UNDEFINED: napi_value = napi_value(HANDLES);
/// See [`UNDEFINED`].
pub(crate) const NULL: napi_value = napi_value(HANDLES + (1 << EPOCH_BITS));
/// See [`UNDEFINED`].
pub(crate) const TRUE: napi_value = napi_value(HANDLES + (2 << EPOCH_BITS));
/// See [`UNDEFINED`].
pub(crate) const FALSE: napi_value = napi_value(HANDLES + (3 << EPOCH_BITS));

/// How many slots the constants have.
const CONSTANTS: usize = 4;

/// The width of an epoch in a handle.
const EPOCH_BITS: u32 = 20;
/// An epoch is kept as the handle that the first slot would have in it.
const FIRST_EPOCH: usize = HANDLES + 1;
const LAST_EPOCH: usize = HANDLES + (1 << EPOCH_BITS) - 1;

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
    epoch: usize,
    /// What was in the slots of the scope that was closed last, and in those right behind it that
    /// were closed before; in the order of the slots.
    ended: Vec<Slot>,
}

/// The handle of a value that needs no slot.
#[inline]
pub(crate) fn without_slot(value: &Value) -> Option<napi_value> {
    if let Some(integer) = value.as_int() {
        return Some(napi_value(INTEGERS | integer.cast_unsigned() as usize));
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
    (handle.0 >> 32 == INTEGERS >> 32).then_some((handle.0 as u32).cast_signed())
}

impl HandleStack {
    /// A stack that holds the constants only.
    pub(crate) fn new() -> Self {
        let mut slots = Vec::with_capacity(1024);
        let constants = [
            (UNDEFINED.0, Value::UNDEFINED),
            (NULL.0, Value::NULL),
            (TRUE.0, Value::TRUE),
            (FALSE.0, Value::FALSE),
        ];
        slots.extend(constants.map(|(id, value)| Slot { id, value }));
        Self {
            slots,
            epoch: FIRST_EPOCH,
            ended: Vec::new(),
        }
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
        // No index reaches the end of the address space: the check would only cost.
        let id = self.epoch.wrapping_add(self.slots.len() << EPOCH_BITS);
        self.slots.push(Slot { id, value });
        napi_value(id)
    }

    /// Adds a value if there is room.
    #[inline]
    pub(crate) fn fast_push(&mut self, value: &Value) -> Option<napi_value> {
        if self.slots.len() == self.slots.capacity() {
            return None;
        }
        Some(self.push(value.clone()))
    }

    /// Replaces the value of a slot that is alive.
    pub(crate) fn set(&mut self, handle: napi_value, value: Value) -> bool {
        match self.slots.get_mut(index(handle)) {
            Some(slot) if slot.id == handle.0 && index(handle) >= CONSTANTS => {
                slot.value = value;
                true
            }
            _ => false,
        }
    }

    /// The value of a handle whose scope was closed last, if it is still there.
    #[cold]
    pub(crate) fn ended(&self, handle: napi_value) -> Option<&Value> {
        let place = index(handle).checked_sub(self.first_ended()?)?;
        let slot = self.ended.get(place)?;
        (slot.id == handle.0).then_some(&slot.value)
    }

    /// The index of the first slot that is kept of a scope that was closed.
    fn first_ended(&self) -> Option<usize> {
        self.ended.first().map(|slot| index(napi_value(slot.id)))
    }

    /// Whether there is nothing of a scope that was closed.
    #[inline]
    pub(crate) fn has_no_ended(&self) -> bool {
        self.ended.is_empty()
    }

    /// Forgets what scopes held that were closed.
    #[inline]
    pub(crate) fn forget_ended(&mut self) {
        if !self.ended.is_empty() {
            self.ended.clear();
        }
    }

    /// Falls back to the height of a scope that is closed, and keeps what it held.
    #[inline]
    pub(crate) fn close(&mut self, height: usize) {
        let height = height.max(CONSTANTS);
        if height >= self.slots.len() {
            return;
        }
        if self.first_ended() == Some(self.slots.len()) {
            self.ended.splice(0..0, self.slots.drain(height..));
        } else {
            self.ended.clear();
            self.ended.extend(self.slots.drain(height..));
        }
        self.next_epoch();
    }

    /// Falls back to a height, ending every handle above it for good.
    #[inline]
    pub(crate) fn truncate(&mut self, height: usize) {
        self.forget_ended();
        if height >= self.slots.len() {
            return;
        }
        self.slots.truncate(height.max(CONSTANTS));
        self.next_epoch();
    }

    #[inline]
    const fn next_epoch(&mut self) {
        self.epoch = if self.epoch == LAST_EPOCH {
            FIRST_EPOCH
        } else {
            self.epoch + 1
        };
    }
}

/// The index of a handle's slot; out of range for any other number.
#[inline]
fn index(handle: napi_value) -> usize {
    // Shifted first, so that the constant fits into an instruction.
    (handle.0 >> EPOCH_BITS).wrapping_sub(HANDLES >> EPOCH_BITS)
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
    fn what_a_closed_scope_held_is_kept_until_it_is_forgotten() {
        let mut stack = HandleStack::new();
        stack.push(double(0.5));
        let outer = stack.height();
        let first = stack.push(double(1.5));
        let inner = stack.height();
        let second = stack.push(double(2.5));
        let ended = |stack: &HandleStack, handle| stack.ended(handle).and_then(Value::as_f64);
        stack.close(inner);
        assert_eq!(ended(&stack, second), Some(2.5));
        assert!(stack.value(second).is_none());
        assert_eq!(ended(&stack, first), None);
        stack.close(outer);
        assert_eq!(ended(&stack, first), Some(1.5));
        assert_eq!(ended(&stack, second), Some(2.5));
        let other = stack.push(double(3.5));
        assert_eq!(ended(&stack, other), None);
        stack.close(outer);
        assert_eq!(ended(&stack, other), Some(3.5));
        assert_eq!(ended(&stack, first), None);
        stack.truncate(outer);
        assert!(stack.has_no_ended());
        assert_eq!(ended(&stack, other), None);
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
        assert_eq!(new.0 - (height << EPOCH_BITS), FIRST_EPOCH);
    }

    #[test]
    fn null_and_made_up_handles_are_misses() {
        let stack = HandleStack::new();
        for wrong in [
            0,
            5,
            1 << 32,
            UNDEFINED.0 + 1,
            FALSE.0 + (1 << EPOCH_BITS),
            usize::MAX,
        ] {
            assert!(stack.value(napi_value(wrong)).is_none(), "{wrong:#x}");
        }
    }
}
