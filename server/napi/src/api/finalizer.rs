//! Finalizers without a wrap, and the memory that objects stand for.

use hostd_engine::Value;

use crate::abi::callback::Finalize;
use crate::abi::checked::{Data, Handle, OptOut, Out};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::napi_ref;
use crate::env::Cx;
use crate::env::finalizer::{Finalizer, Owner, token};

/// Attaches a finalizer that is called after the object's death.
pub(crate) fn napi_add_finalizer(
    cx: &Cx,
    object: Handle,
    data: Data,
    finalize: Finalize,
    hint: Data,
    result: OptOut<napi_ref>,
) -> NapiResult {
    let object = cx.value_if(object, Value::is_object, Status::InvalidArg)?;
    let id = cx.attach(
        &object,
        cx.finalizer(Owner::Object, Some(finalize), data, hint),
    )?;
    cx.weak_reference(object, id, result)
}

impl Cx {
    /// An entry of this environment, not yet in the table.
    pub(super) fn finalizer(
        &self,
        owner: Owner,
        call: Option<Finalize>,
        data: Data,
        hint: Data,
    ) -> Finalizer {
        Finalizer {
            env: self.env.id,
            owner,
            call,
            data,
            hint,
            order: 0,
            attached: None,
        }
    }

    /// Adds an entry that comes due when the object dies.
    pub(crate) fn attach(&self, object: &Value, finalizer: Finalizer) -> NapiResult<usize> {
        let id = self.host.finalizers.borrow_mut().insert(finalizer)?;
        let Ok(attached) = self.rt().attach_late_finalizer(object, token(id)) else {
            let _never_due = self.host.finalizers.borrow_mut().remove(id);
            return Err(Status::GenericFailure);
        };
        let mut finalizers = self.host.finalizers.borrow_mut();
        finalizers.set_attached(id, attached);
        Ok(id)
    }

    /// Takes an entry out of the table and off its object, so that it never comes due.
    pub(crate) fn detach(&self, id: usize) -> Option<Finalizer> {
        let finalizer = self.host.finalizers.borrow_mut().remove(id)?;
        if let Some(attached) = finalizer.attached {
            self.rt().cancel_finalizer(attached);
        }
        Some(finalizer)
    }

    /// Makes an entry call nothing: its reference was deleted.
    pub(crate) fn cancel(&self, id: usize) {
        // A wrap's entry holds the wrapped pointer too.
        if !self.host.finalizers.borrow_mut().disarm_wrap(id) {
            self.detach(id);
        }
    }

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
    cx.post_finalizer(cx.finalizer(Owner::Posted, Some(finalize), data, hint))
}

/// Reports to the collector how much foreign memory objects keep alive; the result is the total.
pub(crate) fn napi_adjust_external_memory(cx: &Cx, change: i64, result: Out<i64>) -> NapiResult {
    result.set(cx.rt().adjust_external(change))
}
