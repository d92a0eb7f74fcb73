//! The C types of `js_native_api_types.h` and `node_api_types.h`, under their C names.
//!
//! An opaque pointer is declared as the integer that it is here: an id that is looked up, never an
//! address that is followed. The module `address` defines which ids C may read behind. Enumerations
//! that C passes *to* us are integers until a check has converted them, because C may pass any
//! number.
#![expect(non_camel_case_types, reason = "the names are C's")]

use std::ffi::{c_char, c_int, c_void};

use super::status::Status;

/// An opaque pointer type of the headers.
pub(crate) trait OpaqueId: Copy {
    /// The id as an integer; 0 is NULL.
    fn word(self) -> usize;
}

macro_rules! opaque_ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(transparent)]
        pub struct $name(pub usize);

        impl OpaqueId for $name {
            fn word(self) -> usize {
                self.0
            }
        }

        const _: () = assert!(size_of::<$name>() == size_of::<*mut c_void>());
    )*};
}

opaque_ids! {
    /// An addon's environment: one constant per loaded addon.
    napi_env;
    /// A handle to a JavaScript value, alive while its scope is.
    napi_value;
    /// A counted reference to a JavaScript value.
    napi_ref;
    /// An open handle scope.
    napi_handle_scope;
    /// An open handle scope from which one handle may escape.
    napi_escapable_handle_scope;
    /// The call that a native callback is serving.
    napi_callback_info;
    /// The settling half of a promise.
    napi_deferred;
    /// An open callback scope.
    napi_callback_scope;
    /// An async context.
    napi_async_context;
    /// A piece of async work.
    napi_async_work;
    /// A threadsafe function, usable from any thread.
    napi_threadsafe_function;
    /// A registered async cleanup hook.
    napi_async_cleanup_hook_handle;
}

/// The status every function returns.
pub type napi_status = Status;

/// `napi_valuetype`, written to C only.
pub type napi_valuetype = c_int;
/// `napi_typedarray_type`.
pub type napi_typedarray_type = c_int;
/// `napi_property_attributes`, a set of bits.
pub type napi_property_attributes = c_int;
/// `napi_key_collection_mode`.
pub type napi_key_collection_mode = c_int;
/// `napi_key_filter`, a set of bits.
pub type napi_key_filter = c_int;
/// `napi_key_conversion`.
pub type napi_key_conversion = c_int;
/// `napi_threadsafe_function_release_mode`.
pub type napi_threadsafe_function_release_mode = c_int;
/// `napi_threadsafe_function_call_mode`.
pub type napi_threadsafe_function_call_mode = c_int;

/// A native function that JavaScript can call.
pub type napi_callback = Option<unsafe extern "C" fn(napi_env, napi_callback_info) -> napi_value>;
/// A finalizer.
pub type napi_finalize = Option<unsafe extern "C" fn(napi_env, *mut c_void, *mut c_void)>;
/// A finalizer that is given no environment.
pub type node_api_noenv_finalize = Option<unsafe extern "C" fn(*mut c_void, *mut c_void)>;
/// An environment cleanup hook.
pub type napi_cleanup_hook = Option<unsafe extern "C" fn(*mut c_void)>;
/// An asynchronous environment cleanup hook.
pub type napi_async_cleanup_hook =
    Option<unsafe extern "C" fn(napi_async_cleanup_hook_handle, *mut c_void)>;
/// The part of async work that runs on a pool thread.
pub type napi_async_execute_callback = Option<unsafe extern "C" fn(napi_env, *mut c_void)>;
/// The part of async work that runs on the JavaScript thread.
pub type napi_async_complete_callback =
    Option<unsafe extern "C" fn(napi_env, napi_status, *mut c_void)>;
/// What a threadsafe function calls for each item of its queue.
pub type napi_threadsafe_function_call_js =
    Option<unsafe extern "C" fn(napi_env, napi_value, *mut c_void, *mut c_void)>;
/// An addon's `init` function.
pub type napi_addon_register_func =
    Option<unsafe extern "C" fn(napi_env, napi_value) -> napi_value>;
/// An addon's declaration of its Node-API version.
pub type node_api_addon_get_api_version_func = Option<unsafe extern "C" fn() -> i32>;

/// One property for `napi_define_properties` and `napi_define_class`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct napi_property_descriptor {
    /// The name as NUL-terminated UTF-8, or NULL to use `name`.
    pub utf8name: *const c_char,
    /// The name as a string or symbol.
    pub name: napi_value,
    /// The method, if it is one.
    pub method: napi_callback,
    /// The getter, if it is an accessor.
    pub getter: napi_callback,
    /// The setter, if it is an accessor.
    pub setter: napi_callback,
    /// The value, if it is neither.
    pub value: napi_value,
    /// Attribute bits.
    pub attributes: napi_property_attributes,
    /// Passed to method, getter and setter.
    pub data: *mut c_void,
}

/// What `napi_get_last_error_info` reports.
#[derive(Debug)]
#[repr(C)]
pub struct napi_extended_error_info {
    /// A static message, or NULL for success.
    pub error_message: *const c_char,
    /// Always NULL.
    pub engine_reserved: *mut c_void,
    /// An error number of libuv, where there is one.
    pub engine_error_code: u32,
    /// The status of the last call.
    pub error_code: napi_status,
}

/// A 128-bit tag that says which addon and type an object belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct napi_type_tag {
    /// The low half.
    pub lower: u64,
    /// The high half.
    pub upper: u64,
}

/// What `napi_get_node_version` reports.
#[derive(Debug)]
#[repr(C)]
pub struct napi_node_version {
    /// Major version.
    pub major: u32,
    /// Minor version.
    pub minor: u32,
    /// Patch version.
    pub patch: u32,
    /// Always `"node"`.
    pub release: *const c_char,
}

/// The structure that old addons register themselves with.
#[derive(Debug)]
#[repr(C)]
pub struct napi_module {
    /// Version of this structure.
    pub nm_version: c_int,
    /// Unused.
    pub nm_flags: u32,
    /// Source file of the module.
    pub nm_filename: *const c_char,
    /// The `init` function.
    pub nm_register_func: napi_addon_register_func,
    /// Name of the module.
    pub nm_modname: *const c_char,
    /// Unused.
    pub nm_priv: *mut c_void,
    /// Unused.
    pub reserved: [*mut c_void; 4],
}

/// `NAPI_AUTO_LENGTH`: the text ends at its first NUL.
pub const NAPI_AUTO_LENGTH: usize = usize::MAX;
/// `NAPI_VERSION_EXPERIMENTAL`.
pub const NAPI_VERSION_EXPERIMENTAL: i32 = i32::MAX;
/// The newest stable version of Node-API that is supported.
pub const SUPPORTED_VERSION: i32 = 10;

// Sizes as the C compiler has them on every 64-bit target.
const _: () = {
    assert!(size_of::<usize>() == 8, "ids need 64-bit pointers");
    assert!(size_of::<napi_status>() == 4);
    assert!(size_of::<napi_callback>() == 8);
    assert!(size_of::<napi_property_descriptor>() == 64);
    assert!(size_of::<napi_extended_error_info>() == 24);
    assert!(size_of::<napi_type_tag>() == 16);
    assert!(size_of::<napi_node_version>() == 24);
    assert!(size_of::<napi_module>() == 72);
};
