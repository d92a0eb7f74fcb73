//! One exchange with a host: a request, the callbacks that it serves meanwhile, and the reply.
//!
//! The files, each of which uses only those before it: `spec` is what a request is, `buffers` what it
//! is built in, `suspended` the conversations of this thread; `encode` writes frames, `decode` reads
//! replies, `serve` runs a callback, `in_place` one without a frame, `send` has the conversation, `request` is the whole.

mod buffers;
mod decode;
mod direct;
mod encode;
mod in_place;
mod request;
mod send;
mod serve;
mod spec;
pub(crate) mod suspended;

pub(crate) use decode::read_preamble;
pub(crate) use direct::Operation;
pub(crate) use serve::Settler;
pub(crate) use spec::Request;
