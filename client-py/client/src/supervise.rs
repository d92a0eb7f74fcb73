//! The thread that spawns and watches all hosts of this process: start, handshake, control connection,
//! limits, shutdown, exit report.
//!
//! The thread never ends, because the parent-death signal of a host is bound to the thread that
//! spawned it. It never blocks: blocking work runs on threads of its own.

use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use hostd_protocol::carrier::socket::{Connection, ControlStream, Outbox};
use hostd_protocol::confinement::{Applied, Confinement};
use hostd_protocol::control::{HostMessage, LogLevel};
use hostd_protocol::error::ProtocolError;
use hostd_protocol::ids::Generation;
use tokio::runtime::{Builder, Handle};
use tokio::time::timeout;

use crate::attest::host_of;
use crate::background;
use crate::cause::Kill;
use crate::core_file::CoreFolder;
use crate::crash_budget::CrashBudget;
use crate::error::SpawnError;
use crate::events::OutputStream;
use crate::fork::PerProcess;
use crate::greeting::{greet, setup};
use crate::in_process;
use crate::instance::{Ends, HostInstance, StartStep};
use crate::launch::{self, Launched};
use crate::memory;
use crate::options::HostConfig;
use crate::output::OutputReader;
use crate::poller;
use crate::posix_session;
use crate::reap::StartRecord;
use crate::record::Recorder;
use crate::recording;
use crate::runner::Runner;
use crate::scratch::ScratchFolder;
use crate::watchdog;
use crate::watched::{DRAIN_TIMEOUT, WatchedProcess};

/// How long the control connection is read after the exit of a host that is run for its reports.
const REPORT_DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a host may live after it has closed its control connection.
const DISCONNECTED_EXIT_TIMEOUT: Duration = Duration::from_millis(200);

/// The same for a process whose exit has begun. The kernel closes its descriptors before it frees its
/// memory and its files, which takes long on a busy machine.
const EXITING_TIMEOUT: Duration = Duration::from_secs(10);

/// The event loop of the supervisor thread, once that is started.
static SUPERVISOR: PerProcess<Option<Handle>> = PerProcess::new();

/// A forked child has no supervisor.
pub(crate) fn forked() {
    drop(SUPERVISOR.forked());
}

/// Starts a host on the supervisor's thread, and first the supervisor if this process has none. The
/// outcome is sent to `started`; if its receiver was dropped, the host is killed.
pub(crate) fn start(
    options: Arc<HostConfig>,
    budget: Arc<CrashBudget>,
    generation: Generation,
    started: Sender<StartStep>,
) -> Result<(), SpawnError> {
    // By the thread that waits for the start: the supervisor must not wait for a disk.
    let recorder = recording::begin(&options, generation)?;
    let runtime = SUPERVISOR.with(|supervisor| match supervisor {
        Some(runtime) => Ok(runtime.clone()),
        None => Ok::<_, SpawnError>(supervisor.insert(begin()?).clone()),
    })?;
    match options.library.clone() {
        Some(library) => {
            let by = (library, budget);
            runtime.spawn(in_process::supervise(
                options,
                by,
                (generation, recorder),
                started,
            ))
        }
        None => runtime.spawn(supervise(options, budget, (generation, recorder), started)),
    };
    Ok(())
}

fn begin() -> Result<Handle, SpawnError> {
    let system = |what| move |source| SpawnError::System { what, source };
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(system(
            "cannot set up the supervisor's event loop (epoll, eventfd)",
        ))?;
    let handle = runtime.handle().clone();
    // Kills before the first host starts say nothing about it.
    memory::has_killed();
    let run = move || runtime.block_on(std::future::pending::<()>());
    background::spawn_thread("hostd-supervisor", Box::new(run))
        .map_err(system("cannot start the supervisor thread"))?;
    Ok(handle)
}

async fn launch_or_attach(
    options: &Arc<HostConfig>,
    generation: Generation,
) -> Result<Launched, SpawnError> {
    if options.address.is_none() {
        return launch::launch(options, generation);
    }
    // A server may answer slowly, and other hosts must not wait for it.
    let options = Arc::clone(options);
    let what = "cannot start a thread that connects to the server";
    background::run(move || launch::launch(&options, generation))
        .await
        .unwrap_or_else(|source| Err(SpawnError::System { what, source }))
}

/// Supervises one host, from its start to its exit report.
async fn supervise(
    options: Arc<HostConfig>,
    budget: Arc<CrashBudget>,
    (generation, recorder): (Generation, Option<Recorder>),
    started: Sender<StartStep>,
) {
    watchdog::prepare();
    let start_record = StartRecord::now();
    let launched = match launch_or_attach(&options, generation).await {
        Ok(launched) => launched,
        Err(error) => {
            // The receiver may have been dropped meanwhile.
            let _ = started.send(StartStep::Done(Err(error)));
            return;
        }
    };
    let mut confinement = confinement(&options, launched.scratch.as_ref());
    let process = launched.started;
    let core = core_folder(&options);
    let core_folder = core.as_ref().map(CoreFolder::bytes);
    if let Some(confinement) = &mut confinement {
        confinement.write.extend(core_folder.clone());
    }
    let core = core.map(|core| (core, Arc::clone(&options.events)));
    let output = |pipe, stream| OutputReader::read(pipe, stream, Arc::clone(&options.events));
    let mut host = WatchedProcess {
        applied: Applied::new(),
        bounds: None,
        core,
        scratch: launched.scratch,
        unsaved: launched.unsaved,
        process: Arc::new(process.process),
        generation,
        crash_page: launched.crash_page,
        status: process.status,
        start_record,
        stdout: output(process.stdout, OutputStream::Stdout),
        stderr: output(process.stderr, OutputStream::Stderr),
    };
    let setup = setup(&options, generation, core_folder, confinement);
    let greeted = greet(process.control, &options, setup, host.process.pid);
    let refused = match timeout(options.start_timeout, greeted).await {
        Ok(Ok((stream, applied, bounds, shares_memory))) => {
            (host.applied, host.bounds) = (applied, bounds);
            let mut ends = launched.ends;
            if !shares_memory {
                // Its limit of address space does not allow it.
                ends.memory = None;
            }
            let shared = (ends, recorder);
            return serve(host, stream, shared, &options, &budget, &started).await;
        }
        Ok(Err(error)) => error,
        Err(_) => SpawnError::Timeout(options.start_timeout),
    };
    // If the host has ended, its exit report says more than the failed handshake.
    let has_ended = matches!(
        &refused,
        SpawnError::Handshake {
            source: ProtocolError::Disconnected,
            ..
        }
    ) && exits_after_disconnection(&host).await;
    if !has_ended {
        launch::kill(&host.process);
    }
    let report = host.report(false).await;
    let refused = if has_ended {
        budget.crashed(Arc::new(report.clone()));
        SpawnError::Died {
            report: Box::new(report),
        }
    } else {
        refused
    };
    let _ = started.send(StartStep::Done(Err(refused)));
}

/// Waits for the exit of a host that has closed its control connection. Returns whether it came in
/// time.
async fn exits_after_disconnection(host: &WatchedProcess) -> bool {
    if timeout(DISCONNECTED_EXIT_TIMEOUT, host.exited())
        .await
        .is_ok()
    {
        return true;
    }
    host.is_exiting() && timeout(EXITING_TIMEOUT, host.exited()).await.is_ok()
}

/// The sandbox of a host, with its client and its scratch folder.
fn confinement(options: &HostConfig, scratch: Option<&ScratchFolder>) -> Option<Box<Confinement>> {
    let mut confinement = Box::new(options.confinement.clone()?);
    confinement.client = std::process::id();
    if let Some(scratch) = scratch {
        confinement.scratch = Some(scratch.path().as_os_str().as_bytes().to_vec());
    }
    Some(confinement)
}

/// The folder of the core file of a host, if one is wanted. If it cannot be made, that is logged.
fn core_folder(options: &HostConfig) -> Option<CoreFolder> {
    CoreFolder::new(options.core_file.clone()?)
        .inspect_err(|error| {
            let message = format!("the process will leave no core file: {error}");
            options.events.log(LogLevel::Warn, "client", &message);
        })
        .ok()
}

/// Watches a host that serves until it has ended, and makes its exit report.
async fn serve(
    mut host: WatchedProcess,
    stream: ControlStream,
    (ends, recorder): (Ends, Option<Recorder>),
    options: &Arc<HostConfig>,
    budget: &CrashBudget,
    started: &Sender<StartStep>,
) {
    let outbox = Outbox::default();
    let process = Arc::clone(&host.process);
    let pid = host_of(process.pid, &host.applied);
    let starts_programs = options
        .confinement
        .as_ref()
        .is_some_and(|confinement| confinement.subprocess);
    // The host calls setsid() before it is confined: its process id is that of its session.
    let programs = starts_programs.then_some(process.pid);
    let connection = Connection::of_client(&ends.end, outbox.clone());
    let instance = HostInstance::new(
        (host.generation, recorder),
        Runner::Process(process),
        ends,
        options.limits,
        (host.applied.clone(), host.bounds),
        (outbox, host.unsaved.take()),
    );
    let outcome = poller::add(&instance, options.handlers()).map(|()| Arc::clone(&instance));
    if started.send(StartStep::Done(outcome)).is_err() {
        instance.kill(Kill::LoadAbandoned);
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
            let error = ProtocolError::violation("a second ready message");
            instance.kill(Kill::from(&error));
        }
    };
    {
        let mut connection = std::pin::pin!(connection.run(stream, on_message));
        let bounds = host.bounds;
        let mut beyond = std::pin::pin!(async {
            match bounds {
                Some(bounds) => {
                    let shared = || instance.memory.as_ref().map_or(0, |it| it.host_bytes());
                    watchdog::watch(pid, bounds, programs, shared).await
                }
                None => std::future::pending().await,
            }
        });
        let mut connected = true;
        loop {
            tokio::select! {
                () = host.exited() => break,
                ended = &mut connection, if connected => {
                    connected = false;
                    lost_connection(&instance, &host, ended).await;
                }
                exceeded = &mut beyond => {
                    instance.kill(Kill::Limit(exceeded));
                    host.exited().await;
                    break;
                }
                () = instance.grace_expired() => {
                    instance.kill(Kill::ShutdownTimeout);
                    host.exited().await;
                    break;
                }
            }
        }
        if connected {
            // Messages from before its exit may still be in the socket.
            let time = if options.is_to_report() {
                REPORT_DRAIN_TIMEOUT
            } else {
                DRAIN_TIMEOUT
            };
            let _ = timeout(time, connection).await;
        }
    }
    // The programs that it started are no longer counted, so they end now. The session id is the process
    // id of the host, which is not reused until the host is reaped; a server may have reaped it already.
    if let Some(session) = programs.filter(|_| host.status.is_none()) {
        let killing = background::run(move || posix_session::kill_all(session));
        if killing.await.is_err() {
            posix_session::kill_all(session);
        }
    }
    let was_told = instance.shutdown.borrow().is_some();
    let mut report = host.report(was_told && said_goodbye).await;
    report.record = instance.record();
    let report = Arc::new(report);
    if !was_told {
        budget.crashed(Arc::clone(&report));
    }
    instance.finalize(Arc::clone(&report));
    poller::wake();
    if !was_told {
        options.events.died(&report);
    }
    // After this, reading a region that one of its last messages names fails with its end.
    instance.free_memory();
}

/// Waits shortly for the end of a host that has closed its connection, then kills it.
async fn lost_connection(
    instance: &HostInstance,
    host: &WatchedProcess,
    ended: Result<(), ProtocolError>,
) {
    instance.retire();
    match ended {
        Ok(()) | Err(ProtocolError::Disconnected) => {
            if instance.shutdown.borrow().is_none() && !exits_after_disconnection(host).await {
                instance.kill(Kill::Disconnected);
            }
        }
        Err(error) => instance.kill(Kill::from(&error)),
    }
}
