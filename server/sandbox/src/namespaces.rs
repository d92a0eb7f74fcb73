//! Namespaces: separate views of processes, files, networks and users.
//!
//! Only children of a process enter a new process namespace. So the process that the client started
//! stays outside and exits with the host's status; its child is init of the new namespace, which
//! starts the host and reaps; the host is the second process, because the kernel protects init from
//! signals, its own `abort` included.
//!
//! ```text
//! client ── outer (the client's child) ══ namespace ══ init ── host
//! ```
//!
//! Making a network namespace takes as long as the rest of a jail. Init makes it and passes it to
//! the host, which builds its file system meanwhile.
//!
//! The kernel kills each of these processes when the one before it ends, and all processes of the
//! namespace with init.

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
use rustix::process::{Pid, Signal, WaitOptions};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use crate::error::last_error;
use crate::report::Failure;
use crate::{SingleThreaded, core_file, die_with_parent, rights};

/// The first process of a process namespace.
pub(crate) const INIT: u32 = 1;

/// Enters a user and an IPC namespace, so that limits per user count this process and its children
/// only.
pub(crate) fn enter_user(_alone: &SingleThreaded) -> Result<String, Failure> {
    unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWIPC)?;
    Ok("user, ipc".to_owned())
}

/// A network namespace that init makes for the host.
#[must_use = "the host is in the client's network namespace until it enters this one"]
pub(crate) struct Network(Option<UnixStream>);

impl Network {
    /// Waits until it is made, and enters it; does nothing if the host keeps the client's. Returns
    /// the namespaces of the host as text.
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

    /// Makes a network namespace and sends it to the host. `own` is the folder in `/proc` with the
    /// namespaces of the calling process.
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
        // It fails if the host has ended, which init notices when it reaps.
        let _ = sendmsg(
            to_host,
            &[IoSlice::new(&errno)],
            &mut passed,
            SendFlags::NOSIGNAL,
        );
    }
}

/// Enters namespaces of every kind but time and cgroup, and returns in the host. The host enters
/// the network namespace later, unless it keeps the client's. In the calling process, which becomes
/// the outer one, this does not return, unless a step before the fork fails.
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
    // The kernel clears the death signal when a user namespace is entered.
    die_with_parent(parent)?;
    rustix::system::sethostname(b"napi-hostd").map_err(Failure::of("sethostname"))?;
    let flags = rustix::pipe::PipeFlags::CLOEXEC;
    let (status, tell) = rustix::pipe::pipe_with(flags).map_err(Failure::of("pipe2"))?;
    if fork(alone)?.is_some() {
        drop(tell);
        stay_outside(status);
    }
    drop(status);
    follow_outer(&tell);
    // Opened now: the host may change what is at this path later.
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let own = rustix::fs::open("/proc/self/ns", flags, Mode::empty());
    let (Ok(own), Ok((to_host, from_init))) = (own, UnixStream::pair()) else {
        end(1);
    };
    match fork(alone) {
        Ok(None) => {
            drop((tell, to_host, own));
            die_with_parent(INIT)?;
            Ok(Network((!network).then_some(from_init)))
        }
        Ok(Some(host)) => {
            drop(from_init);
            if !network {
                Network::make(&to_host, &own);
            }
            // The host sees init, and must not inspect it.
            let _ = rights::not_inspectable();
            reap(host, tell)
        }
        Err(_) => end(1),
    }
}

/// Tries [`enter_user`] in a child process: some systems make such a namespace, but refuse to map its
/// users.
pub(crate) fn try_out_user(alone: &SingleThreaded) -> Result<(), Failure> {
    try_in_a_copy(alone, || enter_user(alone))
}

pub(crate) fn try_in_a_copy(
    alone: &SingleThreaded,
    enter: impl FnOnce() -> Result<String, Failure>,
) -> Result<(), Failure> {
    let Some(child) = fork(alone)? else {
        // The exit code is the errno.
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

/// Unshares, and maps the user and group of this process to themselves.
fn unshare(flags: UnshareFlags) -> Result<(), Failure> {
    let user = rustix::process::geteuid().as_raw();
    let group = rustix::process::getegid().as_raw();
    // SAFETY: C2; no other thread shares what is unshared, and descriptors are not.
    let unshared = unsafe { rustix::thread::unshare_unsafe(flags) };
    unshared.map_err(Failure::of("unshare"))?;
    let write = |path: &str, text: String| fs::write(path, text).map_err(Failure::of(path));
    write("/proc/self/setgroups", "deny".to_owned())?;
    write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    write("/proc/self/gid_map", format!("{group} {group} 1"))
}

/// Forks; returns `None` in the child.
fn fork(_alone: &SingleThreaded) -> Result<Option<Pid>, Failure> {
    // SAFETY: C2; there are no other threads, which the child would lack and which could hold
    // locks.
    match unsafe { libc::fork() } {
        0 => Ok(None),
        child if child > 0 => Ok(Pid::from_raw(child)),
        _ => Err(Failure::of("fork")(last_error())),
    }
}

/// The outer process: closes its descriptors, waits, and exits with the host's status.
fn stay_outside(status: OwnedFd) -> ! {
    close_all_but(&status);
    let mut bytes = [0; 4];
    let read = fs::File::from(status).read_exact(&mut bytes);
    // If the status is incomplete, init was killed, and so was the host.
    let status = read.map_or(libc::SIGKILL, |()| i32::from_ne_bytes(bytes));
    // Reaped, so that its resources count as those of this process' children.
    let _ = rustix::process::wait(WaitOptions::empty());
    if libc::WIFSIGNALED(status) {
        die_of(libc::WTERMSIG(status));
    }
    end(libc::WEXITSTATUS(status))
}

/// Makes the kernel kill init with the outer process; ends now if that has ended already.
fn follow_outer(tell: &OwnedFd) {
    // It fails for unknown signals only.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut end_of_pipe = [PollFd::new(tell, PollFlags::empty())];
    // The read end is closed: the outer process has ended.
    if poll(&mut end_of_pipe, Some(&now)).is_ok_and(|ready| ready > 0) {
        end(1);
    }
}

/// Init: reaps children, and exits after the host, whose status it sends through the pipe.
fn reap(host: Pid, tell: OwnedFd) -> ! {
    close_all_but(&tell);
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((child, status))) if child == host => {
                let mut pipe = fs::File::from(tell);
                // It fails if the outer process has ended.
                let _ = pipe.write_all(&status.as_raw().to_ne_bytes());
                end(0);
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => end(1),
        }
    }
}

/// Closes all other descriptors, the standard streams included: their readers wait for the end.
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
    // The host has left a core file, if it was to.
    let _ = core_file::forbid();
    // SAFETY: C3; the action is the default one, so no code of ours runs.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
    let this = rustix::process::getpid().as_raw_nonzero().get();
    // SAFETY: C3; takes numbers and no pointer.
    unsafe { libc::kill(this, signal) };
}

/// Ends this process without exit handlers, which belong to the process that it was forked from.
fn end(code: libc::c_int) -> ! {
    // SAFETY: C3; takes a number and does not return.
    unsafe { libc::_exit(code) }
}
