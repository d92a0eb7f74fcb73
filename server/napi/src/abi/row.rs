//! A row of the export tables: the name of a function, how it is entered, and its address.

/// An exported function, as messages and the crash record name it.
#[derive(Debug)]
pub(crate) struct Row {
    /// The name that addons link to.
    pub(crate) name: &'static str,
}

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

// SAFETY: A5; the address is that of a function, which is the same on every thread.
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
