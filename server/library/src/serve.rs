//! One session on the calling thread, from the handshake to its end.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use hostd_control::{Opened, Running, handshake, logs, open};
use hostd_protocol::carrier::socket::Outbox;
use hostd_protocol::control::{HostMessage, write_message};
use hostd_protocol::in_process::SessionEnd;
use hostd_session::Ended;

use crate::hooks::InProcessHooks;

/// Serves the session whose control socket this is.
pub(crate) fn serve(control: OwnedFd, stack_bytes: usize) -> SessionEnd {
    let mut stream = UnixStream::from(control);
    match start(&mut stream, stack_bytes) {
        Ok(end) => end,
        Err(error) => {
            let message = format!("{error:#}");
            // This fails only if the client is gone.
            let _ = write_message(&mut stream, &HostMessage::Refused { message });
            SessionEnd::Lost
        }
    }
}

fn start(stream: &mut UnixStream, stack_bytes: usize) -> anyhow::Result<SessionEnd> {
    let (handover, setup) = handshake(stream)?;
    let outbox = Outbox::default();
    let _log = logs::install_on_thread(&setup, &outbox);
    let hooks = InProcessHooks::default();
    let exited = Rc::clone(&hooks.exited);
    let opened = open(
        &setup,
        handover,
        stack_bytes,
        None,
        Box::new(hooks),
        &outbox,
    )?;
    let Opened {
        session,
        connection,
        files,
    } = opened;
    outbox.send(&HostMessage::Ready {
        pid: std::process::id(),
        stack_bytes: stack_bytes as u64,
        shares_memory: files.is_some(),
    })?;
    let closer = session.closer();
    let lost = closer.clone();
    let stream = stream.try_clone()?;
    let running = Running::start(
        outbox,
        stream,
        (connection, files),
        None,
        closer,
        move || {
            lost.disconnect();
        },
    )?;
    let ended = session.run();
    // Before the client learns of the end: then nothing of the session is left.
    drop(session);
    Ok(match (ended, exited.get()) {
        (Ended::Closed, _) => {
            running.send_goodbye()?;
            SessionEnd::Closed
        }
        (Ended::Lost(_), Some(code)) => {
            running.end();
            // As the system takes the code of a process.
            SessionEnd::Exited((code & 0xff).try_into().unwrap_or_default())
        }
        (Ended::Lost(_), None) => {
            running.end();
            SessionEnd::Lost
        }
    })
}
