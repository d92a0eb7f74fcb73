//! The thread that spawns and watches all hosts of the process.
//!
//! It lives as long as the process, and so do the hosts' parent-death signals. It waits for
//! nobody: what it tells others, it hands over.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hostd_protocol::carrier::socket::{self, Connection, Outbox};
use hostd_protocol::carrier::{ClientEnd, Patient};
use hostd_protocol::confinement::{Applied, Bounds};
use hostd_protocol::control::{ClientMessage, HostMessage, Setup};
use hostd_protocol::error::ProtocolError;
use hostd_protocol::frame::FrameKind;
use hostd_protocol::ids::Generation;
use nix::sys::signal::{SigSet, SigmaskHow};
use tokio::runtime::{Builder, Handle};
use tokio::time::timeout;

use crate::attest::{attest, host_of};
use crate::cord::Cord;
use crate::error::SpawnError;
use crate::host::{Host, LAST_WORDS};
use crate::launch::{self, Launched};
use crate::ledger::Ledger;
use crate::memory;
use crate::options::{HostOptions, Stream};
use crate::output::Output;
use crate::reap::Birth;
use crate::session::Session;
use crate::watchdog;

/// The same where what a host says is the purpose of it: all of it, however busy the system.
const LAST_REPORTS: Duration = Duration::from_secs(5);

/// How long a host may live on after it has closed its connection.
const AFTER_DISCONNECTION: Duration = Duration::from_millis(200);

/// How long a thread that waited for files stays for the next one.
const KEEP_ALIVE: Duration = Duration::from_secs(1);

struct Supervisor {
    runtime: Handle,
    process: u32,
}

static SUPERVISOR: Mutex<Option<Supervisor>> = Mutex::new(None);

/// Starts a host on the supervisor's thread, and the supervisor if there is none in this process.
/// The outcome is sent to `started`; if nobody listens there any more, the host is killed.
pub(crate) fn start(
    options: Arc<HostOptions>,
    ledger: Arc<Ledger>,
    generation: Generation,
    started: Sender<Result<Arc<Session>, SpawnError>>,
) -> io::Result<()> {
    let mut supervisor = SUPERVISOR.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    let runtime = match &*supervisor {
        Some(supervisor) if supervisor.process == process => supervisor.runtime.clone(),
        _ => {
            let runtime = begin()?;
            *supervisor = Some(Supervisor {
                runtime: runtime.clone(),
                process,
            });
            runtime
        }
    };
    drop(supervisor);
    runtime.spawn(supervise(options, ledger, generation, started));
    Ok(())
}

fn begin() -> io::Result<Handle> {
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .thread_keep_alive(KEEP_ALIVE)
        .build()?;
    let handle = runtime.handle().clone();
    memory::begin();
    spawn_quiet("hostd-supervisor", move || {
        runtime.block_on(std::future::pending::<()>());
    })?;
    Ok(handle)
}

/// Starts a thread that no signal is delivered to: they are the program's.
fn spawn_quiet(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(work);
    before.thread_set_mask()?;
    spawned.map(drop)
}

/// Starts a host, or has a server start one.
async fn launch_or_knock(
    options: &Arc<HostOptions>,
    generation: Generation,
) -> Result<Launched, SpawnError> {
    if options.address.is_none() {
        return launch::launch(options, generation);
    }
    // A server may take its time, and no other host shall wait for it.
    let options = Arc::clone(options);
    tokio::task::spawn_blocking(move || launch::launch(&options, generation))
        .await
        .unwrap_or_else(|error| {
            Err(SpawnError::System {
                what: "cannot connect to the server",
                source: io::Error::other(error),
            })
        })
}

/// The life of one host, from its start to its report.
async fn supervise(
    options: Arc<HostOptions>,
    ledger: Arc<Ledger>,
    generation: Generation,
    started: Sender<Result<Arc<Session>, SpawnError>>,
) {
    watchdog::prepare();
    let birth = Birth::now();
    let launched = launch_or_knock(&options, generation).await;
    let launched = match launched {
        Ok(launched) => launched,
        Err(error) => {
            // Whoever asked may have gone meanwhile.
            let _ = started.send(Err(error));
            return;
        }
    };
    let Launched {
        process,
        control,
        end,
        carrier,
        crash_page,
        cord,
        stdout,
        stderr,
        status,
        scratch,
        unsaved,
    } = launched;
    let confinement = options.confinement.clone().map(|mut confinement| {
        confinement.client = std::process::id();
        if let Some(scratch) = &scratch {
            confinement.scratch = Some(scratch.path().as_os_str().as_bytes().to_vec());
        }
        Box::new(confinement)
    });
    let mut host = Host {
        bounds: None,
        scratch,
        unsaved,
        process: Arc::new(process),
        generation,
        crash_page,
        status,
        birth,
        stdout: Output::read(stdout, Stream::Stdout, Arc::clone(&options.events)),
        stderr: Output::read(stderr, Stream::Stderr, Arc::clone(&options.events)),
    };
    let setup = Setup {
        generation,
        limits: options.limits,
        carrier,
        label: options.label.clone(),
        log: options.log,
        nested_threads: options.nested_threads,
        debug: options.debug,
        confinement,
    };
    let mut stream = match socket::adopt(control) {
        Ok(stream) => stream,
        Err(source) => {
            launch::kill(&host.process);
            let binary = options.binary.clone();
            let _ = started.send(Err(SpawnError::Handshake { binary, source }));
            host.report(false).await;
            return;
        }
    };
    let greeted = greet(&mut stream, &options, setup, host.process.pid);
    let greeted = timeout(options.start_timeout, greeted).await;
    let refused = match greeted {
        Ok(Ok((applied, bounds))) => {
            host.bounds = bounds;
            let served = Served {
                stream,
                end,
                cord,
                applied,
            };
            return serve(host, served, &options, &ledger, &started).await;
        }
        Ok(Err(error)) => error,
        Err(_) => SpawnError::Timeout(options.start_timeout),
    };
    // A host that died says nothing: how it died is the better answer.
    let died = matches!(
        &refused,
        SpawnError::Handshake {
            source: ProtocolError::Disconnected,
            ..
        }
    ) && timeout(AFTER_DISCONNECTION, host.end()).await.is_ok();
    if !died {
        launch::kill(&host.process);
    }
    let report = host.report(false).await;
    let refused = if died {
        ledger.crashed(Arc::new(report.clone()));
        SpawnError::Died(Box::new(report))
    } else {
        refused
    };
    let _ = started.send(Err(refused));
}

/// Greets the host and hears whether it serves.
async fn greet(
    stream: &mut (impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin),
    options: &HostOptions,
    setup: Setup,
    pid: u32,
) -> Result<(Applied, Option<Bounds>), SpawnError> {
    let handshake = |source| SpawnError::Handshake {
        binary: options.binary.clone(),
        source,
    };
    let hello = socket::greet(stream).await.map_err(handshake)?;
    hello.check().map_err(handshake)?;
    let confinement = setup.confinement.clone();
    let mut attested = None;
    let mut limited = None;
    let setup = ClientMessage::Setup(setup);
    socket::write_message(stream, &setup)
        .await
        .map_err(handshake)?;
    loop {
        match socket::read_message(stream).await.map_err(handshake)? {
            HostMessage::Confined { applied, bounds } => {
                let Some(confinement) = &confinement else {
                    let unasked = "a sandbox report although no sandbox was requested";
                    return Err(handshake(ProtocolError::violation(unasked)));
                };
                attested = Some(attest(options, confinement, pid, applied)?);
                limited = bounds;
            }
            // Without a report, what must hold does not.
            HostMessage::Ready { .. } => {
                let applied = match (attested, &confinement) {
                    (None, Some(confinement)) => attest(options, confinement, pid, Vec::new())?,
                    (applied, _) => applied.unwrap_or_default(),
                };
                return Ok((applied, limited));
            }
            HostMessage::Refused { message } => return Err(SpawnError::Refused(message)),
            HostMessage::Log {
                level,
                target,
                message,
            } => {
                options.events.log(level, &target, &message);
            }
            HostMessage::Goodbye => return Err(handshake(ProtocolError::Disconnected)),
        }
    }
}

/// A host that has said that it serves.
struct Served<S> {
    stream: S,
    end: ClientEnd,
    cord: Option<Cord>,
    applied: Applied,
}

/// Watches a host that serves, until it has ended.
async fn serve<S: tokio::io::AsyncRead + tokio::io::AsyncWrite>(
    mut host: Host,
    served: Served<S>,
    options: &Arc<HostOptions>,
    ledger: &Ledger,
    started: &Sender<Result<Arc<Session>, SpawnError>>,
) {
    let Served {
        stream,
        end,
        cord,
        applied,
    } = served;
    let outbox = Outbox::default();
    let process = Arc::clone(&host.process);
    let pid = host_of(process.pid, &applied);
    let starts_programs = options
        .confinement
        .as_ref()
        .is_some_and(|confinement| confinement.subprocess);
    // It made a session of its own before it was confined.
    let programs = starts_programs.then_some(process.pid);
    let connection = Connection::of_client(&end, outbox.clone());
    let session = Session::new(
        host.generation,
        process,
        (end, cord),
        options.limits,
        (applied, host.bounds),
        (outbox, host.unsaved.take()),
    );
    let notices = {
        let (session, options) = (Arc::clone(&session), Arc::clone(options));
        spawn_quiet("hostd-notices", move || hear_notices(&session, &options))
    };
    if let Err(error) = notices {
        session.kill(|| format!("cannot start the thread that receives its notices: {error}"));
    }
    if started.send(Ok(Arc::clone(&session))).is_err() {
        session.kill(|| "the load that started it was abandoned".to_owned());
    }

    let mut said_goodbye = false;
    let on_message = |message: HostMessage| match message {
        HostMessage::Log {
            level,
            target,
            message,
        } => {
            options.events.log(level, &target, &message);
        }
        HostMessage::Goodbye => said_goodbye = true,
        HostMessage::Ready { .. } | HostMessage::Refused { .. } | HostMessage::Confined { .. } => {
            session.kill(|| "protocol violation: a second ready message".to_owned());
        }
    };
    {
        let mut connection = std::pin::pin!(connection.run(stream, on_message));
        let bounds = host.bounds;
        let mut beyond = std::pin::pin!(async {
            match bounds {
                Some(bounds) => watchdog::watch(pid, bounds, programs).await,
                None => std::future::pending().await,
            }
        });
        let mut connected = true;
        loop {
            tokio::select! {
                () = host.end() => break,
                ended = &mut connection, if connected => {
                    connected = false;
                    lost_connection(&session, &host, ended).await;
                }
                reason = &mut beyond => {
                    session.kill(|| reason);
                    host.end().await;
                    break;
                }
                () = time_out(&session) => {
                    session.kill(|| "killed: shutdown grace period expired".to_owned());
                    host.end().await;
                    break;
                }
            }
        }
        if connected {
            // What it said before its end is still in the socket.
            let time = if options.is_to_report() {
                LAST_REPORTS
            } else {
                LAST_WORDS
            };
            let _ = timeout(time, connection).await;
        }
    }
    let told = session.ending.until().is_some();
    let report = Arc::new(host.report(told && said_goodbye).await);
    if !told {
        ledger.crashed(Arc::clone(&report));
    }
    session.bury(Arc::clone(&report));
    if !told {
        options.events.died(&report);
    }
}

/// The connection is lost: the host dies by itself or is killed.
async fn lost_connection(session: &Session, host: &Host, ended: Result<(), ProtocolError>) {
    session.retire();
    match ended {
        Ok(()) | Err(ProtocolError::Disconnected) => {
            if session.ending.until().is_none()
                && timeout(AFTER_DISCONNECTION, host.end()).await.is_err()
            {
                session.kill(|| "killed: it closed its control connection".to_owned());
            }
        }
        Err(error) => session.kill(|| error.to_string()),
    }
}

/// Comes back when the host was told to end and its time is over.
async fn time_out(session: &Session) {
    loop {
        match session.ending.until() {
            None => session.ending.changed.notified().await,
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return;
                }
                // It may be told again, to end sooner.
                let _ = timeout(left, session.ending.changed.notified()).await;
            }
        }
    }
}

/// Hears what the host says on the home lane, until it is gone.
fn hear_notices(session: &Session, options: &HostOptions) {
    let Some(mut home) = session.end.home() else {
        return;
    };
    let mut body = Vec::new();
    loop {
        match home.receive(&mut body, &mut Patient) {
            Ok(header) if header.kind == FrameKind::Notice => {
                options.events.notice(header, &body);
            }
            Ok(_) => {
                session.kill(|| "protocol violation: a request on lane 0".to_owned());
                return;
            }
            Err(ProtocolError::Disconnected | ProtocolError::Interrupted) => return,
            Err(error) => {
                session.kill(|| error.to_string());
                return;
            }
        }
    }
}
