//! The table of `js_native_api.h`, in the order of that header, then its experimental functions.

use std::ffi::{c_char, c_int, c_void};

use crate::abi::enter::napi_exports;
use crate::abi::types::{
    napi_callback, napi_callback_info, napi_deferred, napi_env, napi_escapable_handle_scope,
    napi_extended_error_info, napi_finalize, napi_handle_scope, napi_key_collection_mode,
    napi_key_conversion, napi_key_filter, napi_property_descriptor, napi_ref, napi_status,
    napi_type_tag, napi_typedarray_type, napi_value, napi_valuetype, node_api_noenv_finalize,
};

napi_exports! {
    /// The rows of `js_native_api.h`.
    static JS_NATIVE_API: "js_native_api.h";

    peek  error::napi_get_last_error_info(result: *mut *const napi_extended_error_info)
              => (out(result));

    env   primitive::napi_get_undefined(result: *mut napi_value)
              => (out(result));
    env   primitive::napi_get_null(result: *mut napi_value)
              => (out(result));
    env   primitive::napi_get_global(result: *mut napi_value)
              => (out(result));
    env   primitive::napi_get_boolean(value: bool, result: *mut napi_value)
              => (plain(value), out(result));

    env   object::napi_create_object(result: *mut napi_value)
              => (out(result));
    env   array::napi_create_array(result: *mut napi_value)
              => (out(result));
    env   array::napi_create_array_with_length(length: usize, result: *mut napi_value)
              => (plain(length), out(result));
    env   number::napi_create_double(value: f64, result: *mut napi_value)
              => (plain(value), out(result)) or fast_create_double;
    env   number::napi_create_int32(value: i32, result: *mut napi_value)
              => (plain(value), out(result)) or fast_create_int32;
    env   number::napi_create_uint32(value: u32, result: *mut napi_value)
              => (plain(value), out(result)) or fast_create_uint32;
    env   number::napi_create_int64(value: i64, result: *mut napi_value)
              => (plain(value), out(result));
    env   string::napi_create_string_latin1(str: *const c_char, length: usize, result: *mut napi_value)
              => (text(str, length), out(result));
    env   string::napi_create_string_utf8(str: *const c_char, length: usize, result: *mut napi_value)
              => (text(str, length), out(result));
    env   string::napi_create_string_utf16(str: *const u16, length: usize, result: *mut napi_value)
              => (text16(str, length), out(result));
    env   string::node_api_create_external_string_latin1(str: *mut c_char, length: usize, finalize_callback: napi_finalize, finalize_hint: *mut c_void, result: *mut napi_value, copied: *mut bool)
              => (external_text(str, length), opt_finalize(finalize_callback), data(finalize_hint), out(result), opt_out(copied));
    env   string::node_api_create_external_string_utf16(str: *mut u16, length: usize, finalize_callback: napi_finalize, finalize_hint: *mut c_void, result: *mut napi_value, copied: *mut bool)
              => (external_text16(str, length), opt_finalize(finalize_callback), data(finalize_hint), out(result), opt_out(copied));
    env   string::node_api_create_property_key_latin1(str: *const c_char, length: usize, result: *mut napi_value)
              => (text(str, length), out(result));
    env   string::node_api_create_property_key_utf8(str: *const c_char, length: usize, result: *mut napi_value)
              => (text(str, length), out(result));
    env   string::node_api_create_property_key_utf16(str: *const u16, length: usize, result: *mut napi_value)
              => (text16(str, length), out(result));
    env   symbol::napi_create_symbol(description: napi_value, result: *mut napi_value)
              => (opt_handle(description), out(result));
    env   symbol::node_api_symbol_for(utf8description: *const c_char, length: usize, result: *mut napi_value)
              => (text(utf8description, length), out(result));
    js    function::napi_create_function(utf8name: *const c_char, length: usize, cb: napi_callback, data: *mut c_void, result: *mut napi_value)
              => (opt_text(utf8name, length), callback(cb), data(data), out(result));
    env   error::napi_create_error(code: napi_value, msg: napi_value, result: *mut napi_value)
              => (opt_handle(code), handle(msg), out(result));
    env   error::napi_create_type_error(code: napi_value, msg: napi_value, result: *mut napi_value)
              => (opt_handle(code), handle(msg), out(result));
    env   error::napi_create_range_error(code: napi_value, msg: napi_value, result: *mut napi_value)
              => (opt_handle(code), handle(msg), out(result));
    env   error::node_api_create_syntax_error(code: napi_value, msg: napi_value, result: *mut napi_value)
              => (opt_handle(code), handle(msg), out(result));

    env   primitive::napi_typeof(value: napi_value, result: *mut napi_valuetype)
              => (handle(value), out(result));
    env   number::napi_get_value_double(value: napi_value, result: *mut f64)
              => (handle(value), out(result)) or fast_get_double;
    env   number::napi_get_value_int32(value: napi_value, result: *mut i32)
              => (handle(value), out(result)) or fast_get_int32;
    env   number::napi_get_value_uint32(value: napi_value, result: *mut u32)
              => (handle(value), out(result)) or fast_get_uint32;
    env   number::napi_get_value_int64(value: napi_value, result: *mut i64)
              => (handle(value), out(result)) or fast_get_int64;
    env   primitive::napi_get_value_bool(value: napi_value, result: *mut bool)
              => (handle(value), out(result));
    env   string::napi_get_value_string_latin1(value: napi_value, buf: *mut c_char, bufsize: usize, result: *mut usize)
              => (handle(value), byte_buffer(buf, bufsize), opt_out(result));
    env   string::napi_get_value_string_utf8(value: napi_value, buf: *mut c_char, bufsize: usize, result: *mut usize)
              => (handle(value), byte_buffer(buf, bufsize), opt_out(result));
    env   string::napi_get_value_string_utf16(value: napi_value, buf: *mut u16, bufsize: usize, result: *mut usize)
              => (handle(value), buffer(buf, bufsize), opt_out(result));

    js    coerce::napi_coerce_to_bool(value: napi_value, result: *mut napi_value)
              => (handle(value), out(result));
    js    coerce::napi_coerce_to_number(value: napi_value, result: *mut napi_value)
              => (handle(value), out(result));
    js    coerce::napi_coerce_to_object(value: napi_value, result: *mut napi_value)
              => (handle(value), out(result));
    js    coerce::napi_coerce_to_string(value: napi_value, result: *mut napi_value)
              => (handle(value), out(result));

    js    object::napi_get_prototype(object: napi_value, result: *mut napi_value)
              => (handle(object), out(result));
    js    property::napi_get_property_names(object: napi_value, result: *mut napi_value)
              => (handle(object), out(result));
    js    property::napi_set_property(object: napi_value, key: napi_value, value: napi_value)
              => (handle(object), handle(key), handle(value));
    js    property::napi_has_property(object: napi_value, key: napi_value, result: *mut bool)
              => (handle(object), handle(key), out(result));
    js    property::napi_get_property(object: napi_value, key: napi_value, result: *mut napi_value)
              => (handle(object), handle(key), out(result));
    js    property::napi_delete_property(object: napi_value, key: napi_value, result: *mut bool)
              => (handle(object), handle(key), opt_out(result));
    js    property::napi_has_own_property(object: napi_value, key: napi_value, result: *mut bool)
              => (handle(object), handle(key), out(result));
    js    property::napi_set_named_property(object: napi_value, utf8name: *const c_char, value: napi_value)
              => (handle(object), opt_name(utf8name), handle(value));
    js    property::napi_has_named_property(object: napi_value, utf8name: *const c_char, result: *mut bool)
              => (handle(object), opt_name(utf8name), out(result));
    js    property::napi_get_named_property(object: napi_value, utf8name: *const c_char, result: *mut napi_value)
              => (handle(object), name(utf8name), out(result));
    js    property::napi_set_element(object: napi_value, index: u32, value: napi_value)
              => (handle(object), plain(index), handle(value));
    js    property::napi_has_element(object: napi_value, index: u32, result: *mut bool)
              => (handle(object), plain(index), out(result));
    js    property::napi_get_element(object: napi_value, index: u32, result: *mut napi_value)
              => (handle(object), plain(index), out(result));
    js    property::napi_delete_element(object: napi_value, index: u32, result: *mut bool)
              => (handle(object), plain(index), opt_out(result));
    js    property::napi_define_properties(object: napi_value, property_count: usize, properties: *const napi_property_descriptor)
              => (handle(object), descriptors(property_count, properties));

    env   array::napi_is_array(value: napi_value, result: *mut bool)
              => (handle(value), out(result));
    js    array::napi_get_array_length(value: napi_value, result: *mut u32)
              => (handle(value), out(result));
    js    coerce::napi_strict_equals(lhs: napi_value, rhs: napi_value, result: *mut bool)
              => (handle(lhs), handle(rhs), out(result));

    js    function::napi_call_function(recv: napi_value, func: napi_value, argc: usize, argv: *const napi_value, result: *mut napi_value)
              => (handle(recv), handle(func), call_arguments(argc, argv), opt_out(result));
    js    function::napi_new_instance(constructor: napi_value, argc: usize, argv: *const napi_value, result: *mut napi_value)
              => (handle(constructor), call_arguments(argc, argv), out(result));
    js    coerce::napi_instanceof(object: napi_value, constructor: napi_value, result: *mut bool)
              => (handle(object), handle(constructor), out(result));

    basic function::napi_get_cb_info(cbinfo: napi_callback_info, argc: *mut usize, argv: *mut napi_value, this_arg: *mut napi_value, data: *mut *mut c_void)
              => (id(cbinfo), arguments(argc, argv), opt_out(this_arg), opt_out(data));
    env   function::napi_get_new_target(cbinfo: napi_callback_info, result: *mut napi_value)
              => (id(cbinfo), out(result));
    js    class::napi_define_class(utf8name: *const c_char, length: usize, constructor: napi_callback, data: *mut c_void, property_count: usize, properties: *const napi_property_descriptor, result: *mut napi_value)
              => (some_text(utf8name, length), callback(constructor), data(data), descriptors(property_count, properties), out(result));

    js    class::napi_wrap(js_object: napi_value, native_object: *mut c_void, finalize_cb: napi_finalize, finalize_hint: *mut c_void, result: *mut napi_ref)
              => (handle(js_object), data(native_object), opt_finalize(finalize_cb), data(finalize_hint), opt_out(result));
    js    class::napi_unwrap(js_object: napi_value, result: *mut *mut c_void)
              => (handle(js_object), out(result));
    js    class::napi_remove_wrap(js_object: napi_value, result: *mut *mut c_void)
              => (handle(js_object), opt_out(result));
    js    external::napi_create_external(data: *mut c_void, finalize_cb: napi_finalize, finalize_hint: *mut c_void, result: *mut napi_value)
              => (data(data), opt_finalize(finalize_cb), data(finalize_hint), out(result));
    env   external::napi_get_value_external(value: napi_value, result: *mut *mut c_void)
              => (handle(value), out(result));

    env   reference::napi_create_reference(value: napi_value, initial_refcount: u32, result: *mut napi_ref)
              => (handle(value), plain(initial_refcount), out(result)) or fast_create;
    basic reference::napi_delete_reference(reference: napi_ref)
              => (id(reference)) or fast_delete;
    env   reference::napi_reference_ref(reference: napi_ref, result: *mut u32)
              => (id(reference), opt_out(result));
    env   reference::napi_reference_unref(reference: napi_ref, result: *mut u32)
              => (id(reference), opt_out(result));
    env   reference::napi_get_reference_value(reference: napi_ref, result: *mut napi_value)
              => (id(reference), out(result)) or fast_value;

    env   scope::napi_open_handle_scope(result: *mut napi_handle_scope)
              => (out(result)) or fast_open;
    env   scope::napi_close_handle_scope(scope: napi_handle_scope)
              => (id(scope)) or fast_close;
    env   scope::napi_open_escapable_handle_scope(result: *mut napi_escapable_handle_scope)
              => (out(result));
    env   scope::napi_close_escapable_handle_scope(scope: napi_escapable_handle_scope)
              => (id(scope));
    env   scope::napi_escape_handle(scope: napi_escapable_handle_scope, escapee: napi_value, result: *mut napi_value)
              => (id(scope), handle(escapee), out(result));

    js    error::napi_throw(error: napi_value)
              => (handle(error));
    js    error::napi_throw_error(code: *const c_char, msg: *const c_char)
              => (opt_name(code), name(msg));
    js    error::napi_throw_type_error(code: *const c_char, msg: *const c_char)
              => (opt_name(code), name(msg));
    js    error::napi_throw_range_error(code: *const c_char, msg: *const c_char)
              => (opt_name(code), name(msg));
    js    error::node_api_throw_syntax_error(code: *const c_char, msg: *const c_char)
              => (opt_name(code), name(msg));
    env   error::napi_is_error(value: napi_value, result: *mut bool)
              => (handle(value), out(result));
    env   error::napi_is_exception_pending(result: *mut bool)
              => (out(result));
    env   error::napi_get_and_clear_last_exception(result: *mut napi_value)
              => (out(result));

    env   arraybuffer::napi_is_arraybuffer(value: napi_value, result: *mut bool)
              => (handle(value), out(result));
    js    arraybuffer::napi_create_arraybuffer(byte_length: usize, data: *mut *mut c_void, result: *mut napi_value)
              => (plain(byte_length), opt_out(data), out(result));
    js    arraybuffer::napi_create_external_arraybuffer(external_data: *mut c_void, byte_length: usize, finalize_cb: napi_finalize, finalize_hint: *mut c_void, result: *mut napi_value)
              => (memory(external_data, byte_length), opt_finalize(finalize_cb), data(finalize_hint), out(result));
    env   arraybuffer::napi_get_arraybuffer_info(arraybuffer: napi_value, data: *mut *mut c_void, byte_length: *mut usize)
              => (handle(arraybuffer), opt_out(data), opt_out(byte_length));
    env   typedarray::napi_is_typedarray(value: napi_value, result: *mut bool)
              => (handle(value), out(result));
    js    typedarray::napi_create_typedarray(kind: napi_typedarray_type, length: usize, arraybuffer: napi_value, byte_offset: usize, result: *mut napi_value)
              => (plain(kind), plain(length), handle(arraybuffer), plain(byte_offset), out(result));
    env   typedarray::napi_get_typedarray_info(typedarray: napi_value, kind: *mut napi_typedarray_type, length: *mut usize, data: *mut *mut c_void, arraybuffer: *mut napi_value, byte_offset: *mut usize)
              => (handle(typedarray), opt_out(kind), opt_out(length), opt_out(data), opt_out(arraybuffer), opt_out(byte_offset));
    js    typedarray::napi_create_dataview(length: usize, arraybuffer: napi_value, byte_offset: usize, result: *mut napi_value)
              => (plain(length), handle(arraybuffer), plain(byte_offset), out(result));
    env   typedarray::napi_is_dataview(value: napi_value, result: *mut bool)
              => (handle(value), out(result));
    env   typedarray::napi_get_dataview_info(dataview: napi_value, bytelength: *mut usize, data: *mut *mut c_void, arraybuffer: *mut napi_value, byte_offset: *mut usize)
              => (handle(dataview), opt_out(bytelength), opt_out(data), opt_out(arraybuffer), opt_out(byte_offset));

    basic module::napi_get_version(result: *mut u32)
              => (out(result));

    js    promise::napi_create_promise(deferred: *mut napi_deferred, promise: *mut napi_value)
              => (out(deferred), out(promise));
    js    promise::napi_resolve_deferred(deferred: napi_deferred, resolution: napi_value)
              => (id(deferred), handle(resolution));
    js    promise::napi_reject_deferred(deferred: napi_deferred, rejection: napi_value)
              => (id(deferred), handle(rejection));
    env   promise::napi_is_promise(value: napi_value, is_promise: *mut bool)
              => (handle(value), out(is_promise));

    js    script::napi_run_script(script: napi_value, result: *mut napi_value)
              => (handle(script), out(result));
    basic finalizer::napi_adjust_external_memory(change_in_bytes: i64, adjusted_value: *mut i64)
              => (plain(change_in_bytes), out(adjusted_value));

    js    date::napi_create_date(time: f64, result: *mut napi_value)
              => (plain(time), out(result));
    env   date::napi_is_date(value: napi_value, is_date: *mut bool)
              => (handle(value), out(is_date));
    js    date::napi_get_date_value(value: napi_value, result: *mut f64)
              => (handle(value), out(result));
    env   finalizer::napi_add_finalizer(js_object: napi_value, finalize_data: *mut c_void, finalize_cb: napi_finalize, finalize_hint: *mut c_void, result: *mut napi_ref)
              => (handle(js_object), data(finalize_data), finalize(finalize_cb), data(finalize_hint), opt_out(result));

    env   bigint::napi_create_bigint_int64(value: i64, result: *mut napi_value)
              => (plain(value), out(result));
    env   bigint::napi_create_bigint_uint64(value: u64, result: *mut napi_value)
              => (plain(value), out(result));
    js    bigint::napi_create_bigint_words(sign_bit: c_int, word_count: usize, words: *const u64, result: *mut napi_value)
              => (plain(sign_bit), some_slice(word_count, words), out(result));
    env   bigint::napi_get_value_bigint_int64(value: napi_value, result: *mut i64, lossless: *mut bool)
              => (handle(value), out(result), out(lossless));
    env   bigint::napi_get_value_bigint_uint64(value: napi_value, result: *mut u64, lossless: *mut bool)
              => (handle(value), out(result), out(lossless));
    env   bigint::napi_get_value_bigint_words(value: napi_value, sign_bit: *mut c_int, word_count: *mut usize, words: *mut u64)
              => (handle(value), opt_out(sign_bit), words(word_count, words));

    js    property::napi_get_all_property_names(object: napi_value, key_mode: napi_key_collection_mode, key_filter: napi_key_filter, key_conversion: napi_key_conversion, result: *mut napi_value)
              => (handle(object), plain(key_mode), plain(key_filter), plain(key_conversion), out(result));
    basic lifecycle::napi_set_instance_data(data: *mut c_void, finalize_cb: napi_finalize, finalize_hint: *mut c_void)
              => (data(data), opt_finalize(finalize_cb), data(finalize_hint));
    basic lifecycle::napi_get_instance_data(data: *mut *mut c_void)
              => (out(data));

    env   arraybuffer::napi_detach_arraybuffer(arraybuffer: napi_value)
              => (handle(arraybuffer));
    env   arraybuffer::napi_is_detached_arraybuffer(value: napi_value, result: *mut bool)
              => (handle(value), out(result));

    js    object::napi_type_tag_object(value: napi_value, type_tag: *const napi_type_tag)
              => (handle(value), opt_tag(type_tag));
    js    object::napi_check_object_type_tag(value: napi_value, type_tag: *const napi_type_tag, result: *mut bool)
              => (handle(value), opt_tag(type_tag), opt_out(result));
    js    object::napi_object_freeze(object: napi_value)
              => (handle(object));
    js    object::napi_object_seal(object: napi_value)
              => (handle(object));

    env   object::node_api_create_object_with_properties(prototype_or_null: napi_value, property_names: *const napi_value, property_values: *const napi_value, property_count: usize, result: *mut napi_value)
              => (opt_handle(prototype_or_null), properties(property_count, property_names, property_values), out(result));
    js    object::node_api_set_prototype(object: napi_value, value: napi_value)
              => (handle(object), handle(value));
    basic finalizer::node_api_post_finalizer(finalize_cb: napi_finalize, finalize_data: *mut c_void, finalize_hint: *mut c_void)
              => (finalize(finalize_cb), data(finalize_data), data(finalize_hint));
    env   arraybuffer::node_api_is_sharedarraybuffer(value: napi_value, result: *mut bool)
              => (handle(value), out(result));
    js    arraybuffer::node_api_create_sharedarraybuffer(byte_length: usize, data: *mut *mut c_void, result: *mut napi_value)
              => (plain(byte_length), opt_out(data), out(result));
    js    arraybuffer::node_api_create_external_sharedarraybuffer(external_data: *mut c_void, byte_length: usize, finalize_cb: node_api_noenv_finalize, finalize_hint: *mut c_void, result: *mut napi_value)
              => (memory(external_data, byte_length), noenv_finalize(finalize_cb), data(finalize_hint), out(result));
}
