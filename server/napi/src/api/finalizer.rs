//! Finalizers without a wrap, and the memory that objects stand for.

use hostd_engine::Value;

use crate::abi::callback::Finalize;
use crate::abi::checked::{Data, Handle, OptOut, Out};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::napi_ref;
use crate::env::Cx;
use crate::env::finalizer::{Call, Finalizer, Owner};

/// Attaches a finalizer that is called after the object's death.
pub(crate) fn napi_add_finalizer(
    cx: &Cx,
    object: Handle,
    data: Data,
    finalize: Finalize,
    hint: Data,
    result: OptOut<napi_ref>,
) -> NapiResult {
    let object = cx.value(object)?;
    if !object.is_object() {
        return Err(Status::InvalidArg);
    }
    let call = Call::Finalize(finalize);
    let id = cx.attach(
        &object,
        Finalizer::new(cx.env, Owner::Object, call, data, hint),
    )?;
    cx.weak_reference(object, id, result)
}

impl Cx {
    /// Makes a weak reference that belongs to a finalizer, if the addon wants one.
    pub(super) fn weak_reference(
        &self,
        object: Value,
        finalizer: usize,
        result: OptOut<napi_ref>,
    ) -> NapiResult {
        if result.wanted() {
            result.set(self.new_reference(object, 0, Some(finalizer))?)?;
        }
        Ok(())
    }

    /// Calls a finalizer when the outermost call ends.
    pub(super) fn post_finalizer(&self, finalizer: Finalizer) -> NapiResult {
        let id = self.host.finalizers.borrow_mut().insert(finalizer)?;
        self.host.post_finalizer(id);
        Ok(())
    }
}

/// Queues a finalizer that is called when the outermost call ends.
pub(crate) fn node_api_post_finalizer(
    cx: &Cx,
    finalize: Finalize,
    data: Data,
    hint: Data,
) -> NapiResult {
    let call = Call::Finalize(finalize);
    cx.post_finalizer(Finalizer::new(cx.env, Owner::Posted, call, data, hint))
}

/// Reports to the collector how much foreign memory objects keep alive; the result is the total.
pub(crate) fn napi_adjust_external_memory(cx: &Cx, change: i64, result: Out<i64>) -> NapiResult {
    result.set(cx.rt().adjust_external(change))
}
