//! Every exported C function, in two tables that mirror the two headers.

pub mod js_native_api;
pub mod node_api;

pub use super::row::{Entry, Symbol};

/// All exported functions. Mentioning this table in a binary keeps every one of them in it.
pub fn symbols() -> impl Iterator<Item = &'static Symbol> {
    js_native_api::JS_NATIVE_API
        .iter()
        .chain(node_api::NODE_API)
        .chain(node_api::NODE_API_BY_HAND)
}
