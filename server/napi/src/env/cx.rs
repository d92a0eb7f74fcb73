//! [`Cx`], the context of one Node-API call: the host, the environment and the function called.
//!
//! The shims make it, and every body in `api` gets it: to resolve handles, make handles, keep
//! exceptions pending and report misuse.

use hostd_engine::{JsResult, Runtime, Thrown, Value};

use super::{Env, handles};
use crate::abi::checked::Handle;
use crate::abi::row::Row;
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::{napi_env, napi_value};
use crate::host::debug::Debug;
use crate::host::{self, Caller, HostState};

/// How many values are resolved without an allocation.
const VALUES_ON_STACK_MAX: usize = 8;

/// The context of one call of a Node-API function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cx {
    /// The thread's host.
    pub(crate) host: &'static HostState,
    /// The calling addon's environment.
    pub(crate) env: &'static Env,
    /// The function that was called.
    pub(crate) row: &'static Row,
}

impl Cx {
    /// The context of a call from the environment that made the last one; `None` for any other.
    #[inline]
    pub(crate) fn usual(env: napi_env, row: &'static Row) -> Option<Self> {
        let Caller { host, env } = host::last_caller(env)?;
        Some(Self { host, env, row })
    }

    /// The engine.
    #[inline]
    pub(crate) fn rt(&self) -> Runtime {
        self.host.rt
    }

    /// Resolves a handle.
    #[inline]
    pub(crate) fn value(&self, handle: Handle) -> NapiResult<Value> {
        match self.host.handles.borrow().get(handle.0) {
            Some(value) => Ok(value.clone()),
            None => self.value_without_slot(handle),
        }
    }

    /// Resolves a handle to a value of a kind; `otherwise` for any other.
    #[inline]
    pub(crate) fn value_if(
        &self,
        handle: Handle,
        is: impl FnOnce(&Value) -> bool,
        otherwise: Status,
    ) -> NapiResult<Value> {
        let value = self.value(handle)?;
        if is(&value) {
            Ok(value)
        } else {
            Err(otherwise)
        }
    }

    /// Resolves a handle that has no slot.
    #[cold]
    fn value_without_slot(&self, handle: Handle) -> NapiResult<Value> {
        match handles::integer(handle.0) {
            Some(integer) => Ok(Value::from(integer)),
            None => Err(self.stale_id("napi_value", handle.0.0)),
        }
    }

    /// Resolves a handle of an array of handles, in which NULL is refused too.
    pub(crate) fn element(&self, handle: napi_value) -> NapiResult<Value> {
        if handle.0 == 0 {
            return Err(Status::InvalidArg);
        }
        self.value(Handle(handle))
    }

    /// Resolves an array of handles and lends the values to `use_them`.
    #[inline]
    pub(crate) fn with_values<R>(
        &self,
        handles: &[napi_value],
        use_them: impl FnOnce(&[Value]) -> R,
    ) -> NapiResult<R> {
        match *handles {
            [] => Ok(use_them(&[])),
            [only] => Ok(use_them(&[self.element(only)?])),
            [first, second] => Ok(use_them(&[self.element(first)?, self.element(second)?])),
            _ if handles.len() <= VALUES_ON_STACK_MAX => {
                let mut values = [const { Value::UNDEFINED }; VALUES_ON_STACK_MAX];
                for (value, handle) in values.iter_mut().zip(handles) {
                    *value = self.element(*handle)?;
                }
                Ok(use_them(values.get(..handles.len()).unwrap_or_default()))
            }
            _ => {
                let mut values = Vec::new();
                self.js(self.rt().reserve(&mut values, handles.len()))?;
                for handle in handles {
                    values.push(self.element(*handle)?);
                }
                Ok(use_them(&values))
            }
        }
    }

    /// Resolves a handle for reading only: `read` may not make handles or run JavaScript.
    #[inline]
    pub(crate) fn read<R>(&self, handle: Handle, read: impl FnOnce(&Value) -> R) -> NapiResult<R> {
        if let Some(integer) = handles::integer(handle.0) {
            return Ok(read(&Value::from(integer)));
        }
        match self.host.handles.borrow().get(handle.0) {
            Some(value) => Ok(read(value)),
            None => Err(self.stale_id("napi_value", handle.0.0)),
        }
    }

    /// Makes a handle in the current scope.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "the type of value is known in most callers"
    )]
    pub(crate) fn push(&self, value: Value) -> napi_value {
        if let Some(debug) = &self.host.debug {
            return self.push_noted(debug, value);
        }
        match handles::without_slot(&value) {
            Some(handle) => handle,
            None => self.host.handles.borrow_mut().push(value),
        }
    }

    /// Makes a handle of a value that needs a slot, such as a new object.
    #[inline]
    pub(crate) fn push_new(&self, value: Value) -> napi_value {
        match &self.host.debug {
            Some(debug) => self.push_noted(debug, value),
            None => self.host.handles.borrow_mut().push(value),
        }
    }

    /// Makes a handle and notes where, in debug mode. Integers have slots then, so that those that
    /// outlived their scope are found.
    #[cold]
    fn push_noted(&self, debug: &Debug, value: Value) -> napi_value {
        let handle = match handles::without_slot(&value) {
            Some(handle) if handles::integer(handle).is_none() => handle,
            _ => self.host.handles.borrow_mut().push(value),
        };
        debug.handle_made(handle.0);
        handle
    }

    /// [`read`](Self::read) for the fast path: calls no function; `None` where that is not enough.
    #[inline]
    pub(crate) fn fast_read<R>(
        &self,
        handle: Handle,
        read: impl FnOnce(&Value) -> Option<R>,
    ) -> Option<R> {
        if let Some(integer) = handles::integer(handle.0) {
            return read(&Value::from(integer));
        }
        read(self.host.handles.try_borrow().ok()?.get(handle.0)?)
    }

    /// Makes a handle, as [`fast_read`](Self::fast_read) reads one.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the fast path calls no function")]
    pub(crate) fn fast_handle(&self, value: &Value) -> Option<napi_value> {
        if self.host.debug.is_some() {
            return None;
        }
        if let Some(handle) = handles::without_slot(value) {
            return Some(handle);
        }
        self.host.handles.try_borrow_mut().ok()?.fast_push(value)
    }

    /// Keeps a thrown exception pending and returns `napi_pending_exception` for it.
    #[inline]
    pub(crate) fn js<T>(&self, result: JsResult<T>) -> NapiResult<T> {
        result.map_err(|thrown| self.throw(thrown))
    }

    /// Keeps a thrown exception pending.
    #[cold]
    pub(crate) fn throw(&self, thrown: Thrown) -> Status {
        self.env.set_exception(thrown);
        Status::PendingException
    }

    /// Returns `napi_generic_failure` for an exception, and drops it: for functions that leave none
    /// pending, where only memory can be missing.
    #[inline]
    #[expect(clippy::unused_self, reason = "used like its sibling `js`")]
    pub(crate) fn no_throw<T>(&self, result: JsResult<T>) -> NapiResult<T> {
        result.map_err(|_| Status::GenericFailure)
    }

    /// `ToObject`: primitives are boxed, `undefined` and `null` leave a `TypeError` pending and
    /// are `napi_object_expected`.
    #[inline]
    pub(crate) fn object(&self, handle: Handle) -> NapiResult<Value> {
        let value = self.value(handle)?;
        if value.is_object() {
            return Ok(value);
        }
        self.js(self.rt().to_object(&value))
            .map_err(|_| Status::ObjectExpected)
    }

    /// Resolves a handle to something callable; all else is `napi_invalid_arg`, as in Node.
    #[inline]
    pub(crate) fn function(&self, handle: Handle) -> NapiResult<Value> {
        let is_function = |value: &_| self.rt().is_function(value);
        self.value_if(handle, is_function, Status::InvalidArg)
    }

    /// A failure that leaves the last-error record as it is, where Node returns it bare.
    #[cold]
    pub(crate) fn unrecorded(&self, status: Status) -> Status {
        self.env.set_unrecorded();
        status
    }

    /// A failure with a number of libuv's in the last-error record.
    #[cold]
    pub(crate) fn engine_failure(&self, status: Status, code: i32) -> Status {
        self.env.record_engine(status, code.cast_unsigned());
        self.env.set_unrecorded();
        status
    }

    /// A failure whose message in the last-error record gives the reason too.
    #[cold]
    pub(crate) fn explained(&self, status: Status, why: &str) -> Status {
        self.env.record_explained(status, why);
        self.env.set_unrecorded();
        status
    }

    /// Notes where an id was made, in debug mode.
    #[inline]
    pub(crate) fn made(&self, id: usize) {
        if let Some(debug) = &self.host.debug {
            debug.id_made(id);
        }
    }

    /// Warns of what the addon does, once per addon, function and text.
    #[cold]
    pub(crate) fn warn_once(&self, text: &'static str) {
        self.host.warn_once(self.row, Some(self.env), text);
    }

    /// The failure for an id that is stale, freed twice or made up; reports the id.
    #[cold]
    pub(crate) fn stale_id(&self, what: &'static str, id: usize) -> Status {
        self.host.stale(self.row, self.env, what, id);
        Status::InvalidArg
    }

    /// The failure for an id that is stale, freed twice or made up.
    #[cold]
    pub(crate) fn stale(&self, what: &'static str) -> Status {
        self.host.warn_stale(self.row, self.env, what);
        Status::InvalidArg
    }
}
