//! Node-API in one process: the C functions that addons call, and the host they run in.
//!
//! The crate does not know whether its caller serves another process. [`Host`] is what one uses;
//! `abi` holds the C side and all `unsafe` code; `api` the functions' bodies, one file per concept;
//! `env` what they remember; `loader` and `bootstrap` bring an addon and its globals to life.

pub mod abi;
mod api;
mod bootstrap;
mod env;
mod host;
mod loader;

pub use env::EnvId;
pub use host::{
    FIRST_FOREIGN_TAG, Host, HostHooks, HostOptions, LogLevel, NodeVersion, Origin, StartError,
    current_call,
};
pub use loader::{LoadError, Loaded, Platform, preflight};
