//! The value format: JavaScript and Python values as tagged bytes, written and read by hand.
//!
//! There is no tree in between: a [`ValueWriter`] appends to a frame, a [`ValueReader`] reads
//! tokens that borrow from one. Compounds are numbered 0, 1, 2 … in the order in which their
//! tags appear in a block, the packed arrays, buffers and errors among them; [`Token::Ref`] names
//! an earlier one, so aliases and cycles survive.

mod reader;
mod tag;
mod token;
mod write_back;
mod writer;

pub use reader::{COMPOUND_VALUES, PAUSE_VALUES, ValueReader, is_pause_due};
pub(crate) use tag::codes;
pub use tag::{
    CallableForm, ClientKind, ElementKind, ErrorClass, FunctionKind, HostKind, IteratorStep,
};
pub use token::{Number, Packed, Token, Units, Words};
pub use write_back::{Change, ChangeKind, ChangeReader, ReadChange, read_changes};
pub use writer::{Open, ValueWriter};
