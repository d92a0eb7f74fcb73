//! Frames that mean nothing.

use super::*;

/// Bytes that are no frame, a frame of another generation, one that is too large.
pub(super) fn bad_headers() -> [[u8; HEADER_BYTES]; 5] {
    let good = Header::encode(&Header {
        body_len: 0,
        kind: FrameKind::Request,
        flags: crate::frame::Flags::NONE,
        number: 2,
        call: CallId(1),
        generation: GENERATION,
    });
    let with = |at: usize, byte: u8| {
        let mut bytes = good;
        bytes[at] = byte;
        bytes
    };
    [
        [0xA5; HEADER_BYTES],
        with(4, 5),
        with(5, 32),
        with(12, 8),
        with(3, 0x7F),
    ]
}

pub(super) fn bad_frame_from_the_client_is_refused(pair: Pair) {
    let served = Served::new(pair, |host| {
        let mut errors = Vec::new();
        let mut body = Vec::new();
        while errors.len() < bad_headers().len() {
            let lane = next_lane(host).unwrap();
            errors.push(host.receive(lane, &mut body).unwrap_err());
        }
        assert_eq!(body.capacity(), 0);
        errors
    });
    let mut lane = served.client.lease(None, &mut within_30_s()).unwrap();
    for header in bad_headers() {
        lane.send(&header, &mut within_30_s()).unwrap();
        lane.notify();
    }
    drop(lane);
    for error in served.found() {
        assert!(
            matches!(
                error,
                ProtocolError::Malformed { .. } | ProtocolError::Violation { .. }
            ),
            "{error}"
        );
    }
}

pub(super) fn bad_frame_from_the_host_is_refused(pair: Pair) {
    let (done, wait) = mpsc::channel::<()>();
    let served = Served::new(pair, move |host| {
        let lane = next_lane(host).unwrap();
        host.receive(lane, &mut Vec::new()).unwrap();
        for header in bad_headers() {
            host.send(lane, &header).unwrap();
        }
        wait.recv().unwrap();
    });
    let mut lane = served.client.lease(None, &mut within_30_s()).unwrap();
    lane.send(
        &frame(FrameKind::Request, 2, CallId(1), b""),
        &mut within_30_s(),
    )
    .unwrap();
    let mut body = Vec::new();
    for _ in bad_headers() {
        let error = lane.receive(&mut body, &mut within_30_s()).unwrap_err();
        assert!(
            matches!(
                error,
                ProtocolError::Malformed { .. } | ProtocolError::Violation { .. }
            ),
            "{error}"
        );
    }
    assert_eq!(body.capacity(), 0);
    done.send(()).unwrap();
    drop(lane);
    served.found();
}

pub(super) fn truncated_frame_then_death_is_a_disconnection(pair: Pair) {
    let whole = frame(FrameKind::Request, 2, CallId(1), &pattern(100));
    let (begun, wait) = mpsc::channel();
    let served = Served::new(pair, move |host| {
        let lane = next_lane(host).unwrap();
        begun.send(()).unwrap();
        host.receive(lane, &mut Vec::new()).unwrap_err()
    });
    let mut lane = served.client.lease(None, &mut within_30_s()).unwrap();
    lane.send(&whole[..60], &mut within_30_s()).unwrap();
    lane.notify();
    wait.recv().unwrap();
    drop(lane);
    assert!(matches!(served.end(), ProtocolError::Disconnected));
}

pub(super) fn half_open_client_does_not_hold_the_host_for_ever(pair: Pair) {
    let (begun, wait) = mpsc::channel();
    let served = Served::new(pair, move |host| {
        let lane = next_lane(host).unwrap();
        host.receive(lane, &mut Vec::new()).unwrap();
        begun.send(()).unwrap();
        // No reader takes this, and it does not fit.
        host.send(
            lane,
            &frame(FrameKind::Reply, 2, CallId(1), &pattern(8 << 20)),
        )
        .unwrap_err()
    });
    let mut lane = served.client.lease(None, &mut within_30_s()).unwrap();
    lane.send(
        &frame(FrameKind::Request, 2, CallId(1), b""),
        &mut within_30_s(),
    )
    .unwrap();
    lane.notify();
    wait.recv().unwrap();
    assert!(matches!(served.end(), ProtocolError::Disconnected));
}
