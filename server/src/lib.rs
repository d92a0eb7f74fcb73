//! The host process: one session of a client, with one addon.
//!
//! `main` is thin; everything is here so that tests run the real session over a carrier in memory.
//! [`process`] is the process' life, [`session`] the JS thread's, `marshal` turns engine values
//! into bytes and back, `lent` keeps what crosses by reference.
#![forbid(unsafe_code)]

pub mod audit;
pub mod cli;
mod confine;
pub mod control;
mod denials;
pub mod doctor;
#[cfg(feature = "faults")]
pub mod fault;
mod lent;
pub mod logs;
mod marshal;
pub mod process;
pub mod serve;
pub mod session;
