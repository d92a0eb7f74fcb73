//! Async work. Its four functions are `todo` in the table: they answer `napi_generic_failure`.
