//! A client that connects to the server: the check of its user, its handover, and the host process
//! that the server spawns for it. Called by the loop of `serve`. Nothing here waits for a client.

use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context as _, bail};
use hostd_protocol::control::{HostMessage, write_message};
use hostd_protocol::error::ProtocolError;
use hostd_protocol::handover::{Handover, Role};
use hostd_protocol::handshake::Hello;
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::net::sockopt;
use rustix::process::Uid;

/// How long a refusal may wait for space in the socket.
const REFUSAL_TIMEOUT: Duration = Duration::from_millis(200);

/// The host process of a client, and the pipe on which its exit is reported.
#[derive(Debug)]
pub(super) struct HostProcess {
    pub(super) child: Child,
    pub(super) status: OwnedFd,
}

/// Checks that a client runs as the user of this process.
pub(super) fn check(stream: &UnixStream) -> anyhow::Result<()> {
    let peer =
        sockopt::socket_peercred(stream).context("cannot read the user of the connected client")?;
    check_user(peer.uid, rustix::process::geteuid())
}

/// Root is refused like any other user: its addons would run with the rights of this user.
fn check_user(peer: Uid, own: Uid) -> anyhow::Result<()> {
    if peer != own {
        bail!("this server belongs to another user");
    }
    Ok(())
}

/// Tells a client why it gets no host: as a host would, by a hello and a refusal.
pub(super) fn refuse(mut stream: &UnixStream, message: String) {
    let refused = HostMessage::Refused { message };
    // This fails only if the client is gone or does not read.
    let _ = stream.set_write_timeout(Some(REFUSAL_TIMEOUT));
    let _ = stream.write_all(&Hello::ours().encode());
    let _ = write_message(&mut stream, &refused);
}

impl HostProcess {
    /// Spawns the host of a client whose handover has arrived; none if the client is gone. The
    /// handover stays in the connection, which becomes the control connection of the host.
    pub(super) fn spawn(stream: &UnixStream) -> anyhow::Result<Option<Self>> {
        let mut handover = match Handover::peek(stream) {
            Err(ProtocolError::Disconnected) => return Ok(None),
            handover => handover?,
        };
        let (Some(stdout), Some(stderr), Some(status)) = (
            handover.take(Role::Stdout),
            handover.take(Role::Stderr),
            handover.take(Role::Status),
        ) else {
            bail!("a handover without a pipe for output, errors or status");
        };
        // The client may have filled it.
        fcntl_setfl(&status, OFlags::NONBLOCK).context("cannot prepare the status pipe")?;
        let mut command = Command::new("/proc/self/exe");
        command
            .args(["--session", "--parent", &std::process::id().to_string()])
            .stdin(stream.as_fd().try_clone_to_owned()?)
            .stdout(stdout)
            .stderr(stderr);
        let child = command.spawn().context("cannot start a host")?;
        // This fails only if the client is gone, which the host observes.
        let _ = rustix::io::write(&status, &child.id().to_le_bytes());
        Ok(Some(Self { child, status }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_user_is_accepted() {
        let (own, other, root) = (Uid::from_raw(7), Uid::from_raw(8), Uid::ROOT);
        assert!(check_user(own, own).is_ok());
        assert!(check_user(root, root).is_ok());
        for (peer, server) in [(other, own), (root, own), (own, root)] {
            let text = check_user(peer, server).unwrap_err().to_string();
            assert!(text.contains("another user"), "{text}");
        }
    }

    #[test]
    fn user_of_a_connection_is_read_from_the_system() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        check(&ours).unwrap();
    }
}
