//! The Node-API functions, called as C calls them, from the init function of a real addon.
//!
//! One file per concept. Each test has a thread, a host and an environment of its own.
#![expect(unsafe_code, reason = "the functions under test are C's")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail by panic"
)]

#[macro_use]
mod harness;

mod array;
mod arraybuffer;
mod async_context;
mod async_work;
mod bigint;
mod buffer;
mod class;
mod coerce;
mod date;
mod error;
mod external;
mod fatal;
mod finalizer;
mod function;
mod host;
mod lifecycle;
mod module;
mod number;
mod object;
mod primitive;
mod promise;
mod property;
mod reference;
mod scope;
mod script;
mod string;
mod symbol;
mod symbols;
mod tsfn;
mod typedarray;
mod uv;
