//! What encoding, decoding and a round trip cost. `cargo bench -p hostd-protocol`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement")]

use std::hint::black_box;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use hostd_protocol::carrier::socket::{self, Connection, Outbox};
use hostd_protocol::carrier::{ClientEnd, HostEnd, Uninterruptible, Wake, lane};
use hostd_protocol::control::{ClientMessage, HostMessage};
use hostd_protocol::frame::{FrameBuilder, FrameKind};
use hostd_protocol::ids::{CallId, Generation};
use hostd_protocol::limits::Limits;
use hostd_protocol::value::{Token, ValueReader, ValueWriter};
use serde::de::DeserializeOwned;

const LIMITS: Limits = Limits::DEFAULT;
const GENERATION: Generation = Generation(1);

/// The median of nine rounds, in nanoseconds per turn.
fn measure(name: &str, turns: u32, mut work: impl FnMut()) {
    let mut rounds: Vec<f64> = (0..9)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..turns {
                work();
            }
            start.elapsed().as_secs_f64() * 1e9 / f64::from(turns)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    println!("{name:<40} {:>10.1} ns", rounds[4]);
}

fn call(builder: &mut FrameBuilder, id: CallId) -> &[u8] {
    builder.start(FrameKind::Request, 2);
    let mut body = builder.body();
    body.put_u32(3);
    body.put_u8(0);
    body.put_u32(2);
    body.integer(black_box(1));
    body.integer(black_box(2));
    builder.finish(id, GENERATION).unwrap()
}

fn read_call(body: &[u8]) -> i32 {
    let mut reader = ValueReader::new(body, &LIMITS);
    let target = reader.take_u32().unwrap();
    let this = reader.take_u8().unwrap();
    let count = reader.take_count(1).unwrap();
    let mut sum = 0;
    for _ in 0..count {
        if let Token::Int32(value) = reader.next().unwrap() {
            sum += value;
        }
    }
    black_box((target, this));
    sum
}

fn values() {
    let mut builder = FrameBuilder::new(LIMITS);
    measure("encode add(1, 2), frame and all", 1_000_000, || {
        black_box(call(&mut builder, CallId(1)));
    });
    let frame = call(&mut builder, CallId(1)).to_vec();
    measure("decode add(1, 2), body", 1_000_000, || {
        black_box(read_call(black_box(&frame[16..])));
    });

    // The same bytes by hand, to see what the codec crate costs.
    let mut plain = Vec::with_capacity(64);
    measure("encode the same by to_le_bytes", 1_000_000, || {
        plain.clear();
        plain.extend_from_slice(&[0; 16]);
        plain.extend_from_slice(&3_u32.to_le_bytes());
        plain.push(0);
        plain.extend_from_slice(&2_u32.to_le_bytes());
        for value in [black_box(1_i32), black_box(2)] {
            plain.push(4);
            plain.extend_from_slice(&value.to_le_bytes());
        }
        black_box(&plain);
    });

    let numbers: Vec<i32> = (0..1000).collect();
    let mut out = Vec::new();
    measure("encode 1000 ints, tagged", 10_000, || {
        out.clear();
        let mut writer = ValueWriter::new(&mut out, &LIMITS);
        let open = writer.open_array().unwrap();
        for number in black_box(&numbers) {
            writer.int32(*number);
        }
        writer.close(open, 1000);
    });
    measure("decode 1000 ints, tagged", 10_000, || {
        let mut reader = ValueReader::new(black_box(&out), &LIMITS);
        let mut sum = 0;
        if let Token::Array { count, .. } = reader.next().unwrap() {
            for _ in 0..count {
                if let Token::Int32(value) = reader.next().unwrap() {
                    sum += value;
                }
            }
        }
        black_box(sum);
    });
    let mut out = Vec::new();
    measure("encode 1000 ints, packed", 10_000, || {
        out.clear();
        let mut writer = ValueWriter::new(&mut out, &LIMITS);
        let open = writer.open_array_i32().unwrap();
        for number in black_box(&numbers) {
            writer.push_i32(*number);
        }
        writer.close(open, 1000);
    });
    measure("decode 1000 ints, packed", 10_000, || {
        let mut reader = ValueReader::new(black_box(&out), &LIMITS);
        let mut sum = 0;
        if let Token::ArrayI32 { items, .. } = reader.next().unwrap() {
            sum = items.iter().sum();
        }
        black_box(sum);
    });
}

fn echo(mut host: HostEnd) {
    let mut body = Vec::new();
    let mut builder = FrameBuilder::new(LIMITS);
    while let Ok(wake) = host.wait(None) {
        let Wake::Lane(lane) = wake else { continue };
        let Ok(header) = host.receive(lane, &mut body) else {
            return;
        };
        builder.start(FrameKind::Reply, header.number);
        builder.body().integer(read_call(&body).into());
        host.send(lane, builder.finish(header.call, GENERATION).unwrap())
            .unwrap();
    }
}

fn round_trips(name: &str, client: &ClientEnd) {
    let mut builder = FrameBuilder::new(LIMITS);
    let mut body = Vec::new();
    let mut id = CallId(0);
    let mut hint = None;
    measure(name, 20_000, || {
        id = id.next();
        let mut lane = client.lease(hint, &mut Uninterruptible).unwrap();
        hint = Some(lane.index());
        lane.send(call(&mut builder, id), &mut Uninterruptible)
            .unwrap();
        let header = lane.receive(&mut body, &mut Uninterruptible).unwrap();
        assert_eq!(header.call, id);
    });
}

/// Moves the bytes of one end of a socket carrier in a thread.
fn connect<M: DeserializeOwned + 'static>(connection: Connection, socket: UnixStream) {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_io().build().unwrap();
        // Ends with an error when the measurement is over.
        let _ = runtime.block_on(async move {
            let stream = socket::adopt(socket).unwrap();
            connection.run::<M>(stream, |_| {}).await
        });
    };
    std::thread::Builder::new().spawn(run).unwrap();
}

/// Large requests with a small reply, and small requests with a large one: each as many bytes as its
/// number of 64 KiB says.
fn transfers() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    socket::enlarge_send_buffer(&ours);
    socket::enlarge_send_buffer(&theirs);
    let client = socket::client(GENERATION, LIMITS);
    connect::<HostMessage>(Connection::of_client(&client, Outbox::default()), ours);
    let (sender, receiver) = std::sync::mpsc::channel();
    let host = std::thread::Builder::new().spawn(move || {
        let mut host = socket::host(GENERATION, LIMITS);
        connect::<ClientMessage>(Connection::of_host(&host, Outbox::default()), theirs);
        sender.send(host.waker()).unwrap();
        let mut body = Vec::new();
        let mut builder = FrameBuilder::new(LIMITS);
        while let Ok(wake) = host.wait(None) {
            let Wake::Lane(lane) = wake else { continue };
            let Ok(header) = host.receive(lane, &mut body) else {
                return;
            };
            builder.start(FrameKind::Reply, header.number);
            let bytes = usize::from(header.number) * UNIT;
            builder.body_bytes().resize(16 + bytes, 1);
            let frame = builder.finish(header.call, GENERATION).unwrap();
            host.send(lane, frame).unwrap();
        }
    });
    let waker = receiver.recv().unwrap();
    let mut body = Vec::new();
    for units in [1, 4, 16, 160] {
        let turns = 800 / units;
        for (way, request, reply) in [("in", units, 0), ("out", 0, units)] {
            let name = format!("{} KiB {way} over a socket", (units as usize * UNIT) >> 10);
            let mut builder = FrameBuilder::new(LIMITS);
            measure(&name, turns, || {
                let mut lane = client.lease(None, &mut Uninterruptible).unwrap();
                builder.start(FrameKind::Request, u16::try_from(reply).unwrap());
                let bytes = request as usize * UNIT;
                builder.body_bytes().resize(16 + bytes, 1);
                let frame = builder.finish(CallId(1), GENERATION).unwrap();
                lane.send(frame, &mut Uninterruptible).unwrap();
                lane.receive(&mut body, &mut Uninterruptible).unwrap();
                assert_eq!(body.len(), reply as usize * UNIT);
            });
        }
    }
    client.disconnect();
    waker.disconnect();
    host.unwrap().join().unwrap();
}

/// Bytes.
const UNIT: usize = 64 << 10;

fn main() {
    if std::env::args().any(|argument| argument == "transfers") {
        return transfers();
    }
    values();
    transfers();
    let (segment, fd) = lane::Segment::create().unwrap();
    let client = lane::client(segment, GENERATION, LIMITS);
    let (sender, receiver) = std::sync::mpsc::channel();
    let host = std::thread::Builder::new().spawn(move || {
        let host = lane::host(lane::Segment::open(fd).unwrap(), GENERATION, LIMITS);
        sender.send(host.waker()).unwrap();
        echo(host);
    });
    let waker = receiver.recv().unwrap();
    round_trips("add(1, 2) over a lane, two threads", &client);
    waker.disconnect();
    host.unwrap().join().unwrap();
}
