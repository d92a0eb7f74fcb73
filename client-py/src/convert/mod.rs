//! Python values ⇄ wire values: the contract of what crosses.

mod addresses;
mod apply;
mod callable;
mod container;
mod decode;
mod decode_buffer;
mod decode_container;
mod decode_error;
mod encode;
mod form;
mod hashes;
mod objects;
mod other;
pub(crate) mod pace;
mod parts;
mod place;
mod received;
mod shared;
mod write_back;

pub(crate) use apply::{apply, read_changes};
pub(crate) use callable::callable_form;
pub(crate) use decode::{Decoder, number};
pub(crate) use encode::Encoder;
pub(crate) use objects::{Missing, RequestObjects};
pub(crate) use parts::{
    Argument, Attribute, CallArguments, ClientSide, Named, Undefined, Writable,
};
pub(crate) use received::Received;
pub(crate) use write_back::write as write_changes;
