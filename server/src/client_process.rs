//! The process of the client: watched where the kernel does not end this process with it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use hostd_protocol::error::ProtocolError;
use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::process::{PidfdFlags, getppid, pidfd_open};

/// A pidfd of the client, if a server started this process: then the kernel does not kill this process
/// with the client, and a child that the client forked may hold the connection open.
///
/// To be called before the confinement, which forbids it.
///
/// # Errors
/// The client is gone.
pub(crate) fn client(stream: &UnixStream) -> Result<Option<OwnedFd>, ProtocolError> {
    let watched = socket_peercred(stream).and_then(|peer| {
        let is_parent = getppid() == Some(peer.pid);
        let open = || pidfd_open(peer.pid, PidfdFlags::empty());
        (!is_parent).then(open).transpose()
    });
    match watched {
        Ok(process) => Ok(process),
        Err(Errno::SRCH) => Err(ProtocolError::Disconnected),
        Err(error) => {
            let error = io::Error::from(error);
            tracing::warn!(target: "napi_hostd", %error, "cannot poll the client's process for its end");
            Ok(None)
        }
    }
}

/// Ends this process because the client is gone: no code of the addon may run any more.
pub(crate) fn kill_this_process() {
    let this = rustix::process::getpid();
    // A process may always signal itself.
    let _ = rustix::process::kill_process(this, rustix::process::Signal::KILL);
}
