//! Who knocks: of the same user, with what a session needs.

use std::io::{IoSliceMut, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use command_fds::{CommandFdExt as _, FdMapping};
use hostd_protocol::attach::{self, ATTACH_BYTES, AttachRequest, DESCRIPTORS};
use hostd_protocol::control::CarrierKind;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg, sockopt};
use rustix::process::Uid;

use crate::process::{CONTROL_DESCRIPTOR, CRASH_DESCRIPTOR, LANES_DESCRIPTOR};

/// How long a client may take to read an answer of a few bytes.
const ANSWER_TIME: Duration = Duration::from_millis(200);

/// An attach request with its descriptors.
#[derive(Debug)]
pub(super) struct Visit {
    request: AttachRequest,
    descriptors: Vec<OwnedFd>,
}

/// A session that runs, and the descriptor to which its client wants its end written.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) child: Child,
    pub(super) status: OwnedFd,
}

/// Lets in only who could start a process of this user anyway.
pub(super) fn check(stream: &UnixStream) -> anyhow::Result<()> {
    let peer =
        sockopt::socket_peercred(stream).context("cannot read the user of the connected client")?;
    admit(peer.uid, rustix::process::geteuid())?;
    stream.set_write_timeout(Some(ANSWER_TIME))?;
    Ok(())
}

/// Not even the system's administrator: addons would run as somebody who did not ask for it.
fn admit(peer: Uid, own: Uid) -> anyhow::Result<()> {
    if peer != own {
        bail!("this server belongs to another user");
    }
    Ok(())
}

pub(super) fn refuse(mut stream: &UnixStream, text: &str) {
    // Who has gone needs no answer.
    let _ = stream.write_all(&attach::refuse(text));
}

impl Visit {
    /// Receives an attach request; none if the client went away.
    pub(super) fn receive(stream: &UnixStream) -> anyhow::Result<Option<Self>> {
        let mut bytes = [0; ATTACH_BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(
            stream,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT,
        )
        .context("cannot receive an attach request")?;
        let mut descriptors = Vec::with_capacity(DESCRIPTORS);
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        if received.bytes == 0 {
            return Ok(None);
        }
        if received.bytes != ATTACH_BYTES {
            bail!("a truncated attach request");
        }
        let request = AttachRequest::decode(&bytes)?;
        if descriptors.len() != request.descriptors() {
            bail!(
                "an attach request with {} descriptors instead of {}",
                descriptors.len(),
                request.descriptors()
            );
        }
        Ok(Some(Self {
            request,
            descriptors,
        }))
    }

    /// Starts the session's process. The connection becomes its own.
    pub(super) fn start(self, stream: &UnixStream) -> anyhow::Result<Running> {
        let mut descriptors = self.descriptors.into_iter();
        let mut next = || descriptors.next().context("a descriptor is missing");
        let (stdout, stderr, status) = (next()?, next()?, next()?);
        let mut command = Command::new("/proc/self/exe");
        command.args(["--session", "--parent", &std::process::id().to_string()]);
        let mut fds = vec![FdMapping {
            parent_fd: stream.as_fd().try_clone_to_owned()?,
            child_fd: CONTROL_DESCRIPTOR,
        }];
        if self.request.carrier == CarrierKind::Lanes {
            fds.push(FdMapping {
                parent_fd: next()?,
                child_fd: LANES_DESCRIPTOR,
            });
        } else {
            command.args(["--carrier", "socket"]);
        }
        if self.request.crash_page {
            fds.push(FdMapping {
                parent_fd: next()?,
                child_fd: CRASH_DESCRIPTOR,
            });
            command.arg("--crash-page");
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::from(stdout))
            .stderr(Stdio::from(stderr))
            .fd_mappings(fds)
            .context("cannot pass descriptors to the session")?;
        let child = command.spawn().context("cannot start a session")?;
        Ok(Running { child, status })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_user_is_let_in() {
        let (own, other, administrator) = (Uid::from_raw(7), Uid::from_raw(8), Uid::ROOT);
        assert!(admit(own, own).is_ok());
        assert!(admit(administrator, administrator).is_ok());
        for (peer, server) in [(other, own), (administrator, own), (own, administrator)] {
            let text = admit(peer, server).unwrap_err().to_string();
            assert!(text.contains("another user"), "{text}");
        }
    }

    #[test]
    fn who_knocks_is_asked_of_the_system() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        check(&ours).unwrap();
    }
}
