//! References: values that outlive their handles.

use hostd_engine::Value;

use crate::abi::checked::{Handle, OptOut, Out};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::{napi_ref, napi_value};
use crate::env::Cx;
use crate::env::reference::{Hold, Reference};

/// Makes a reference. Before version 10 only objects, functions, externals and symbols have them.
pub(crate) fn napi_create_reference(
    cx: &Cx,
    value: Handle,
    count: u32,
    result: Out<napi_ref>,
) -> NapiResult {
    let value = cx.value(value)?;
    if !value.is_object() && !value.is_symbol() && !cx.env.is_version_10() {
        return Err(Status::InvalidArg);
    }
    result.set(cx.new_reference(value, count, None)?)
}

/// The fast path of [`napi_create_reference`].
#[inline]
pub(crate) fn fast_create(
    cx: &Cx,
    value: Handle,
    count: u32,
    result: Out<napi_ref>,
) -> Option<NapiResult> {
    Some(result.set(cx.fast_reference(value, count)?))
}

/// The fast path of [`napi_delete_reference`].
#[inline]
pub(crate) fn fast_delete(cx: &Cx, reference: napi_ref) -> Option<NapiResult> {
    cx.fast_delete(reference).map(Ok)
}

/// Deletes a reference at any count.
pub(crate) fn napi_delete_reference(cx: &Cx, reference: napi_ref) -> NapiResult {
    cx.delete_reference(reference)
}

/// Counts up. A reference whose value died stays at 0, which is no failure.
pub(crate) fn napi_reference_ref(cx: &Cx, reference: napi_ref, result: OptOut<u32>) -> NapiResult {
    result.set(cx.reference_up(reference)?)
}

/// Counts down; at 0 the reference is weak.
pub(crate) fn napi_reference_unref(
    cx: &Cx,
    reference: napi_ref,
    result: OptOut<u32>,
) -> NapiResult {
    result.set(cx.reference_down(reference)?)
}

/// The fast path of [`napi_get_reference_value`].
#[inline]
pub(crate) fn fast_value(
    cx: &Cx,
    reference: napi_ref,
    result: Out<napi_value>,
) -> Option<NapiResult> {
    let references = cx.env.references.try_borrow().ok()?;
    let value = references.get(reference.0)?.strong()?;
    Some(result.set(cx.fast_handle(value)?))
}

/// The value of a reference; NULL if it died.
pub(crate) fn napi_get_reference_value(
    cx: &Cx,
    reference: napi_ref,
    result: Out<napi_value>,
) -> NapiResult {
    let value = cx.reference_value(reference)?;
    result.set(value.map_or(napi_value(0), |value| cx.push(value)))
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
        if !lives_on || reference.finalizer.is_some() {
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
        let count = reference.count.checked_add(1);
        reference.count = count.ok_or(Status::GenericFailure)?;
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
