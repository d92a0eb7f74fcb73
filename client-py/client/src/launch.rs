//! Starts a host process: descriptors, environment, command line. Spawns on the supervisor's thread,
//! because the parent-death signal of a host is bound to the thread that spawned it.
//!
//! That thread blocks all signals, which a child inherits: a host unblocks them first.
//!
//! Upholds I-20.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};

use hostd_protocol::carrier::lane::{Segment, SegmentError};
use hostd_protocol::carrier::{lane, socket};
use hostd_protocol::control::LogLevel;
use hostd_protocol::handover::{Handover, Role};
use hostd_protocol::ids::Generation;
use hostd_protocol::memory::ClientMemory;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, waitid};

use crate::attach::{self, Started};
use crate::cache::{Entry, Unsaved};
use crate::crash::CrashPage;
use crate::error::SpawnError;
use crate::instance::Ends;
use crate::options::{Carrier, HostConfig};
use crate::runner::Process;
use crate::scratch::{PlannedScratch, ScratchFolder};
use crate::wake_pipe::WakePipe;

/// A process that was started and has sent nothing yet.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) started: Started,
    pub(crate) ends: Ends,
    /// The shared page for its crash record; none if there was no memory for it.
    pub(crate) crash_page: Option<CrashPage>,
    pub(crate) scratch: Option<ScratchFolder>,
    /// Its cache folder, if there is no cache entry for it yet.
    pub(crate) unsaved: Option<Unsaved>,
}

/// Makes what this process shares with a host, and the descriptors to hand over.
pub(crate) fn shared(
    options: &HostConfig,
    generation: Generation,
) -> Result<(Ends, Handover), SpawnError> {
    let (end, lanes) = match segment(options, Segment::create)? {
        Some((segment, fd)) => (lane::client(segment, generation, options.limits), Some(fd)),
        None => (socket::client(generation, options.limits), None),
    };
    // Without the pipe, a thread receives the requests for turns.
    let word = end.pipe_word();
    let (wake_pipe, pipe_fd) = word.and_then(|word| WakePipe::new(word).ok()).unzip();
    let limit = options
        .confinement
        .as_ref()
        .and_then(|policy| policy.memory);
    // Without it, the bytes of large buffers travel in frames, where they are recorded.
    let is_shared = lanes.is_some() && options.shares_memory;
    let shared = is_shared.then(|| ClientMemory::create(limit).ok());
    let (memory, memory_fd) = shared.flatten().unzip();
    let mut handover = Handover::default();
    handover.add(Role::Lanes, lanes);
    handover.add(Role::WakePipe, pipe_fd);
    handover.add(Role::Memory, memory_fd);
    let ends = Ends {
        end,
        wake_pipe,
        memory,
    };
    Ok((ends, handover))
}

/// Spawns a host, or has the server at `options.address` spawn one.
pub(crate) fn launch(options: &HostConfig, generation: Generation) -> Result<Launched, SpawnError> {
    let (ends, mut handover) = shared(options, generation)?;
    let (crash_page, crash_fd) = CrashPage::create().ok().unzip();
    handover.add(Role::CrashPage, crash_fd);
    let confinement = options.confinement.as_ref();
    let has_scratch = confinement.is_some_and(|confinement| confinement.scratch_is_temporary);
    let planned = has_scratch.then(PlannedScratch::new);
    let (started, scratch, unsaved) = if let Some(address) = &options.address {
        let scratch = planned.as_ref().map(PlannedScratch::make).transpose()?;
        let started = attach::attach(address, handover, options.start_timeout)?;
        // Nothing is saved: the environment of the server names other folders.
        (started, scratch, None)
    } else {
        spawn(options, handover, planned.as_ref())?
    };
    Ok(Launched {
        started,
        ends,
        crash_page,
        scratch,
        unsaved,
    })
}

fn spawn(
    options: &HostConfig,
    handover: Handover,
    planned: Option<&PlannedScratch>,
) -> Result<(Started, Option<ScratchFolder>, Option<Unsaved>), SpawnError> {
    let system = |what| move |source| SpawnError::System { what, source };
    let (control, theirs) = control_pair(handover)?;
    let mut command = Command::new(&options.binary);
    command.args(["--session", "--parent", &std::process::id().to_string()]);
    if let Some(env) = &options.env {
        command
            .env_clear()
            .envs(env.iter().map(|(name, value)| (name, value)));
    }
    if let Some(planned) = planned {
        planned.set_environment(&mut command);
    }
    let pipe = || {
        let made = pipe_with(PipeFlags::CLOEXEC).map_err(io::Error::from);
        made.map_err(system("cannot create a pipe for the output of napi-hostd"))
    };
    let (stdout, their_stdout) = pipe()?;
    let (stderr, their_stderr) = pipe()?;
    command
        .stdin(OwnedFd::from(theirs))
        .stdout(their_stdout)
        .stderr(their_stderr);
    let child = command
        .spawn()
        .map_err(|source| spawn_error(options, source))?;
    // This closes the copies of the host's descriptors, so that its pipes end with it.
    drop(command);
    let process = watch(child)?;
    // The folder is made while the process starts, which learns of it only with its setup.
    match planned.map(PlannedScratch::make).transpose() {
        Ok(scratch) => {
            let unsaved = scratch
                .as_ref()
                .and_then(|scratch| restore_cache(options, scratch));
            let started = Started {
                process,
                control,
                stdout,
                stderr,
                status: None,
            };
            Ok((started, scratch, unsaved))
        }
        Err(error) => {
            kill(&process);
            let _ = waitid(WaitId::PidFd(process.pidfd.as_fd()), WaitIdOptions::EXITED);
            Err(error)
        }
    }
}

/// Makes a control connection, whose other end finds the handover there when it begins to read.
pub(crate) fn control_pair(handover: Handover) -> Result<(UnixStream, UnixStream), SpawnError> {
    let system = |what| move |source| SpawnError::System { what, source };
    let (control, theirs) = UnixStream::pair().map_err(system("cannot create a socket pair"))?;
    socket::enlarge_send_buffer(&control);
    socket::enlarge_send_buffer(&theirs);
    handover
        .send(&control)
        .map_err(system("cannot pass descriptors to napi-hostd"))?;
    Ok((control, theirs))
}

/// The shared-memory segment, unless frames go over the socket.
fn segment(
    options: &HostConfig,
    create: impl FnOnce() -> Result<(Segment, OwnedFd), SegmentError>,
) -> Result<Option<(Segment, OwnedFd)>, SpawnError> {
    static LOGGED: AtomicBool = AtomicBool::new(false);
    if options.carrier == Carrier::Socket {
        return Ok(None);
    }
    match create() {
        Ok(made) => Ok(Some(made)),
        Err(error) if options.carrier == Carrier::Lanes => Err(SpawnError::NoLanes(error)),
        Err(error) => {
            if !LOGGED.swap(true, Ordering::Relaxed) {
                let message = format!(
                    "cannot set up shared memory for calls: {error}; calls use the socket, which is slower"
                );
                options.events.log(LogLevel::Warn, "client", &message);
            }
            Ok(None)
        }
    }
}

/// Copies the stored cache into the scratch folder. Returns the folder to store later, if there is no
/// entry yet or it cannot be read.
fn restore_cache(options: &HostConfig, scratch: &ScratchFolder) -> Option<Unsaved> {
    let entry = Entry::of(&options.addon, options.confinement.as_ref()?)?;
    let folder = scratch.cache();
    let is_restored = entry.restore(&folder).unwrap_or(false);
    (!is_restored).then_some(Unsaved { entry, folder })
}

fn spawn_error(options: &HostConfig, source: io::Error) -> SpawnError {
    let binary = options.binary.clone();
    if !binary.exists() {
        return SpawnError::Missing(binary);
    }
    let is_shortage = match source.kind() {
        io::ErrorKind::OutOfMemory | io::ErrorKind::WouldBlock => true,
        // There was no descriptor for the pipe over which the new process reports a failed exec.
        _ => matches!(
            Errno::from_io_error(&source),
            Some(Errno::MFILE | Errno::NFILE)
        ),
    };
    if is_shortage {
        let what = "cannot spawn napi-hostd";
        return SpawnError::System { what, source };
    }
    SpawnError::NotExecutable { binary, source }
}

/// Opens the pidfd of a child, which is killed if that fails.
fn watch(mut child: Child) -> Result<Process, SpawnError> {
    let pid = Pid::from_child(&child);
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => Ok(Process::new(child.id(), pidfd)),
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(SpawnError::System {
                what: "cannot open a pidfd for napi-hostd",
                source: error.into(),
            })
        }
    }
}

/// Kills a process whose start has failed.
pub(crate) fn kill(process: &Process) {
    let _ = rustix::process::pidfd_send_signal(process.pidfd.as_fd(), Signal::KILL);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::events::{HostEvents, LoggedMessages};

    #[test]
    fn missing_shared_memory_falls_back_and_is_logged_once() {
        let log = Arc::new(LoggedMessages::default());
        let mut options = HostConfig::new(
            "/nowhere".into(),
            "x.node".into(),
            Arc::clone(&log) as Arc<dyn HostEvents>,
        );
        for _ in 0..3 {
            assert!(
                segment(&options, || Err(SegmentError::NotSealed))
                    .unwrap()
                    .is_none()
            );
        }
        assert_eq!(log.0.lock().unwrap().len(), 1);
        options.carrier = Carrier::Lanes;
        let error = segment(&options, || Err(SegmentError::NotSealed)).unwrap_err();
        assert!(matches!(error, SpawnError::NoLanes(_)));
    }
}
