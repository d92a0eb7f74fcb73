//! The bodies of the Node-API functions, one file per concept. Each resolves ids, acts, writes
//! results.
//!
//! A body has the name of its C function and is called by the shim of its row in `abi::exports`,
//! with checked arguments. The documentation of the shim links to Node's page about the function.
#![forbid(unsafe_code)]
#![expect(clippy::unnecessary_wraps, reason = "all bodies have one shape")]

pub(crate) mod array;
pub(crate) mod arraybuffer;
pub(crate) mod async_context;
pub(crate) mod async_work;
pub(crate) mod bigint;
pub(crate) mod buffer;
pub(crate) mod class;
pub(crate) mod coerce;
pub(crate) mod date;
pub(crate) mod error;
pub(crate) mod external;
pub(crate) mod fatal;
pub(crate) mod finalizer;
pub(crate) mod function;
pub(crate) mod lifecycle;
pub(crate) mod module;
pub(crate) mod number;
pub(crate) mod object;
pub(crate) mod primitive;
pub(crate) mod promise;
pub(crate) mod property;
pub(crate) mod reference;
pub(crate) mod scope;
pub(crate) mod script;
pub(crate) mod string;
pub(crate) mod symbol;
pub(crate) mod tsfn;
pub(crate) mod typedarray;
