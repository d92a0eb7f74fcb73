//! Runs sessions in this process: each on a thread of its own, which serves it until its end. What is
//! shared with the session, and the control connection, are those of a host process.

use std::sync::mpsc::Sender;
use std::sync::{Arc, mpsc};

use hostd_protocol::carrier::HostRunner;
use hostd_protocol::carrier::socket::{Connection, ControlStream, Outbox};
use hostd_protocol::confinement::Applied;
use hostd_protocol::control::HostMessage;
use hostd_protocol::error::ProtocolError;
use hostd_protocol::ids::Generation;
use hostd_protocol::in_process::SessionEnd;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::background;
use crate::caller_thread::CallerThread;
use crate::cause::{Cause, Kill};
use crate::crash_budget::CrashBudget;
use crate::error::SpawnError;
use crate::greeting::{greet, setup};
use crate::instance::{Ends, HostInstance, StartStep};
use crate::launch;
use crate::library::{STACK_BYTES, SessionLibrary};
use crate::options::HostConfig;
use crate::poller;
use crate::record::Recorder;
use crate::report::ExitReport;
use crate::runner::{Runner, SessionThread};

/// Starts a session and watches it until its end. The outcome of the start is sent to `started`; if its
/// receiver was dropped, the thread is left behind.
pub(crate) async fn supervise(
    options: Arc<HostConfig>,
    (library, budget): (Arc<dyn SessionLibrary>, Arc<CrashBudget>),
    (generation, recorder): (Generation, Option<Recorder>),
    started: Sender<StartStep>,
) {
    let begun = match begin(&options, library, generation, &started) {
        Ok(begun) => begun,
        Err(error) => {
            // The receiver may have been dropped meanwhile.
            let _ = started.send(StartStep::Done(Err(error)));
            return;
        }
    };
    let Begun {
        mut ends,
        control,
        ended,
        caller,
    } = begun;
    let setup = setup(&options, generation, None, None);
    let greeted = greet(control, &options, setup, std::process::id());
    match timeout(options.start_timeout, greeted).await {
        Ok(Ok((stream, _, _, shares_memory))) => {
            if !shares_memory {
                ends.memory = None;
            }
            let session = Session {
                stream,
                ends,
                ended,
                caller,
            };
            serve(
                (&options, &budget),
                (generation, recorder),
                session,
                started,
            )
            .await;
        }
        // Its thread ends by itself: the control connection is closed now.
        Ok(Err(error)) => drop(started.send(StartStep::Done(Err(error)))),
        Err(_) => {
            let error = SpawnError::Timeout(options.start_timeout);
            drop(started.send(StartStep::Done(Err(error))));
        }
    }
}

/// A session whose thread runs.
struct Begun {
    ends: Ends,
    control: std::os::unix::net::UnixStream,
    ended: oneshot::Receiver<SessionEnd>,
    caller: Option<Arc<CallerThread>>,
}

/// A session that is ready.
struct Session {
    stream: ControlStream,
    ends: Ends,
    ended: oneshot::Receiver<SessionEnd>,
    caller: Option<Arc<CallerThread>>,
}

fn begin(
    options: &HostConfig,
    library: Arc<dyn SessionLibrary>,
    generation: Generation,
    started: &Sender<StartStep>,
) -> Result<Begun, SpawnError> {
    if library.process() != std::process::id() {
        return Err(SpawnError::ForkedLibrary);
    }
    let (mut ends, handover) = launch::shared(options, generation)?;
    let (control, theirs) = launch::control_pair(handover)?;
    let (sender, ended) = oneshot::channel();
    if let Some(owner) = options.caller {
        let caller = Arc::new(CallerThread::new(owner, sender, {
            let attention = Arc::clone(&options.attention);
            Box::new(move || attention.request())
        }));
        ends.end.run_by(Arc::clone(&caller) as Arc<dyn HostRunner>);
        // If the receiver is gone, the handshake fails.
        let _ = started.send(StartStep::Open(Arc::clone(&caller), library, theirs.into()));
        return Ok(Begun {
            ends,
            control,
            ended,
            caller: Some(caller),
        });
    }
    let serve = move || {
        // The receiver is gone if the session was left behind.
        let _ = sender.send(library.serve(theirs.into(), STACK_BYTES));
    };
    let started = background::start_thread_with("hostd-js", Some(STACK_BYTES), serve);
    started.map_err(|source| SpawnError::System {
        what: "cannot start the thread of the session",
        source,
    })?;
    Ok(Begun {
        ends,
        control,
        ended,
        caller: None,
    })
}

/// Watches a session that serves until it has ended, and makes its exit report.
async fn serve(
    (options, budget): (&Arc<HostConfig>, &CrashBudget),
    (generation, recorder): (Generation, Option<Recorder>),
    session: Session,
    started: Sender<StartStep>,
) {
    let Session {
        stream,
        ends,
        mut ended,
        caller,
    } = session;
    let outbox = Outbox::default();
    let connection = Connection::of_client(&ends.end, outbox.clone());
    let thread = Arc::new(SessionThread::default());
    let instance = HostInstance::new(
        (generation, recorder),
        Runner::Thread(Arc::clone(&thread), caller),
        ends,
        options.limits,
        (Applied::new(), None),
        (outbox, None),
    );
    let outcome = poller::add(&instance, options.handlers()).map(|()| Arc::clone(&instance));
    if let Err(mpsc::SendError(_)) = started.send(StartStep::Done(outcome)) {
        instance.kill(Kill::LoadAbandoned);
    }
    let on_message = |message: HostMessage| match message {
        HostMessage::Log {
            level,
            target,
            message,
        } => options.events.log(level, &target, &message),
        HostMessage::Goodbye => {}
        HostMessage::Ready { .. } | HostMessage::Refused { .. } | HostMessage::Confined { .. } => {
            let error = ProtocolError::violation("a second ready message");
            instance.kill(Kill::from(&error));
        }
    };
    let end = {
        let mut connection = std::pin::pin!(connection.run(stream, on_message));
        let mut is_connected = true;
        loop {
            tokio::select! {
                // A panic of the thread has dropped the sender.
                end = &mut ended => break Some(end.unwrap_or(SessionEnd::Lost)),
                _ = &mut connection, if is_connected => is_connected = false,
                () = thread.when_left() => break None,
                () = instance.grace_expired() => {
                    instance.kill(Kill::ShutdownTimeout);
                    break None;
                }
            }
        }
    };
    let was_told = instance.shutdown.borrow().is_some();
    let mut report = report(generation, &thread, end, was_told);
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
    // A session that was left behind may use its memory still.
    if end.is_some() {
        instance.free_memory();
    }
}

/// The report on a session that has ended or was left behind.
fn report(
    generation: Generation,
    thread: &SessionThread,
    end: Option<SessionEnd>,
    was_told: bool,
) -> ExitReport {
    let exit_code = match end {
        Some(SessionEnd::Exited(code)) => Some(i32::from(code)),
        Some(SessionEnd::Closed | SessionEnd::Lost) | None => None,
    };
    let cause = match (thread.left(), end) {
        (Some(reason), _) => Cause::Left(reason),
        (None, Some(SessionEnd::Lost)) => Cause::Unknown("the session failed".to_owned()),
        (None, _) => Cause::Exit,
    };
    ExitReport {
        generation: generation.0,
        pid: std::process::id(),
        exit_code,
        cause,
        in_process: true,
        expected: was_told && end == Some(SessionEnd::Closed),
        ..ExitReport::default()
    }
}
