//! libuv's loop beside the host's own events: when it is due, when it requests a turn, what it runs.

use std::cell::Cell;
use std::ffi::{c_int, c_uint, c_void};
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::harness::*;

type Raw = *mut c_void;

const ASYNC: c_uint = 1;
const POLL: c_uint = 8;
const TIMER: c_uint = 13;
const READABLE: c_int = 1;

// As libuv's header declares them; loops and handles are pointers here.
unsafe extern "C" {
    fn uv_default_loop() -> Raw;
    fn uv_now(of: Raw) -> u64;
    fn uv_handle_size(kind: c_uint) -> usize;
    fn uv_unref(handle: Raw);
    fn uv_timer_init(of: Raw, handle: Raw) -> c_int;
    fn uv_timer_start(handle: Raw, call: extern "C" fn(Raw), after: u64, repeat: u64) -> c_int;
    fn uv_async_init(of: Raw, handle: Raw, call: extern "C" fn(Raw)) -> c_int;
    fn uv_async_send(handle: Raw) -> c_int;
    fn uv_poll_init(of: Raw, handle: Raw, descriptor: c_int) -> c_int;
    fn uv_poll_start(handle: Raw, events: c_int, call: extern "C" fn(Raw, c_int, c_int)) -> c_int;
}

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

extern "C" fn count(_: Raw) {
    CALLS.set(CALLS.get() + 1);
}

extern "C" fn count_poll(_: Raw, _: c_int, _: c_int) {
    CALLS.set(CALLS.get() + 1);
}

/// Memory for a handle, never freed.
fn handle(kind: c_uint) -> Raw {
    // SAFETY: it takes a number and has no state.
    let bytes = unsafe { uv_handle_size(kind) };
    Box::leak(vec![0_u128; bytes.div_ceil(16)].into_boxed_slice())
        .as_mut_ptr()
        .cast()
}

fn loop_of(env: napi_env) -> Raw {
    get!(napi_get_uv_event_loop(env))
}

/// A host, its requests for turns, and the loop that an addon asked it for.
fn bench_with_loop() -> (Bench, Receiver<()>, Raw) {
    let (request, requests) = channel();
    let bench = bench_with_requests(Arc::new(move || {
        let _ = request.send(());
    }));
    let of: std::rc::Rc<Cell<Raw>> = std::rc::Rc::new(Cell::new(std::ptr::null_mut()));
    let into = std::rc::Rc::clone(&of);
    bench.run(8, move |env| into.set(loop_of(env)));
    settle(&bench, &requests);
    (bench, requests, of.get())
}

/// Takes turns until nothing is due, and forgets the requests for them.
fn settle(bench: &Bench, requests: &Receiver<()>) {
    while bench.host.turn(1000, Duration::from_secs(1)) {}
    let _ = bench.host.next_deadline();
    while requests.try_recv().is_ok() {}
}

fn due(bench: &Bench) -> bool {
    let deadline = bench.host.next_deadline();
    deadline.is_some_and(|deadline| deadline <= Instant::now())
}

const LONG: Duration = Duration::from_secs(20);

#[test]
fn loop_is_made_once_and_is_no_other_hosts() {
    let (_bench, _, first) = bench_with_loop();
    let other = std::thread::Builder::new().spawn(|| bench_with_loop().2.addr());
    assert_ne!(other.unwrap().join().unwrap(), first.addr());
    // The default one belongs to whichever host came first.
    // SAFETY: it is compared.
    assert!(!unsafe { uv_default_loop() }.is_null());
}

#[test]
fn host_without_a_loop_has_no_deadline() {
    let bench = bench();
    bench.run(8, |_| ());
    assert_eq!(bench.host.next_deadline(), None);
    assert!(!bench.host.has_pending());
}

#[test]
fn timer_is_a_deadline_and_is_called_in_a_turn() {
    let (bench, requests, of) = bench_with_loop();
    let timer = handle(TIMER);
    let begin = Instant::now();
    bench.host.enter(|_| {
        // SAFETY: a handle of this test's.
        unsafe { uv_timer_init(of, timer) };
        // SAFETY: as above.
        unsafe { uv_timer_start(timer, count, 30, 0) };
    });
    assert!(bench.host.is_kept_alive());
    while !due(&bench) {
        let deadline = bench.host.next_deadline().expect("a timer");
        assert!(deadline > begin + Duration::from_millis(10));
        std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
    }
    assert!(begin.elapsed() >= Duration::from_millis(29));
    assert_eq!(CALLS.get(), 0, "only turns call");
    assert!(!bench.host.turn(1000, LONG));
    assert_eq!(CALLS.get(), 1);
    assert!(!bench.host.is_kept_alive());
    assert_eq!(bench.host.next_deadline(), None);
    drop(requests);
}

#[test]
fn what_keeps_nothing_alive_is_called_all_the_same() {
    let (bench, _requests, of) = bench_with_loop();
    let timer = handle(TIMER);
    bench.host.enter(|_| {
        // SAFETY: a handle of this test's.
        unsafe { uv_timer_init(of, timer) };
        // SAFETY: as above.
        unsafe { uv_timer_start(timer, count, 1, 0) };
        // SAFETY: as above.
        unsafe { uv_unref(timer) };
    });
    assert!(!bench.host.is_kept_alive());
    let end = Instant::now() + LONG;
    while CALLS.get() == 0 {
        assert!(Instant::now() < end);
        bench.host.turn(1000, LONG);
    }
}

#[test]
fn sign_of_a_thread_rings_until_it_is_seen() {
    let (bench, requests, of) = bench_with_loop();
    let sign = handle(ASYNC);
    // SAFETY: a handle of this test's.
    bench
        .host
        .enter(|_| unsafe { uv_async_init(of, sign, count) });
    settle(&bench, &requests);
    for round in 1..=200 {
        assert!(!due(&bench), "round {round}");
        let address = sign.expose_provenance();
        let thread = std::thread::Builder::new().spawn(move || {
            // SAFETY: this may be called from any thread.
            unsafe { uv_async_send(std::ptr::with_exposed_provenance_mut(address)) }
        });
        requests.recv_timeout(LONG).expect("a request");
        thread.unwrap().join().unwrap();
        assert!(bench.host.has_pending());
        bench.host.turn(1000, LONG);
        assert_eq!(CALLS.get(), round);
    }
}

#[test]
fn unread_descriptor_stays_due_and_wakes_once() {
    let (bench, requests, of) = bench_with_loop();
    let (reading, mut writing) = std::io::pipe().unwrap();
    let poll = handle(POLL);
    bench.host.enter(|_| {
        // SAFETY: a handle of this test's.
        unsafe { uv_poll_init(of, poll, reading.as_raw_fd()) };
        // SAFETY: as above.
        unsafe { uv_poll_start(poll, READABLE, count_poll) };
    });
    assert!(due(&bench), "the descriptor is to be registered");
    settle(&bench, &requests);
    assert!(!due(&bench));
    assert_eq!(CALLS.get(), 0);
    writing.write_all(b"x").unwrap();
    requests.recv_timeout(LONG).expect("a request");
    let mut before = 0;
    for _ in 0..3 {
        assert!(due(&bench));
        assert!(bench.host.turn(1, LONG), "more is left");
        assert!(CALLS.get() > before);
        before = CALLS.get();
    }
    assert!(
        requests.try_recv().is_err(),
        "no turn is requested of one who takes them"
    );
}

#[test]
fn clock_of_the_loop_goes_on_when_an_addon_is_called() {
    let (bench, _requests, of) = bench_with_loop();
    // SAFETY: the loop of this thread.
    let now = || unsafe { uv_now(of) };
    let before = now();
    std::thread::sleep(Duration::from_millis(5));
    assert_eq!(now(), before);
    bench.host.enter(|_| assert!(now() >= before + 4));
}

#[test]
fn immediates_and_events_are_served_beside_a_loop() {
    let (bench, _requests, _) = bench_with_loop();
    let script = "globalThis.log = []; setImmediate(() => { log.push('immediate'); \
                  setImmediate(() => log.push('next')); }); setTimeout(() => log.push('timer'), 1); 0";
    assert_eq!(bench.script(script), "0");
    bench.run_to_the_end();
    assert_eq!(bench.script("log.sort().join()"), "immediate,next,timer");
}

#[test]
fn spent_turn_goes_on_with_the_immediates_it_did_not_come_to() {
    let (bench, _requests, _) = bench_with_loop();
    let script = "globalThis.log = []; \
                  for (let i = 0; i < 5; i++) setImmediate(() => log.push(i)); 0";
    assert_eq!(bench.script(script), "0");
    let mut turns = 0;
    while bench.host.turn(2, LONG) {
        turns += 1;
        assert!(turns < 20);
    }
    assert!(turns >= 2, "{turns}");
    assert_eq!(bench.script("log.join()"), "0,1,2,3,4");
}
