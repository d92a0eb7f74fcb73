//! One session, from the handshake to its end, on a thread of its own or as a coroutine of the client's.

use std::cell::Cell;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use hostd_control::logs::{self, SessionLog};
use hostd_control::{Opened, Running, Surroundings, handshake, open};
use hostd_protocol::carrier::socket::Outbox;
use hostd_protocol::carrier::{Switch, WaitLimit};
use hostd_protocol::control::{HostMessage, write_message};
use hostd_protocol::in_process::SessionEnd;
use hostd_protocol::memory::SharedMemory;
use hostd_session::{Ended, WakeHook};

use crate::hooks::{DirectCalls, InProcessHooks};

/// How a session runs that shares its thread with the client.
#[derive(Debug)]
pub(crate) struct Sharing {
    /// Lets the client run, for as long as the session may wait.
    pub(crate) wait: fn(WaitLimit) -> bool,
    /// Lets the client run while JavaScript is under way.
    pub(crate) pause: fn(),
    /// The calls that the client makes without a frame.
    pub(crate) direct: DirectCalls,
    /// Called from any thread when the session has something to do.
    pub(crate) on_wake: Arc<WakeHook>,
}

/// Serves the session whose control socket this is, with so much stack and this memory of the process.
pub(crate) fn serve(
    control: OwnedFd,
    (stack_bytes, memory): (usize, Arc<SharedMemory>),
    sharing: Option<Sharing>,
) -> SessionEnd {
    let mut stream = UnixStream::from(control);
    match start(&mut stream, (stack_bytes, memory), sharing) {
        Ok(end) => end,
        Err(error) => {
            let message = format!("{error:#}");
            // This fails only if the client is gone.
            let _ = write_message(&mut stream, &HostMessage::Refused { message });
            SessionEnd::Lost
        }
    }
}

fn start(
    stream: &mut UnixStream,
    (stack_bytes, memory): (usize, Arc<SharedMemory>),
    sharing: Option<Sharing>,
) -> anyhow::Result<SessionEnd> {
    let (handover, setup) = handshake(stream)?;
    let outbox = Outbox::default();
    let log = SessionLog::new(&setup, &outbox);
    logs::install_by_thread(&log);
    logs::replace_thread_log(Some(log));
    let exited = Rc::new(Cell::new(None));
    let pause = sharing.as_ref().map(|sharing| sharing.pause);
    let hooks = InProcessHooks {
        exited: Rc::clone(&exited),
        pause: pause.map(|pause| (pause, Cell::new(Instant::now()))),
        direct: sharing.as_ref().map(|sharing| sharing.direct),
    };
    let wait = sharing.as_ref().map(|sharing| sharing.wait);
    let surroundings = Surroundings {
        stack_bytes,
        memory_limit: None,
        process_memory: Some(memory),
        hooks: Box::new(hooks),
        on_wake: sharing.map(|sharing| sharing.on_wake),
        on_wait: wait.map(|wait| Box::new(wait) as Box<Switch>),
    };
    let Opened {
        session,
        connection,
        files,
    } = open(&setup, handover, surroundings, &outbox)?;
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
    logs::replace_thread_log(None);
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
