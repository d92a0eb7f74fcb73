//! From the first bytes of the control connection to a session that can run.

use std::fmt;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use hostd_protocol::carrier::socket::{self, Connection, Outbox};
use hostd_protocol::carrier::{HostEnd, Switch, lane};
use hostd_protocol::control::{ClientMessage, Setup, read_message};
use hostd_protocol::handover::{Handover, Role};
use hostd_protocol::memory::{HostMemory, PROCESS_FILE, SharedMemory};
use hostd_protocol::memory_files::MemoryFiles;
use hostd_session::{Session, SessionHooks, SessionOptions, WakeHook};

/// Bytes of the stack that JavaScript and the addon may not use: for the frames of the host.
const STACK_MARGIN: usize = 512 << 10;
/// How long the client may take for each message of the handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A session that can run, with what its control connection needs.
#[derive(Debug)]
pub struct Opened {
    /// The session.
    pub session: Rc<Session>,
    /// What moves the messages, and the carrier's bytes if the carrier is the socket.
    pub connection: Connection,
    /// The memory files of the client; none if the session maps none.
    pub files: Option<MemoryFiles>,
}

/// Receives what the client sends first: its descriptors, and the settings of the session.
///
/// # Errors
/// The client is gone or of another version, or sent something else.
pub fn handshake(stream: &mut UnixStream) -> anyhow::Result<(Handover, Setup)> {
    stream.set_read_timeout(Some(HANDSHAKE_TIMEOUT))?;
    let mut handover = Handover::accept(stream)?;
    for role in [Role::Stdout, Role::Stderr, Role::Status] {
        // Of the server that started this process, if one did.
        drop(handover.take(role));
    }
    let message = read_message(stream)?;
    stream.set_read_timeout(None)?;
    match message {
        ClientMessage::Setup(setup) => Ok((handover, setup)),
        ClientMessage::Shutdown => Err(anyhow!("the client ended the session before the setup")),
        ClientMessage::MemoryFile(_) | ClientMessage::ForgetMemoryFile(_) => {
            Err(anyhow!("the client sent a memory file before the setup"))
        }
    }
}

/// What a session gets of the thread and the process around it.
pub struct Surroundings {
    /// The stack of the thread, in bytes.
    pub stack_bytes: usize,
    /// What the session may use of the memory for large buffers, in bytes.
    pub memory_limit: Option<u64>,
    /// The address space of the process, if the client is in the same one.
    pub process_memory: Option<Arc<SharedMemory>>,
    /// The process.
    pub hooks: Box<dyn SessionHooks>,
    /// Called from any thread when the JS thread is to be run, where nothing else wakes it.
    pub on_wake: Option<Arc<WakeHook>>,
    /// What waits of the JS thread call in place of parking: see [`HostEnd::on_wait`].
    pub on_wait: Option<Box<Switch>>,
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").finish_non_exhaustive()
    }
}

/// Makes the carrier and the session.
///
/// # Errors
/// The shared memory cannot be mapped, or the engine cannot start.
pub fn open(
    setup: &Setup,
    mut handover: Handover,
    surroundings: Surroundings,
    outbox: &Outbox,
) -> anyhow::Result<Opened> {
    let (generation, limits) = (setup.generation, setup.limits);
    let mut end: HostEnd = match handover.take(Role::Lanes) {
        Some(lanes) => {
            let segment =
                lane::Segment::open(lanes).context("cannot map the shared memory of the lanes")?;
            lane::host(segment, generation, limits)
        }
        None => socket::host(generation, limits),
    };
    if let Some(on_wait) = surroundings.on_wait {
        end.on_wait(on_wait);
    }
    let connection = Connection::of_host(&end, outbox.clone());
    let wake_pipe = handover.take(Role::WakePipe);
    let wake_pipe = wake_pipe.and_then(|pipe| end.attach_wake_pipe(pipe.into()));
    let memory = handover.take(Role::Memory);
    // Without it, as under a limit of address space, the bytes of large buffers travel in frames.
    let memory = memory.and_then(|file| HostMemory::open(&file, surroundings.memory_limit).ok());
    let files = memory.as_ref().map(|memory| memory.files().clone());
    if let (Some(files), Some(memory)) = (&files, surroundings.process_memory) {
        files.add(PROCESS_FILE, memory);
    }
    let connection = connection.receive_files(files.clone());
    let session = Session::start(SessionOptions {
        end,
        memory,
        wake_pipe,
        generation,
        limits,
        stack_bytes: surroundings.stack_bytes.saturating_sub(STACK_MARGIN),
        nested_threads: setup.nested_threads,
        debug: setup.debug,
        keeps_calls: setup.keeps_calls,
        profile: setup.profile,
        hooks: surroundings.hooks,
        on_wake: surroundings.on_wake,
    })?;
    Ok(Opened {
        session,
        connection,
        files,
    })
}
