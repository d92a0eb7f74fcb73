//! C function pointers that are not NULL, and the only places that call them.
//!
//! A call into the addon is sound under A4: the addon gave the pointer for this very purpose and its
//! image is never unloaded. Calls go through [`wall`](super::wall): a C++ exception that reaches it
//! ends the process, which is reported as a crash.

use super::checked::Data;
use super::types::{
    napi_addon_register_func, napi_async_cleanup_hook, napi_async_cleanup_hook_handle,
    napi_async_complete_callback, napi_async_execute_callback, napi_callback, napi_callback_info,
    napi_cleanup_hook, napi_env, napi_finalize, napi_status, napi_threadsafe_function_call_js,
    napi_value, node_api_addon_get_api_version_func, node_api_noenv_finalize,
};
use super::wall::through;
use std::ffi::c_void;

/// A native function that JavaScript can call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Callback(unsafe extern "C" fn(napi_env, napi_callback_info) -> napi_value);

impl Callback {
    pub(super) fn new(function: napi_callback) -> Option<Self> {
        function.map(Self)
    }

    /// The function as an integer, for the words of an engine function.
    pub(crate) fn word(self) -> usize {
        self.0 as usize
    }

    /// The function that [`Callback::word`] was made of.
    ///
    /// # Safety
    ///
    /// `word` came from [`Callback::word`].
    pub(super) unsafe fn from_word(word: usize) -> Self {
        let pointer: *const () = std::ptr::with_exposed_provenance(word);
        // SAFETY: the caller's word came from a function pointer of this very type.
        Self(unsafe {
            std::mem::transmute::<
                *const (),
                unsafe extern "C" fn(napi_env, napi_callback_info) -> napi_value,
            >(pointer)
        })
    }

    pub(super) fn call(self, env: napi_env, info: napi_callback_info) -> napi_value {
        // SAFETY: A4 (an addon's callback, called with its env and a live callback info).
        napi_value(unsafe { through(env.0, info.0, 0, 0, self.0 as *const ()) })
    }
}

/// A finalizer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finalize(unsafe extern "C" fn(napi_env, *mut c_void, *mut c_void));

impl Finalize {
    pub(super) fn new(function: napi_finalize) -> Option<Self> {
        function.map(Self)
    }

    /// Calls it. Its data pointer is never used again by us.
    pub(crate) fn call(self, env: napi_env, data: Data, hint: Data) {
        // SAFETY: A4 (an addon's finalizer, called once with the pointers it was given with).
        unsafe {
            through(
                env.0,
                data.0.expose_provenance(),
                hint.0.expose_provenance(),
                0,
                self.0 as *const (),
            )
        };
    }
}

/// A finalizer without environment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoEnvFinalize(
    #[expect(
        dead_code,
        reason = "external shared memory is refused, so there is none to free"
    )]
    unsafe extern "C" fn(*mut c_void, *mut c_void),
);

impl NoEnvFinalize {
    pub(super) fn new(function: node_api_noenv_finalize) -> Option<Self> {
        function.map(Self)
    }
}

/// An environment cleanup hook. Two are equal when the function is the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CleanupHook(unsafe extern "C" fn(*mut c_void));

impl CleanupHook {
    pub(super) fn new(function: napi_cleanup_hook) -> Option<Self> {
        function.map(Self)
    }

    /// Whether both are the same function.
    pub(crate) fn is(self, other: Self) -> bool {
        std::ptr::fn_addr_eq(self.0, other.0)
    }

    /// Calls it.
    pub(crate) fn call(self, argument: Data) {
        // SAFETY: A4 (an addon's hook, called with the argument it was added with).
        unsafe { through(argument.0.expose_provenance(), 0, 0, 0, self.0 as *const ()) };
    }
}

/// An asynchronous environment cleanup hook.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AsyncHook(unsafe extern "C" fn(napi_async_cleanup_hook_handle, *mut c_void));

impl AsyncHook {
    pub(super) fn new(function: napi_async_cleanup_hook) -> Option<Self> {
        function.map(Self)
    }

    /// Calls it.
    pub(crate) fn call(self, handle: napi_async_cleanup_hook_handle, argument: Data) {
        // SAFETY: A4 (an addon's hook, called with its handle and argument).
        unsafe {
            through(
                handle.0,
                argument.0.expose_provenance(),
                0,
                0,
                self.0 as *const (),
            )
        };
    }
}

/// What a threadsafe function calls for each item.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallJs(unsafe extern "C" fn(napi_env, napi_value, *mut c_void, *mut c_void));

impl CallJs {
    pub(super) fn new(function: napi_threadsafe_function_call_js) -> Option<Self> {
        function.map(Self)
    }

    /// Calls it. With a NULL env it only frees the item's data.
    pub(crate) fn call(self, env: napi_env, function: napi_value, context: Data, data: Data) {
        // SAFETY: A4 (an addon's callback, called once per item with the pointers it was given).
        unsafe {
            through(
                env.0,
                function.0,
                context.0.expose_provenance(),
                data.0.expose_provenance(),
                self.0 as *const (),
            )
        };
    }
}

/// The part of async work that runs on a thread of the pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Execute(unsafe extern "C" fn(napi_env, *mut c_void));

impl Execute {
    pub(super) fn new(function: napi_async_execute_callback) -> Option<Self> {
        function.map(Self)
    }

    /// Calls it.
    pub(crate) fn call(self, env: napi_env, data: Data) {
        // SAFETY: A4 (an addon's callback, called with the pointer it was given with).
        unsafe { through(env.0, data.0.expose_provenance(), 0, 0, self.0 as *const ()) };
    }
}

/// The part of async work that runs on the JavaScript thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Complete(unsafe extern "C" fn(napi_env, napi_status, *mut c_void));

impl Complete {
    pub(super) fn new(function: napi_async_complete_callback) -> Option<Self> {
        function.map(Self)
    }

    /// Calls it.
    pub(crate) fn call(self, env: napi_env, status: napi_status, data: Data) {
        // SAFETY: A4 (an addon's callback, called once per queueing with its own pointer).
        unsafe {
            through(
                env.0,
                status as usize,
                data.0.expose_provenance(),
                0,
                self.0 as *const (),
            )
        };
    }
}

/// An addon's `init` function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Init(unsafe extern "C" fn(napi_env, napi_value) -> napi_value);

impl Init {
    pub(super) fn new(function: napi_addon_register_func) -> Option<Self> {
        function.map(Self)
    }

    /// Calls it with the exports object the addon may fill or replace.
    pub(crate) fn call(self, env: napi_env, exports: napi_value) -> napi_value {
        // SAFETY: A4 (the addon's init function, called with a live env and handle).
        napi_value(unsafe { through(env.0, exports.0, 0, 0, self.0 as *const ()) })
    }
}

/// An addon's declaration of its Node-API version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ApiVersion(unsafe extern "C" fn() -> i32);

impl ApiVersion {
    pub(super) fn new(function: node_api_addon_get_api_version_func) -> Option<Self> {
        function.map(Self)
    }

    /// Calls it.
    pub(crate) fn call(self) -> i32 {
        // SAFETY: A4 (a function of the image, without arguments).
        let answer = unsafe { through(0, 0, 0, 0, self.0 as *const ()) };
        // What it returned is the lower half of a register.
        let [first, second, third, fourth, ..] = answer.to_le_bytes();
        i32::from_le_bytes([first, second, third, fourth])
    }
}
