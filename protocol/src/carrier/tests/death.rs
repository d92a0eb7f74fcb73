//! The other side is gone.

use super::*;

pub(super) fn death_ends_the_wait_for_a_reply(pair: Pair) {
    let (begun, wait) = mpsc::channel();
    let served = Served::new(pair, move |host| {
        let lane = next_lane(host).unwrap();
        host.receive(lane, &mut Vec::new()).unwrap();
        begun.send(()).unwrap();
        host.receive(lane, &mut Vec::new()).unwrap_err()
    });
    let client = served.client.clone();
    let waiter = thread::Builder::new().spawn(move || {
        let mut lane = client.lease(None, &mut within_30_s()).unwrap();
        lane.send(
            &frame(FrameKind::Request, 2, CallId(1), b""),
            &mut within_30_s(),
        )
        .unwrap();
        lane.receive(&mut Vec::new(), &mut within_30_s())
            .unwrap_err()
    });
    wait.recv().unwrap();
    let client = served.client.clone();
    served.end();
    assert!(matches!(
        waiter.unwrap().join().unwrap(),
        ProtocolError::Disconnected
    ));
    assert!(client.is_gone());
    let refused = client.lease(None, &mut within_30_s()).unwrap_err();
    assert!(matches!(refused, ProtocolError::Disconnected));
}

pub(super) fn reply_that_came_before_the_death_is_read(pair: Pair) {
    let served = Served::new(pair, echo);
    let mut lane = served.client.lease(None, &mut within_30_s()).unwrap();
    let request = frame(FrameKind::Request, 2, CallId(1), b"last words");
    let mut body = Vec::new();
    // The first reply is read, so that the second's arrival can be waited for without reading it.
    lane.send(&request, &mut within_30_s()).unwrap();
    lane.receive(&mut body, &mut within_30_s()).unwrap();
    lane.send(&request, &mut within_30_s()).unwrap();
    lane.receive(&mut body, &mut within_30_s()).unwrap();
    served.client.disconnect();
    assert_eq!(body, b"last words");
    assert!(matches!(
        lane.receive(&mut body, &mut within_30_s()).unwrap_err(),
        ProtocolError::Disconnected
    ));
    drop(lane);
    served.end();
}

pub(super) fn interrupted_wait_says_so(pair: Pair) {
    let served = Served::new(pair, |host| next_lane(host).err());
    let mut lane = served.client.lease(None, &mut within_30_s()).unwrap();
    lane.send(
        &frame(FrameKind::Request, 2, CallId(1), b""),
        &mut within_30_s(),
    )
    .unwrap();
    let mut asked = 0;
    let mut impatient = || {
        asked += 1;
        if asked < 3 { Ok(()) } else { Err(Interrupted) }
    };
    let error = lane.receive(&mut Vec::new(), &mut impatient).unwrap_err();
    assert!(matches!(error, ProtocolError::Interrupted), "{error}");
    drop(lane);
    served.end();
}
