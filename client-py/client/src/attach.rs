//! Connects to the socket of `napi-hostd serve`: the server starts a host process, whose control
//! connection this becomes. Descriptors are sent to the server only, none are received.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use hostd_protocol::carrier::socket;
use hostd_protocol::control::{HostMessage, read_hello, read_message};
use hostd_protocol::error::ProtocolError;
use hostd_protocol::handover::{Handover, Role};
use hostd_protocol::process_exit::{EXIT_BYTES, PROCESS_BYTES, ProcessExit};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::socket_peercred;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Uid, geteuid, pidfd_open};

use crate::error::SpawnError;
use crate::runner::Process;

/// How long the server may take to report the exit status of a process after its exit.
const STATUS_TIMEOUT: Duration = Duration::from_millis(200);

/// A process that this process or a server has started.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) process: Process,
    pub(crate) control: UnixStream,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    /// Where the server reports its exit status, if it is not a child of this process.
    pub(crate) status: Option<StatusPipe>,
}

/// Sends the handover to the server and waits for the process id of the host.
pub(crate) fn attach(
    address: &Path,
    handover: Handover,
    timeout: Duration,
) -> Result<Started, SpawnError> {
    let failed = |source| SpawnError::Server {
        address: address.to_owned(),
        source,
    };
    let (control, pid, stdout, stderr, status) =
        connect(address, handover, timeout).map_err(failed)?;
    let watched = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::other("the server sent no valid process id"))
        .and_then(|pid| Ok(pidfd_open(pid, PidfdFlags::empty())?));
    let pidfd = watched.map_err(|source| SpawnError::System {
        what: "cannot open a pidfd for the process that the server started",
        source,
    })?;
    Ok(Started {
        process: Process::new(pid, pidfd),
        control,
        stdout,
        stderr,
        status: Some(StatusPipe(status)),
    })
}

type Connected = (UnixStream, u32, OwnedFd, OwnedFd, OwnedFd);

fn connect(address: &Path, mut handover: Handover, timeout: Duration) -> io::Result<Connected> {
    check_folder(address)?;
    let mut stream = UnixStream::connect(address)?;
    socket::enlarge_send_buffer(&stream);
    check_server(socket_peercred(&stream)?.uid, geteuid())?;
    stream.set_read_timeout(Some(timeout))?;
    let mut pipe = |role| -> io::Result<OwnedFd> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        handover.add(role, Some(writer));
        Ok(reader)
    };
    let stdout = pipe(Role::Stdout)?;
    let stderr = pipe(Role::Stderr)?;
    let status = pipe(Role::Status)?;
    // No copies are left here: a refusal of the server is seen as the end of the status pipe.
    handover.send(&stream)?;
    let mut process = [0; PROCESS_BYTES];
    if read_within(&status, &mut process, timeout)? != PROCESS_BYTES {
        return Err(refusal(&mut stream));
    }
    let pid = u32::from_le_bytes(process);
    stream.set_read_timeout(None)?;
    Ok((stream, pid, stdout, stderr, status))
}

fn refusal(stream: &mut UnixStream) -> io::Error {
    let mut read = || {
        read_hello(stream)?.check()?;
        read_message(stream)
    };
    match read() {
        Ok(HostMessage::Refused { message }) => io::Error::other(format!("it refused: {message}")),
        Ok(_) => io::Error::other("the server sent no valid refusal"),
        Err(ProtocolError::Io { error, .. }) => error,
        Err(error) => io::Error::other(error),
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
        let mut bytes = [0; EXIT_BYTES];
        match read_within(&self.0, &mut bytes, STATUS_TIMEOUT) {
            Ok(EXIT_BYTES) => Some(ProcessExit::decode(&bytes)),
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
