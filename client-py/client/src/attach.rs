//! Connects to the socket of `napi-hostd serve`: the server starts a host process, whose control
//! connection this becomes. Descriptors are sent to the server only, none are received.

use std::fs;
use std::io::{self, IoSlice, Read as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use hostd_protocol::attach::{
    AttachRequest, DESCRIPTORS, PROCESS_BYTES, ProcessExit, REFUSAL_BYTES, STATUS_BYTES,
    decode_refusal,
};
use hostd_protocol::control::CarrierKind;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg, sockopt::socket_peercred,
};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Uid, geteuid, pidfd_open};

use crate::error::SpawnError;
use crate::instance::Process;

/// How long the server may take to report the exit status of a process after its exit.
const STATUS_TIMEOUT: Duration = Duration::from_millis(200);

/// A process that the server started.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) process: Process,
    pub(crate) control: UnixStream,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    /// Where the server reports the exit status.
    pub(crate) status: StatusPipe,
}

/// Sends the attach request with these descriptors and waits for the process id of the host.
pub(crate) fn attach(
    address: &Path,
    lanes: Option<&OwnedFd>,
    crash_page: Option<&OwnedFd>,
    timeout: Duration,
) -> Result<Attached, SpawnError> {
    let failed = |source| SpawnError::Server {
        address: address.to_owned(),
        source,
    };
    let (control, pid, stdout, stderr, status) =
        connect(address, lanes, crash_page, timeout).map_err(failed)?;
    let watched = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::other("the server sent no valid process id"))
        .and_then(|pid| Ok(pidfd_open(pid, PidfdFlags::empty())?));
    let pidfd = watched.map_err(|source| SpawnError::System {
        what: "cannot open a pidfd for the process that the server started",
        source,
    })?;
    Ok(Attached {
        process: Process::new(pid, pidfd),
        control,
        stdout,
        stderr,
        status: StatusPipe(status),
    })
}

type Connected = (UnixStream, u32, OwnedFd, OwnedFd, OwnedFd);

fn connect(
    address: &Path,
    lanes: Option<&OwnedFd>,
    crash_page: Option<&OwnedFd>,
    timeout: Duration,
) -> io::Result<Connected> {
    check_folder(address)?;
    let mut stream = UnixStream::connect(address)?;
    check_server(socket_peercred(&stream)?.uid, geteuid())?;
    stream.set_read_timeout(Some(timeout))?;
    let pipe = || pipe_with(PipeFlags::CLOEXEC);
    let (stdout, their_stdout) = pipe()?;
    let (stderr, their_stderr) = pipe()?;
    let (status, their_status) = pipe()?;
    let request = AttachRequest {
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
        return Err(io::Error::other("too many descriptors for one message"));
    }
    let bytes = request.encode();
    let sent = sendmsg(
        &stream,
        &[IoSlice::new(&bytes)],
        &mut ancillary,
        SendFlags::NOSIGNAL,
    )?;
    if sent != bytes.len() {
        return Err(io::ErrorKind::WriteZero.into());
    }
    // Without copies here, a refusal of the server is seen as the end of the pipe.
    drop((their_stdout, their_stderr, their_status));
    let mut process = [0; PROCESS_BYTES];
    if read_within(&status, &mut process, timeout)? != PROCESS_BYTES {
        return Err(refusal(&mut stream));
    }
    let pid = u32::from_le_bytes(process);
    stream.set_read_timeout(None)?;
    Ok((stream, pid, stdout, stderr, status))
}

/// The error of an attach request that the server refused.
fn refusal(stream: &mut UnixStream) -> io::Error {
    let mut read = || -> io::Result<String> {
        let mut head = [0; REFUSAL_BYTES];
        stream.read_exact(&mut head)?;
        let mut text = vec![0; decode_refusal(&head).map_err(io::Error::other)?];
        stream.read_exact(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    };
    match read() {
        Ok(text) => io::Error::other(format!("it refused: {text}")),
        Err(error) => error,
    }
}

/// Reads from a pipe, for at most this long; no bytes if it was closed.
fn read_within(pipe: &OwnedFd, bytes: &mut [u8], time: Duration) -> io::Result<usize> {
    let time = Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    };
    let mut fds = [PollFd::new(pipe, PollFlags::IN)];
    match poll(&mut fds, Some(&time))? {
        0 => Err(io::ErrorKind::TimedOut.into()),
        _ => Ok(rustix::io::read(pipe, bytes)?),
    }
}

/// How many low bits of a mode are permissions of the group and of others.
const OTHERS_BITS: u32 = 6;

/// Refuses a server of another user: the process that it starts has that user's rights.
fn check_server(server: Uid, own: Uid) -> io::Result<()> {
    if server == own {
        Ok(())
    } else {
        Err(io::Error::other("it runs as another user"))
    }
}

/// Refuses a folder in which another user could replace the socket.
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
            "its folder is not owned by this user, or other users may enter it; chmod 700 the folder",
        ))
    }
}

/// The pipe on which the server reports the exit status of a process.
#[derive(Debug)]
pub(crate) struct StatusPipe(OwnedFd);

impl StatusPipe {
    /// Reads the exit status of a process that has ended; none if the server does not report it in time.
    pub(crate) fn read(&self) -> Option<ProcessExit> {
        let mut bytes = [0; STATUS_BYTES];
        match read_within(&self.0, &mut bytes, STATUS_TIMEOUT) {
            Ok(STATUS_BYTES) => Some(ProcessExit::decode(&bytes)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_of_the_same_user_is_trusted() {
        let (own, other) = (Uid::from_raw(7), Uid::from_raw(8));
        check_server(own, own).unwrap();
        for (server, client) in [(other, own), (Uid::ROOT, own), (own, Uid::ROOT)] {
            let text = check_server(server, client).unwrap_err().to_string();
            assert!(text.contains("another user"), "{text}");
        }
    }
}
