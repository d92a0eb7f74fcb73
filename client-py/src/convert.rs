//! Python values ⇄ wire values: the contract of what crosses.

pub(crate) mod apply;
pub(crate) mod container;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod other;

pub(crate) use apply::{apply, read_changes};
pub(crate) use decode::Decoder;
pub(crate) use encode::{Brought, Encoder};
