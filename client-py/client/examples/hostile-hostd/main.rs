//! A host with random frames: well-formed but hostile, or, if a case requests it, malformed.
//! `tests/python/hostile.py` loads it as an addon and checks how the client handles the frames.
//!
//! A frame depends on the seed in `NAPI_HOSTD_SEED` and on the case, which the client names by the
//! exported function `begin`: each case can be repeated alone. `NAPI_HOSTD_FRAMES` is the file in
//! which the frames are counted.

mod breach;
mod chance;
mod commands;
mod frames;
mod heard;
mod host;
mod loading;
mod memory;
mod shapes;
#[path = "../../tests/host/start.rs"]
mod start;
mod values;

use std::error::Error;
use std::fs::File;
use std::os::unix::net::UnixStream;
use std::thread;

use hostd_protocol::carrier::HostEnd;
use hostd_protocol::carrier::socket::{self, Connection, Outbox};
use hostd_protocol::control::ClientMessage;
use hostd_protocol::handover::Role;
use rustix::process::{Signal, getpid, kill_process};

use crate::host::Host;
use crate::memory::Memory;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let mut started = start::start(&arguments)?;
    let setup = started.greet()?;
    let memory = started.handover.take(Role::Memory);
    let memory = memory.map(Memory::open).transpose()?;
    let (end, control) = started.ready(&setup, memory.is_some())?;
    let outbox = Outbox::default();
    carry(&end, control, outbox.clone())?;
    let seed = std::env::var("NAPI_HOSTD_SEED")?.parse()?;
    let counter = match std::env::var_os("NAPI_HOSTD_FRAMES") {
        Some(path) => Some(File::options().read(true).write(true).open(path)?),
        None => None,
    };
    Host::new(end, setup.generation, outbox, (seed, counter), memory).run()
}

/// Runs the control connection on a thread. The process ends when the client closes it or requests a
/// shutdown, even if the main thread is busy.
fn carry(end: &HostEnd, control: UnixStream, outbox: Outbox) -> Result<(), Box<dyn Error>> {
    let connection = Connection::of_host(end, outbox);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    thread::Builder::new().spawn(move || {
        let _ = runtime.block_on(async {
            let on_message = |message: ClientMessage| {
                if message == ClientMessage::Shutdown {
                    die();
                }
            };
            connection.run(socket::adopt(control)?, on_message).await
        });
        die();
    })?;
    Ok(())
}

fn die() {
    // SIGKILL cannot be blocked.
    let _ = kill_process(getpid(), Signal::KILL);
}
