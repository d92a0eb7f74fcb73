//! The life of the process, in two phases.
//!
//! Phase A is single-threaded: parent, descriptors, signals, one step after the other, then the
//! handshake, which brings the policy, and the confinement that this asks for. Phase B starts the
//! control thread; the main thread becomes the JS thread and stays it.

use std::io::Read as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use hostd_protocol::carrier::{HostEnd, lane, socket};
use hostd_protocol::control::{
    self, CarrierKind, ClientMessage, HostMessage, Setup, greet, read_message,
};

use hostd_sandbox::{SingleThreaded, Tightening};
use hostd_session::{Ended, Session, SessionOptions};

use crate::cli::{CarrierChoice, SessionArguments};
use crate::confine::confine;
use crate::control::{Control, client};
use crate::denials;
use crate::hooks::ProcessHooks;
use crate::logs;

/// Where the client leaves what it hands over.
pub(crate) const CONTROL_DESCRIPTOR: i32 = 3;
pub(crate) const LANES_DESCRIPTOR: i32 = 4;
pub(crate) const CRASH_DESCRIPTOR: i32 = 5;
pub(crate) const WAKE_PIPE_DESCRIPTOR: i32 = 6;
/// What is left of the stack for the host's own last frames.
const STACK_MARGIN: usize = 512 << 10;
/// How long the client may take for the handshake.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// What phase A leaves behind.
#[derive(Debug)]
struct Prepared {
    alone: SingleThreaded,
    parent: u32,
    control: OwnedFd,
    lanes: Option<OwnedFd>,
    crash_page: Option<OwnedFd>,
    wake_pipe: Option<OwnedFd>,
    stack_bytes: usize,
}

/// Serves one session of the client that started this process.
///
/// # Errors
/// A step of the start was refused, the handshake failed, or the client was lost.
pub fn run(arguments: SessionArguments) -> anyhow::Result<()> {
    let prepared = prepare(arguments)?;
    serve(prepared, arguments.carrier)
}

/// Phase A. No thread, no file and no addon exists yet.
fn prepare(arguments: SessionArguments) -> anyhow::Result<Prepared> {
    let alone = hostd_sandbox::single_threaded()?;
    hostd_sandbox::die_with_parent(arguments.parent)?;
    hostd_sandbox::own_session()?;
    hostd_sandbox::reset_signals(&alone)?;
    hostd_sandbox::no_core_dumps()?;
    hostd_sandbox::keep_freed_memory(&alone);
    let control = hostd_sandbox::adopt_descriptor(&alone, CONTROL_DESCRIPTOR).context(
        "the control socket is missing; sessions are started by load_addon(), not by hand",
    )?;
    let lanes = match arguments.carrier {
        CarrierChoice::Socket => None,
        CarrierChoice::Lanes => {
            let lanes = hostd_sandbox::adopt_descriptor(&alone, LANES_DESCRIPTOR);
            Some(lanes.context("the shared memory of the lanes is missing")?)
        }
    };
    let crash_page = if arguments.crash_page {
        let page = hostd_sandbox::adopt_descriptor(&alone, CRASH_DESCRIPTOR);
        Some(page.context("the crash page is missing")?)
    } else {
        None
    };
    let wake_pipe = if arguments.wake_pipe {
        let wake_pipe = hostd_sandbox::adopt_descriptor(&alone, WAKE_PIPE_DESCRIPTOR);
        Some(wake_pipe.context("the wake pipe is missing")?)
    } else {
        None
    };
    let mut keep = vec![control.as_fd()];
    keep.extend(lanes.as_ref().map(OwnedFd::as_fd));
    keep.extend(crash_page.as_ref().map(OwnedFd::as_fd));
    keep.extend(wake_pipe.as_ref().map(OwnedFd::as_fd));
    hostd_sandbox::close_other_descriptors(&alone, &keep)?;
    let stack_bytes = hostd_sandbox::stack_bytes()?;
    Ok(Prepared {
        alone,
        parent: arguments.parent,
        control,
        lanes,
        crash_page,
        wake_pipe,
        stack_bytes,
    })
}

/// The rest of phase A, handshake and confinement; then phase B, the session.
fn serve(prepared: Prepared, carrier: CarrierChoice) -> anyhow::Result<()> {
    let mut stream = UnixStream::from(prepared.control);
    let setup = shake_hands(&mut stream)?;
    let client = client(&stream)?;
    let (mut tightening, mut report) = (None, None);
    if let Some(confinement) = &setup.confinement {
        let (applied, bounds, later) = confine(&prepared.alone, confinement, prepared.parent);
        tightening = later;
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
    if let Some(page) = prepared.crash_page {
        // After the confinement, which may go on in a new process.
        hostd_sandbox::crash::install(&prepared.alone, &page, hostd_napi::current_call)?;
    }
    let diagnosed = setup
        .confinement
        .as_ref()
        .is_some_and(|confinement| confinement.diagnose);
    let (stack, lanes, wake_pipe) = (prepared.stack_bytes, prepared.lanes, prepared.wake_pipe);
    let control = Control::default();
    logs::install(&setup, control.outbox());
    if diagnosed {
        denials::watch(control.outbox())?;
    }
    match start(
        &setup,
        carrier,
        (lanes, wake_pipe),
        stack,
        tightening,
        &control,
    ) {
        Ok((session, connection)) => {
            let ready = HostMessage::Ready {
                pid: std::process::id(),
                stack_bytes: stack as u64,
                features: Vec::new(),
            };
            #[cfg(feature = "faults")]
            spoil(&mut stream, "ready", &[0, 1, 0, 0, 0, 0]);
            if let Some(confined) = report {
                control.outbox().send(&confined)?;
            }
            control.outbox().send(&ready)?;
            let running = control.run(stream, connection, client, session.closer())?;
            match session.run() {
                Ended::Closed => {
                    if diagnosed {
                        denials::tell();
                    }
                    #[cfg(feature = "faults")]
                    hostd_session::fault::read("goodbye", hostd_session::fault::Place::Before);
                    running.say_goodbye()
                }
                Ended::Lost(error) => Err(error).context("the session ended early"),
            }
        }
        Err(error) => {
            let message = format!("{error:#}");
            // If the client is gone, the error below goes to nobody either.
            let _ = control::write_message(&mut stream, &HostMessage::Refused { message });
            Err(error)
        }
    }
}

fn shake_hands(stream: &mut UnixStream) -> anyhow::Result<Setup> {
    stream.set_read_timeout(Some(HANDSHAKE_TIME))?;
    #[cfg(feature = "faults")]
    spoil(stream, "hello", b"NAPIHOSTD\x01\0\0\0");
    greet(stream)?.check()?;
    let message = read_message(&mut stream.by_ref())?;
    stream.set_read_timeout(None)?;
    match message {
        ClientMessage::Setup(setup) => {
            #[cfg(feature = "faults")]
            {
                hostd_session::fault::is_generation(setup.generation.0);
                hostd_session::fault::read("setup", hostd_session::fault::Place::Read);
            }
            Ok(setup)
        }
        ClientMessage::Shutdown => Err(anyhow!("the client ended the session before the setup")),
    }
}

/// Comes to a step of the handshake, whose first bytes these are. Bytes are written only by a fault
/// that ends the process after them, or by one that writes others.
#[cfg(feature = "faults")]
fn spoil(stream: &mut UnixStream, step: &str, bytes: &[u8]) {
    hostd_session::fault::spoil(step, bytes, |bytes| {
        use std::io::Write as _;
        // The client may be gone: then nobody minds.
        let _ = stream.write_all(bytes);
    });
}

/// Makes the carrier and the session, and says what moves the carrier's bytes.
fn start(
    setup: &Setup,
    carrier: CarrierChoice,
    (lanes, wake_pipe): (Option<OwnedFd>, Option<OwnedFd>),
    stack: usize,
    tightening: Option<Tightening>,
    control: &Control,
) -> anyhow::Result<(Rc<Session>, socket::Connection)> {
    let (generation, limits) = (setup.generation, setup.limits);
    let mut end: HostEnd = match (carrier, setup.carrier, lanes) {
        (CarrierChoice::Lanes, CarrierKind::Lanes, Some(lanes)) => {
            let segment =
                lane::Segment::open(lanes).context("cannot map the shared memory of the lanes")?;
            lane::host(segment, generation, limits)
        }
        (CarrierChoice::Socket, CarrierKind::Socket, _) => socket::host(generation, limits),
        _ => {
            return Err(anyhow!(
                "the command line and the setup message name different carriers"
            ));
        }
    };
    let connection = control.connection(&end);
    let wake_pipe = wake_pipe.and_then(|pipe| end.attach_wake_pipe(pipe.into()));
    let session = Session::start(SessionOptions {
        end,
        wake_pipe,
        generation,
        limits,
        stack_bytes: stack.saturating_sub(STACK_MARGIN),
        nested_threads: setup.nested_threads,
        debug: setup.debug,
        hooks: Box::new(ProcessHooks::new(tightening)),
    })?;
    Ok((session, connection))
}
