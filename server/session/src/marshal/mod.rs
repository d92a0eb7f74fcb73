//! Engine values ⇄ wire, by the contract: plain data by value, everything with behaviour by
//! reference. Nothing lies in between: values are read from a frame into the engine and written
//! from the engine into a frame.

mod apply;
mod block;
mod buffer;
mod compare;
mod decode;
mod encode;
mod error;
mod parts;
mod plain;
mod proxy;
mod write_back;

pub(crate) use apply::apply;
pub(crate) use block::{Original, RequestObjects, Seen};
pub(crate) use decode::{DecodeError, Decoder};
pub(crate) use encode::{EncodeError, Encoded, Encoder, Sent};
pub(crate) use parts::{Asked, HostSide, Lent, Writable};
pub(crate) use plain::{class_prototype, nature};
pub(crate) use proxy::callable;
pub(crate) use write_back::{Baseline, Changes};
