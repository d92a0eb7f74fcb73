//! Lanes: bytes there and back, waits, wake-ups.

#![cfg(all(target_os = "linux", not(loom)))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hostd_shm::{
    HostWait, Interest, LANES, LaneNumber, Lease, RING_CAPACITY, Segment, SegmentClient,
    SegmentHost, Top, TopState, WaitLimit, Waited,
};
use hostd_wait::constants::PARK_MAX;

/// Long enough for the other thread to park.
const PARKED: Duration = Duration::from_millis(30);
/// Far less than a slice, far more than a wake-up takes on a busy machine.
const SOON: Duration = Duration::from_millis(80);

fn pair() -> (SegmentClient, SegmentHost) {
    let (segment, fd) = Segment::create().unwrap();
    (
        segment.into_client(),
        Segment::open(fd).unwrap().into_host(),
    )
}

fn spawn<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    thread::Builder::new()
        .name("test".into())
        .spawn(body)
        .unwrap()
}

fn go_on() -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn lease(client: &SegmentClient) -> Lease {
    client.try_lease(None).unwrap()
}

#[test]
fn bytes_come_as_they_went_in_every_lane_and_direction() {
    let (client, mut host) = pair();
    let mut leases: Vec<Lease> = (1..LANES).map(|_| lease(&client)).collect();
    leases.push(client.try_lease_home().unwrap());
    for lease in &mut leases {
        let number = u8::try_from(lease.index().get()).unwrap();
        let lane = &mut host.lanes[lease.index().get()];
        assert_eq!(lease.write(&[number, 1, 2]), Ok(3));
        assert_eq!(lane.write(&[number, 3]), Ok(2));
    }
    for lease in &mut leases {
        let number = u8::try_from(lease.index().get()).unwrap();
        let lane = &mut host.lanes[lease.index().get()];
        assert_eq!(lane.readable(), Ok(3));
        let mut got = Vec::new();
        assert_eq!(lane.read_onto(&mut got, 2), Ok(2));
        assert_eq!(lane.read_onto(&mut got, 2), Ok(1));
        assert_eq!(got, [number, 1, 2]);
        let mut got = [0; 5];
        assert_eq!(lease.read(&mut got), Ok(2));
        assert_eq!(got, [number, 3, 0, 0, 0]);
    }
}

#[test]
fn a_ring_is_full_and_empty_and_wraps() {
    let (client, mut host) = pair();
    let mut lease = lease(&client);
    let lane = &mut host.lanes[lease.index().get()];
    let pattern: Vec<u8> = (0..=250).cycle().take(2 * RING_CAPACITY).collect();

    assert_eq!(lease.writable(), Ok(RING_CAPACITY));
    assert_eq!(lease.write(&pattern), Ok(RING_CAPACITY));
    assert_eq!((lease.writable(), lease.write(&[1])), (Ok(0), Ok(0)));
    let mut got = vec![0; 1000];
    assert_eq!(lane.read(&mut got), Ok(1000));
    assert_eq!(lease.writable(), Ok(1000));
    assert_eq!(lease.write(&pattern[RING_CAPACITY..]), Ok(1000));
    assert_eq!(lane.read_onto(&mut got, usize::MAX), Ok(RING_CAPACITY));
    assert_eq!(got, pattern[..RING_CAPACITY + 1000]);
    assert_eq!((lane.readable(), lane.read(&mut [0])), (Ok(0), Ok(0)));
    assert_eq!(lease.write(&[]), Ok(0));
}

#[test]
fn odd_sizes_stream_past_every_offset() {
    let (segment, fd) = Segment::create().unwrap();
    let sent: Vec<u8> = (0..=250).cycle().take(1_000_003).collect();
    let expected = sent.clone();
    let server = spawn(move || {
        let mut host = Segment::open(fd).unwrap().into_host();
        let lane = &mut host.lanes[1];
        let mut got = Vec::new();
        while got.len() < expected.len() {
            if lane.read_onto(&mut got, 7919).unwrap() == 0 {
                assert_eq!(lane.wait(Interest::Data, 0, None), Ok(HostWait::Ready));
            }
        }
        assert!(got == expected);
    });
    let client = segment.into_client();
    let mut lease = lease(&client);
    let mut rest = &sent[..];
    while !rest.is_empty() {
        let written = lease.write(&rest[..rest.len().min(70_001)]).unwrap();
        rest = &rest[written..];
        if written == 0 {
            assert_eq!(lease.wait(Interest::Space, &mut go_on), Ok(Waited::Ready));
        }
    }
    lease.notify();
    server.join().unwrap();
}

#[test]
fn both_ends_wake_each_other_from_sleep() {
    let (segment, fd) = Segment::create().unwrap();
    let server = spawn(move || {
        let mut host = Segment::open(fd).unwrap().into_host();
        for _ in 0..3 {
            let ready = host.waiter.wait(None).unwrap();
            assert_eq!(ready.lanes.map(LaneNumber::get).collect::<Vec<_>>(), [1]);
            assert_eq!(host.lanes[1].read(&mut [0; 8]), Ok(1));
            thread::sleep(PARKED);
            assert_eq!(host.lanes[1].write(b"r"), Ok(1));
            host.lanes[1].notify();
        }
    });
    let client = segment.into_client();
    let mut lease = lease(&client);
    for _ in 0..3 {
        thread::sleep(PARKED);
        assert_eq!(lease.write(b"c"), Ok(1));
        let mut asked = 0;
        let waited = lease.wait(Interest::Data, &mut || {
            asked += 1;
            ControlFlow::Continue(())
        });
        assert_eq!(waited, Ok(Waited::Ready));
        assert!(asked >= 1, "it parked");
        assert_eq!(lease.read(&mut [0; 8]), Ok(1));
    }
    server.join().unwrap();
}

#[test]
fn a_stop_is_honoured_within_a_slice() {
    let (client, _host) = pair();
    let mut lease = lease(&client);
    let stop = Arc::new(AtomicBool::new(false));
    let setter = {
        let stop = Arc::clone(&stop);
        spawn(move || {
            thread::sleep(PARKED);
            stop.store(true, Ordering::Relaxed);
        })
    };
    let start = Instant::now();
    let waited = lease.wait(Interest::Data, &mut || {
        if stop.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert_eq!(waited, Ok(Waited::Stopped));
    let took = start.elapsed();
    // Twice the slice for a busy machine.
    assert!(took >= PARKED && took < PARKED + 2 * PARK_MAX, "{took:?}");
    setter.join().unwrap();
}

#[test]
fn a_writer_without_room_is_stopped_as_well() {
    let (client, _host) = pair();
    let mut lease = lease(&client);
    assert_eq!(lease.write(&vec![0; RING_CAPACITY]), Ok(RING_CAPACITY));
    let waited = lease.wait(Interest::Space, &mut || ControlFlow::Break(()));
    assert_eq!(waited, Ok(Waited::Stopped));
}

#[test]
fn data_wins_over_a_stop() {
    let (client, mut host) = pair();
    let mut lease = lease(&client);
    host.lanes[lease.index().get()].write(b"x").unwrap();
    assert_eq!(
        lease.wait(Interest::Data, &mut || ControlFlow::Break(())),
        Ok(Waited::Ready)
    );
}

#[test]
fn death_wakes_all_who_wait_for_bytes_or_for_a_lane() {
    // A machine under load may be slow at times, but not always.
    assert!((0..5).any(|_| time_from_death_to_the_last_stop() < SOON));
}

fn time_from_death_to_the_last_stop() -> Duration {
    let (client, _host) = pair();
    let dead = Arc::new(AtomicBool::new(false));
    let stopped = Arc::new(AtomicU32::new(0));
    let mut held: Vec<Lease> = (1..LANES).map(|_| lease(&client)).collect();
    let wait_for_bytes = held.split_off(held.len() - 4).into_iter().map(|mut lease| {
        let (dead, stopped) = (Arc::clone(&dead), Arc::clone(&stopped));
        spawn(move || {
            let mut check = || {
                if dead.load(Ordering::Acquire) {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            };
            assert_eq!(lease.wait(Interest::Data, &mut check), Ok(Waited::Stopped));
            stopped.fetch_add(1, Ordering::Relaxed);
            lease
        })
    });
    let bytes: Vec<_> = wait_for_bytes.collect();
    let lanes: Vec<_> = (0..4)
        .map(|_| {
            let (dead, stopped, client) = (Arc::clone(&dead), Arc::clone(&stopped), client.clone());
            spawn(move || {
                let mut check = || {
                    if dead.load(Ordering::Acquire) {
                        ControlFlow::Break(())
                    } else {
                        ControlFlow::Continue(())
                    }
                };
                assert!(client.lease(None, &mut check).is_none());
                stopped.fetch_add(1, Ordering::Relaxed);
            })
        })
        .collect();
    thread::sleep(PARKED + PARK_MAX);
    let start = Instant::now();
    dead.store(true, Ordering::Release);
    client.wake_all();
    while stopped.load(Ordering::Relaxed) < 8 {
        assert!(start.elapsed() < Duration::from_secs(5));
        thread::yield_now();
    }
    let took = start.elapsed();
    // No lane was returned before all waits for one had ended.
    drop(
        bytes
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect::<Vec<_>>(),
    );
    for thread in lanes {
        thread.join().unwrap();
    }
    took
}

#[test]
fn lanes_are_served_in_turn() {
    let (client, mut host) = pair();
    let mut leases: Vec<Lease> = (0..3).map(|_| lease(&client)).collect();
    let mut firsts = Vec::new();
    for _ in 0..6 {
        for lease in &mut leases {
            lease.write(b"x").unwrap();
            lease.notify();
        }
        let ready = host.waiter.wait(None).unwrap();
        assert_eq!(ready.lanes.clone().count(), leases.len());
        // The first alone is served, and still the others come to be first.
        let first = ready.lanes.clone().next().unwrap();
        firsts.push(first.get());
        host.lanes[first.get()].read(&mut [0; 100]).unwrap();
    }
    assert_eq!(firsts, [1, 2, 3, 1, 2, 3]);
}

#[test]
fn the_host_times_out_and_is_woken() {
    let (client, mut host) = pair();
    let start = Instant::now();
    assert!(host.waiter.wait(Some(PARKED)).unwrap().is_empty());
    assert!(start.elapsed() >= PARKED);
    let waited = host.lanes[1].wait(Interest::Data, 0, Some(PARKED));
    assert_eq!(waited, Ok(HostWait::TimedOut));

    let waker = host.waker.clone();
    let other = spawn(move || {
        thread::sleep(PARKED);
        waker.wake();
    });
    let ready = host.waiter.wait(None).unwrap();
    assert!(ready.woken && ready.lanes.is_empty());
    assert!(
        host.waiter.wait(Some(Duration::ZERO)).unwrap().is_empty(),
        "a wake-up is reported once"
    );
    other.join().unwrap();

    // While it waits on one lane, other lanes do not end the wait, and are not lost.
    let mut one = client.try_lease(LaneNumber::new(1)).unwrap();
    let mut two = client.try_lease(LaneNumber::new(2)).unwrap();
    let other = spawn(move || {
        two.write(b"2").unwrap();
        two.notify();
        thread::sleep(PARKED);
        one.write(b"1").unwrap();
        one.notify();
        (one, two)
    });
    assert_eq!(
        host.lanes[1].wait(Interest::Data, 0, None),
        Ok(HostWait::Ready)
    );
    assert_eq!(host.lanes[1].read(&mut [0; 9]), Ok(1));
    let leases = other.join().unwrap();
    let ready = host.waiter.wait(None).unwrap();
    assert_eq!(ready.lanes.map(LaneNumber::get).collect::<Vec<_>>(), [2]);
    drop(leases);
}

#[test]
fn idle_hook_is_called_before_parking_only() {
    static SAID: Mutex<Vec<Duration>> = Mutex::new(Vec::new());
    let said = || std::mem::take(&mut *SAID.lock().unwrap());
    let (client, mut host) = pair();
    host.waiter.on_idle(|waited| {
        SAID.lock().unwrap().push(waited);
        true
    });
    let mut lease = lease(&client);
    lease.write(b"1").unwrap();
    lease.notify();
    let lane = host.waiter.wait(None).unwrap().lanes.next().unwrap();
    assert_eq!(said(), []);
    assert_eq!(host.lanes[lane.get()].read(&mut [0; 9]), Ok(1));
    for _ in 0..2 {
        assert!(host.waiter.wait(Some(PARKED)).unwrap().is_empty());
        let waited = host.lanes[lane.get()].wait(Interest::Data, 0, Some(PARKED));
        assert_eq!(waited, Ok(HostWait::TimedOut));
    }
    let said = said();
    let parts: Vec<_> = said.split(|waited| *waited == Duration::MAX).collect();
    assert_eq!(parts.len(), 5, "four parks: {said:?}");
    assert!(parts.iter().all(|spin| spin.is_sorted()), "{said:?}");
}

#[test]
fn a_cancel_is_seen_and_taken_back() {
    let (client, mut host) = pair();
    let lease = lease(&client);
    let number = lease.index().get();
    assert_eq!(host.lanes[number].cancel(), 0);
    let (other_client, lane) = (client.clone(), lease.index());
    let other = spawn(move || {
        thread::sleep(PARKED);
        other_client.set_cancel(lane, 3);
    });
    let waited = host.lanes[number].wait(Interest::Data, 0, None);
    assert_eq!(waited, Ok(HostWait::Cancelled));
    other.join().unwrap();
    assert_eq!(host.lanes[number].cancel_word().get(), 3);
    // Known already, it does not end a wait again.
    let waited = host.lanes[number].wait(Interest::Data, 3, Some(PARKED));
    assert_eq!(waited, Ok(HostWait::TimedOut));
    lease.set_cancel(0);
    assert_eq!(host.lanes[number].cancel(), 0);
}

#[test]
fn a_turn_is_taken_at_the_top_only_and_once() {
    let (client, host) = pair();
    let [one, two, three, four] = std::array::from_fn(|_| lease(&client));
    let said = |state, declined| Top { state, declined };
    assert!(!three.try_take_top());
    assert_eq!(host.top.arrive(), said(TopState::Busy, true));
    assert!(four.try_take_top());
    assert_eq!(host.top.leave(), said(TopState::Taken(four.index()), false));
    assert_eq!(host.top.arrive(), said(TopState::Busy, false));
    assert!(two.try_take_top());
    assert!(!one.try_take_top());
    assert_eq!(host.top.leave(), said(TopState::Taken(two.index()), true));
    assert!(!one.try_take_top());
    assert_eq!(host.top.arrive(), said(TopState::Busy, true));
    assert_eq!(host.top.leave(), said(TopState::AtTop, false));
}

#[test]
fn many_threads_call_at_once_and_each_gets_its_own_reply() {
    const THREADS: u32 = 100;
    const CALLS: u32 = 200;
    let (segment, fd) = Segment::create().unwrap();
    let server = spawn(move || {
        let mut host = Segment::open(fd).unwrap().into_host();
        let mut left = THREADS * CALLS;
        while left > 0 {
            for index in host.waiter.wait(None).unwrap().lanes {
                let lane = &mut host.lanes[index.get()];
                let mut frame = [0; 8];
                assert_eq!(lane.read(&mut frame), Ok(8));
                assert_eq!(lane.write(&frame), Ok(8));
                lane.notify();
                left -= 1;
            }
        }
    });
    let client = segment.into_client();
    let callers: Vec<_> = (0..THREADS)
        .map(|thread| {
            let client = client.clone();
            spawn(move || {
                let mut hint = None;
                for call in 0..CALLS {
                    let mut lease = client.lease(hint, &mut go_on).unwrap();
                    hint = Some(lease.index());
                    let mut frame = [0; 8];
                    frame[..4].copy_from_slice(&thread.to_ne_bytes());
                    frame[4..].copy_from_slice(&call.to_ne_bytes());
                    assert_eq!(lease.write(&frame), Ok(8));
                    assert_eq!(lease.wait(Interest::Data, &mut go_on), Ok(Waited::Ready));
                    let mut reply = [0; 8];
                    assert_eq!(lease.read(&mut reply), Ok(8));
                    assert_eq!(reply, frame);
                }
            })
        })
        .collect();
    for caller in callers {
        caller.join().unwrap();
    }
    server.join().unwrap();
}

#[test]
fn switch_to_the_client_can_wake_the_host() {
    let (_client, mut host) = pair();
    let switches = Rc::new(RefCell::new(0));
    let noted = Rc::clone(&switches);
    host.waiter.on_wait(Box::new(move |_| {
        *noted.borrow_mut() += 1;
        *noted.borrow() == 2
    }));
    let found = host.waiter.wait(None).unwrap();
    assert!(found.woken && found.lanes.is_empty());
    assert_eq!(*switches.borrow(), 2);
}

#[test]
fn both_ends_on_one_thread_take_turns_in_the_waits_of_the_host() {
    let (client, mut host) = pair();
    let lease = Rc::new(RefCell::new(lease(&client)));
    let number = lease.borrow().index();
    let switches = Rc::new(RefCell::new(Vec::new()));
    let (theirs, noted) = (Rc::clone(&lease), Rc::clone(&switches));
    host.waiter.on_wait(Box::new(move |time| {
        noted.borrow_mut().push(time);
        // The first switch brings nothing.
        if noted.borrow().len() == 2 {
            theirs.borrow_mut().write(b"go").unwrap();
            theirs.borrow_mut().notify();
        }
        false
    }));
    let found = host.waiter.wait(None).unwrap();
    assert_eq!(found.lanes.clone().collect::<Vec<_>>(), [number]);
    assert_eq!(*switches.borrow(), [WaitLimit::Unlimited; 2]);
    let lane = &mut host.lanes[number.get()];
    let mut bytes = [0; 2];
    assert_eq!(lane.read(&mut bytes), Ok(2));
    let ended = lane.wait(Interest::Data, 0, Some(SOON)).unwrap();
    assert_eq!(ended, HostWait::TimedOut);
    let times = switches.borrow();
    assert!(
        times[2..]
            .iter()
            .all(|limit| matches!(limit, WaitLimit::After(time) if *time <= SOON))
    );
}
