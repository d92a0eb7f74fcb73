//! Namespaces: a process that is alone in its own view of the system.
//!
//! A process does not enter a process namespace itself, only its children do. So the process that
//! the client started stays outside and ends as the host ends; its child is the first of the new
//! namespace, which starts the host and reaps; the host is the second, because the kernel shields
//! the first from signals, its own `abort` included.
//!
//! ```text
//! client ── outer (what the client watches) ══ namespace ══ init ── host
//! ```
//!
//! A network namespace takes the kernel as long to make as all the rest of a jail. Init, which has
//! nothing else to do, makes it and passes it to the host, which builds its file system meanwhile.
//!
//! Each is killed by the kernel when the one before it ends, and with init all that is left.

use std::fs;
use std::io::{IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use crate::policy::Policy;
use crate::report::Failure;
use crate::{SingleThreaded, jail, rights};

/// The first process of a process namespace.
pub(crate) const INIT: u32 = 1;

/// Enters a user and an IPC namespace, so that what is counted per user is counted for this process
/// alone.
pub(crate) fn enter_user(_alone: &SingleThreaded) -> Result<String, Failure> {
    unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWIPC)?;
    Ok("user, ipc".to_owned())
}

/// A network namespace that init makes for the host.
#[must_use = "the host is in the client's until it has entered it"]
pub(crate) struct Network(Option<UnixStream>);

impl Network {
    /// Waits until it is made, and enters it; if the policy leaves the host the client's, does
    /// nothing. Returns what the host is in, as text.
    pub(crate) fn enter(self) -> Result<&'static str, Failure> {
        let Some(from_init) = self.0 else {
            return Ok("user, mount, process, ipc, uts");
        };
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut passed = RecvAncillaryBuffer::new(&mut space);
        let mut errno = [0; 4];
        let parts = &mut [IoSliceMut::new(&mut errno)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        recvmsg(&from_init, parts, &mut passed, flags).map_err(Failure::of("recvmsg"))?;
        let descriptor = passed.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        let Some(made) = descriptor else {
            let errno = Errno::from_raw_os_error(i32::from_ne_bytes(errno));
            return Err(Failure::of("unshare(CLONE_NEWNET)")(errno));
        };
        let kind = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(made.as_fd(), kind).map_err(Failure::of("setns"))?;
        Ok("user, mount, process, network, ipc, uts")
    }

    /// Makes one, in the process that calls this, whose namespaces are in a folder `own`, and
    /// passes it on.
    fn make(to_host: &UnixStream, own: &OwnedFd) {
        // SAFETY: C2; no other thread shares what is unshared.
        let unshared = unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) };
        let made = unshared.and_then(|()| {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            rustix::fs::openat(own, "net", flags, Mode::empty())
        });
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut passed = SendAncillaryBuffer::new(&mut space);
        let descriptors = made.as_ref().map(|made| [made.as_fd()]);
        if let Ok(descriptors) = &descriptors {
            passed.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        let errno = made
            .as_ref()
            .map_or_else(|errno| errno.raw_os_error(), |_| 0);
        let errno = errno.to_ne_bytes();
        // The host may be gone, which init hears of.
        let _ = sendmsg(
            to_host,
            &[IoSlice::new(&errno)],
            &mut passed,
            SendFlags::NOSIGNAL,
        );
    }
}

/// Enters namespaces of every kind but that of the clock and of control groups, and returns in the
/// host; that of the network is yet to be entered, unless the host is to have the client's. The
/// process that called this is outside from then on and does not return; if a step fails before
/// that, it does.
pub(crate) fn enter_all(
    alone: &SingleThreaded,
    network: bool,
    parent: u32,
) -> Result<Network, Failure> {
    unshare(
        UnshareFlags::NEWUSER
            | UnshareFlags::NEWNS
            | UnshareFlags::NEWPID
            | UnshareFlags::NEWIPC
            | UnshareFlags::NEWUTS,
    )?;
    let dies_with = |parent| {
        crate::die_with_parent(parent).map_err(|error| Failure::because(error.to_string()))
    };
    // A new user namespace makes the kernel forget it.
    dies_with(parent)?;
    rustix::system::sethostname(b"napi-hostd").map_err(Failure::of("sethostname"))?;
    let flags = rustix::pipe::PipeFlags::CLOEXEC;
    let (status, tell) = rustix::pipe::pipe_with(flags).map_err(Failure::of("pipe2"))?;
    if fork(alone)?.is_some() {
        drop(tell);
        stay_outside(status);
    }
    drop(status);
    follow_outer(&tell);
    // What is at this path is the host's to change from then on.
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let own = rustix::fs::open("/proc/self/ns", flags, Mode::empty());
    let (Ok(own), Ok((to_host, from_init))) = (own, UnixStream::pair()) else {
        end(1);
    };
    match fork(alone) {
        Ok(None) => {
            drop((tell, to_host, own));
            dies_with(INIT)?;
            Ok(Network((!network).then_some(from_init)))
        }
        Ok(Some(host)) => {
            drop(from_init);
            if !network {
                Network::make(&to_host, &own);
            }
            // The host may see it, and must not look into it.
            let _ = rights::not_inspectable();
            reap(host, tell)
        }
        Err(_) => end(1),
    }
}

/// Tries in a process of its own whether [`enter_all`] and the file system of a jail can be had.
/// Nothing of it stays.
pub(crate) fn try_out(alone: &SingleThreaded, policy: &Policy) -> Result<String, Failure> {
    try_in_a_copy(alone, || {
        let parent = original();
        enter_all(alone, policy.network, parent).and_then(|network| jail::enter(policy, network))
    })?;
    Ok(String::new())
}

/// The same for [`enter_user`]: some systems make such a namespace, and do not let it have users.
pub(crate) fn try_out_user(alone: &SingleThreaded) -> Result<(), Failure> {
    try_in_a_copy(alone, || enter_user(alone))
}

fn try_in_a_copy(
    alone: &SingleThreaded,
    enter: impl FnOnce() -> Result<String, Failure>,
) -> Result<(), Failure> {
    let Some(child) = fork(alone)? else {
        // As a code it is the error of the kernel's.
        end(enter().map_or_else(|failure| failure.errno.unwrap_or(libc::EINVAL), |_| 0));
    };
    let status = rustix::process::waitpid(Some(child), WaitOptions::empty());
    let ended = status.map_err(Failure::of("waitpid"))?;
    match ended.and_then(|(_, status)| status.exit_status()) {
        Some(0) => Ok(()),
        code => Err(Failure {
            errno: code,
            detail: "trying them".to_owned(),
        }),
    }
}

/// The process that this one is a copy of.
fn original() -> u32 {
    let parent = rustix::process::getppid();
    parent.map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs())
}

/// Unshares, and stays who this process was.
fn unshare(flags: UnshareFlags) -> Result<(), Failure> {
    let user = rustix::process::geteuid().as_raw();
    let group = rustix::process::getegid().as_raw();
    // SAFETY: C2; no other thread shares what is unshared, and descriptors are not.
    let unshared = unsafe { rustix::thread::unshare_unsafe(flags) };
    unshared.map_err(Failure::of("unshare"))?;
    let write = |path: &str, text: String| {
        fs::write(path, text).map_err(|error| Failure {
            errno: error.raw_os_error(),
            detail: path.to_owned(),
        })
    };
    write("/proc/self/setgroups", "deny".to_owned())?;
    write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    write("/proc/self/gid_map", format!("{group} {group} 1"))
}

/// Makes a copy of this process, which gets `None`.
fn fork(_alone: &SingleThreaded) -> Result<Option<Pid>, Failure> {
    // SAFETY: C2; without other threads, no lock is held by one that the copy lacks.
    match unsafe { libc::fork() } {
        0 => Ok(None),
        child if child > 0 => Ok(Pid::from_raw(child)),
        _ => {
            let error = std::io::Error::last_os_error();
            Err(Failure {
                errno: error.raw_os_error(),
                detail: "fork".to_owned(),
            })
        }
    }
}

/// The process outside: keeps nothing open, waits, and ends as the host did.
fn stay_outside(status: OwnedFd) -> ! {
    close_all_but(&status);
    let mut bytes = [0; 8];
    let mut pipe = fs::File::from(status);
    // Without the whole word, init was killed, and so was the host.
    let word = pipe.read_exact(&mut bytes).map(|()| bytes);
    let (signal, code) = word.map_or((libc::SIGKILL, 0), unpack);
    // Its resources are this process' children's, once it is reaped.
    let _ = rustix::process::wait(WaitOptions::empty());
    if signal != 0 {
        die_of(signal);
    }
    end(code)
}

/// Has the kernel end init with the process outside, which may be gone already.
fn follow_outer(tell: &OwnedFd) {
    // It takes nothing but a signal that exists.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut end_of_pipe = [PollFd::new(tell, PollFlags::empty())];
    // Nobody reads any more: it is.
    if poll(&mut end_of_pipe, Some(&now)).is_ok_and(|ready| ready > 0) {
        end(1);
    }
}

/// Init: reaps whatever ends, and ends with the host, telling how it ended.
fn reap(host: Pid, tell: OwnedFd) -> ! {
    close_all_but(&tell);
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((child, status))) if child == host => {
                let mut pipe = fs::File::from(tell);
                // Whoever should read it may be gone.
                let _ = pipe.write_all(&pack(status));
                end(0);
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => end(1),
        }
    }
}

/// How the host ended, as it travels from init: the signal, and beyond it the exit code.
fn pack(status: WaitStatus) -> [u8; 8] {
    let signal = i64::from(status.terminating_signal().unwrap_or(0));
    let code = i64::from(status.exit_status().unwrap_or(0));
    (signal | code << 32).to_ne_bytes()
}

/// Signal and exit code.
fn unpack(word: [u8; 8]) -> (libc::c_int, libc::c_int) {
    let word = i64::from_ne_bytes(word);
    let number = |word: i64| libc::c_int::try_from(word & 0xff).unwrap_or(0);
    (number(word), number(word >> 32))
}

/// Closes everything, the standard streams included: who reads them must see their end.
fn close_all_but(kept: &OwnedFd) {
    use std::os::fd::AsRawFd as _;
    let kept = kept.as_raw_fd().cast_unsigned();
    for (first, last) in [(0, kept.saturating_sub(1)), (kept + 1, u32::MAX)] {
        if first <= last {
            // SAFETY: C1; this process does nothing more with any other descriptor.
            unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        }
    }
}

/// Ends this process by the signal that ended the host.
fn die_of(signal: libc::c_int) {
    // SAFETY: C3; the action is the default one, and no code is entered.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
    let this = rustix::process::getpid().as_raw_nonzero().get();
    // SAFETY: C3; takes numbers and no pointer.
    unsafe { libc::kill(this, signal) };
}

/// Ends this process at once: it is a copy, whose exit handlers are another's.
fn end(code: libc::c_int) -> ! {
    // SAFETY: C3; takes a number and does not return.
    unsafe { libc::_exit(code) }
}
