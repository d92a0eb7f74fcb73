//! Leases, and what is said beside the frames.

use super::*;

pub(super) fn last_lane_goes_to_who_waits_first(pair: Pair) {
    let client = pair.client;
    let mut lanes: Vec<_> = (1..64)
        .map(|_| client.lease(None, &mut within_30_s()).unwrap())
        .collect();
    let mut indices: Vec<_> = lanes.iter().map(|lane| lane.index().get()).collect();
    indices.sort_unstable();
    assert_eq!(indices, (1..64).collect::<Vec<_>>());
    let refused = client.lease(None, &mut || Err(Interrupted)).unwrap_err();
    assert!(matches!(refused, ProtocolError::Interrupted));

    let (asks, asked) = mpsc::channel();
    let (gets, got) = mpsc::channel();
    for number in 0..3 {
        let (asks, gets, client) = (asks.clone(), gets.clone(), client.clone());
        let wait = move || {
            let mut first = true;
            let mut idle = || {
                if std::mem::take(&mut first) {
                    asks.send(()).unwrap();
                }
                Ok(())
            };
            let lane = client.lease(None, &mut idle).unwrap();
            gets.send(number).unwrap();
            drop(lane);
        };
        thread::Builder::new().spawn(wait).unwrap();
        // The idle check of a waiter comes after it has joined the queue.
        asked.recv().unwrap();
    }
    // Each reports before it returns the one lane.
    lanes.pop();
    let order: Vec<i32> = got.iter().take(3).collect();
    assert_eq!(order, [0, 1, 2], "first come first served");
    let home = client.home().unwrap();
    assert_eq!(home.index(), crate::ids::HOME_LANE);
    assert!(client.home().is_none());
}

pub(super) fn cancel_word_is_seen_while_the_host_works(pair: Pair) {
    let (begun, wait) = mpsc::channel();
    let served = Served::new(pair, move |host| {
        let lane = next_lane(host).unwrap();
        let header = host.receive(lane, &mut Vec::new()).unwrap();
        let flag = host.cancel_flag(lane);
        assert_eq!(flag.get(), 0);
        begun.send(()).unwrap();
        let end = Instant::now() + Duration::from_secs(30);
        while flag.get() == 0 && Instant::now() < end {
            thread::yield_now();
        }
        let word = flag.get();
        host.send(lane, &frame(FrameKind::Failure, 2, header.call, b""))
            .unwrap();
        word
    });
    let mut lane = served.client.lease(None, &mut within_30_s()).unwrap();
    lane.send(
        &frame(FrameKind::Request, 2, CallId(1), b""),
        &mut within_30_s(),
    )
    .unwrap();
    lane.notify();
    wait.recv().unwrap();
    lane.set_cancel(9);
    let header = lane.receive(&mut Vec::new(), &mut within_30_s()).unwrap();
    assert_eq!(header.kind, FrameKind::Failure);
    drop(lane);
    assert_eq!(served.found(), 9);
}

pub(super) fn withdrawn_lane_is_found_while_another_is_served(pair: Pair) {
    let (sent, wait) = mpsc::channel();
    let served = Served::new(pair, move |host| {
        let first = next_lane(host).unwrap();
        host.receive(first, &mut Vec::new()).unwrap();
        wait.recv().unwrap();
        let end = Instant::now() + Duration::from_secs(30);
        let found = loop {
            assert!(!host.wait_for(first, Duration::from_millis(1)).unwrap());
            let found = host.withdrawn(first).unwrap();
            if found.is_some() || Instant::now() > end {
                break found;
            }
        };
        let second = found.expect("a lane that was given up");
        let header = host.receive(second, &mut Vec::new()).unwrap();
        assert_eq!(header.call, CallId(2));
        assert_eq!(host.withdrawn(first).unwrap(), None);
        for (lane, call) in [(second, CallId(2)), (first, CallId(1))] {
            host.send(lane, &frame(FrameKind::Failure, 2, call, b""))
                .unwrap();
        }
    });
    let mut lanes: Vec<_> = (1..3)
        .map(|call| {
            let mut lane = served.client.lease(None, &mut within_30_s()).unwrap();
            let request = frame(FrameKind::Request, 2, CallId(call), b"");
            lane.send(&request, &mut within_30_s()).unwrap();
            lane.notify();
            if call == 1 {
                // What the host serves exclusively is the first.
                sent.send(()).unwrap();
            }
            lane
        })
        .collect();
    lanes[1].set_cancel(1);
    for lane in lanes.iter_mut().rev() {
        let header = lane.receive(&mut Vec::new(), &mut within_30_s()).unwrap();
        assert_eq!(header.kind, FrameKind::Failure);
    }
    drop(lanes);
    served.found();
}

pub(super) fn notice_never_waits(pair: Pair) {
    let (done, wait) = mpsc::channel();
    let served = Served::new(pair, move |host| {
        let notice = frame(FrameKind::Notice, 64, CallId(0), &pattern(1000));
        let mut sent = 0;
        while host.try_notice(&notice).unwrap() {
            sent += 1;
            assert!(sent < 1_000_000);
            if sent == 100_000 {
                break;
            }
        }
        // The client is notified here; it may have ended when this returns.
        let _ = host.wait(Some(Duration::from_millis(1)));
        wait.recv().unwrap();
        sent
    });
    let mut home = served.client.home().unwrap();
    let mut body = Vec::new();
    let header = home.receive(&mut body, &mut within_30_s()).unwrap();
    assert_eq!((header.kind, header.number), (FrameKind::Notice, 64));
    assert_eq!(body, pattern(1000));
    done.send(()).unwrap();
    drop(home);
    assert!(served.end() > 50);
}

pub(super) fn ring_wakes_the_host_and_is_not_lost(pair: Pair) {
    let (send_waker, receive_waker) = mpsc::channel();
    let served = Served::new(pair, move |host| {
        let mut seen = Vec::new();
        seen.push(host.wait(Some(Duration::from_millis(1))).unwrap());
        send_waker.send(host.waker()).unwrap();
        seen.push(host.wait(Some(Duration::from_secs(30))).unwrap());
        // A wake-up while one lane is served exclusively is returned afterwards.
        let lane = next_lane(host).unwrap();
        host.receive(lane, &mut Vec::new()).unwrap();
        host.send(lane, &frame(FrameKind::Request, 32, CallId(5), b""))
            .unwrap();
        host.receive(lane, &mut Vec::new()).unwrap();
        seen.push(host.wait(Some(Duration::from_secs(30))).unwrap());
        seen
    });
    let waker = receive_waker.recv().unwrap();
    waker.wake();
    let mut lane = served.client.lease(None, &mut within_30_s()).unwrap();
    lane.send(
        &frame(FrameKind::Request, 2, CallId(1), b""),
        &mut within_30_s(),
    )
    .unwrap();
    lane.receive(&mut Vec::new(), &mut within_30_s()).unwrap();
    waker.wake();
    lane.send(
        &frame(FrameKind::Reply, 32, CallId(5), b""),
        &mut within_30_s(),
    )
    .unwrap();
    lane.notify();
    drop(lane);
    assert_eq!(served.found(), [Wake::TimedOut, Wake::Woken, Wake::Woken]);
}

pub(super) fn client_sees_the_host_at_its_top(pair: Pair) {
    // Over a socket there is no word that both see, and it is always so.
    let served = Served::new(pair, echo);
    let mut lane = served.client.lease(None, &mut within_30_s()).unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    let mut taken = false;
    while !taken && Instant::now() < end {
        taken = lane.try_take_top();
    }
    assert!(taken);
    // What was announced is served.
    lane.send(
        &frame(FrameKind::Request, 2, CallId(1), b"turn"),
        &mut within_30_s(),
    )
    .unwrap();
    let mut body = Vec::new();
    lane.receive(&mut body, &mut within_30_s()).unwrap();
    assert_eq!(body, b"turn");
    drop(lane);
    served.end();
}

pub(super) fn notice_is_heard_when_a_turn_can_be_given(pair: Pair) {
    const ROUNDS: u32 = 20;
    let served = Served::new(pair, |host| {
        for _ in 0..ROUNDS {
            let notice = frame(FrameKind::Notice, 64, CallId(0), b"");
            assert!(host.try_notice(&notice).unwrap());
            // Other processes have the CPU for a while.
            thread::sleep(Duration::from_millis(20));
            if let Wake::Lane(lane) = host.wait(Some(Duration::from_millis(200))).unwrap() {
                host.receive(lane, &mut Vec::new()).unwrap();
                host.send(lane, &frame(FrameKind::Reply, 2, CallId(1), b""))
                    .unwrap();
                return true;
            }
        }
        false
    });
    let mut home = served.client.home().unwrap();
    let mut lane = served.client.lease(None, &mut within_30_s()).unwrap();
    for _ in 0..ROUNDS {
        home.receive(&mut Vec::new(), &mut within_30_s()).unwrap();
        if lane.try_take_top() {
            lane.send(
                &frame(FrameKind::Request, 2, CallId(1), b""),
                &mut within_30_s(),
            )
            .unwrap();
            lane.receive(&mut Vec::new(), &mut within_30_s()).unwrap();
            break;
        }
    }
    drop((home, lane));
    assert!(served.found());
}
