//! The host process with deliberate faults, for the tests: see `hostd_session::fault`.
#![forbid(unsafe_code)]

use anyhow::anyhow;
use hostd_engine::failing::FailingAllocator;
use napi_hostd::cli::{self, Command};
use napi_hostd::process;

#[global_allocator]
static ALLOCATOR: FailingAllocator = FailingAllocator;

fn main() -> anyhow::Result<()> {
    match cli::parse(std::env::args_os().skip(1))? {
        Command::Session { parent } => process::run(parent),
        _ => Err(anyhow!("this host is for tests, it only serves sessions")),
    }
}
