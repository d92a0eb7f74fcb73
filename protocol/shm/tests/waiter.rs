//! One thread that waits for the lanes of several hosts.

#![cfg(all(target_os = "linux", not(loom)))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use hostd_shm::{
    ClientRings, LaneWaiter, LaneWaiterWaker, Lease, Segment, SegmentHost, WAIT_LANES_MAX,
    can_wait_for_lanes,
};

/// Far more than a wake-up takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(30);

struct Home(Lease);

impl AsMut<ClientRings> for Home {
    fn as_mut(&mut self) -> &mut ClientRings {
        &mut self.0
    }
}

fn pair() -> (Home, Segment) {
    let (segment, fd) = Segment::create().unwrap();
    let home = segment.into_client().try_lease_home().unwrap();
    (Home(home), Segment::open(fd).unwrap())
}

fn ready(homes: &mut [Home]) -> Vec<usize> {
    let is_ready = |home: &mut Home| home.0.readable() != Ok(0);
    let homes = homes.iter_mut().enumerate();
    homes
        .filter_map(|(place, home)| is_ready(home).then_some(place))
        .collect()
}

/// Waits until a lane is ready; the kernel may lack the call.
fn wait(waiter: &mut LaneWaiter, homes: &mut [Home]) -> Vec<usize> {
    let end = Instant::now() + TIMEOUT;
    loop {
        let found = ready(homes);
        if !found.is_empty() || Instant::now() > end {
            return found;
        }
        waiter.wait(homes, Some(TIMEOUT), || false);
    }
}

#[test]
fn each_of_many_hosts_wakes_the_thread() {
    if !can_wait_for_lanes() {
        println!("skipped: this kernel has no futex_waitv");
        return;
    }
    let (mut homes, segments): (Vec<_>, Vec<_>) = (0..WAIT_LANES_MAX).map(|_| pair()).unzip();
    let (turn, turns) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut hosts: Vec<SegmentHost> =
                segments.into_iter().map(Segment::into_host).collect();
            for place in turns {
                let host: &mut SegmentHost = &mut hosts[place];
                assert_eq!(host.lanes[0].write(&[7]), Ok(1));
                host.lanes[0].notify();
            }
        });
        let mut waiter = LaneWaiter::new(LaneWaiterWaker::default());
        for place in [0, 1, WAIT_LANES_MAX / 2, WAIT_LANES_MAX - 1] {
            turn.send(place).unwrap();
            assert_eq!(wait(&mut waiter, &mut homes), [place]);
            assert_eq!(homes[place].0.read(&mut [0; 2]), Ok(1));
        }
        drop(turn);
    });
}

#[test]
fn waker_and_timeout_end_the_wait() {
    let waker = LaneWaiterWaker::default();
    let mut waiter = LaneWaiter::new(waker.clone());
    let begin = Instant::now();
    let short = Duration::from_millis(5);
    while begin.elapsed() < short {
        waiter.wait::<Home>(&mut [], Some(short), || false);
    }
    let is_set = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            is_set.store(true, Ordering::SeqCst);
            waker.wake();
        });
        while !is_set.load(Ordering::SeqCst) {
            waiter.wait::<Home>(&mut [], Some(TIMEOUT), || is_set.load(Ordering::SeqCst));
        }
    });
    assert!(begin.elapsed() < TIMEOUT);
}
