//! Starts a host process: descriptors, environment, command line. Runs on the supervisor's thread,
//! because the signal that ends a host with its parent follows the thread that spawned it.
//!
//! That thread blocks all signals, and a process inherits this: a host begins by resetting them.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use command_fds::{CommandFdExt, FdMapping};
use hostd_protocol::carrier::lane::{Segment, SegmentError};
use hostd_protocol::carrier::{ClientEnd, lane, socket};
use hostd_protocol::control::{CarrierKind, LogLevel};
use hostd_protocol::ids::Generation;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, waitid};

use crate::cache::{Entry, Unsaved};
use crate::cord::{Cord, Loose};
use crate::crash::CrashPage;
use crate::door::{self, Admitted, Status};
use crate::error::SpawnError;
use crate::options::{Carrier, HostOptions};
use crate::scratch::{Planned, Scratch};
use crate::session::Process;

/// The descriptors as the host finds them.
const CONTROL_FD: i32 = 3;
const LANES_FD: i32 = 4;
const CRASH_FD: i32 = 5;
const CORD_FD: i32 = 6;

/// A process that was started and has not said anything yet.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) process: Process,
    pub(crate) control: UnixStream,
    pub(crate) end: ClientEnd,
    pub(crate) carrier: CarrierKind,
    /// Where it writes down how it dies, if there is memory for that.
    pub(crate) crash_page: Option<CrashPage>,
    /// Rings a loop; a host that a server starts has none.
    pub(crate) cord: Option<Cord>,
    pub(crate) stdout: Option<OwnedFd>,
    pub(crate) stderr: Option<OwnedFd>,
    /// Who says how it ended, if it is no child of this process.
    pub(crate) status: Option<Status>,
    /// Its own folder.
    pub(crate) scratch: Option<Scratch>,
    /// What the host may leave for later ones.
    pub(crate) unsaved: Option<Unsaved>,
}

pub(crate) fn launch(
    options: &HostOptions,
    generation: Generation,
) -> Result<Launched, SpawnError> {
    let (end, carrier, lanes) = match segment(options, Segment::create)? {
        Some((segment, fd)) => (
            lane::client(segment, generation, options.limits),
            CarrierKind::Lanes,
            Some(fd),
        ),
        None => (
            socket::client(generation, options.limits),
            CarrierKind::Socket,
            None,
        ),
    };
    let (crash_page, crash_fd) = CrashPage::create().ok().unzip();
    let planned = options.scratch.then(Planned::new);
    if let Some(address) = &options.address {
        let scratch = planned.as_ref().map(Planned::make).transpose()?;
        let Admitted {
            process,
            control,
            stdout,
            stderr,
            status,
        } = door::knock(
            address,
            lanes.as_ref(),
            crash_fd.as_ref(),
            options.start_timeout,
        )?;
        return Ok(Launched {
            process,
            control,
            end,
            carrier,
            crash_page,
            cord: None,
            stdout: Some(stdout),
            stderr: Some(stderr),
            status: Some(status),
            scratch,
            // Its environment names other folders.
            unsaved: None,
        });
    }
    // Without one its rings are heard by a thread.
    let made = end.cord().and_then(|word| Some((Loose::new().ok()?, word)));
    let (cord, cord_fd) = made
        .map(|((loose, fd), word)| (loose.tie(word), fd))
        .unzip();
    let fds = Handed {
        lanes,
        crash_page: crash_fd,
        cord: cord_fd,
    };
    let ((process, control, stdout, stderr), scratch, unsaved) =
        spawn(options, carrier, fds, planned.as_ref())?;
    Ok(Launched {
        process,
        control,
        end,
        carrier,
        crash_page,
        cord,
        stdout,
        stderr,
        status: None,
        scratch,
        unsaved,
    })
}

type Spawned = (Process, UnixStream, Option<OwnedFd>, Option<OwnedFd>);

/// Descriptors that a host is given beside its control socket.
struct Handed {
    lanes: Option<OwnedFd>,
    crash_page: Option<OwnedFd>,
    cord: Option<OwnedFd>,
}

fn spawn(
    options: &HostOptions,
    carrier: CarrierKind,
    fds: Handed,
    planned: Option<&Planned>,
) -> Result<(Spawned, Option<Scratch>, Option<Unsaved>), SpawnError> {
    let system = |what| move |source| SpawnError::System { what, source };
    let (control, theirs) = UnixStream::pair().map_err(system("cannot create a socket pair"))?;
    let mut command = Command::new(&options.binary);
    command.args(["--session", "--parent", &std::process::id().to_string()]);
    if carrier == CarrierKind::Socket {
        command.args(["--carrier", "socket"]);
    }
    if fds.crash_page.is_some() {
        command.arg("--crash-page");
    }
    if fds.cord.is_some() {
        command.arg("--cord");
    }
    if let Some(env) = &options.env {
        command
            .env_clear()
            .envs(env.iter().map(|(name, value)| (name, value)));
    }
    if let Some(planned) = planned {
        planned.is_home_of(&mut command);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let fds = [
        (Some(OwnedFd::from(theirs)), CONTROL_FD),
        (fds.lanes, LANES_FD),
        (fds.crash_page, CRASH_FD),
        (fds.cord, CORD_FD),
    ]
    .into_iter()
    .filter_map(|(fd, child_fd)| {
        let parent_fd = fd?;
        Some(FdMapping {
            parent_fd,
            child_fd,
        })
    })
    .collect();
    command
        .fd_mappings(fds)
        .map_err(|error| SpawnError::System {
            what: "cannot pass descriptors to napi-hostd",
            source: io::Error::other(error),
        })?;
    let child = command.spawn().map_err(|source| refused(options, source))?;
    // With the command go this side's copies of the host's descriptors: else its end is not seen.
    drop(command);
    let (process, stdout, stderr) = watch(child)?;
    // While the process starts; it is told only later that it may use it.
    match planned.map(Planned::make).transpose() {
        Ok(scratch) => {
            let unsaved = scratch
                .as_ref()
                .and_then(|scratch| restore_cache(options, scratch));
            Ok(((process, control, stdout, stderr), scratch, unsaved))
        }
        Err(error) => {
            kill(&process);
            let _ = waitid(WaitId::PidFd(process.pidfd.as_fd()), WaitIdOptions::EXITED);
            Err(error)
        }
    }
}

/// The shared memory, if that is what frames shall travel over.
fn segment(
    options: &HostOptions,
    create: impl FnOnce() -> Result<(Segment, OwnedFd), SegmentError>,
) -> Result<Option<(Segment, OwnedFd)>, SpawnError> {
    static SAID: AtomicBool = AtomicBool::new(false);
    if options.carrier == Carrier::Socket {
        return Ok(None);
    }
    match create() {
        Ok(made) => Ok(Some(made)),
        Err(error) if options.carrier == Carrier::Lanes => Err(SpawnError::NoLanes(error)),
        Err(error) => {
            if !SAID.swap(true, Ordering::Relaxed) {
                let message = format!(
                    "cannot set up shared memory for calls: {error}; calls use the socket, which is slower"
                );
                options.events.log(LogLevel::Warn, "client", &message);
            }
            Ok(None)
        }
    }
}

/// Gives the host what an earlier one stored, or says where it may leave that for later ones. A cache
/// that can't be read is as good as none.
fn restore_cache(options: &HostOptions, scratch: &Scratch) -> Option<Unsaved> {
    let entry = Entry::of(&options.addon, options.confinement.as_ref()?)?;
    let folder = scratch.cache();
    let is_restored = entry.restore(&folder).unwrap_or(false);
    (!is_restored).then_some(Unsaved { entry, folder })
}

fn refused(options: &HostOptions, source: io::Error) -> SpawnError {
    let binary = options.binary.clone();
    if !binary.exists() {
        return SpawnError::Missing(binary);
    }
    match source.kind() {
        io::ErrorKind::OutOfMemory | io::ErrorKind::WouldBlock => SpawnError::System {
            what: "cannot spawn napi-hostd",
            source,
        },
        _ => SpawnError::NotExecutable { binary, source },
    }
}

fn watch(mut child: Child) -> Result<(Process, Option<OwnedFd>, Option<OwnedFd>), SpawnError> {
    let pid = Pid::from_child(&child);
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => {
            let stdout = child.stdout.take().map(OwnedFd::from);
            let stderr = child.stderr.take().map(OwnedFd::from);
            Ok((Process::new(child.id(), pidfd), stdout, stderr))
        }
        Err(error) => {
            // Unwatched it must not go on.
            let _ = child.kill();
            let _ = child.wait();
            Err(SpawnError::System {
                what: "cannot open a pidfd for napi-hostd",
                source: error.into(),
            })
        }
    }
}

/// Kills a process that is not wanted after all.
pub(crate) fn kill(process: &Process) {
    let _ = rustix::process::pidfd_send_signal(process.pidfd.as_fd(), Signal::KILL);
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use hostd_protocol::frame::Header;

    use super::*;
    use crate::options::{Events, Stream};
    use crate::report::ExitReport;

    #[derive(Default)]
    struct Log(Mutex<Vec<String>>);

    impl Events for Log {
        fn output(&self, _: Stream, _: &[u8]) {}
        fn log(&self, _: LogLevel, _: &str, message: &str) {
            self.0.lock().unwrap().push(message.to_owned());
        }
        fn died(&self, _: &ExitReport) {}
        fn notice(&self, _: Header, _: &[u8]) {}
    }

    #[test]
    fn missing_shared_memory_falls_back_and_is_said_once() {
        let log = Arc::new(Log::default());
        let mut options = HostOptions::new(
            "/nowhere".into(),
            "x.node".into(),
            Arc::clone(&log) as Arc<dyn Events>,
        );
        for _ in 0..3 {
            assert!(
                segment(&options, || Err(SegmentError::Unsupported))
                    .unwrap()
                    .is_none()
            );
        }
        assert_eq!(log.0.lock().unwrap().len(), 1);
        options.carrier = Carrier::Lanes;
        let error = segment(&options, || Err(SegmentError::Unsupported)).unwrap_err();
        assert!(matches!(error, SpawnError::NoLanes(_)));
    }
}
