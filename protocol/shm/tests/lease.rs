//! Leases: exclusive, fair, and never lost.

#![cfg(all(target_os = "linux", not(loom)))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hostd_shm::{LANES, LaneNumber, Lease, Segment, SegmentClient};

fn client() -> SegmentClient {
    Segment::create().unwrap().0.into_client()
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

fn all_of(client: &SegmentClient) -> Vec<Lease> {
    let leases: Vec<Lease> = std::iter::from_fn(|| client.try_lease(None)).collect();
    assert_eq!(leases.len(), LANES - 1);
    leases
}

#[test]
fn there_are_63_and_a_home_lane() {
    let client = client();
    let leases = all_of(&client);
    let mut numbers: Vec<usize> = leases.iter().map(|lease| lease.index().get()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..LANES).collect::<Vec<_>>());
    let home = client.try_lease_home().unwrap();
    assert_eq!(home.index().get(), 0);
    assert!(client.try_lease_home().is_none());
    drop((leases, home));
    assert!(client.try_lease_home().is_some());
    all_of(&client);
}

#[test]
fn the_hint_is_followed_if_that_lane_is_free() {
    let client = client();
    let hint = LaneNumber::new(40);
    let hinted = client.try_lease(hint).unwrap();
    assert_eq!(Some(hinted.index()), hint);
    assert_ne!(Some(client.try_lease(hint).unwrap().index()), hint);
    // The home lane is never leased for calls.
    assert_ne!(
        client.try_lease(LaneNumber::new(0)).unwrap().index().get(),
        0
    );
}

#[test]
fn no_lane_has_two_holders() {
    let client = client();
    let holders: Arc<Vec<AtomicBool>> =
        Arc::new((0..LANES).map(|_| AtomicBool::new(false)).collect());
    let threads: Vec<_> = (0..100)
        .map(|_| {
            let (client, holders) = (client.clone(), Arc::clone(&holders));
            spawn(move || {
                let mut hint = None;
                for round in 0..300 {
                    let lease = client.lease(hint, &mut go_on).unwrap();
                    hint = Some(lease.index());
                    let held = &holders[lease.index().get()];
                    assert!(!held.swap(true, Ordering::Relaxed));
                    if round % 16 == 0 {
                        thread::yield_now();
                    }
                    assert!(held.swap(false, Ordering::Relaxed));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    all_of(&client);
}

/// Threads that wait for a lane, in this order; each notes when it got one and holds it.
fn waiters(
    client: &SegmentClient,
    count: u32,
    got: &Arc<Mutex<Vec<u32>>>,
) -> Vec<JoinHandle<Option<Lease>>> {
    let mut threads = Vec::new();
    for number in 0..count {
        let asked = Arc::new(AtomicBool::new(false));
        let (client, got, in_line) = (client.clone(), Arc::clone(got), Arc::clone(&asked));
        threads.push(spawn(move || {
            // A check is called once its caller is in the queue.
            let mut check = || {
                in_line.store(true, Ordering::Release);
                ControlFlow::Continue(())
            };
            let lease = client.lease(None, &mut check);
            got.lock().unwrap().push(number);
            lease
        }));
        while !asked.load(Ordering::Acquire) {
            thread::yield_now();
        }
    }
    threads
}

#[test]
fn who_comes_first_is_served_first() {
    let client = client();
    let mut held = all_of(&client);
    let got = Arc::new(Mutex::new(Vec::new()));
    let threads = waiters(&client, 8, &got);
    for served in 1..=8 {
        assert!(
            client.try_lease(None).is_none(),
            "the queue is not overtaken"
        );
        drop(held.pop());
        while got.lock().unwrap().len() < served {
            thread::yield_now();
        }
    }
    assert_eq!(*got.lock().unwrap(), (0..8).collect::<Vec<_>>());
    let leases: Vec<_> = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    assert!(client.try_lease(None).is_none());
    drop((held, leases));
    all_of(&client);
}

#[test]
fn who_gives_up_leaves_the_queue_and_takes_no_lane_along() {
    let client = client();
    let mut held = all_of(&client);
    let asked = AtomicU32::new(0);
    let lease = client.lease(None, &mut || {
        if asked.fetch_add(1, Ordering::Relaxed) == 2 {
            ControlFlow::Break(())
        } else {
            go_on()
        }
    });
    assert!(lease.is_none());
    assert_eq!(asked.into_inner(), 3);
    let got = Arc::new(Mutex::new(Vec::new()));
    let threads = waiters(&client, 1, &got);
    drop(held.pop());
    let leases: Vec<_> = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    assert!(leases[0].is_some());
    drop((held, leases));
    all_of(&client);
}

#[test]
fn giving_up_and_being_served_at_once_loses_no_lane() {
    let client = client();
    let mut held = all_of(&client);
    for _ in 0..50 {
        let stop = Arc::new(AtomicBool::new(false));
        let in_line = Arc::new(AtomicBool::new(false));
        let waiter = {
            let (client, stop, in_line) = (client.clone(), Arc::clone(&stop), Arc::clone(&in_line));
            spawn(move || {
                client.lease(None, &mut || {
                    in_line.store(true, Ordering::Release);
                    if stop.load(Ordering::Acquire) {
                        ControlFlow::Break(())
                    } else {
                        ControlFlow::Continue(())
                    }
                })
            })
        };
        while !in_line.load(Ordering::Acquire) {
            thread::yield_now();
        }
        let lane = held.pop();
        let giver = spawn(move || drop(lane));
        stop.store(true, Ordering::Release);
        client.wake_all();
        giver.join().unwrap();
        drop(waiter.join().unwrap());
        let mut again = client.try_lease(None);
        for _ in 0..1000 {
            if again.is_some() {
                break;
            }
            thread::sleep(Duration::from_micros(100));
            again = client.try_lease(None);
        }
        held.push(again.expect("the lane is free again"));
    }
}
