//! One suite for all carriers: what is true of one is true of each.

use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::*;
use crate::error::{ProtocolError, Result};
use crate::frame::{FrameBuilder, FrameKind, HEADER_BYTES, Header};
use crate::ids::{CallId, Generation, LaneIndex};
use crate::limits::Limits;
use crate::pending::Pending;

const GENERATION: Generation = Generation(7);
const LIMITS: Limits = Limits {
    frame_bytes: 16 << 20,
    ..Limits::DEFAULT
};

/// A client's end, and how to make the host's end on its own thread.
struct Pair {
    client: ClientEnd,
    host: Box<dyn FnOnce() -> HostEnd + Send>,
}

fn memory() -> Pair {
    let (client, host) = memory::pair(GENERATION, LIMITS);
    Pair {
        client,
        host: Box::new(move || host.into_end()),
    }
}

#[cfg(target_os = "linux")]
fn lane() -> Pair {
    let (segment, fd) = lane::Segment::create().unwrap();
    let client = lane::client(segment, GENERATION, LIMITS);
    let host = move || lane::host(lane::Segment::open(fd).unwrap(), GENERATION, LIMITS);
    Pair {
        client,
        host: Box::new(host),
    }
}

#[cfg(unix)]
fn socket() -> Pair {
    use crate::control::{ClientMessage, HostMessage};
    use socket::{Connection, Outbox};

    fn serve<M: serde::de::DeserializeOwned + 'static>(
        connection: Connection,
        socket: std::os::unix::net::UnixStream,
    ) {
        let serve = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .build();
            // Ends with an error as soon as either side goes: the suite looks at the lanes.
            let _ = runtime.unwrap().block_on(async {
                connection
                    .run::<M>(socket::adopt(socket).unwrap(), |_| {})
                    .await
            });
        };
        thread::Builder::new().spawn(serve).unwrap();
    }

    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let client = socket::client(GENERATION, LIMITS);
    serve::<HostMessage>(Connection::of_client(&client, Outbox::default()), ours);
    let host = move || {
        let host = socket::host(GENERATION, LIMITS);
        serve::<ClientMessage>(Connection::of_host(&host, Outbox::default()), theirs);
        host
    };
    Pair {
        client,
        host: Box::new(host),
    }
}

/// A host on a thread of its own that does what it is told and returns what it found.
struct Served<T> {
    client: ClientEnd,
    waker: HostWaker,
    thread: Option<JoinHandle<T>>,
}

impl<T: Send + 'static> Served<T> {
    fn new(pair: Pair, script: impl FnOnce(&mut HostEnd) -> T + Send + 'static) -> Self {
        let (sender, receiver) = mpsc::channel();
        let host = pair.host;
        let run = move || {
            let mut host = host();
            sender.send(host.waker()).unwrap();
            script(&mut host)
        };
        let thread = thread::Builder::new().spawn(run).unwrap();
        Self {
            client: pair.client,
            waker: receiver.recv().unwrap(),
            thread: Some(thread),
        }
    }

    /// Ends the session as the death of both sides would, and returns what the host found.
    fn end(mut self) -> T {
        self.client.disconnect();
        self.waker.disconnect();
        self.thread.take().unwrap().join().unwrap()
    }

    /// What the host found by itself.
    fn found(mut self) -> T {
        self.thread.take().unwrap().join().unwrap()
    }
}

/// Gives up after a time that is only reached if something is broken.
struct Patience(Instant);

fn patience() -> Patience {
    Patience(Instant::now() + Duration::from_secs(30))
}

impl Idle for Patience {
    fn check(&mut self) -> std::result::Result<(), Interrupted> {
        if Instant::now() < self.0 {
            Ok(())
        } else {
            Err(Interrupted)
        }
    }
}

fn frame(kind: FrameKind, number: u16, call: CallId, body: &[u8]) -> Vec<u8> {
    let mut builder = FrameBuilder::new(LIMITS);
    builder.start(kind, number);
    builder.body_bytes().extend_from_slice(body);
    builder.finish(call, GENERATION).unwrap().to_vec()
}

fn next_lane(host: &mut HostEnd) -> Result<LaneIndex> {
    loop {
        if let Wake::Lane(lane) = host.wait(None)? {
            return Ok(lane);
        }
    }
}

/// Answers every request with its own body until the end.
fn echo(host: &mut HostEnd) -> (u32, ProtocolError) {
    let mut served = 0;
    let mut body = Vec::new();
    let mut serve = || -> Result {
        loop {
            let lane = next_lane(host)?;
            let header = host.receive(lane, &mut body)?;
            served += 1;
            host.send(
                lane,
                &frame(FrameKind::Reply, header.number, header.call, &body),
            )?;
        }
    };
    let error = serve().unwrap_err();
    (served, error)
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|index| u8::try_from(index * 31 % 251).unwrap())
        .collect()
}

fn round_trip(pair: Pair) {
    let served = Served::new(pair, echo);
    let mut body = Vec::new();
    for call in 0..200 {
        let mut lane = served.client.lease(None, &mut patience()).unwrap();
        let sent = pattern(call * 7);
        let id = CallId(u32::try_from(call).unwrap());
        lane.send(&frame(FrameKind::Request, 2, id, &sent), &mut patience())
            .unwrap();
        let header = lane.receive(&mut body, &mut patience()).unwrap();
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

fn frame_larger_than_the_ring_is_streamed(pair: Pair) {
    let served = Served::new(pair, echo);
    let mut lane = served.client.lease(None, &mut patience()).unwrap();
    let sent = pattern(10 << 20);
    lane.send(
        &frame(FrameKind::Request, 2, CallId(1), &sent),
        &mut patience(),
    )
    .unwrap();
    let mut body = Vec::new();
    lane.receive(&mut body, &mut patience()).unwrap();
    assert!(body == sent);
    drop(lane);
    assert_eq!(served.end().0, 1);
}

/// Each side asks the other `depth` times, each inside the other's request.
fn conversation_nests(pair: Pair) {
    const DEPTH: u8 = 20;

    fn host_serves(host: &mut HostEnd, lane: LaneIndex, pending: &mut Pending) -> Result {
        let mut body = Vec::new();
        let header = host.receive(lane, &mut body)?;
        pending.asked(&header)?;
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
            &mut patience(),
        )?;
        if level < DEPTH {
            let header = lane.receive(&mut body, &mut patience())?;
            pending.asked(&header)?;
            client_asks(lane, pending, body[0])?;
            let open = pending.answer()?;
            lane.send(
                &frame(FrameKind::Reply, open.number, open.call, &body),
                &mut patience(),
            )?;
        }
        let header = lane.receive(&mut body, &mut patience())?;
        pending.answered(&header)?;
        assert_eq!(body, [level]);
        Ok(())
    }

    let served = Served::new(pair, |host| {
        let lane = next_lane(host).unwrap();
        host_serves(host, lane, &mut Pending::new(&LIMITS))
    });
    let mut lane = served.client.lease(None, &mut patience()).unwrap();
    client_asks(&mut lane, &mut Pending::new(&LIMITS), 0).unwrap();
    drop(lane);
    served.found().unwrap();
}

fn calls_of_many_threads_get_their_own_replies(pair: Pair) {
    let served = Served::new(pair, echo);
    thread::scope(|scope| {
        for number in 0..8_u8 {
            let client = &served.client;
            scope.spawn(move || {
                let mut body = Vec::new();
                let mut hint = None;
                for call in 0..100 {
                    let mut lane = client.lease(hint, &mut patience()).unwrap();
                    hint = Some(lane.index());
                    let sent = vec![number; 1 + call * 13];
                    let request = frame(FrameKind::Request, 2, CallId(1), &sent);
                    lane.send(&request, &mut patience()).unwrap();
                    lane.receive(&mut body, &mut patience()).unwrap();
                    assert_eq!(body, sent);
                }
            });
        }
    });
    assert_eq!(served.end().0, 800);
}

/// Bytes that are no frame, a frame of another generation, one that is too large.
fn bad_headers() -> [[u8; HEADER_BYTES]; 5] {
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
        with(5, 8),
        with(12, 8),
        with(3, 0x7F),
    ]
}

fn bad_frame_from_the_client_is_refused(pair: Pair) {
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
    let mut lane = served.client.lease(None, &mut patience()).unwrap();
    for header in bad_headers() {
        lane.send(&header, &mut patience()).unwrap();
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

fn bad_frame_from_the_host_is_refused(pair: Pair) {
    let (done, wait) = mpsc::channel::<()>();
    let served = Served::new(pair, move |host| {
        let lane = next_lane(host).unwrap();
        host.receive(lane, &mut Vec::new()).unwrap();
        for header in bad_headers() {
            host.send(lane, &header).unwrap();
        }
        wait.recv().unwrap();
    });
    let mut lane = served.client.lease(None, &mut patience()).unwrap();
    lane.send(
        &frame(FrameKind::Request, 2, CallId(1), b""),
        &mut patience(),
    )
    .unwrap();
    let mut body = Vec::new();
    for _ in bad_headers() {
        let error = lane.receive(&mut body, &mut patience()).unwrap_err();
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

fn truncated_frame_then_death_is_a_disconnection(pair: Pair) {
    let whole = frame(FrameKind::Request, 2, CallId(1), &pattern(100));
    let (begun, wait) = mpsc::channel();
    let served = Served::new(pair, move |host| {
        let lane = next_lane(host).unwrap();
        begun.send(()).unwrap();
        host.receive(lane, &mut Vec::new()).unwrap_err()
    });
    let mut lane = served.client.lease(None, &mut patience()).unwrap();
    lane.send(&whole[..60], &mut patience()).unwrap();
    lane.notify();
    wait.recv().unwrap();
    drop(lane);
    assert!(matches!(served.end(), ProtocolError::Disconnected));
}

fn half_open_client_does_not_hold_the_host_for_ever(pair: Pair) {
    let (begun, wait) = mpsc::channel();
    let served = Served::new(pair, move |host| {
        let lane = next_lane(host).unwrap();
        host.receive(lane, &mut Vec::new()).unwrap();
        begun.send(()).unwrap();
        // Nobody reads this, and it fits nowhere.
        host.send(
            lane,
            &frame(FrameKind::Reply, 2, CallId(1), &pattern(8 << 20)),
        )
        .unwrap_err()
    });
    let mut lane = served.client.lease(None, &mut patience()).unwrap();
    lane.send(
        &frame(FrameKind::Request, 2, CallId(1), b""),
        &mut patience(),
    )
    .unwrap();
    lane.notify();
    wait.recv().unwrap();
    assert!(matches!(served.end(), ProtocolError::Disconnected));
}

fn death_wakes_whoever_waits_for_a_reply(pair: Pair) {
    let (begun, wait) = mpsc::channel();
    let served = Served::new(pair, move |host| {
        let lane = next_lane(host).unwrap();
        host.receive(lane, &mut Vec::new()).unwrap();
        begun.send(()).unwrap();
        host.receive(lane, &mut Vec::new()).unwrap_err()
    });
    let client = served.client.clone();
    let waiter = thread::Builder::new().spawn(move || {
        let mut lane = client.lease(None, &mut patience()).unwrap();
        lane.send(
            &frame(FrameKind::Request, 2, CallId(1), b""),
            &mut patience(),
        )
        .unwrap();
        lane.receive(&mut Vec::new(), &mut patience()).unwrap_err()
    });
    wait.recv().unwrap();
    let client = served.client.clone();
    served.end();
    assert!(matches!(
        waiter.unwrap().join().unwrap(),
        ProtocolError::Disconnected
    ));
    assert!(client.is_gone());
    let refused = client.lease(None, &mut patience()).unwrap_err();
    assert!(matches!(refused, ProtocolError::Disconnected));
}

fn reply_that_came_before_the_death_is_read(pair: Pair) {
    let served = Served::new(pair, echo);
    let mut lane = served.client.lease(None, &mut patience()).unwrap();
    let request = frame(FrameKind::Request, 2, CallId(1), b"last words");
    let mut body = Vec::new();
    // The first reply is read, so that the second's arrival can be waited for without reading it.
    lane.send(&request, &mut patience()).unwrap();
    lane.receive(&mut body, &mut patience()).unwrap();
    lane.send(&request, &mut patience()).unwrap();
    lane.receive(&mut body, &mut patience()).unwrap();
    served.client.disconnect();
    assert_eq!(body, b"last words");
    assert!(matches!(
        lane.receive(&mut body, &mut patience()).unwrap_err(),
        ProtocolError::Disconnected
    ));
    drop(lane);
    served.end();
}

fn interrupted_wait_says_so(pair: Pair) {
    let served = Served::new(pair, |host| next_lane(host).err());
    let mut lane = served.client.lease(None, &mut patience()).unwrap();
    lane.send(
        &frame(FrameKind::Request, 2, CallId(1), b""),
        &mut patience(),
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

fn last_lane_goes_to_who_waits_first(pair: Pair) {
    let client = pair.client;
    let mut lanes: Vec<_> = (1..64)
        .map(|_| client.lease(None, &mut patience()).unwrap())
        .collect();
    let mut indices: Vec<_> = lanes.iter().map(|lane| lane.index().0).collect();
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
    // Each tells before it gives the one lane on to the next.
    lanes.pop();
    let order: Vec<i32> = got.iter().take(3).collect();
    assert_eq!(order, [0, 1, 2], "who came first is served first");
    let home = client.home().unwrap();
    assert_eq!(home.index(), crate::ids::HOME_LANE);
    assert!(client.home().is_none());
}

fn cancel_word_is_seen_while_the_host_works(pair: Pair) {
    let (begun, wait) = mpsc::channel();
    let served = Served::new(pair, move |host| {
        let lane = next_lane(host).unwrap();
        let header = host.receive(lane, &mut Vec::new()).unwrap();
        let flag = host.cancel_flag(lane).unwrap();
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
    let mut lane = served.client.lease(None, &mut patience()).unwrap();
    lane.send(
        &frame(FrameKind::Request, 2, CallId(1), b""),
        &mut patience(),
    )
    .unwrap();
    lane.notify();
    wait.recv().unwrap();
    lane.set_cancel(9);
    let header = lane.receive(&mut Vec::new(), &mut patience()).unwrap();
    assert_eq!(header.kind, FrameKind::Failure);
    drop(lane);
    assert_eq!(served.found(), 9);
}

fn withdrawn_lane_is_found_while_another_is_served(pair: Pair) {
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
            let mut lane = served.client.lease(None, &mut patience()).unwrap();
            let request = frame(FrameKind::Request, 2, CallId(call), b"");
            lane.send(&request, &mut patience()).unwrap();
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
        let header = lane.receive(&mut Vec::new(), &mut patience()).unwrap();
        assert_eq!(header.kind, FrameKind::Failure);
    }
    drop(lanes);
    served.found();
}

fn notice_never_waits(pair: Pair) {
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
        // The client hears of them here; it may have gone when this comes to its end.
        let _ = host.wait(Some(Duration::from_millis(1)));
        wait.recv().unwrap();
        sent
    });
    let mut home = served.client.home().unwrap();
    let mut body = Vec::new();
    let header = home.receive(&mut body, &mut patience()).unwrap();
    assert_eq!((header.kind, header.number), (FrameKind::Notice, 64));
    assert_eq!(body, pattern(1000));
    done.send(()).unwrap();
    drop(home);
    assert!(served.end() > 50);
}

fn ring_wakes_the_host_and_is_not_lost(pair: Pair) {
    let (rings, rung) = mpsc::channel();
    let served = Served::new(pair, move |host| {
        let mut seen = Vec::new();
        seen.push(host.wait(Some(Duration::from_millis(1))).unwrap());
        rings.send(host.waker()).unwrap();
        seen.push(host.wait(Some(Duration::from_secs(30))).unwrap());
        // A ring while one lane is served exclusively is told afterwards.
        let lane = next_lane(host).unwrap();
        host.receive(lane, &mut Vec::new()).unwrap();
        host.send(lane, &frame(FrameKind::Request, 32, CallId(5), b""))
            .unwrap();
        host.receive(lane, &mut Vec::new()).unwrap();
        seen.push(host.wait(Some(Duration::from_secs(30))).unwrap());
        seen
    });
    let waker = rung.recv().unwrap();
    waker.wake();
    let mut lane = served.client.lease(None, &mut patience()).unwrap();
    lane.send(
        &frame(FrameKind::Request, 2, CallId(1), b""),
        &mut patience(),
    )
    .unwrap();
    lane.receive(&mut Vec::new(), &mut patience()).unwrap();
    waker.wake();
    lane.send(
        &frame(FrameKind::Reply, 32, CallId(5), b""),
        &mut patience(),
    )
    .unwrap();
    lane.notify();
    drop(lane);
    assert_eq!(served.found(), [Wake::TimedOut, Wake::Rung, Wake::Rung]);
}

fn client_sees_the_host_at_its_top(pair: Pair) {
    // Over a socket there is no word that both see, and it is always so.
    let served = Served::new(pair, echo);
    let mut lane = served.client.lease(None, &mut patience()).unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    let mut taken = false;
    while !taken && Instant::now() < end {
        taken = lane.try_take_top();
    }
    assert!(taken);
    // What was announced is served.
    lane.send(
        &frame(FrameKind::Request, 2, CallId(1), b"turn"),
        &mut patience(),
    )
    .unwrap();
    let mut body = Vec::new();
    lane.receive(&mut body, &mut patience()).unwrap();
    assert_eq!(body, b"turn");
    drop(lane);
    served.end();
}

fn notice_is_heard_when_a_turn_can_be_given(pair: Pair) {
    const ROUNDS: u32 = 20;
    let served = Served::new(pair, |host| {
        for _ in 0..ROUNDS {
            let ring = frame(FrameKind::Notice, 64, CallId(0), b"");
            assert!(host.try_notice(&ring).unwrap());
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
    let mut lane = served.client.lease(None, &mut patience()).unwrap();
    for _ in 0..ROUNDS {
        home.receive(&mut Vec::new(), &mut patience()).unwrap();
        if lane.try_take_top() {
            lane.send(
                &frame(FrameKind::Request, 2, CallId(1), b""),
                &mut patience(),
            )
            .unwrap();
            lane.receive(&mut Vec::new(), &mut patience()).unwrap();
            break;
        }
    }
    drop((home, lane));
    assert!(served.found());
}

macro_rules! cases {
    ($module:ident: $carrier:ident: $($case:ident)*) => {
        mod $module {
            $(
                #[test]
                fn $case() {
                    super::$case(super::$carrier());
                }
            )*
        }
    };
}

macro_rules! suite {
    ($($module:ident: $carrier:ident;)*) => { $(
        cases! {
            $module: $carrier:
            round_trip
            frame_larger_than_the_ring_is_streamed
            conversation_nests
            calls_of_many_threads_get_their_own_replies
            bad_frame_from_the_client_is_refused
            bad_frame_from_the_host_is_refused
            truncated_frame_then_death_is_a_disconnection
            half_open_client_does_not_hold_the_host_for_ever
            death_wakes_whoever_waits_for_a_reply
            reply_that_came_before_the_death_is_read
            interrupted_wait_says_so
            last_lane_goes_to_who_waits_first
            cancel_word_is_seen_while_the_host_works
            withdrawn_lane_is_found_while_another_is_served
            notice_never_waits
            ring_wakes_the_host_and_is_not_lost
            client_sees_the_host_at_its_top
            notice_is_heard_when_a_turn_can_be_given
        }
    )* };
}

suite! {
    over_memory: memory;
    over_lanes: lane;
    over_a_socket: socket;
}
