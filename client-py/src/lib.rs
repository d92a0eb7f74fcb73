//! `napi_python._native`: Python's side of a host. It converts values, keeps proxies, and waits
//! without the interpreter; the Python code of the package is in `python/napi_python`.
//!
//! The groups of modules below are in order: a module uses only others of its own group and of those
//! before it, without a circle. They are memory, errors and interfaces of others, the state of an addon,
//! buffers and proxies without their methods, device memory, conversion, requests, and what makes
//! requests.
#![deny(unsafe_code)]

use hostd_client::{flood, jobs};

mod call;
mod denials;
mod errors;
mod fallible;
mod foreign;
mod keys;
mod names;
mod output;
mod replay;
mod reserve;
mod sandbox;
mod threads;

mod addon;
mod argument_memory;
mod background;
mod blocked;
mod classes;
mod config;
mod deadline;
mod generation;
mod preload;
mod profile;
mod turns;
mod wait;
mod worker_queue;

mod adopt;
mod buffer;
mod element;
mod exporter;
mod handle;
mod pool;
mod proxy;

mod cuda;

mod convert;
mod crash_facts;

mod endings;
mod exchange;
mod flooding;
mod rebound;

mod exports;
mod lifecycle;
mod listener;
mod load;
mod methods;
mod module;
mod notices;
mod pickling;
mod profiles;
mod settlements;
mod turn;
mod worker;
