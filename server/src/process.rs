//! One session of a client, from the start of the process to its exit. `main` calls [`run`].
//!
//! Phase A is single-threaded: the steps that the process takes before it opens anything, the
//! handshake, which brings descriptors and policy, and the confinement that the policy asks for.
//! Phase B starts the control thread; the main thread becomes the JS thread.

use std::mem::ManuallyDrop;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;

use anyhow::{Context as _, anyhow};
use hostd_control::{Opened, Running, Surroundings, handshake, logs, open};
use hostd_protocol::carrier::socket::Outbox;
use hostd_protocol::control::{self, HostMessage};
use hostd_protocol::handover::Role;
use hostd_sandbox::{SingleThreaded, core_file};
use hostd_session::Ended;

use crate::client_process::{client, kill_this_process};
use crate::confine::confine;
use crate::denials;
use crate::hooks::ProcessHooks;

/// Serves one session. `parent` is the process that started this one: the client, or the server to
/// which the client is connected.
///
/// # Errors
/// A step of the start was refused, the handshake failed, or the client was lost.
pub fn run(parent: u32) -> anyhow::Result<()> {
    // No thread, no file and no addon exists yet.
    let alone = hostd_sandbox::single_threaded()?;
    hostd_sandbox::die_with_parent(parent)?;
    hostd_sandbox::own_session()?;
    hostd_sandbox::reset_signals(&alone)?;
    core_file::suspend()?;
    hostd_sandbox::keep_freed_memory(&alone);
    let control = hostd_sandbox::take_control_socket(&alone).context(
        "the control socket is missing; sessions are started by load_addon(), not by hand",
    )?;
    hostd_sandbox::close_other_descriptors(&alone, &[control.as_fd()])?;
    let stack_bytes = hostd_sandbox::stack_bytes()?;
    serve(&alone, parent, control.into(), stack_bytes)
}

/// Handshake and confinement; then phase B, the session.
fn serve(
    alone: &SingleThreaded,
    parent: u32,
    mut stream: UnixStream,
    stack_bytes: usize,
) -> anyhow::Result<()> {
    #[cfg(feature = "faults")]
    spoil(&mut stream, "hello", b"NAPIHOSTD\x01\0\0\0");
    let (mut handover, setup) = handshake(&mut stream)?;
    #[cfg(feature = "faults")]
    {
        hostd_session::fault::is_generation(setup.generation.0);
        hostd_session::fault::read("setup", hostd_session::fault::Place::Read);
    }
    match &setup.core_folder {
        Some(folder) => core_file::allow(folder.clone())?,
        None => core_file::forbid()?,
    }
    let client = client(&stream)?;
    let (mut tightening, mut report, mut memory_limit) = (None, None, None);
    if let Some(confinement) = &setup.confinement {
        let (applied, bounds, later) = confine(alone, confinement, parent);
        tightening = later;
        memory_limit = bounds.as_ref().map(|bounds| bounds.memory);
        let missing = confinement.missing(&applied).map(|(name, _)| name);
        let missing = missing.filter(|name| !confinement.can_do_without(name));
        let confined = HostMessage::Confined { applied, bounds };
        if let Some(name) = missing {
            control::write_message(&mut stream, &confined)?;
            return Err(anyhow!(
                "the sandbox layer {name} is required and could not be applied"
            ));
        }
        // With the next message: the client is woken once.
        report = Some(confined);
    }
    if let Some(page) = handover.take(Role::CrashPage) {
        // After the confinement, which may go on in a new process.
        hostd_sandbox::crash::install(
            alone,
            &page,
            hostd_napi::current_call,
            hostd_napi::recent_calls,
        )?;
    }
    let is_diagnosed = setup
        .confinement
        .as_ref()
        .is_some_and(|confinement| confinement.diagnose);
    let outbox = Outbox::default();
    logs::install(&setup, &outbox);
    if is_diagnosed {
        denials::report_in_background(&outbox)?;
    }
    let surroundings = Surroundings {
        stack_bytes,
        memory_limit,
        process_memory: None,
        hooks: Box::new(ProcessHooks::new(tightening)),
        on_wake: None,
        on_wait: None,
    };
    match open(&setup, handover, surroundings, &outbox) {
        Ok(Opened {
            session,
            connection,
            files,
        }) => {
            // The process ends: the system frees the memory sooner.
            let session = ManuallyDrop::new(session);
            let ready = HostMessage::Ready {
                pid: std::process::id(),
                stack_bytes: stack_bytes as u64,
                shares_memory: files.is_some(),
            };
            #[cfg(feature = "faults")]
            spoil(&mut stream, "ready", &[0, 1, 0, 0, 0, 0]);
            if let Some(confined) = report {
                outbox.send(&confined)?;
            }
            outbox.send(&ready)?;
            let closer = session.closer();
            let running =
                Running::start(outbox, stream, (connection, files), client, closer, || {
                    // No code of the addon may run any more.
                    kill_this_process();
                })?;
            match session.run() {
                Ended::Closed => {
                    if is_diagnosed {
                        denials::report();
                    }
                    #[cfg(feature = "faults")]
                    hostd_session::fault::read("goodbye", hostd_session::fault::Place::Before);
                    running.send_goodbye()
                }
                Ended::Lost(error) => Err(error).context("the session ended early"),
            }
        }
        Err(error) => {
            let message = format!("{error:#}");
            // This fails only if the client is gone.
            let _ = control::write_message(&mut stream, &HostMessage::Refused { message });
            Err(error)
        }
    }
}

/// Injects the fault of a handshake step, whose message begins with `bytes`: writes them and ends the
/// process, or writes other bytes.
#[cfg(feature = "faults")]
fn spoil(stream: &mut UnixStream, step: &str, bytes: &[u8]) {
    hostd_session::fault::spoil(step, bytes, |bytes| {
        use std::io::Write as _;
        // This fails only if the client is gone.
        let _ = stream.write_all(bytes);
    });
}
