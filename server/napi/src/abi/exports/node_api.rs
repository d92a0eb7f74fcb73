//! The table of `node_api.h`, in the order of that header, then what is written by hand.

use std::ffi::{c_char, c_void};

use crate::abi::enter::napi_exports;
use crate::abi::row::{Entry, Row, Symbol};
use crate::abi::types::{
    napi_async_cleanup_hook, napi_async_cleanup_hook_handle, napi_async_complete_callback,
    napi_async_context, napi_async_execute_callback, napi_async_work, napi_callback_scope,
    napi_cleanup_hook, napi_env, napi_finalize, napi_module, napi_node_version, napi_status,
    napi_threadsafe_function, napi_threadsafe_function_call_js, napi_threadsafe_function_call_mode,
    napi_threadsafe_function_release_mode, napi_value,
};
use crate::abi::{check, registered};
use crate::api;

napi_exports! {
    /// The rows of `node_api.h`.
    static NODE_API: "node_api.h";

    env   async_context::napi_async_init(
              async_resource(async_resource: napi_value, async_resource_name: napi_value),
              out(result: *mut napi_async_context));
    env   async_context::napi_async_destroy(id(async_context: napi_async_context));
    env   async_work::napi_create_async_work(
              async_resource(async_resource: napi_value, async_resource_name: napi_value),
              work_calls(execute: napi_async_execute_callback, complete: napi_async_complete_callback, data: *mut c_void),
              out(result: *mut napi_async_work));
    env   async_work::napi_delete_async_work(id(work: napi_async_work));
    basic async_work::napi_queue_async_work(id(work: napi_async_work));
    basic async_work::napi_cancel_async_work(id(work: napi_async_work));
    basic async_context::napi_open_callback_scope(
              opt_handle(resource_object: napi_value), plain(context: napi_async_context),
              out(result: *mut napi_callback_scope));
    basic async_context::napi_close_callback_scope(id(scope: napi_callback_scope));
    js    async_context::napi_make_callback(
              opt_async_context(async_context: napi_async_context), handle(recv: napi_value),
              opt_handle(func: napi_value), call_arguments(argc: usize, argv: *const napi_value),
              opt_out(result: *mut napi_value));

    js    buffer::napi_create_buffer(
              plain(length: usize), opt_out(data: *mut *mut c_void), out(result: *mut napi_value));
    js    buffer::napi_create_external_buffer(
              memory_of(length: usize, data: *mut c_void), opt_function(finalize_cb: napi_finalize),
              data(finalize_hint: *mut c_void), out(result: *mut napi_value));
    js    buffer::node_api_create_buffer_from_arraybuffer(
              handle(arraybuffer: napi_value), plain(byte_offset: usize), plain(byte_length: usize),
              out(result: *mut napi_value));
    js    buffer::napi_create_buffer_copy(
              bytes(length: usize, data: *const c_void), opt_out(result_data: *mut *mut c_void),
              out(result: *mut napi_value));
    env   primitive::napi_is_buffer(handle(value: napi_value), out(result: *mut bool));
    env   buffer::napi_get_buffer_info(
              handle(value: napi_value), opt_out(data: *mut *mut c_void), opt_out(length: *mut usize));

    basic module::napi_get_node_version(out(version: *mut *const napi_node_version));
    js    fatal::napi_fatal_exception(handle(err: napi_value));

    peek  lifecycle::napi_add_env_cleanup_hook(function(fun: napi_cleanup_hook), data(arg: *mut c_void));
    peek  lifecycle::napi_remove_env_cleanup_hook(function(fun: napi_cleanup_hook), data(arg: *mut c_void));

    env   tsfn::napi_create_threadsafe_function(
              opt_handle(func: napi_value), async_resource(async_resource: napi_value, async_resource_name: napi_value),
              queue(max_queue_size: usize, initial_thread_count: usize),
              thread_calls(thread_finalize_data: *mut c_void, thread_finalize_cb: napi_finalize, context: *mut c_void, call_js_cb: napi_threadsafe_function_call_js),
              out(result: *mut napi_threadsafe_function));

    basic lifecycle::napi_add_async_cleanup_hook(
              function(hook: napi_async_cleanup_hook), data(arg: *mut c_void),
              opt_out(remove_handle: *mut napi_async_cleanup_hook_handle));
    basic module::napi_get_uv_event_loop(out(loop_: *mut *mut c_void));
    basic module::node_api_get_module_file_name(out(result: *mut *const c_char));

    // Callable from any thread.
    free  tsfn::napi_call_threadsafe_function(
              id(func: napi_threadsafe_function), data(data: *mut c_void),
              plain(is_blocking: napi_threadsafe_function_call_mode));
    free  tsfn::napi_get_threadsafe_function_context(id(func: napi_threadsafe_function), out(result: *mut *mut c_void));
    free  tsfn::napi_acquire_threadsafe_function(id(func: napi_threadsafe_function));
    free  tsfn::napi_release_threadsafe_function(
              id(func: napi_threadsafe_function), plain(mode: napi_threadsafe_function_release_mode));
    free  tsfn::napi_unref_threadsafe_function(ignored(env: napi_env), id(func: napi_threadsafe_function));
    free  tsfn::napi_ref_threadsafe_function(ignored(env: napi_env), id(func: napi_threadsafe_function));
    free  lifecycle::napi_remove_async_cleanup_hook(id(remove_handle: napi_async_cleanup_hook_handle));
}

const FATAL_ERROR: &Row = &Row {
    name: "napi_fatal_error",
};

/// Ends the process with a message.
///
/// <https://nodejs.org/api/n-api.html#napi_fatal_error>
///
/// # Safety
///
/// A1: the texts are NULL or as long as their lengths say, or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn napi_fatal_error(
    location: *const c_char,
    location_len: usize,
    message: *const c_char,
    message_len: usize,
) -> ! {
    // SAFETY: A1; as the header requires; NULL stands for an empty text.
    let location = unsafe { check::opt_text(location, location_len) }.unwrap_or_default();
    // SAFETY: A1; as the header requires; NULL stands for an empty text.
    let message = unsafe { check::opt_text(message, message_len) }.unwrap_or_default();
    if let Some(host) = crate::host::current() {
        // For the crash record: the call below does not return.
        host.swap_row(Some(FATAL_ERROR));
    }
    api::fatal::napi_fatal_error(location, message)
}

/// Registers a module from a static constructor, as addons did before symbol-based registration.
///
/// <https://nodejs.org/api/n-api.html#napi_module_register>
///
/// # Safety
///
/// A1: `module` is NULL or points to a module structure that is never freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn napi_module_register(module: *const napi_module) {
    // SAFETY: A1; as the header requires.
    unsafe { registered::register(module) };
}

/// Takes note of a module for Node's C++ interface, which cannot be loaded.
///
/// Not part of Node-API, but old addons call it while they are loaded, and an unresolved name would
/// end the process.
///
/// # Safety
///
/// None: the structure is not read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn node_module_register(_module: *mut c_void) {
    registered::register_foreign();
}

macro_rules! by_hand {
    ($($name:ident: $header:literal;)*) => {
        /// The rows written by hand.
        #[used]
        pub(super) static NODE_API_BY_HAND: &[Symbol] = &[$(Symbol::new(
            &Row { name: stringify!($name) },
            $header,
            Entry::None,
            $name as *const (),
        ),)*];
    };
}

by_hand! {
    napi_fatal_error: "node_api.h";
    napi_module_register: "node_api.h";
    node_module_register: "node.h";
}
