//! Python values ⇄ wire values: the contract of what crosses.

pub(crate) mod apply;
pub(crate) mod container;
pub(crate) mod decode;
pub(crate) mod encode;
mod form;
pub(crate) mod other;
mod place;
pub(crate) mod received;

pub(crate) use apply::{apply, read_changes};
pub(crate) use decode::Decoder;
pub(crate) use encode::{Brought, Encoder};
pub(crate) use received::Received;
