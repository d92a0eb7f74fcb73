//! [`Cx`]: what an API body works with. It resolves ids, makes handles and keeps exceptions.

use hostd_engine::{JsResult, Runtime, Thrown, Value};

use super::Env;
use crate::abi::check::Handle;
use crate::abi::enter::Row;
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::{napi_env, napi_value};
use crate::host::{self, HostState};

/// One call of a Node-API function: whose it is and what it may touch.
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
    /// The context of a call, if `env` names an environment of this thread.
    #[inline]
    pub(crate) fn find(env: napi_env, row: &'static Row) -> Option<Self> {
        let host = host::current()?;
        Some(Self {
            host,
            env: host.env(env)?,
            row,
        })
    }

    /// The engine.
    #[inline]
    pub(crate) fn rt(&self) -> Runtime {
        self.host.rt
    }

    /// Resolves a handle.
    #[inline]
    pub(crate) fn value(&self, handle: Handle) -> NapiResult<Value> {
        self.read(handle, Value::clone)
    }

    /// Resolves a handle of an array of handles, in which NULL is refused too.
    pub(crate) fn element(&self, handle: napi_value) -> NapiResult<Value> {
        if handle.0 == 0 {
            return Err(Status::InvalidArg);
        }
        self.value(Handle(handle))
    }

    /// Resolves an array of handles and lends the values to `use_them`. Few of them cost no
    /// allocation.
    #[inline]
    pub(crate) fn with_values<R>(
        &self,
        handles: &[napi_value],
        use_them: impl FnOnce(&[Value]) -> R,
    ) -> NapiResult<R> {
        const FEW: usize = 8;
        let mut few = [const { Value::UNDEFINED }; FEW];
        if let Some(values) = few.get_mut(..handles.len()) {
            for (value, handle) in values.iter_mut().zip(handles) {
                *value = self.element(*handle)?;
            }
            return Ok(use_them(values));
        }
        let values: NapiResult<Vec<Value>> =
            handles.iter().map(|handle| self.element(*handle)).collect();
        Ok(use_them(&values?))
    }

    /// Resolves a handle for reading only: `read` may not make handles or run JavaScript.
    #[inline]
    pub(crate) fn read<R>(&self, handle: Handle, read: impl FnOnce(&Value) -> R) -> NapiResult<R> {
        match self.host.handles.borrow().get(handle.0) {
            Some(value) => Ok(read(value)),
            None => Err(self.stale_id("napi_value", handle.0.0)),
        }
    }

    /// Makes a handle in the current scope.
    #[inline]
    pub(crate) fn push(&self, value: Value) -> napi_value {
        let handle = self.host.handles.borrow_mut().push(value);
        if let Some(debug) = &self.host.debug {
            debug.handle_made(handle.0);
        }
        handle
    }

    /// Keeps a thrown exception pending and answers `napi_pending_exception` for it.
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

    /// Answers `napi_generic_failure` for what cannot fail but for want of memory. For functions
    /// that leave exceptions alone.
    #[inline]
    #[expect(clippy::unused_self, reason = "used like its sibling `js`")]
    pub(crate) fn quiet<T>(&self, result: JsResult<T>) -> NapiResult<T> {
        result.map_err(|_| Status::GenericFailure)
    }

    /// `ToObject`: primitives are boxed, `undefined` and `null` leave a `TypeError` pending and
    /// answer `napi_object_expected`.
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
        let value = self.value(handle)?;
        if self.rt().is_function(&value) {
            Ok(value)
        } else {
            Err(Status::InvalidArg)
        }
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

    /// Notes where an id was made, in debug mode.
    #[inline]
    pub(crate) fn made(&self, id: usize) {
        if let Some(debug) = &self.host.debug {
            debug.id_made(id);
        }
    }

    /// Answers an id that is stale, freed twice or made up, and says which.
    #[cold]
    pub(crate) fn stale_id(&self, what: &'static str, id: usize) -> Status {
        self.host.stale(self.row, self.env, what, id);
        Status::InvalidArg
    }

    /// Answers an id that is stale, freed twice or made up.
    #[cold]
    pub(crate) fn stale(&self, what: &'static str) -> Status {
        self.host.warn_stale(self.row, what);
        Status::InvalidArg
    }
}
