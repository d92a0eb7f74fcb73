//! Every exported C function, in two tables that mirror the two headers.

pub mod js_native_api;
pub mod node_api;

use super::enter::Row;

/// How a function is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Refuses while an exception is pending or JavaScript cannot run; traps exceptions.
    Js,
    /// Works with a pending exception.
    Env,
    /// Works in basic finalizers too.
    Basic,
    /// As [`Entry::Basic`], but success leaves the last-error record alone.
    Peek,
    /// Has no environment, or does not check it.
    None,
}

/// One exported function.
#[derive(Debug)]
pub struct Symbol {
    row: &'static Row,
    /// The header that declares it.
    pub header: &'static str,
    /// How it is entered.
    pub entry: Entry,
    address: *const (),
}

// SAFETY: A5; the address is that of a function and is only compared.
unsafe impl Sync for Symbol {}

impl Symbol {
    pub(super) const fn new(
        row: &'static Row,
        header: &'static str,
        entry: Entry,
        address: *const (),
    ) -> Self {
        Self {
            row,
            header,
            entry,
            address,
        }
    }

    /// The name that addons link to.
    pub fn name(&self) -> &'static str {
        self.row.name
    }

    /// Where the function is.
    pub fn address(&self) -> *const () {
        self.address
    }
}

/// All exported functions. Mentioning this table in a binary keeps every one of them in it.
pub fn symbols() -> impl Iterator<Item = &'static Symbol> {
    js_native_api::JS_NATIVE_API
        .iter()
        .chain(node_api::NODE_API)
        .chain(node_api::NODE_API_FREE)
        .chain(&node_api::NODE_API_BY_HAND)
}
