//! References (`napi_ref`): counted, strong above zero and weak at zero.

use hostd_engine::{Value, Weak};

use super::Cx;
use crate::abi::checked::Handle;
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::napi_ref;

/// A counted reference.
#[derive(Debug)]
pub(crate) struct Reference {
    count: u32,
    hold: Hold,
    /// The finalizer that deleting this reference cancels.
    finalizer: Option<usize>,
}

/// How a reference holds its value.
#[derive(Debug)]
enum Hold {
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

    /// Whether it came with a wrap or finalizer, and so goes with it.
    #[inline]
    pub(crate) fn belongs_to_finalizer(&self) -> bool {
        self.finalizer.is_some()
    }

    /// How often it holds its value.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// The value, if it is held strongly.
    #[inline]
    pub(crate) fn strong(&self) -> Option<&Value> {
        match &self.hold {
            Hold::Strong(value) => Some(value),
            _ => None,
        }
    }

    fn value(&self) -> Option<Value> {
        match &self.hold {
            Hold::Strong(value) => Some(value.clone()),
            Hold::Weak(weak) => weak.get(),
            Hold::Dropped => None,
        }
    }
}

impl Cx {
    /// Makes a reference.
    #[inline]
    pub(crate) fn new_reference(
        &self,
        value: Value,
        count: u32,
        finalizer: Option<usize>,
    ) -> NapiResult<napi_ref> {
        let hold = if count > 0 {
            self.strong(value)
        } else {
            self.weak(&value)?
        };
        let reference = Reference {
            count,
            hold,
            finalizer,
        };
        let id = self.env.references.borrow_mut().insert(reference);
        let id = id.ok_or(Status::GenericFailure)?;
        self.made(id);
        Ok(napi_ref(id))
    }

    /// [`new_reference`](Self::new_reference) for the fast path: a strong one to an object.
    #[inline]
    pub(crate) fn fast_reference(&self, handle: Handle, count: u32) -> Option<napi_ref> {
        let handles = self.host.handles.try_borrow().ok()?;
        let value = handles.get(handle.0)?;
        if count == 0 || !value.is_object() || self.host.debug.is_some() {
            return None;
        }
        let mut pins = self.host.pins.try_borrow_mut().ok()?;
        if !pins.are_only_counted() {
            return None;
        }
        let mut references = self.env.references.try_borrow_mut().ok()?;
        let id = references.fast_insert(|| Reference {
            count,
            hold: Hold::Strong(value.clone()),
            finalizer: None,
        })?;
        if let Some(address) = value.identity() {
            pins.fast_add(address);
        }
        Some(napi_ref(id))
    }

    /// [`delete_reference`](Self::delete_reference) for the fast path: a strong one to an object
    /// that lives on.
    #[inline]
    pub(crate) fn fast_delete(&self, id: napi_ref) -> Option<()> {
        let mut pins = self.host.pins.try_borrow_mut().ok()?;
        if !pins.are_only_counted() {
            return None;
        }
        let mut references = self.env.references.try_borrow_mut().ok()?;
        let reference = references.get(id.0)?;
        let address = reference.pinned()?;
        let lives_on = reference.strong().is_some_and(Value::is_shared);
        if !lives_on || reference.belongs_to_finalizer() {
            return None;
        }
        pins.fast_remove(address);
        if let Hold::Strong(value) = references.remove(id.0)?.hold {
            value.release_shared();
        }
        Some(())
    }

    /// Deletes a reference and cancels the finalizer that came with it.
    #[inline]
    pub(crate) fn delete_reference(&self, id: napi_ref) -> NapiResult {
        let Some(reference) = self.env.references.borrow_mut().remove(id.0) else {
            return Err(self.stale_id("napi_ref", id.0));
        };
        if let Some(address) = reference.pinned() {
            self.host.pins.borrow_mut().remove(address);
        }
        if let Some(finalizer) = reference.finalizer {
            self.cancel(finalizer);
        }
        Ok(())
    }

    /// Counts up. A reference whose value is gone stays at zero.
    pub(crate) fn reference_up(&self, id: napi_ref) -> NapiResult<u32> {
        let mut references = self.env.references.borrow_mut();
        let Some(reference) = references.get_mut(id.0) else {
            return Err(self.stale_id("napi_ref", id.0));
        };
        if reference.count == 0 {
            let Some(value) = reference.value() else {
                return Ok(0);
            };
            reference.hold = self.strong(value);
        }
        reference.count = reference
            .count
            .checked_add(1)
            .ok_or(Status::GenericFailure)?;
        Ok(reference.count)
    }

    /// Counts down. Below zero is `napi_generic_failure`.
    pub(crate) fn reference_down(&self, id: napi_ref) -> NapiResult<u32> {
        let mut references = self.env.references.borrow_mut();
        let Some(reference) = references.get_mut(id.0) else {
            return Err(self.stale_id("napi_ref", id.0));
        };
        if reference.count == 0 {
            return Err(Status::GenericFailure);
        }
        if reference.count == 1
            && let Some(value) = reference.value()
        {
            let pinned = reference.pinned();
            reference.hold = self.weak(&value)?;
            if let Some(address) = pinned {
                self.host.pins.borrow_mut().remove(address);
            }
        }
        reference.count -= 1;
        Ok(reference.count)
    }

    /// The value of a reference, if it lives.
    pub(crate) fn reference_value(&self, id: napi_ref) -> NapiResult<Option<Value>> {
        match self.env.references.borrow().get(id.0) {
            Some(reference) => Ok(reference.value()),
            None => Err(self.stale_id("napi_ref", id.0)),
        }
    }

    #[inline]
    fn strong(&self, value: Value) -> Hold {
        if value.is_object()
            && let Some(address) = value.identity()
        {
            self.host.pins.borrow_mut().add(address);
        }
        Hold::Strong(value)
    }

    fn weak(&self, value: &Value) -> NapiResult<Hold> {
        if value.is_object() || value.is_symbol() {
            Ok(Hold::Weak(self.no_throw(self.rt().late_weak(value))?))
        } else {
            Ok(Hold::Dropped)
        }
    }
}
