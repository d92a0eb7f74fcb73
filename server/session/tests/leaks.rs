//! Sessions that were made and dropped leave no thread, no descriptor and no shared memory.
//!
//! `HOSTD_SESSIONS=1000` makes so many; `--nocapture` shows what each keeps in memory, which is
//! that of the engine and of Node-API's tables: they live as long as the process.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are not recognised as tests"
)]

use std::fs;
use std::thread;

use hostd_protocol::calls::CallKind;
use hostd_protocol::carrier::{Uninterruptible, lane};
use hostd_protocol::frame::{FrameBuilder, FrameKind};
use hostd_protocol::ids::{CallId, Generation};
use hostd_protocol::limits::Limits;
use hostd_session::{Ended, Session, SessionHooks, SessionOptions};

const GENERATION: Generation = Generation(1);
const LIMITS: Limits = Limits::DEFAULT;
/// Pools and caches of the process are filled by so many sessions.
const WARM_UP: usize = 3;
const SESSIONS: usize = 25;

#[derive(Debug)]
struct Hooks;

impl SessionHooks for Hooks {
    fn exit(&self, _: i32) {}
}

/// What a process has of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    threads: usize,
    descriptors: usize,
    shared: usize,
}

fn held() -> Held {
    let entries = |folder: &str| fs::read_dir(folder).unwrap().count();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    Held {
        threads: entries("/proc/self/task"),
        descriptors: entries("/proc/self/fd"),
        shared: maps.lines().filter(|line| line.contains("memfd:")).count(),
    }
}

fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.unwrap().parse().unwrap()
}

/// Makes a session, runs a script in it, and ends it.
fn session() {
    let (segment, lanes) = lane::Segment::create().unwrap();
    let host = thread::Builder::new().stack_size(8 << 20).spawn(move || {
        let segment = lane::Segment::open(lanes).unwrap();
        let session = Session::start(SessionOptions {
            end: lane::host(segment, GENERATION, LIMITS),
            wake_pipe: None,
            generation: GENERATION,
            limits: LIMITS,
            stack_bytes: 6 << 20,
            nested_threads: false,
            debug: false,
            hooks: Box::new(Hooks),
        });
        matches!(session.unwrap().run(), Ended::Closed)
    });
    let end = lane::client(segment, GENERATION, LIMITS);
    let mut lane = end.lease(None, &mut Uninterruptible).unwrap();
    let mut frame = FrameBuilder::new(LIMITS);
    for (number, call) in (0..).zip([CallKind::RunScript, CallKind::Close]) {
        frame.start(FrameKind::Request, call.number());
        if call == CallKind::RunScript {
            let script = "globalThis.kept = [() => 1, Buffer.from('x'), new Map()]; kept";
            frame.body().str(script).unwrap();
        }
        let bytes = frame.finish(CallId(number), GENERATION).unwrap();
        lane.send(bytes, &mut Uninterruptible).unwrap();
        let mut body = Vec::new();
        let header = lane.receive(&mut body, &mut Uninterruptible).unwrap();
        assert_eq!(header.kind, FrameKind::Reply);
    }
    assert!(host.unwrap().join().unwrap(), "the session ends in order");
}

#[test]
fn sessions_leave_no_thread_descriptor_or_shared_memory() {
    let count = std::env::var("HOSTD_SESSIONS").map_or(SESSIONS, |text| text.parse().unwrap());
    (0..WARM_UP).for_each(|_| session());
    let (before, memory) = (held(), resident_kib());
    (0..count).for_each(|_| session());
    assert_eq!(held(), before);
    let grown = resident_kib().saturating_sub(memory);
    println!("{count} sessions: {grown} KiB in all");
}
