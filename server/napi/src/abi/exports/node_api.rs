//! The table of `node_api.h`, in the order of that header: with environment, without, and by hand.

use std::ffi::{c_char, c_void};

use crate::abi::enter::{napi_exports, napi_free_exports};
use crate::abi::row::Row;
use crate::abi::types::{
    napi_async_cleanup_hook, napi_async_cleanup_hook_handle, napi_async_complete_callback,
    napi_async_context, napi_async_execute_callback, napi_async_work, napi_callback_scope,
    napi_cleanup_hook, napi_env, napi_finalize, napi_module, napi_node_version, napi_status,
    napi_threadsafe_function, napi_threadsafe_function_call_js, napi_threadsafe_function_call_mode,
    napi_threadsafe_function_release_mode, napi_value,
};
use crate::abi::{check, registered};
use crate::api;

use super::{Entry, Symbol};

napi_exports! {
    /// The rows of `node_api.h` that have an environment.
    static NODE_API: "node_api.h";

    env   async_context::napi_async_init(async_resource: napi_value, async_resource_name: napi_value, result: *mut napi_async_context)
              => (async_resource(async_resource, async_resource_name), out(result));
    env   async_context::napi_async_destroy(async_context: napi_async_context)
              => (id(async_context));
    env   async_work::napi_create_async_work(async_resource: napi_value, async_resource_name: napi_value, execute: napi_async_execute_callback, complete: napi_async_complete_callback, data: *mut c_void, result: *mut napi_async_work)
              => (async_resource(async_resource, async_resource_name), work_calls(execute, complete, data), out(result));
    env   async_work::napi_delete_async_work(work: napi_async_work)
              => (id(work));
    basic async_work::napi_queue_async_work(work: napi_async_work)
              => (id(work));
    basic async_work::napi_cancel_async_work(work: napi_async_work)
              => (id(work));
    basic async_context::napi_open_callback_scope(resource_object: napi_value, context: napi_async_context, result: *mut napi_callback_scope)
              => (opt_handle(resource_object), plain(context), out(result));
    basic async_context::napi_close_callback_scope(scope: napi_callback_scope)
              => (id(scope));
    js    async_context::napi_make_callback(async_context: napi_async_context, recv: napi_value, func: napi_value, argc: usize, argv: *const napi_value, result: *mut napi_value)
              => (opt_async_context(async_context), handle(recv), opt_handle(func), call_arguments(argc, argv), opt_out(result));

    js    buffer::napi_create_buffer(length: usize, data: *mut *mut c_void, result: *mut napi_value)
              => (plain(length), opt_out(data), out(result));
    js    buffer::napi_create_external_buffer(length: usize, data: *mut c_void, finalize_cb: napi_finalize, finalize_hint: *mut c_void, result: *mut napi_value)
              => (memory(data, length), opt_finalize(finalize_cb), data(finalize_hint), out(result));
    js    buffer::node_api_create_buffer_from_arraybuffer(arraybuffer: napi_value, byte_offset: usize, byte_length: usize, result: *mut napi_value)
              => (handle(arraybuffer), plain(byte_offset), plain(byte_length), out(result));
    js    buffer::napi_create_buffer_copy(length: usize, data: *const c_void, result_data: *mut *mut c_void, result: *mut napi_value)
              => (bytes(length, data), opt_out(result_data), out(result));
    env   buffer::napi_is_buffer(value: napi_value, result: *mut bool)
              => (handle(value), out(result));
    env   buffer::napi_get_buffer_info(value: napi_value, data: *mut *mut c_void, length: *mut usize)
              => (handle(value), opt_out(data), opt_out(length));

    basic module::napi_get_node_version(version: *mut *const napi_node_version)
              => (out(version));
    js    fatal::napi_fatal_exception(err: napi_value)
              => (handle(err));

    peek  lifecycle::napi_add_env_cleanup_hook(fun: napi_cleanup_hook, arg: *mut c_void)
              => (cleanup_hook(fun), data(arg));
    peek  lifecycle::napi_remove_env_cleanup_hook(fun: napi_cleanup_hook, arg: *mut c_void)
              => (cleanup_hook(fun), data(arg));

    env   tsfn::napi_create_threadsafe_function(func: napi_value, async_resource: napi_value, async_resource_name: napi_value, max_queue_size: usize, initial_thread_count: usize, thread_finalize_data: *mut c_void, thread_finalize_cb: napi_finalize, context: *mut c_void, call_js_cb: napi_threadsafe_function_call_js, result: *mut napi_threadsafe_function)
              => (opt_handle(func), async_resource(async_resource, async_resource_name), queue(max_queue_size, initial_thread_count), thread_calls(context, call_js_cb, thread_finalize_data, thread_finalize_cb), out(result));

    basic lifecycle::napi_add_async_cleanup_hook(hook: napi_async_cleanup_hook, arg: *mut c_void, remove_handle: *mut napi_async_cleanup_hook_handle)
              => (async_hook(hook), data(arg), opt_out(remove_handle));
    basic module::napi_get_uv_event_loop(loop_: *mut *mut c_void)
              => (out(loop_));
    basic module::node_api_get_module_file_name(result: *mut *const c_char)
              => (out(result));
}

napi_free_exports! {
    /// The rows of `node_api.h` that check no environment: callable from any thread.
    static NODE_API_FREE: "node_api.h";

    tsfn::napi_call_threadsafe_function(func: napi_threadsafe_function, data: *mut c_void, is_blocking: napi_threadsafe_function_call_mode)
        => (id(func), data(data), plain(is_blocking));
    tsfn::napi_get_threadsafe_function_context(func: napi_threadsafe_function, result: *mut *mut c_void)
        => (id(func), out(result));
    tsfn::napi_acquire_threadsafe_function(func: napi_threadsafe_function)
        => (id(func));
    tsfn::napi_release_threadsafe_function(func: napi_threadsafe_function, mode: napi_threadsafe_function_release_mode)
        => (id(func), plain(mode));
    tsfn::napi_unref_threadsafe_function(env: napi_env, func: napi_threadsafe_function)
        => (unchecked_env(env), id(func));
    tsfn::napi_ref_threadsafe_function(env: napi_env, func: napi_threadsafe_function)
        => (unchecked_env(env), id(func));
    lifecycle::napi_remove_async_cleanup_hook(remove_handle: napi_async_cleanup_hook_handle)
        => (id(remove_handle));
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

/// The rows written by hand.
#[used]
pub(super) static NODE_API_BY_HAND: [Symbol; 3] = [
    Symbol::new(
        FATAL_ERROR,
        "node_api.h",
        Entry::None,
        napi_fatal_error as *const (),
    ),
    Symbol::new(
        &Row {
            name: "napi_module_register",
        },
        "node_api.h",
        Entry::None,
        napi_module_register as *const (),
    ),
    Symbol::new(
        &Row {
            name: "node_module_register",
        },
        "node.h",
        Entry::None,
        node_module_register as *const (),
    ),
];
