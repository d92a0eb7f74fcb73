//! Calls, replies and callbacks.

use super::*;

pub(super) fn round_trip(pair: Pair) {
    let served = Served::new(pair, echo);
    let mut body = Vec::new();
    for call in 0..200 {
        let mut lane = served.client.lease(None, &mut within_30_s()).unwrap();
        let sent = pattern(call * 7);
        let id = CallId(u32::try_from(call).unwrap());
        lane.send(&frame(FrameKind::Request, 2, id, &sent), &mut within_30_s())
            .unwrap();
        let header = lane.receive(&mut body, &mut within_30_s()).unwrap();
        assert_eq!(
            (header.kind, header.number, header.call),
            (FrameKind::Reply, 2, id)
        );
        assert_eq!(body, sent);
    }
    let (count, error) = served.end();
    assert_eq!(count, 200);
    assert!(matches!(error, ProtocolError::Disconnected), "{error}");
}

/// A waiting thread releases what others need, except for a brief poll.
pub(super) fn wait_releases_what_others_need(pair: Pair) {
    #[derive(Default)]
    struct Holder {
        parks: u32,
        brief_polls: u32,
        is_parked: bool,
    }

    impl Idle for Holder {
        fn check(&mut self) -> std::result::Result<(), Interrupted> {
            assert!(self.is_parked, "a wait that holds what others need");
            Ok(())
        }

        fn park(&mut self, wait: &mut ParkedWait<'_>) {
            assert!(!self.is_parked);
            self.is_parked = true;
            wait(self);
            self.is_parked = false;
            self.parks += 1;
        }

        fn may_poll_briefly(&mut self) -> bool {
            self.brief_polls += 1;
            self.brief_polls == 1
        }
    }

    let (go, gone) = mpsc::channel();
    let served = Served::new(pair, move |host: &mut HostEnd| -> Result {
        let lane = next_lane(host)?;
        let header = host.receive(lane, &mut Vec::new())?;
        gone.recv().unwrap();
        // The client is about to wait, or does so.
        thread::sleep(Duration::from_millis(20));
        let body = pattern(10 << 20);
        host.send(lane, &frame(FrameKind::Reply, 2, header.call, &body))
    });
    let mut lane = served.client.lease(None, &mut within_30_s()).unwrap();
    let request = frame(FrameKind::Request, 2, CallId(1), &[]);
    lane.send(&request, &mut within_30_s()).unwrap();
    go.send(()).unwrap();
    let mut holder = Holder::default();
    let mut body = Vec::new();
    lane.receive(&mut body, &mut holder).unwrap();
    assert!(body == pattern(10 << 20));
    assert!(holder.parks > 0);
    drop(lane);
    served.found().unwrap();
}

pub(super) fn frame_larger_than_the_ring_is_streamed(pair: Pair) {
    let served = Served::new(pair, echo);
    let mut lane = served.client.lease(None, &mut within_30_s()).unwrap();
    let sent = pattern(10 << 20);
    lane.send(
        &frame(FrameKind::Request, 2, CallId(1), &sent),
        &mut within_30_s(),
    )
    .unwrap();
    let mut body = Vec::new();
    lane.receive(&mut body, &mut within_30_s()).unwrap();
    assert!(body == sent);
    drop(lane);
    assert_eq!(served.end().0, 1);
}

/// Each side asks the other `depth` times, each inside the other's request.
pub(super) fn conversation_nests(pair: Pair) {
    const DEPTH: u8 = 20;

    fn host_serves(host: &mut HostEnd, lane: LaneNumber, pending: &mut Pending) -> Result {
        let mut body = Vec::new();
        let header = host.receive(lane, &mut body)?;
        pending.asked(header.call, header.number)?;
        let level = body[0];
        if level < DEPTH {
            let call = pending.ask(32)?;
            host.send(lane, &frame(FrameKind::Request, 32, call, &[level + 1]))?;
            host_serves(host, lane, pending)?;
            let header = host.receive(lane, &mut body)?;
            pending.answered(&header)?;
            assert_eq!(body, [level + 1]);
        }
        let open = pending.answer()?;
        host.send(
            lane,
            &frame(FrameKind::Reply, open.number, open.call, &[level]),
        )
    }

    fn client_asks(lane: &mut ClientLane, pending: &mut Pending, level: u8) -> Result {
        let mut body = Vec::new();
        let call = pending.ask(2)?;
        lane.send(
            &frame(FrameKind::Request, 2, call, &[level]),
            &mut within_30_s(),
        )?;
        if level < DEPTH {
            let header = lane.receive(&mut body, &mut within_30_s())?;
            pending.asked(header.call, header.number)?;
            client_asks(lane, pending, body[0])?;
            let open = pending.answer()?;
            lane.send(
                &frame(FrameKind::Reply, open.number, open.call, &body),
                &mut within_30_s(),
            )?;
        }
        let header = lane.receive(&mut body, &mut within_30_s())?;
        pending.answered(&header)?;
        assert_eq!(body, [level]);
        Ok(())
    }

    let served = Served::new(pair, |host| {
        let lane = next_lane(host).unwrap();
        host_serves(host, lane, &mut Pending::new(&LIMITS))
    });
    let mut lane = served.client.lease(None, &mut within_30_s()).unwrap();
    client_asks(&mut lane, &mut Pending::new(&LIMITS), 0).unwrap();
    drop(lane);
    served.found().unwrap();
}

pub(super) fn calls_of_many_threads_get_their_own_replies(pair: Pair) {
    let served = Served::new(pair, echo);
    thread::scope(|scope| {
        for number in 0..8_u8 {
            let client = &served.client;
            scope.spawn(move || {
                let mut body = Vec::new();
                let mut hint = None;
                for call in 0..100 {
                    let mut lane = client.lease(hint, &mut within_30_s()).unwrap();
                    hint = Some(lane.index());
                    let sent = vec![number; 1 + call * 13];
                    let request = frame(FrameKind::Request, 2, CallId(1), &sent);
                    lane.send(&request, &mut within_30_s()).unwrap();
                    lane.receive(&mut body, &mut within_30_s()).unwrap();
                    assert_eq!(body, sent);
                }
            });
        }
    });
    assert_eq!(served.end().0, 800);
}

pub(super) fn large_frames_of_many_threads_do_not_block_each_other(pair: Pair) {
    let served = Served::new(pair, echo);
    thread::scope(|scope| {
        for number in 0..4_u8 {
            let client = &served.client;
            scope.spawn(move || {
                let sent = vec![number; 3 << 20];
                let request = frame(FrameKind::Request, 2, CallId(1), &sent);
                let mut body = Vec::new();
                for _ in 0..3 {
                    let mut lane = client.lease(None, &mut within_30_s()).unwrap();
                    lane.send(&request, &mut within_30_s()).unwrap();
                    lane.receive(&mut body, &mut within_30_s()).unwrap();
                    assert!(body == sent);
                }
            });
        }
    });
    assert_eq!(served.end().0, 12);
}
