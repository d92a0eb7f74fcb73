//! A thousand sessions, made and dropped in this process, leave no memory, thread, descriptor or
//! mapping.
//!
//! Each loads an addon, calls it, and uses a timer, the pool, a threadsafe function, a loop of libuv
//! and what addons own. Two run at a time. The only test of its program, because what is measured is
//! the process's.
//!
//! Upholds I-23.
#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are not recognised as tests"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use hostd_protocol::calls::CallKind;
use hostd_protocol::carrier::{ClientLane, Uninterruptible, lane};
use hostd_protocol::frame::{FrameBuilder, FrameKind};
use hostd_protocol::ids::{CallId, Generation};
use hostd_protocol::limits::Limits;
use hostd_session::{Ended, Session, SessionHooks, SessionOptions};

const GENERATION: Generation = Generation(1);
const LIMITS: Limits = Limits::DEFAULT;
/// Caches of the process and the allocator's arenas are filled by so many sessions.
const WARM_UP: usize = 100;
const SESSIONS: usize = 1000;
/// How many run at a time.
const AT_ONCE: usize = 2;
/// Bytes of the heap, and of memory in use, by which all sessions together may grow. A tenth of a
/// session's engine each would be 30 MiB.
const HEAP_SLACK: u64 = 64 << 10;
const RESIDENT_SLACK: u64 = 2 << 20;
/// How long what is under way may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Run with `addon` bound to the path, and `alone` to whether no other session runs.
const SCRIPT: &str = "
    const module = { exports: {} };
    process.dlopen(module, addon);
    const { add, alive, own, work, thread, loop } = module.exports;
    if (alone && alive() !== 3) throw new Error(`addons have ${alive()} blocks`);
    if (add(1, 2) !== 3) throw new Error('the addon cannot add');
    globalThis.left = 4;
    const done = () => { left -= 1; };
    setTimeout(done, 0);
    work(done);
    thread(done);
    loop(done);
    globalThis.kept = [own(), () => kept, new Map([[module, done]])];
    new Promise(() => {}).then(done);
    setTimeout(done, 1e9);
    setInterval(done, 1e9).unref();
    left
";

#[derive(Debug)]
struct Hooks;

impl SessionHooks for Hooks {
    fn exit(&self, _: i32) {}
}

/// What a process has of the system.
#[derive(Clone, Copy, Debug)]
struct Held {
    /// Without those of the pools of Node-API and libuv, which the process keeps.
    threads: usize,
    descriptors: usize,
    shared: usize,
}

impl Held {
    fn exceeds(self, other: Self) -> bool {
        self.threads > other.threads
            || self.descriptors > other.descriptors
            || self.shared > other.shared
    }
}

fn held() -> Held {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    Held {
        threads: names.filter(|name| name.trim() != "napi-pool").count(),
        descriptors: fs::read_dir("/proc/self/fd").unwrap().count(),
        shared: maps.lines().filter(|line| line.contains("memfd:")).count(),
    }
}

/// Bytes of the heap that are in use, and of memory that the process has.
fn memory() -> (u64, u64) {
    #[expect(unsafe_code, reason = "the C library has no safe interface")]
    // SAFETY: it returns what is free to the system.
    unsafe {
        libc::malloc_trim(0)
    };
    #[expect(unsafe_code, reason = "the C library has no safe interface")]
    // SAFETY: it only reads the state of the heap.
    let info = unsafe { libc::mallinfo2() };
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    let resident: u64 = number.unwrap().parse().unwrap();
    ((info.uordblks + info.hblkhd) as u64, resident << 10)
}

fn compile() -> PathBuf {
    let name = format!("every-{}.node", std::process::id());
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let output = Command::new(compiler)
        .args(["-shared", "-fPIC", "-O1", "-pthread", "-o"])
        .arg(&path)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/addons/every.c"))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    path
}

/// A client on a lane.
struct Client {
    lane: ClientLane,
    frame: FrameBuilder,
    calls: u32,
}

impl Client {
    /// Makes a call that must succeed; returns the body of the reply.
    fn call(&mut self, call: CallKind, write: impl FnOnce(&mut FrameBuilder)) -> Vec<u8> {
        self.frame.start(FrameKind::Request, call.number());
        write(&mut self.frame);
        self.calls += 1;
        let bytes = self.frame.finish(CallId(self.calls), GENERATION).unwrap();
        self.lane.send(bytes, &mut Uninterruptible).unwrap();
        let mut body = Vec::new();
        let header = self.lane.receive(&mut body, &mut Uninterruptible).unwrap();
        let text = String::from_utf8_lossy(&body);
        assert_eq!(header.kind, FrameKind::Reply, "{call:?}: {text}");
        body
    }

    fn script(&mut self, script: &str) -> Vec<u8> {
        self.call(CallKind::RunScript, |frame| {
            frame.body().str(script).unwrap();
        })
    }
}

/// Makes a session, has it use everything, and ends it.
fn session(addon: &str, alone: bool) {
    let (segment, lanes) = lane::Segment::create().unwrap();
    let (closer, closers) = mpsc::channel();
    let js = thread::Builder::new().stack_size(2 << 20).spawn(move || {
        let segment = lane::Segment::open(lanes).unwrap();
        let session = Session::start(SessionOptions {
            memory: None,
            end: lane::host(segment, GENERATION, LIMITS),
            wake_pipe: None,
            generation: GENERATION,
            limits: LIMITS,
            stack_bytes: 1 << 20,
            nested_threads: false,
            debug: false,
            keeps_calls: false,
            profile: true,
            on_wake: None,
            hooks: Box::new(Hooks),
        });
        let session = session.unwrap();
        closer.send(session.closer()).unwrap();
        matches!(session.run(), Ended::Closed)
    });
    let end = lane::client(segment, GENERATION, LIMITS);
    let mut client = Client {
        lane: end.lease(None, &mut Uninterruptible).unwrap(),
        frame: FrameBuilder::new(LIMITS),
        calls: 0,
    };
    client.script(&format!(
        "{{ const addon = {addon:?}, alone = {alone}; {SCRIPT} }}"
    ));
    let zero = client.script("0");
    let begun = Instant::now();
    while client.script("left") != zero {
        assert!(begun.elapsed() < TIMEOUT, "something does not come back");
        client.call(CallKind::Turn, |_| ());
        thread::yield_now();
    }
    closers.recv().unwrap().close();
    assert!(js.unwrap().join().unwrap(), "the session ends in order");
}

fn sessions(addon: &str, count: usize) {
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| (0..count / AT_ONCE).for_each(|_| session(addon, false)));
        }
    });
}

#[test]
fn sessions_leave_nothing() {
    let addon = compile();
    let addon = addon.to_str().unwrap();
    sessions(addon, WARM_UP);
    let (before, (heap, resident)) = (held(), memory());
    sessions(addon, SESSIONS - WARM_UP);
    // A thread that was joined is listed for some instants more.
    let begun = Instant::now();
    while held().exceeds(before) && begun.elapsed() < TIMEOUT {
        thread::yield_now();
    }
    let after = held();
    assert!(!after.exceeds(before), "{before:?} -> {after:?}");
    let (heap_now, resident_now) = memory();
    session(addon, true);
    println!(
        "{SESSIONS} sessions: heap {heap} -> {heap_now}, resident {resident} -> {resident_now} bytes"
    );
    assert!(heap_now < heap + HEAP_SLACK, "{heap} -> {heap_now} bytes");
    assert!(
        resident_now < resident + RESIDENT_SLACK,
        "{resident} -> {resident_now} bytes"
    );
}
