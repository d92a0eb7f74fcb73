//! Node-API in one process: the C functions that addons call, and the host they run in.
//!
//! [`Host`] is the entry point, made by `hostd-node`, which implements [`NodeRuntime`]: Node's event
//! loop and globals. `abi` holds the C side and all `unsafe` code; `api` the functions' bodies, one
//! file per concept; `env` the tables of an addon; `loader` opens addons.

pub mod abi;
mod api;
mod env;
mod host;
mod loader;

pub use abi::parked::ParkedHost;
pub use env::EnvId;
pub use host::{
    Activity, Budget, FIRST_FOREIGN_TAG, Host, HostHooks, HostOptions, MeasuredFigures,
    MeasuredFunction, MeasuredSpan, MeasuredTimes, NodeRuntime, NodeVersion, Occurrences, Origin,
    OwnedHost, Profiler, Settled, StartError, current_call, recent_calls,
};
pub use loader::{ApiVersion, Library, LoadError, LoadErrorKind, Loaded, Platform, preflight};

/// The newest stable version of Node-API that is supported.
pub const NODE_API_VERSION: i32 = abi::types::SUPPORTED_VERSION;

/// The version of the libuv that addons are given.
pub fn libuv_version() -> String {
    abi::libuv::version()
}

/// Name and message of an error by libuv's number, such as "ENOENT" for -2.
pub fn libuv_error(number: i32) -> Option<(String, String)> {
    abi::libuv::error(number)
}
