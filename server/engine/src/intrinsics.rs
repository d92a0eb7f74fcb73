//! The original built-ins, captured before any foreign code can replace them.

use hostd_quickjs as q;

use crate::{Key, Value};

/// Built-in functions and objects that have no C interface, and keys used all the time.
pub(crate) struct Intrinsics {
    pub(crate) errors: [Value; 8],
    pub(crate) type_error_prototype: Value,
    pub(crate) object_prototype: Value,
    pub(crate) array_prototype: Value,
    pub(crate) weak_map: Value,
    pub(crate) weak_map_set: Value,
    pub(crate) reflect_set: Value,
    pub(crate) symbol: Value,
    pub(crate) symbol_for: Value,
    pub(crate) symbol_key_for: Value,
    pub(crate) symbol_description: Value,
    pub(crate) bigint: Value,
    pub(crate) bigint_to_string: Value,
    pub(crate) date_get_time: Value,
    pub(crate) map: Value,
    pub(crate) map_set: Value,
    pub(crate) map_for_each: Value,
    pub(crate) set: Value,
    pub(crate) set_add: Value,
    pub(crate) set_for_each: Value,
    pub(crate) data_view: Value,
    /// The getters of the buffer, the offset and the length in bytes.
    pub(crate) data_view_getters: [Value; 3],
    pub(crate) typed_array_getters: [Value; 3],
    pub(crate) function_prototype: Value,
    pub(crate) shared_array_buffer: Value,
    pub(crate) shared_array_buffer_growable: Value,
    pub(crate) array_buffer_resizable: Value,
    pub(crate) function: Value,
    pub(crate) has_instance: Value,
    pub(crate) eval: Value,
    pub(crate) proxy_class: q::JSClassID,
    pub(crate) bound_class: q::JSClassID,
    pub(crate) dom_exception_class: q::JSClassID,
    pub(crate) object_class: q::JSClassID,
    pub(crate) array_class: q::JSClassID,
    pub(crate) shared_array_buffer_class: q::JSClassID,
    pub(crate) empty_string: Value,
    pub(crate) keys: KnownKeys,
}

/// Keys used all the time.
pub(crate) struct KnownKeys {
    pub(crate) length: Key,
    pub(crate) name: Key,
    pub(crate) message: Key,
    pub(crate) prototype: Key,
    pub(crate) constructor: Key,
    pub(crate) then: Key,
    pub(crate) to_json: Key,
    pub(crate) has_instance: Key,
}
