//! `napi_python._native`: Python's side of a host. It converts values, keeps proxies, and waits
//! without the interpreter; what is Pythonic about the package is in `python/napi_python`.
#![deny(unsafe_code)]

mod buffer;
mod call;
mod convert;
mod denials;
mod early;
mod errors;
mod floor;
mod idle;
mod keys;
mod module;
mod names;
mod output;
mod owner;
mod proxy;
mod queue;
mod quiet;
mod request;
mod sandbox;
mod serve;
mod session;
mod talk;
mod turns;
mod world;
