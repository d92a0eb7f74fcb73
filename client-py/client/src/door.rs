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
    DESCRIPTORS, Knock, PROCESS_BYTES, REFUSAL_BYTES, Remains, STATUS_BYTES, decode_refusal,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg, sockopt::socket_peercred,
};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Uid, geteuid, pidfd_open};

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
        .ok_or_else(|| io::Error::other("the server sent no valid process id"))
        .and_then(|pid| Ok(pidfd_open(pid, PidfdFlags::empty())?));
    let pidfd = watched.map_err(|source| SpawnError::System {
        what: "cannot open a pidfd for the process that the server started",
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
    trust(socket_peercred(&stream)?.uid, geteuid())?;
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
        return Err(io::Error::other("too many descriptors for one message"));
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
    // The server's copies are all there are, so that its refusal is seen as the pipe's end.
    drop((their_stdout, their_stderr, their_status));
    let mut process = [0; PROCESS_BYTES];
    if read_within(&status, &mut process, patience)? != PROCESS_BYTES {
        return Err(refusal(&mut stream));
    }
    let pid = u32::from_le_bytes(process);
    stream.set_read_timeout(None)?;
    Ok((stream, pid, stdout, stderr, status))
}

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

/// Reads from a pipe, for at most this long; nothing if it was closed.
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

/// The permission bits of the group and of others.
const OTHERS_BITS: u32 = 6;

/// What a server of another user starts is not this user's addon.
fn trust(server: Uid, own: Uid) -> io::Result<()> {
    if server == own {
        Ok(())
    } else {
        Err(io::Error::other("it runs as another user"))
    }
}

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
            "its folder is not owned by this user, or other users may enter it; chmod 700 the folder",
        ))
    }
}

/// What the server says about the end of a process.
#[derive(Debug)]
pub(crate) struct Status(OwnedFd);

impl Status {
    /// What the server says, once the process has ended; waits shortly.
    pub(crate) fn read(&self) -> Option<Remains> {
        let mut bytes = [0; STATUS_BYTES];
        match read_within(&self.0, &mut bytes, STATUS_TIME) {
            Ok(STATUS_BYTES) => Some(Remains::decode(&bytes)),
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
        trust(own, own).unwrap();
        for (server, client) in [(other, own), (Uid::ROOT, own), (own, Uid::ROOT)] {
            let text = trust(server, client).unwrap_err().to_string();
            assert!(text.contains("another user"), "{text}");
        }
    }
}
