//! Model checking of the rings and of the parking protocol, on the real code over loom's atomics.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p hostd-shm --release --test loom`
//!
//! In the model time does not pass: a lost wake-up is a deadlock, which loom reports. The rings hold
//! 4 bytes, so that they fill and wrap.

#![cfg(loom)]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use hostd_shm::{
    ClientPipeWord, ClientRings, Fault, HostWait, IdleSpin, Interest, LANES, MaybeOwned,
    RING_CAPACITY, Segment, SegmentHost, TopState, TurnClaim, TurnOwner, Waited, with_fault,
};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

fn check(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(body);
}

fn go_on() -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn await_data(lane: &mut ClientRings) {
    assert_eq!(lane.wait(Interest::Data, &mut go_on), Ok(Waited::Ready));
}

/// Waits for all lanes until each of `bytes` has come, in whatever order of lanes.
fn collect(host: &mut SegmentHost, mut bytes: Vec<u8>) {
    while !bytes.is_empty() {
        for index in host.waiter.wait(None).unwrap().lanes {
            let mut byte = [0];
            let read = host.lanes[index.get()].read(&mut byte).unwrap();
            assert_eq!(read, 1, "a lane that is ready has something");
            let at = bytes.iter().position(|&sent| sent == byte[0]).unwrap();
            bytes.swap_remove(at);
        }
    }
}

/// The client sends one byte on a lane, and another; the host waits for them. The second may find
/// the lane's ready bit still set.
fn two_bytes_to_the_host() {
    let (ours, theirs) = Segment::model();
    let host = thread::spawn(move || collect(&mut theirs.into_host(), vec![1, 2]));
    let client = ours.into_client();
    let mut lease = client.try_lease(None).unwrap();
    for byte in [1, 2] {
        assert_eq!(lease.write(&[byte]), Ok(1));
        lease.notify();
    }
    host.join().unwrap();
}

/// The host sends one byte, the client waits for it.
fn one_byte_to_the_client() {
    let (ours, theirs) = Segment::model();
    let host = thread::spawn(move || {
        let mut host = theirs.into_host();
        assert_eq!(host.lanes[1].write(&[7]), Ok(1));
        host.lanes[1].notify();
    });
    let client = ours.into_client();
    let mut lease = client.try_lease(None).unwrap();
    await_data(&mut lease);
    host.join().unwrap();
}

#[test]
fn a_byte_wakes_the_client() {
    check(one_byte_to_the_client);
}

#[test]
fn two_rounds_trip() {
    check(|| {
        let (ours, theirs) = Segment::model();
        let host = thread::spawn(move || {
            let mut host = theirs.into_host();
            let mut served = 0;
            while served < 2 {
                for index in host.waiter.wait(None).unwrap().lanes {
                    let mut byte = [0];
                    let lane = &mut host.lanes[index.get()];
                    assert_eq!(lane.read(&mut byte), Ok(1));
                    assert_eq!(lane.write(&[byte[0] + 1]), Ok(1));
                    lane.notify();
                    served += 1;
                }
            }
        });
        let client = ours.into_client();
        let mut lease = client.try_lease(None).unwrap();
        for round in 0..2 {
            assert_eq!(lease.write(&[round]), Ok(1));
            await_data(&mut lease);
            let mut reply = [0];
            assert_eq!(lease.read(&mut reply), Ok(1));
            assert_eq!(reply, [round + 1]);
        }
        host.join().unwrap();
    });
}

#[test]
fn two_lanes_share_the_hosts_word() {
    assert_eq!(LANES, 3);
    check(|| {
        let (ours, theirs) = Segment::model();
        let client = ours.into_client();
        let other = client.clone();
        let second = thread::spawn(move || {
            let mut lease = other.try_lease(None).unwrap();
            assert_eq!(lease.write(&[2]), Ok(1));
        });
        let first = thread::spawn(move || {
            let mut lease = client.try_lease(None).unwrap();
            assert_eq!(lease.write(&[1]), Ok(1));
        });
        collect(&mut theirs.into_host(), vec![1, 2]);
        first.join().unwrap();
        second.join().unwrap();
    });
}

#[test]
fn two_bytes_one_after_another_are_both_found() {
    check(two_bytes_to_the_host);
}

#[test]
fn a_full_ring_is_streamed_and_wraps() {
    check(|| {
        let (ours, theirs) = Segment::model();
        let sent: Vec<u8> = (0..).take(RING_CAPACITY + 2).collect();
        let expected = sent.clone();
        let host = thread::spawn(move || {
            let mut host = theirs.into_host();
            let lane = &mut host.lanes[1];
            let mut got = Vec::new();
            while got.len() < expected.len() {
                if lane.read_onto(&mut got, 3).unwrap() == 0 {
                    assert_eq!(lane.wait(Interest::Data, 0, None), Ok(HostWait::Ready));
                }
            }
            assert_eq!(got, expected);
        });
        let client = ours.into_client();
        let mut lease = client.try_lease(None).unwrap();
        let mut rest = &sent[..];
        while !rest.is_empty() {
            let written = lease.write(rest).unwrap();
            rest = &rest[written..];
            if written == 0 {
                let waited = lease.wait(Interest::Space, &mut go_on);
                assert_eq!(waited, Ok(Waited::Ready));
            }
        }
        lease.notify();
        host.join().unwrap();
    });
}

#[test]
fn the_host_waits_for_room() {
    check(|| {
        let (ours, theirs) = Segment::model();
        let host = thread::spawn(move || {
            let mut host = theirs.into_host();
            let lane = &mut host.lanes[1];
            let mut left = RING_CAPACITY + 1;
            while left > 0 {
                let written = lane.write(&vec![9; left]).unwrap();
                left -= written;
                if written == 0 {
                    assert_eq!(lane.wait(Interest::Space, 0, None), Ok(HostWait::Ready));
                }
            }
            lane.notify();
        });
        let client = ours.into_client();
        let mut lease = client.try_lease(None).unwrap();
        let mut got = Vec::new();
        while got.len() <= RING_CAPACITY {
            if lease.read_onto(&mut got, RING_CAPACITY).unwrap() == 0 {
                await_data(&mut lease);
            }
        }
        host.join().unwrap();
    });
}

#[test]
fn a_waker_of_the_host_is_heard_at_the_top_and_on_a_lane() {
    for on_lane in [false, true] {
        check(move || {
            let (_ours, theirs) = Segment::model();
            let mut host = theirs.into_host();
            let waker = host.waker.clone();
            let other = thread::spawn(move || waker.wake());
            if on_lane {
                let waited = host.lanes[1].wait(Interest::Data, 0, None);
                assert_eq!(waited, Ok(HostWait::Woken));
            } else {
                let ready = host.waiter.wait(None).unwrap();
                assert!(ready.woken && ready.lanes.is_empty());
            }
            other.join().unwrap();
        });
    }
}

#[test]
fn a_cancel_is_heard() {
    check(|| {
        let (ours, theirs) = Segment::model();
        let client = ours.into_client();
        let lease = client.try_lease(None).unwrap();
        let lane = lease.index();
        let other = thread::spawn(move || client.set_cancel(lane, 5));
        let mut host = theirs.into_host();
        let waited = host.lanes[1].wait(Interest::Data, 0, None);
        assert_eq!(waited, Ok(HostWait::Cancelled));
        other.join().unwrap();
    });
}

#[test]
fn death_wakes_the_client() {
    check(|| {
        let (ours, _theirs) = Segment::model();
        let client = ours.into_client();
        let dead = Arc::new(AtomicBool::new(false));
        let supervision = {
            let (client, dead) = (client.clone(), Arc::clone(&dead));
            thread::spawn(move || {
                dead.store(true, Ordering::Release);
                client.wake_all();
            })
        };
        let mut lease = client.try_lease(None).unwrap();
        let waited = lease.wait(Interest::Data, &mut || {
            if dead.load(Ordering::Acquire) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        assert_eq!(waited, Ok(Waited::Stopped));
        supervision.join().unwrap();
    });
}

/// A wake pipe that is watched, whether its descriptor was written to, and a host that notifies:
/// whether that was received.
fn a_notification() -> (ClientPipeWord, Arc<AtomicBool>, thread::JoinHandle<bool>) {
    let (ours, theirs) = Segment::model();
    let word = ours.into_client().pipe_word();
    word.watch();
    // No order of the kernel's is relied upon.
    let written = Arc::new(AtomicBool::new(false));
    let host = {
        let written = Arc::clone(&written);
        thread::spawn(move || {
            theirs.into_host().pipe.notify(|| {
                written.store(true, Ordering::Relaxed);
                true
            })
        })
    };
    (word, written, host)
}

/// A client ends its watch while the host notifies: what the host takes for received, the client
/// finds.
fn a_notification_meets_the_end_of_the_watch() {
    let (word, written, host) = a_notification();
    let found = word.unwatch(|| written.load(Ordering::Relaxed));
    let is_received = host.join().unwrap();
    assert!(found || !is_received, "a notification was lost");
}

#[test]
fn a_notification_is_found_or_known_to_be_lost() {
    check(a_notification_meets_the_end_of_the_watch);
}

/// A client's loop spins while the host notifies and another thread ends the watch and begins it
/// again: what the host takes for received, one of them finds.
fn a_notification_meets_a_spin() {
    let (word, written, host) = a_notification();
    let other = {
        let (word, written) = (word.clone(), Arc::clone(&written));
        thread::spawn(move || {
            let found = word.unwatch(|| written.load(Ordering::Relaxed));
            word.watch();
            found
        })
    };
    let is_written = || written.load(Ordering::Relaxed);
    let seen = word.spin(&mut IdleSpin::default(), is_written) || word.take(is_written);
    let is_received = host.join().unwrap();
    let found = other.join().unwrap();
    let is_left = word.unwatch(|| written.load(Ordering::Relaxed));
    assert!(
        seen || found || is_left || !is_received,
        "a notification was lost"
    );
}

#[test]
fn a_notification_is_found_by_a_loop_that_spins() {
    check(a_notification_meets_a_spin);
}

/// A call of the loop, which leaves a completion to be run in a turn.
const CALL: u8 = 1;
/// A turn that a thread other than the loop takes.
const TURN: u8 = 2;
/// The thread does not take the turn.
const NO_TURN: u8 = 3;

/// Serves a frame of the loop and one of the thread as the host does: a turn that was announced comes
/// before what other lanes have.
fn serve_two_frames(mut host: SegmentHost) {
    let mut has_completion = false;
    let mut left = 2;
    while left > 0 {
        let _ = host.top.arrive();
        let found = host.waiter.wait(None).unwrap();
        let announced = match host.top.leave().state {
            TopState::Taken(lane) => Some(lane),
            _ => None,
        };
        if let Some(lane) = announced {
            let waited = host.lanes[lane.get()].wait(Interest::Data, 0, None);
            assert_eq!(waited, Ok(HostWait::Ready));
        }
        for lane in announced.into_iter().chain(found.lanes) {
            let mut frame = [0];
            if host.lanes[lane.get()].read(&mut frame).unwrap() == 0 {
                continue;
            }
            left -= 1;
            has_completion |= frame[0] == CALL;
            let is_stolen = frame[0] == TURN && has_completion;
            assert!(!is_stolen, "a thread took the turn of a loop");
        }
    }
}

/// Whether a loop owns the turns.
struct Owned(bool);

impl MaybeOwned for Owned {
    fn is_owned(&self) -> bool {
        self.0
    }
}

/// A thread was notified of a turn while no loop owned the turns; before it takes the turn, a loop
/// becomes the owner and calls the host. What the call leaves is run in a turn of the loop.
fn a_late_turn_meets_a_new_owner() {
    let (ours, theirs) = Segment::model();
    let host = thread::spawn(move || serve_two_frames(theirs.into_host()));
    let client = ours.into_client();
    let owner = Arc::new(TurnOwner::new(Owned(false)));
    let late = {
        let (client, owner) = (client.clone(), Arc::clone(&owner));
        thread::spawn(move || {
            let mut lease = client.try_lease(None).unwrap();
            let frame = match owner.claim(|| lease.try_take_top()) {
                TurnClaim::Announced => TURN,
                TurnClaim::Declined | TurnClaim::Owned => NO_TURN,
            };
            assert_eq!(lease.write(&[frame]), Ok(1));
        })
    };
    owner.lock().0 = true;
    let mut lease = client.try_lease(None).unwrap();
    assert_eq!(lease.write(&[CALL]), Ok(1));
    drop(lease);
    late.join().unwrap();
    host.join().unwrap();
}

#[test]
fn a_late_turn_runs_nothing_of_a_loop() {
    check(a_late_turn_meets_a_new_owner);
}

#[test]
fn a_lane_given_back_reaches_who_waits() {
    // Two lanes for calls, three callers.
    check(|| {
        let (ours, _theirs) = Segment::model();
        let client = ours.into_client();
        let held = client.try_lease(None).unwrap();
        let callers: Vec<_> = (0..2)
            .map(|_| {
                let client = client.clone();
                thread::spawn(move || drop(client.lease(None, &mut go_on).unwrap()))
            })
            .collect();
        drop(held);
        for caller in callers {
            caller.join().unwrap();
        }
        let all = (client.try_lease(None), client.try_lease(None));
        assert!(
            all.0.is_some() && all.1.is_some(),
            "both lanes are free again"
        );
    });
}

/// Whether the model finds a lost wake-up in `body` under `fault`.
fn caught(fault: Fault, body: fn()) -> bool {
    let outcome = with_fault(fault, || catch_unwind(AssertUnwindSafe(|| check(body))));
    let Err(panic) = outcome else { return false };
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    message.is_some_and(|it| {
        it.starts_with("deadlock")
            || it == "a notification was lost"
            || it == "a thread took the turn of a loop"
    })
}

#[test]
fn every_fault_is_caught() {
    for fault in [
        Fault::NoPublishFence,
        Fault::NoSecondPoll,
        Fault::LateAnnouncement,
        Fault::LateLoad,
        Fault::NoBump,
    ] {
        assert!(
            caught(fault, two_bytes_to_the_host),
            "{fault:?} towards the host"
        );
        assert!(
            caught(fault, one_byte_to_the_client),
            "{fault:?} towards the client"
        );
    }
}

#[test]
fn every_fault_of_the_wake_pipe_is_caught() {
    for fault in [Fault::NoSecondPoll, Fault::LateAnnouncement] {
        assert!(
            caught(fault, a_notification_meets_the_end_of_the_watch),
            "{fault:?}"
        );
    }
}

#[test]
fn every_fault_of_a_claim_is_caught() {
    for fault in [Fault::UncheckedOwner, Fault::EarlyCheck] {
        assert!(caught(fault, a_late_turn_meets_a_new_owner), "{fault:?}");
    }
}
