//! Knocks at the socket of `napi-hostd serve`: the server starts a process for this session, and
//! the connection becomes the session's. Descriptors go to the server only, none come from there.

use std::fs;
use std::io::{self, IoSlice, Read as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use hostd_protocol::control::CarrierKind;
use hostd_protocol::door::{
    ANSWER_BYTES, DESCRIPTORS, Knock, STATUS_BYTES, decode_answer, decode_status,
};
use rustix::net::{
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg, sockopt::socket_peercred,
};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, geteuid, pidfd_open};

use crate::error::SpawnError;
use crate::session::Process;

/// How long the server's word on the end of a process may take after that end.
const STATUS_TIME: Duration = Duration::from_millis(200);

/// A process that the server started.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) process: Process,
    pub(crate) control: UnixStream,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    /// Where the server says how the process ended.
    pub(crate) status: Status,
}

/// Knocks with these descriptors, and waits for the answer.
pub(crate) fn knock(
    address: &Path,
    lanes: Option<&OwnedFd>,
    crash_page: Option<&OwnedFd>,
    patience: Duration,
) -> Result<Admitted, SpawnError> {
    let failed = |source| SpawnError::Door {
        address: address.to_owned(),
        source,
    };
    let (control, pid, stdout, stderr, status) =
        enter(address, lanes, crash_page, patience).map_err(failed)?;
    let watched = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::other("the server names no process"))
        .and_then(|pid| Ok(pidfd_open(pid, PidfdFlags::empty())?));
    let pidfd = watched.map_err(|source| SpawnError::System {
        what: "it can't be watched",
        source,
    })?;
    Ok(Admitted {
        process: Process::new(pid, pidfd),
        control,
        stdout,
        stderr,
        status: Status(status),
    })
}

type Entered = (UnixStream, u32, OwnedFd, OwnedFd, OwnedFd);

fn enter(
    address: &Path,
    lanes: Option<&OwnedFd>,
    crash_page: Option<&OwnedFd>,
    patience: Duration,
) -> io::Result<Entered> {
    check_folder(address)?;
    let mut stream = UnixStream::connect(address)?;
    if socket_peercred(&stream)?.uid != geteuid() {
        return Err(io::Error::other("its server runs as another user"));
    }
    stream.set_read_timeout(Some(patience))?;
    let pipe = || pipe_with(PipeFlags::CLOEXEC);
    let (stdout, their_stdout) = pipe()?;
    let (stderr, their_stderr) = pipe()?;
    let (status, their_status) = pipe()?;
    let knock = Knock {
        carrier: if lanes.is_some() {
            CarrierKind::Lanes
        } else {
            CarrierKind::Socket
        },
        crash_page: crash_page.is_some(),
    };
    let mut fds: Vec<BorrowedFd<'_>> = vec![
        their_stdout.as_fd(),
        their_stderr.as_fd(),
        their_status.as_fd(),
    ];
    fds.extend(lanes.map(AsFd::as_fd));
    fds.extend(crash_page.map(AsFd::as_fd));
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(io::Error::other("too many descriptors"));
    }
    let bytes = knock.encode();
    let sent = sendmsg(
        &stream,
        &[IoSlice::new(&bytes)],
        &mut ancillary,
        SendFlags::NOSIGNAL,
    )?;
    if sent != bytes.len() {
        return Err(io::ErrorKind::WriteZero.into());
    }
    let mut answer = [0; ANSWER_BYTES];
    stream.read_exact(&mut answer)?;
    let (pid, length) = decode_answer(&answer).map_err(io::Error::other)?;
    if pid == 0 {
        let mut text = vec![0; length];
        stream.read_exact(&mut text)?;
        let text = String::from_utf8_lossy(&text).into_owned();
        return Err(io::Error::other(format!("it refuses: {text}")));
    }
    stream.set_read_timeout(None)?;
    Ok((stream, pid, stdout, stderr, status))
}

/// The permission bits of the group and of others.
const OTHERS_BITS: u32 = 6;

/// Who may write in the socket's folder could put another server there.
fn check_folder(address: &Path) -> io::Result<()> {
    let folder = match address.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let found = fs::symlink_metadata(folder)?;
    if found.uid() == geteuid().as_raw() && found.mode().trailing_zeros() >= OTHERS_BITS {
        Ok(())
    } else {
        Err(io::Error::other(
            "its folder is not of this user, or others may enter it (chmod 700)",
        ))
    }
}

/// What the server says about the end of a process.
#[derive(Debug)]
pub(crate) struct Status(OwnedFd);

impl Status {
    /// The signal or the exit code, once the process has ended; waits shortly.
    pub(crate) fn read(&self) -> (Option<i32>, Option<i32>) {
        let time = rustix::time::Timespec {
            tv_sec: 0,
            tv_nsec: STATUS_TIME.subsec_nanos().into(),
        };
        let mut fds = [rustix::event::PollFd::new(
            &self.0,
            rustix::event::PollFlags::IN,
        )];
        let mut bytes = [0; STATUS_BYTES];
        match rustix::event::poll(&mut fds, Some(&time)) {
            Ok(1..) => match rustix::io::read(&self.0, &mut bytes) {
                Ok(STATUS_BYTES) => decode_status(bytes),
                _ => (None, None),
            },
            _ => (None, None),
        }
    }
}
