//! Function pointers of addons that are not NULL, one type for each purpose, and their only
//! callers.
//!
//! A call of the addon is sound under A4: the addon gave the pointer for this purpose, and its
//! image is never unloaded. Every call goes through [`guarded_call`]: a C++ exception that reaches
//! it ends the process, which is reported as a crash.

use super::barrier::guarded_call;
use super::data::Data;
use super::types::{
    napi_addon_register_func, napi_async_cleanup_hook, napi_async_cleanup_hook_handle,
    napi_async_complete_callback, napi_async_execute_callback, napi_callback, napi_callback_info,
    napi_cleanup_hook, napi_env, napi_finalize, napi_status, napi_threadsafe_function_call_js,
    napi_value, node_api_addon_get_api_version_func,
};
use std::ffi::c_void;

/// A function of an addon's that is not NULL.
pub(crate) trait Function: Sized {
    /// The C type.
    type Nullable;

    /// The function, unless it is NULL.
    fn new(function: Self::Nullable) -> Option<Self>;
}

/// The types of function pointers that are not NULL: the C type, and the function without `Option`.
macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident($nullable:ident: $function:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name($function);

        impl Function for $name {
            type Nullable = $nullable;

            fn new(function: $nullable) -> Option<Self> {
                function.map(Self)
            }
        }
    )*};
}

functions! {
    /// A native function that JavaScript can call.
    Callback(napi_callback: unsafe extern "C" fn(napi_env, napi_callback_info) -> napi_value);
    /// A finalizer.
    Finalize(napi_finalize: unsafe extern "C" fn(napi_env, *mut c_void, *mut c_void));
    /// An environment cleanup hook. Two are equal when the function is the same.
    CleanupHook(napi_cleanup_hook: unsafe extern "C" fn(*mut c_void));
    /// An asynchronous environment cleanup hook.
    AsyncHook(napi_async_cleanup_hook: unsafe extern "C" fn(napi_async_cleanup_hook_handle, *mut c_void));
    /// What a threadsafe function calls for each item.
    CallJs(napi_threadsafe_function_call_js: unsafe extern "C" fn(napi_env, napi_value, *mut c_void, *mut c_void));
    /// The part of async work that runs on a thread of the pool.
    Execute(napi_async_execute_callback: unsafe extern "C" fn(napi_env, *mut c_void));
    /// The part of async work that runs on the JavaScript thread.
    Complete(napi_async_complete_callback: unsafe extern "C" fn(napi_env, napi_status, *mut c_void));
    /// An addon's `init` function.
    Init(napi_addon_register_func: unsafe extern "C" fn(napi_env, napi_value) -> napi_value);
    /// An addon's declaration of its Node-API version.
    ApiVersion(node_api_addon_get_api_version_func: unsafe extern "C" fn() -> i32);
}

impl Callback {
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
        // SAFETY: A9; the word came from a function pointer of this type.
        Self(unsafe {
            std::mem::transmute::<
                *const (),
                unsafe extern "C" fn(napi_env, napi_callback_info) -> napi_value,
            >(pointer)
        })
    }

    pub(super) fn call(self, env: napi_env, info: napi_callback_info) -> napi_value {
        // SAFETY: A4; an addon's callback, called with its env and a live callback info.
        napi_value(unsafe { guarded_call(env.0, info.0, 0, 0, self.0 as *const ()) })
    }
}

impl Finalize {
    /// Calls it. The data pointer is not used afterwards.
    pub(crate) fn call(self, env: napi_env, data: Data, hint: Data) {
        // SAFETY: A4; an addon's finalizer, called once with the pointers it was given with.
        unsafe { guarded_call(env.0, data.word(), hint.word(), 0, self.0 as *const ()) };
    }
}

impl CleanupHook {
    /// Whether both are the same function.
    pub(crate) fn is(self, other: Self) -> bool {
        std::ptr::fn_addr_eq(self.0, other.0)
    }

    pub(crate) fn call(self, argument: Data) {
        // SAFETY: A4; an addon's hook, called with the argument it was added with.
        unsafe { guarded_call(argument.word(), 0, 0, 0, self.0 as *const ()) };
    }
}

impl AsyncHook {
    pub(crate) fn call(self, handle: napi_async_cleanup_hook_handle, argument: Data) {
        // SAFETY: A4; an addon's hook, called with its handle and argument.
        unsafe { guarded_call(handle.0, argument.word(), 0, 0, self.0 as *const ()) };
    }
}

impl CallJs {
    /// Calls it. With a NULL env it only frees the item's data.
    pub(crate) fn call(self, env: napi_env, function: napi_value, context: Data, data: Data) {
        // SAFETY: A4; an addon's callback, called once per item with the pointers it was given.
        unsafe {
            guarded_call(
                env.0,
                function.0,
                context.word(),
                data.word(),
                self.0 as *const (),
            )
        };
    }
}

impl Execute {
    pub(crate) fn call(self, env: napi_env, data: Data) {
        // SAFETY: A4; an addon's callback, called with the pointer it was given with.
        unsafe { guarded_call(env.0, data.word(), 0, 0, self.0 as *const ()) };
    }
}

impl Complete {
    pub(crate) fn call(self, env: napi_env, status: napi_status, data: Data) {
        // SAFETY: A4; an addon's callback, called once per queueing with its own pointer.
        unsafe { guarded_call(env.0, status as usize, data.word(), 0, self.0 as *const ()) };
    }
}

impl Init {
    /// Calls it with the exports object the addon may fill or replace.
    pub(crate) fn call(self, env: napi_env, exports: napi_value) -> napi_value {
        // SAFETY: A4; the addon's init function, called with a live env and handle.
        napi_value(unsafe { guarded_call(env.0, exports.0, 0, 0, self.0 as *const ()) })
    }
}

impl ApiVersion {
    pub(crate) fn call(self) -> i32 {
        // SAFETY: A4; a function of the image, without arguments.
        let returned = unsafe { guarded_call(0, 0, 0, 0, self.0 as *const ()) };
        // An `int` is the lower half of the register.
        let [first, second, third, fourth, ..] = returned.to_le_bytes();
        i32::from_le_bytes([first, second, third, fourth])
    }
}
