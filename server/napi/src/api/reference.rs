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

/// The fast path of [`napi_create_reference`]: a strong one to an object.
#[inline]
pub(crate) fn fast_create(
    cx: &Cx,
    value: Handle,
    count: u32,
    result: Out<napi_ref>,
) -> Option<NapiResult> {
    let handles = cx.host.handles.try_borrow().ok()?;
    let value = handles.get(value.0)?;
    if count == 0 || !value.is_object() || cx.host.debug.is_some() {
        return None;
    }
    let mut pins = cx.host.pins.try_borrow_mut().ok()?;
    if !pins.are_only_counted() {
        return None;
    }
    let mut references = cx.env.references.try_borrow_mut().ok()?;
    let id = references.fast_insert(|| Reference {
        count,
        hold: Hold::Strong(value.clone()),
        finalizer: None,
    })?;
    if let Some(address) = value.identity() {
        pins.fast_add(address);
    }
    Some(result.set(napi_ref(id)))
}

/// The fast path of [`napi_delete_reference`]: a strong one to an object that lives on.
#[inline]
pub(crate) fn fast_delete(cx: &Cx, reference: napi_ref) -> Option<NapiResult> {
    let mut pins = cx.host.pins.try_borrow_mut().ok()?;
    if !pins.are_only_counted() {
        return None;
    }
    let mut references = cx.env.references.try_borrow_mut().ok()?;
    let found = references.get(reference.0)?;
    let address = found.pinned()?;
    let lives_on = found.strong().is_some_and(Value::is_shared);
    if !lives_on || found.finalizer.is_some() {
        return None;
    }
    pins.fast_remove(address);
    if let Hold::Strong(value) = references.fast_remove(reference.0)?.hold {
        value.release_shared();
    }
    Some(Ok(()))
}

/// Deletes a reference at any count, and cancels the finalizer that came with it.
pub(crate) fn napi_delete_reference(cx: &Cx, reference: napi_ref) -> NapiResult {
    let Some(found) = cx.env.references.borrow_mut().remove(reference.0) else {
        return Err(cx.stale_id("napi_ref", reference.0));
    };
    if let Some(address) = found.pinned() {
        cx.host.pins.borrow_mut().remove(address);
    }
    if let Some(finalizer) = found.finalizer {
        cx.cancel(finalizer);
    }
    Ok(())
}

/// Counts up. A reference whose value died stays at 0, which is no failure.
pub(crate) fn napi_reference_ref(cx: &Cx, id: napi_ref, result: OptOut<u32>) -> NapiResult {
    let mut references = cx.env.references.borrow_mut();
    let Some(reference) = references.get_mut(id.0) else {
        return Err(cx.stale_id("napi_ref", id.0));
    };
    if reference.count == 0 {
        let Some(value) = reference.value() else {
            return result.set(0);
        };
        reference.hold = cx.strong(value);
    }
    let count = reference.count.checked_add(1);
    reference.count = count.ok_or(Status::GenericFailure)?;
    result.set(reference.count)
}

/// Counts down; at 0 the reference is weak, and below `napi_generic_failure`.
pub(crate) fn napi_reference_unref(cx: &Cx, id: napi_ref, result: OptOut<u32>) -> NapiResult {
    let mut references = cx.env.references.borrow_mut();
    let Some(reference) = references.get_mut(id.0) else {
        return Err(cx.stale_id("napi_ref", id.0));
    };
    if reference.count == 0 {
        return Err(Status::GenericFailure);
    }
    if reference.count == 1
        && let Some(value) = reference.value()
    {
        let pinned = reference.pinned();
        reference.hold = cx.weak(&value)?;
        if let Some(address) = pinned {
            cx.host.pins.borrow_mut().remove(address);
        }
    }
    reference.count -= 1;
    result.set(reference.count)
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
    let value = match cx.env.references.borrow().get(reference.0) {
        Some(found) => found.value(),
        None => return Err(cx.stale_id("napi_ref", reference.0)),
    };
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
