//! The handover: the client's first message on a control connection. It passes the descriptors that
//! the host needs, to a host that the client has spawned or to the server that is to spawn one. The
//! connection itself is the standard input of a host when it starts.
//!
//! `hello | count u8 | roles u8 x15`, with `count` descriptors attached (`SCM_RIGHTS`). The first
//! `count` bytes are their roles, the rest is zero. The host sends its hello without waiting for it. A
//! role that is absent is a feature that the client does without: without lanes, frames travel over
//! the control connection.
//!
//! The server reads the message and leaves it in the socket, so that the host that it spawns receives
//! it as if the client had spawned it. Each takes the descriptors of its roles and closes the others.

use std::io::{self, IoSlice, IoSliceMut, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::fs::{FileType, fstat};
use rustix::io::retry_on_intr;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::error::{ProtocolError, Result, malformed, violation};
use crate::handshake::{HELLO_BYTES, Hello};
use crate::value::codes;

const DESCRIPTORS_MAX: usize = 15;
const HANDOVER_BYTES: usize = HELLO_BYTES + 1 + DESCRIPTORS_MAX;

codes! {
    /// What a descriptor is for.
    pub enum Role {
        /// For the host: the shared memory of the lanes.
        Lanes = 1,
        /// For the host: the file for the record of a crash.
        CrashPage = 2,
        /// For the host: the wake pipe's writing end.
        WakePipe = 3,
        /// For the server: the pipe that becomes the standard output of the host.
        Stdout = 4,
        /// For the server: the pipe that becomes the standard error of the host.
        Stderr = 5,
        /// For the server: the pipe for the process id and the exit of the host.
        Status = 6,
        /// For the host: the memory file for bulk data.
        Memory = 7,
    }
}

impl Role {
    /// Checks that a descriptor is of the kind that this role needs.
    fn check(self, descriptor: &OwnedFd) -> Result {
        let (kind, what) = match self {
            Self::Lanes => (
                FileType::RegularFile,
                "a descriptor for lanes that is not a memory file",
            ),
            Self::CrashPage => (
                FileType::RegularFile,
                "a crash page that is not a memory file",
            ),
            Self::WakePipe => (FileType::Fifo, "a wake pipe that is not a pipe"),
            Self::Stdout => (FileType::Fifo, "a standard output that is not a pipe"),
            Self::Stderr => (FileType::Fifo, "a standard error that is not a pipe"),
            Self::Status => (FileType::Fifo, "a status pipe that is not a pipe"),
            Self::Memory => (
                FileType::RegularFile,
                "a descriptor for bulk memory that is not a memory file",
            ),
        };
        let found = fstat(descriptor).map_err(|error| ProtocolError::Io {
            what: "cannot check a descriptor of the handover",
            error: error.into(),
        })?;
        if FileType::from_raw_mode(found.st_mode) == kind {
            Ok(())
        } else {
            violation(what)
        }
    }
}

/// Descriptors by their roles. Each role occurs at most once.
#[derive(Debug, Default)]
pub struct Handover(Vec<(Role, OwnedFd)>);

impl Handover {
    /// Adds a descriptor, if there is one for this role.
    pub fn add(&mut self, role: Role, descriptor: Option<OwnedFd>) {
        self.0
            .extend(descriptor.map(|descriptor| (role, descriptor)));
    }

    /// Takes the descriptor of a role.
    pub fn take(&mut self, role: Role) -> Option<OwnedFd> {
        let at = self.0.iter().position(|(found, _)| *found == role)?;
        Some(self.0.swap_remove(at).1)
    }

    /// Sends it, with the hello of this build, and closes this process's copies. Does not wait for the
    /// receiver, as it is the first message on the connection.
    ///
    /// # Errors
    /// The system refuses to pass the descriptors, or the other side is gone.
    pub fn send(self, stream: &UnixStream) -> io::Result<()> {
        let mut bytes = [0; HANDOVER_BYTES];
        bytes[..HELLO_BYTES].copy_from_slice(&Hello::ours().encode());
        bytes[HELLO_BYTES] = u8::try_from(self.0.len()).unwrap_or(u8::MAX);
        for (byte, (role, _)) in bytes[HELLO_BYTES + 1..].iter_mut().zip(&self.0) {
            *byte = role.code();
        }
        let descriptors: Vec<BorrowedFd<'_>> = self.0.iter().map(|(_, fd)| fd.as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors))
        {
            return Err(io::Error::other("too many descriptors for one message"));
        }
        let slices = [IoSlice::new(&bytes)];
        let sent = retry_on_intr(|| sendmsg(stream, &slices, &mut ancillary, SendFlags::NOSIGNAL))?;
        if sent == bytes.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::WriteZero.into())
        }
    }

    /// Sends the host's hello and receives the handover of the client, on a blocking stream.
    ///
    /// # Errors
    /// The client is gone or of another version, or this is not a handover.
    pub fn accept(stream: &mut UnixStream) -> Result<Self> {
        let sent = stream.write_all(&Hello::ours().encode());
        sent.map_err(|error| ProtocolError::Io {
            what: "cannot send the handshake",
            error,
        })?;
        read(stream, RecvFlags::empty())
    }

    /// Reads a handover that has arrived, and leaves it in the socket. Does not wait.
    ///
    /// # Errors
    /// As for [`Self::accept`]; no message has arrived, or not all of it.
    pub fn peek(stream: &UnixStream) -> Result<Self> {
        read(stream, RecvFlags::PEEK | RecvFlags::DONTWAIT)
    }
}

fn read(stream: &UnixStream, flags: RecvFlags) -> Result<Handover> {
    let mut bytes = [0; HANDOVER_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = retry_on_intr(|| {
        let flags = flags | RecvFlags::CMSG_CLOEXEC;
        let mut slices = [IoSliceMut::new(&mut bytes)];
        recvmsg(stream, &mut slices, &mut ancillary, flags)
    });
    let received = received.map_err(|error| {
        let what = "cannot receive the handover";
        crate::control::end_or(error.into(), what)
    })?;
    // Owned before anything else is checked: what is refused is closed.
    let mut descriptors = Vec::with_capacity(DESCRIPTORS_MAX);
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    if received.bytes == 0 {
        return Err(ProtocolError::Disconnected);
    }
    let truncated = ProtocolError::malformed("a truncated handover", received.bytes);
    let message = bytes.get(..received.bytes).unwrap_or(&bytes);
    let Some((hello, roles)) = message.split_first_chunk() else {
        return Err(truncated);
    };
    Hello::decode(hello)?.check()?;
    let Ok(roles) = roles.try_into() else {
        return Err(truncated);
    };
    let roles = decode(roles)?;
    if roles.len() != descriptors.len() || received.flags.contains(ReturnFlags::CTRUNC) {
        return malformed(
            "a handover with another number of descriptors than of roles",
            HELLO_BYTES,
        );
    }
    for (role, descriptor) in roles.iter().zip(&descriptors) {
        role.check(descriptor)?;
    }
    Ok(Handover(roles.into_iter().zip(descriptors).collect()))
}

/// The roles after the hello.
fn decode(record: [u8; 1 + DESCRIPTORS_MAX]) -> Result<Vec<Role>> {
    let [count, codes @ ..] = record;
    let codes = match codes.split_at_checked(count.into()) {
        Some((codes, rest)) if rest.iter().all(|byte| *byte == 0) => codes,
        _ => {
            let what = "a handover with another number of roles than it says";
            return malformed(what, HELLO_BYTES);
        }
    };
    let mut roles = Vec::with_capacity(codes.len());
    for code in codes {
        let role = Role::from_code(*code).ok_or(ProtocolError::malformed(
            "a handover with an unknown role",
            HELLO_BYTES,
        ))?;
        if roles.contains(&role) {
            let what = "a handover with a role twice";
            return malformed(what, HELLO_BYTES);
        }
        roles.push(role);
    }
    Ok(roles)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read as _;

    use rustix::fs::{MemfdFlags, memfd_create};
    use rustix::pipe::pipe;

    use super::*;

    fn file() -> OwnedFd {
        memfd_create("handover", MemfdFlags::CLOEXEC).unwrap()
    }

    /// The bytes of a handover of these roles.
    fn message(codes: &[u8]) -> Vec<u8> {
        let mut bytes = Hello::ours().encode().to_vec();
        bytes.push(u8::try_from(codes.len()).unwrap());
        bytes.extend_from_slice(codes);
        bytes.resize(HANDOVER_BYTES, 0);
        bytes
    }

    /// How a host refuses these bytes with these descriptors; a server refuses them in the same way.
    fn refusal(bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> String {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut space =
            [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX + 1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            assert!(ancillary.push(SendAncillaryMessage::ScmRights(descriptors)));
        }
        let slices = [IoSlice::new(bytes)];
        sendmsg(&ours, &slices, &mut ancillary, SendFlags::empty()).unwrap();
        drop(ours.shutdown(std::net::Shutdown::Write));
        let peeked = Handover::peek(&theirs).unwrap_err().to_string();
        assert_eq!(
            Handover::accept(&mut theirs).unwrap_err().to_string(),
            peeked
        );
        peeked
    }

    #[test]
    fn server_leaves_it_for_the_host() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (reader, writer) = pipe().unwrap();
        let mut handover = Handover::default();
        handover.add(Role::Lanes, Some(file()));
        handover.add(Role::WakePipe, Some(writer));
        handover.add(Role::CrashPage, None);
        handover.send(&ours).unwrap();
        for receive in [
            |theirs| Handover::peek(theirs),
            |theirs| Handover::accept(theirs),
        ] as [fn(&mut UnixStream) -> Result<Handover>; 2]
        {
            let mut received = receive(&mut theirs).unwrap();
            assert!(received.take(Role::CrashPage).is_none());
            assert!(received.take(Role::Lanes).is_some());
            assert!(received.take(Role::Lanes).is_none());
            File::from(received.take(Role::WakePipe).unwrap())
                .write_all(b"x")
                .unwrap();
        }
        let mut written = String::new();
        File::from(reader).read_to_string(&mut written).unwrap();
        assert_eq!(written, "xx", "the sender has closed its copies");
    }

    #[test]
    fn empty_handover_is_one() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        Handover::default().send(&ours).unwrap();
        assert!(Handover::accept(&mut theirs).unwrap().0.is_empty());
    }

    #[test]
    fn truncated_handover_is_refused() {
        let bytes = message(&[1]);
        let file = file();
        for length in 1..bytes.len() {
            let text = refusal(&bytes[..length], &[file.as_fd()]);
            assert!(text.contains("truncated"), "{length}: {text}");
        }
        let (ours, theirs) = UnixStream::pair().unwrap();
        assert!(Handover::peek(&theirs).is_err(), "nothing has arrived");
        drop(ours);
        let error = Handover::peek(&theirs).unwrap_err();
        assert!(matches!(error, ProtocolError::Disconnected));
    }

    #[test]
    fn forged_roles_are_refused() {
        let file = file();
        let file = file.as_fd();
        for (record, descriptors, why) in [
            (&[0_u8][..], 1, "unknown role"),
            (&[8], 1, "unknown role"),
            (&[0xFF; 15], 15, "unknown role"),
            (&[1, 1], 2, "a role twice"),
            (&[1], 0, "another number of descriptors"),
            (&[], 1, "another number of descriptors"),
            (&[1, 2], 1, "another number of descriptors"),
            (&[1, 2], 3, "another number of descriptors"),
            // More than there is space for: the system drops what is beyond it.
            (&[1, 2], 16, "another number of descriptors"),
        ] {
            let text = refusal(&message(record), &vec![file; descriptors]);
            assert!(text.contains(why), "{record:?}: {text}");
        }
        for (place, byte) in [(0, 0), (0, 16), (0, 0xFF), (2, 9), (15, 1)] {
            let mut bytes = message(&[1]);
            bytes[HELLO_BYTES + place] = byte;
            let text = refusal(&bytes, &[file]);
            assert!(text.contains("number of roles"), "{place} {byte}: {text}");
        }
    }

    #[test]
    fn descriptors_of_the_wrong_kind_are_refused() {
        let (reader, _writer) = pipe().unwrap();
        let (file, (socket, _)) = (file(), UnixStream::pair().unwrap());
        for code in 1..=7 {
            let role = Role::from_code(code).unwrap();
            let is_file = matches!(role, Role::Lanes | Role::CrashPage | Role::Memory);
            let wrong = if is_file { &reader } else { &file };
            for wrong in [wrong.as_fd(), socket.as_fd()] {
                let text = refusal(&message(&[code]), &[wrong]);
                assert!(text.contains("that is not a"), "{role:?}: {text}");
            }
        }
    }

    #[test]
    fn refused_descriptors_are_closed() {
        let (reader, writer) = pipe().unwrap();
        refusal(&message(&[1, 3]), &[writer.as_fd(), writer.as_fd()]);
        refusal(&message(&[3, 3]), &[writer.as_fd(), writer.as_fd()]);
        drop(writer);
        let mut rest = Vec::new();
        File::from(reader).read_to_end(&mut rest).unwrap();
    }

    #[test]
    fn other_versions_and_other_programs_are_named() {
        let mut other = message(&[]);
        other[9] ^= 0xFF;
        let text = refusal(&other, &[]);
        assert!(text.contains("protocol versions differ"), "{text}");
        other[0] = b'G';
        let text = refusal(&other, &[]);
        assert!(text.contains("no napi-hostd at the other end"), "{text}");
    }
}
