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

    peek  error::napi_get_last_error_info(out(result: *mut *const napi_extended_error_info));

    env   primitive::napi_get_undefined(out(result: *mut napi_value));
    env   primitive::napi_get_null(out(result: *mut napi_value));
    env   primitive::napi_get_global(out(result: *mut napi_value));
    env   primitive::napi_get_boolean(plain(value: bool), out(result: *mut napi_value));

    env   object::napi_create_object(out(result: *mut napi_value));
    env   array::napi_create_array(out(result: *mut napi_value));
    env   array::napi_create_array_with_length(plain(length: usize), out(result: *mut napi_value));
    env   number::napi_create_double(plain(value: f64), out(result: *mut napi_value)) or fast_create_double;
    env   number::napi_create_int32(plain(value: i32), out(result: *mut napi_value)) or fast_create_int32;
    env   number::napi_create_uint32(plain(value: u32), out(result: *mut napi_value)) or fast_create_uint32;
    env   number::napi_create_int64(plain(value: i64), out(result: *mut napi_value));
    env   string::napi_create_string_latin1(text(str: *const c_char, length: usize), out(result: *mut napi_value));
    env   string::napi_create_string_utf8(text(str: *const c_char, length: usize), out(result: *mut napi_value));
    env   string::napi_create_string_utf16(text16(str: *const u16, length: usize), out(result: *mut napi_value));
    env   string::node_api_create_external_string_latin1(
              external_text(str: *mut c_char, length: usize), opt_function(finalize_callback: napi_finalize),
              data(finalize_hint: *mut c_void), out(result: *mut napi_value), opt_out(copied: *mut bool));
    env   string::node_api_create_external_string_utf16(
              external_text16(str: *mut u16, length: usize), opt_function(finalize_callback: napi_finalize),
              data(finalize_hint: *mut c_void), out(result: *mut napi_value), opt_out(copied: *mut bool));
    env   string::node_api_create_property_key_latin1(
              text(str: *const c_char, length: usize), out(result: *mut napi_value));
    env   string::node_api_create_property_key_utf8(
              text(str: *const c_char, length: usize), out(result: *mut napi_value));
    env   string::node_api_create_property_key_utf16(
              text16(str: *const u16, length: usize), out(result: *mut napi_value));
    env   symbol::napi_create_symbol(opt_handle(description: napi_value), out(result: *mut napi_value));
    env   symbol::node_api_symbol_for(
              text(utf8description: *const c_char, length: usize), out(result: *mut napi_value));
    js    function::napi_create_function(
              opt_text(utf8name: *const c_char, length: usize), function(cb: napi_callback), data(data: *mut c_void),
              out(result: *mut napi_value));
    env   error::napi_create_error(opt_handle(code: napi_value), handle(msg: napi_value), out(result: *mut napi_value));
    env   error::napi_create_type_error(
              opt_handle(code: napi_value), handle(msg: napi_value), out(result: *mut napi_value));
    env   error::napi_create_range_error(
              opt_handle(code: napi_value), handle(msg: napi_value), out(result: *mut napi_value));
    env   error::node_api_create_syntax_error(
              opt_handle(code: napi_value), handle(msg: napi_value), out(result: *mut napi_value));

    env   primitive::napi_typeof(handle(value: napi_value), out(result: *mut napi_valuetype));
    env   number::napi_get_value_double(handle(value: napi_value), out(result: *mut f64)) or fast_get_double;
    env   number::napi_get_value_int32(handle(value: napi_value), out(result: *mut i32)) or fast_get_int32;
    env   number::napi_get_value_uint32(handle(value: napi_value), out(result: *mut u32)) or fast_get_uint32;
    env   number::napi_get_value_int64(handle(value: napi_value), out(result: *mut i64)) or fast_get_int64;
    env   primitive::napi_get_value_bool(handle(value: napi_value), out(result: *mut bool));
    env   string::napi_get_value_string_latin1(
              handle(value: napi_value), byte_buffer(buf: *mut c_char, bufsize: usize), opt_out(result: *mut usize));
    env   string::napi_get_value_string_utf8(
              handle(value: napi_value), byte_buffer(buf: *mut c_char, bufsize: usize), opt_out(result: *mut usize));
    env   string::napi_get_value_string_utf16(
              handle(value: napi_value), buffer(buf: *mut u16, bufsize: usize), opt_out(result: *mut usize));

    js    coerce::napi_coerce_to_bool(handle(value: napi_value), out(result: *mut napi_value));
    js    coerce::napi_coerce_to_number(handle(value: napi_value), out(result: *mut napi_value));
    js    coerce::napi_coerce_to_object(handle(value: napi_value), out(result: *mut napi_value));
    js    coerce::napi_coerce_to_string(handle(value: napi_value), out(result: *mut napi_value));

    js    object::napi_get_prototype(handle(object: napi_value), out(result: *mut napi_value));
    js    property::napi_get_property_names(handle(object: napi_value), out(result: *mut napi_value));
    js    property::napi_set_property(handle(object: napi_value), handle(key: napi_value), handle(value: napi_value));
    js    property::napi_has_property(handle(object: napi_value), handle(key: napi_value), out(result: *mut bool));
    js    property::napi_get_property(
              handle(object: napi_value), handle(key: napi_value), out(result: *mut napi_value));
    js    property::napi_delete_property(
              handle(object: napi_value), handle(key: napi_value), opt_out(result: *mut bool));
    js    property::napi_has_own_property(handle(object: napi_value), handle(key: napi_value), out(result: *mut bool));
    js    property::napi_set_named_property(
              handle(object: napi_value), opt_name(utf8name: *const c_char), handle(value: napi_value));
    js    property::napi_has_named_property(
              handle(object: napi_value), opt_name(utf8name: *const c_char), out(result: *mut bool));
    js    property::napi_get_named_property(
              handle(object: napi_value), name(utf8name: *const c_char), out(result: *mut napi_value));
    js    property::napi_set_element(handle(object: napi_value), plain(index: u32), handle(value: napi_value));
    js    property::napi_has_element(handle(object: napi_value), plain(index: u32), out(result: *mut bool));
    js    property::napi_get_element(handle(object: napi_value), plain(index: u32), out(result: *mut napi_value));
    js    property::napi_delete_element(handle(object: napi_value), plain(index: u32), opt_out(result: *mut bool));
    js    property::napi_define_properties(
              handle(object: napi_value),
              descriptors(property_count: usize, properties: *const napi_property_descriptor));

    env   primitive::napi_is_array(handle(value: napi_value), out(result: *mut bool));
    js    array::napi_get_array_length(handle(value: napi_value), out(result: *mut u32));
    js    coerce::napi_strict_equals(handle(lhs: napi_value), handle(rhs: napi_value), out(result: *mut bool));

    js    function::napi_call_function(
              handle(recv: napi_value), handle(func: napi_value), call_arguments(argc: usize, argv: *const napi_value),
              opt_out(result: *mut napi_value));
    js    function::napi_new_instance(
              handle(constructor: napi_value), call_arguments(argc: usize, argv: *const napi_value),
              out(result: *mut napi_value));
    js    coerce::napi_instanceof(handle(object: napi_value), handle(constructor: napi_value), out(result: *mut bool));

    basic function::napi_get_cb_info(
              id(cbinfo: napi_callback_info), arguments(argc: *mut usize, argv: *mut napi_value),
              opt_out(this_arg: *mut napi_value), opt_out(data: *mut *mut c_void));
    env   function::napi_get_new_target(id(cbinfo: napi_callback_info), out(result: *mut napi_value));
    js    class::napi_define_class(
              some_text(utf8name: *const c_char, length: usize), function(constructor: napi_callback),
              data(data: *mut c_void), descriptors(property_count: usize, properties: *const napi_property_descriptor),
              out(result: *mut napi_value));

    js    class::napi_wrap(
              handle(js_object: napi_value), data(native_object: *mut c_void), opt_function(finalize_cb: napi_finalize),
              data(finalize_hint: *mut c_void), opt_out(result: *mut napi_ref));
    js    class::napi_unwrap(handle(js_object: napi_value), out(result: *mut *mut c_void));
    js    class::napi_remove_wrap(handle(js_object: napi_value), opt_out(result: *mut *mut c_void));
    js    external::napi_create_external(
              data(data: *mut c_void), opt_function(finalize_cb: napi_finalize), data(finalize_hint: *mut c_void),
              out(result: *mut napi_value));
    env   external::napi_get_value_external(handle(value: napi_value), out(result: *mut *mut c_void));

    env   reference::napi_create_reference(
              handle(value: napi_value), plain(initial_refcount: u32), out(result: *mut napi_ref)) or fast_create;
    basic reference::napi_delete_reference(id(reference: napi_ref)) or fast_delete;
    env   reference::napi_reference_ref(id(reference: napi_ref), opt_out(result: *mut u32));
    env   reference::napi_reference_unref(id(reference: napi_ref), opt_out(result: *mut u32));
    env   reference::napi_get_reference_value(id(reference: napi_ref), out(result: *mut napi_value)) or fast_value;

    env   scope::napi_open_handle_scope(out(result: *mut napi_handle_scope)) or fast_open;
    env   scope::napi_close_handle_scope(id(scope: napi_handle_scope)) or fast_close;
    env   scope::napi_open_escapable_handle_scope(out(result: *mut napi_escapable_handle_scope));
    env   scope::napi_close_escapable_handle_scope(id(scope: napi_escapable_handle_scope));
    env   scope::napi_escape_handle(
              id(scope: napi_escapable_handle_scope), handle(escapee: napi_value), out(result: *mut napi_value));

    js    error::napi_throw(handle(error: napi_value));
    js    error::napi_throw_error(opt_name(code: *const c_char), name(msg: *const c_char));
    js    error::napi_throw_type_error(opt_name(code: *const c_char), name(msg: *const c_char));
    js    error::napi_throw_range_error(opt_name(code: *const c_char), name(msg: *const c_char));
    js    error::node_api_throw_syntax_error(opt_name(code: *const c_char), name(msg: *const c_char));
    env   primitive::napi_is_error(handle(value: napi_value), out(result: *mut bool));
    env   error::napi_is_exception_pending(out(result: *mut bool));
    env   error::napi_get_and_clear_last_exception(out(result: *mut napi_value));

    env   primitive::napi_is_arraybuffer(handle(value: napi_value), out(result: *mut bool));
    js    arraybuffer::napi_create_arraybuffer(
              plain(byte_length: usize), opt_out(data: *mut *mut c_void), out(result: *mut napi_value));
    js    arraybuffer::napi_create_external_arraybuffer(
              memory(external_data: *mut c_void, byte_length: usize), opt_function(finalize_cb: napi_finalize),
              data(finalize_hint: *mut c_void), out(result: *mut napi_value));
    env   arraybuffer::napi_get_arraybuffer_info(
              handle(arraybuffer: napi_value), opt_out(data: *mut *mut c_void), opt_out(byte_length: *mut usize));
    env   primitive::napi_is_typedarray(handle(value: napi_value), out(result: *mut bool));
    js    typedarray::napi_create_typedarray(
              plain(kind: napi_typedarray_type), plain(length: usize), handle(arraybuffer: napi_value),
              plain(byte_offset: usize), out(result: *mut napi_value));
    env   typedarray::napi_get_typedarray_info(
              handle(typedarray: napi_value), opt_out(kind: *mut napi_typedarray_type), opt_out(length: *mut usize),
              opt_out(data: *mut *mut c_void), opt_out(arraybuffer: *mut napi_value), opt_out(byte_offset: *mut usize));
    js    typedarray::napi_create_dataview(
              plain(length: usize), handle(arraybuffer: napi_value), plain(byte_offset: usize),
              out(result: *mut napi_value));
    env   primitive::napi_is_dataview(handle(value: napi_value), out(result: *mut bool));
    env   typedarray::napi_get_dataview_info(
              handle(dataview: napi_value), opt_out(bytelength: *mut usize), opt_out(data: *mut *mut c_void),
              opt_out(arraybuffer: *mut napi_value), opt_out(byte_offset: *mut usize));

    basic module::napi_get_version(out(result: *mut u32));

    js    promise::napi_create_promise(out(deferred: *mut napi_deferred), out(promise: *mut napi_value));
    js    promise::napi_resolve_deferred(id(deferred: napi_deferred), handle(resolution: napi_value));
    js    promise::napi_reject_deferred(id(deferred: napi_deferred), handle(rejection: napi_value));
    env   primitive::napi_is_promise(handle(value: napi_value), out(is_promise: *mut bool));

    js    script::napi_run_script(handle(script: napi_value), out(result: *mut napi_value));
    basic finalizer::napi_adjust_external_memory(plain(change_in_bytes: i64), out(adjusted_value: *mut i64));

    js    date::napi_create_date(plain(time: f64), out(result: *mut napi_value));
    env   primitive::napi_is_date(handle(value: napi_value), out(is_date: *mut bool));
    js    date::napi_get_date_value(handle(value: napi_value), out(result: *mut f64));
    env   finalizer::napi_add_finalizer(
              handle(js_object: napi_value), data(finalize_data: *mut c_void), function(finalize_cb: napi_finalize),
              data(finalize_hint: *mut c_void), opt_out(result: *mut napi_ref));

    env   bigint::napi_create_bigint_int64(plain(value: i64), out(result: *mut napi_value));
    env   bigint::napi_create_bigint_uint64(plain(value: u64), out(result: *mut napi_value));
    js    bigint::napi_create_bigint_words(
              plain(sign_bit: c_int), some_slice(word_count: usize, words: *const u64), out(result: *mut napi_value));
    env   bigint::napi_get_value_bigint_int64(
              handle(value: napi_value), out(result: *mut i64), out(lossless: *mut bool));
    env   bigint::napi_get_value_bigint_uint64(
              handle(value: napi_value), out(result: *mut u64), out(lossless: *mut bool));
    env   bigint::napi_get_value_bigint_words(
              handle(value: napi_value), opt_out(sign_bit: *mut c_int), words(word_count: *mut usize, words: *mut u64));

    js    property::napi_get_all_property_names(
              handle(object: napi_value), plain(key_mode: napi_key_collection_mode), plain(key_filter: napi_key_filter),
              plain(key_conversion: napi_key_conversion), out(result: *mut napi_value));
    basic lifecycle::napi_set_instance_data(
              data(data: *mut c_void), opt_function(finalize_cb: napi_finalize), data(finalize_hint: *mut c_void));
    basic lifecycle::napi_get_instance_data(out(data: *mut *mut c_void));

    env   arraybuffer::napi_detach_arraybuffer(handle(arraybuffer: napi_value));
    env   arraybuffer::napi_is_detached_arraybuffer(handle(value: napi_value), out(result: *mut bool));

    js    object::napi_type_tag_object(handle(value: napi_value), opt_tag(type_tag: *const napi_type_tag));
    js    object::napi_check_object_type_tag(
              handle(value: napi_value), opt_tag(type_tag: *const napi_type_tag), opt_out(result: *mut bool));
    js    object::napi_object_freeze(handle(object: napi_value));
    js    object::napi_object_seal(handle(object: napi_value));

    env   object::node_api_create_object_with_properties(
              opt_handle(prototype_or_null: napi_value),
              properties(property_names: *const napi_value, property_values: *const napi_value, property_count: usize),
              out(result: *mut napi_value));
    js    object::node_api_set_prototype(handle(object: napi_value), handle(value: napi_value));
    basic finalizer::node_api_post_finalizer(
              function(finalize_cb: napi_finalize), data(finalize_data: *mut c_void), data(finalize_hint: *mut c_void));
    env   primitive::node_api_is_sharedarraybuffer(handle(value: napi_value), out(result: *mut bool));
    js    arraybuffer::node_api_create_sharedarraybuffer(
              plain(byte_length: usize), opt_out(data: *mut *mut c_void), out(result: *mut napi_value));
    js    arraybuffer::node_api_create_external_sharedarraybuffer(
              memory(external_data: *mut c_void, byte_length: usize),
              ignored(finalize_cb: node_api_noenv_finalize), data(finalize_hint: *mut c_void),
              out(result: *mut napi_value));
}
