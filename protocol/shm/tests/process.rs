//! Lanes between processes: a host that is spawned, and children that are forked.

#![cfg(all(target_os = "linux", not(loom)))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![expect(unsafe_code, reason = "fork is the subject of a test")]

use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use hostd_shm::{HostWait, Interest, RING_CAPACITY, Segment, Waited};

const ROLE: &str = "SHM_TEST_HOST";

fn go_on() -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// The same test is the host's program, in a process of its own.
#[test]
fn another_process_wakes_and_is_woken() {
    if std::env::var_os(ROLE).is_some() {
        return serve();
    }
    let (segment, fd) = Segment::create().unwrap();
    let mut host = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "another_process_wakes_and_is_woken"])
        .env(ROLE, "1")
        .stdin(Stdio::from(fd))
        .spawn()
        .unwrap();
    let client = segment.into_client();
    let mut lease = client.try_lease(None).unwrap();
    // The first finds no host yet, the later ones find it parked; the last is larger than a ring.
    for len in [1, 100, RING_CAPACITY, 3 * RING_CAPACITY + 5] {
        thread::sleep(Duration::from_millis(20));
        let frame: Vec<u8> = (0..=255).cycle().take(len).collect();
        let (mut sent, mut got) = (0, Vec::new());
        while got.len() < len {
            sent += lease.write(&frame[sent..]).unwrap();
            if lease.read_onto(&mut got, len).unwrap() == 0 {
                let interest = if sent < len {
                    Interest::Either
                } else {
                    Interest::Data
                };
                assert_eq!(lease.wait(interest, &mut go_on), Ok(Waited::Ready));
            }
        }
        assert!(got == frame);
    }
    client.set_cancel(lease.index(), 1);
    assert!(host.wait().unwrap().success());
}

/// Echoes whatever comes until it is cancelled.
fn serve() {
    let fd = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
    let mut host = Segment::open(fd).unwrap().into_host();
    let lane = &mut host.lanes[1];
    let mut pending = Vec::new();
    loop {
        let room = RING_CAPACITY - pending.len();
        lane.read_onto(&mut pending, room).unwrap();
        let written = lane.write(&pending).unwrap();
        pending.drain(..written);
        let interest = if pending.is_empty() {
            Interest::Data
        } else {
            Interest::Either
        };
        let waited = lane
            .wait(interest, 0, Some(Duration::from_secs(30)))
            .unwrap();
        if waited == HostWait::Cancelled {
            return;
        }
        assert_eq!(waited, HostWait::Ready);
    }
}

/// Runs `child` in a forked child, where it may do nothing that needs a lock, and returns the
/// child's wait status.
fn forked(child: impl FnOnce() -> bool) -> i32 {
    // SAFETY: the child makes system calls only and leaves by `_exit`.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let good = child();
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(i32::from(!good)) };
    }
    assert!(pid > 0);
    let mut status = 0;
    // SAFETY: `status` is valid for the call.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    status
}

#[test]
fn a_forked_child_writes_nothing_that_the_host_sees() {
    let (segment, fd) = Segment::create().unwrap();
    let client = segment.into_client();
    let mut host = Segment::open(fd).unwrap().into_host();
    let mut lease = client.try_lease(None).unwrap();
    lease.write(b"parent").unwrap();
    lease.notify();
    let number = lease.index().get();
    let status = forked(|| {
        let detached = client.detach_forked().is_ok();
        let written = lease.write(b"child") == Ok(5);
        lease.notify();
        let stopped =
            lease.wait(Interest::Data, &mut || ControlFlow::Break(())) == Ok(Waited::Stopped);
        detached && written && stopped
    });
    assert_eq!(status, 0);
    let mut got = Vec::new();
    host.lanes[number].read_onto(&mut got, 100).unwrap();
    assert_eq!(got, b"parent");
    assert_eq!(lease.write(b"again"), Ok(5));
}

#[test]
fn a_forked_child_does_not_inherit_the_mapping() {
    let (segment, _fd) = Segment::create().unwrap();
    let client = segment.into_client();
    let mut lease = client.try_lease(None).unwrap();
    let status = forked(|| lease.readable().is_ok());
    assert!(
        libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGSEGV,
        "{status:#x}"
    );
}
