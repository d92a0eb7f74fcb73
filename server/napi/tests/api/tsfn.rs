//! Threadsafe functions: made, shared, called, released, finalized.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr;
use std::time::Duration;

use crate::harness::*;

const RELEASE: i32 = 0;
const ABORT: i32 = 1;

thread_local! {
    static FINALIZED: Cell<(usize, usize, usize)> = const { Cell::new((0, 0, 0)) };
    static MADE: Cell<napi_threadsafe_function> =
        const { Cell::new(napi_threadsafe_function(0)) };
}

extern "C" fn finalize(_: napi_env, data: *mut c_void, context: *mut c_void) {
    FINALIZED.set((FINALIZED.get().0 + 1, data.addr(), context.addr()));
}

extern "C" fn call_js(_: napi_env, _: napi_value, _: *mut c_void, _: *mut c_void) {}

fn try_create(
    env: napi_env,
    function: napi_value,
    name: napi_value,
    threads: usize,
    call_js: napi_threadsafe_function_call_js,
) -> (Status, napi_threadsafe_function) {
    let mut result = napi_threadsafe_function(0);
    let status = call!(napi_create_threadsafe_function(
        env,
        function,
        NULL,
        name,
        0,
        threads,
        ptr::without_provenance_mut(5),
        Some(finalize),
        ptr::without_provenance_mut(6),
        call_js,
        &raw mut result
    ));
    (status, result)
}

fn create(env: napi_env, threads: usize) -> napi_threadsafe_function {
    let (function, name) = (eval(env, "(() => 1)"), string(env, "name"));
    let (status, made) = try_create(env, function, name, threads, None);
    assert_eq!(status, Status::Ok);
    MADE.set(made);
    made
}

fn context(function: napi_threadsafe_function) -> (Status, usize) {
    let mut context = ptr::null_mut();
    let status = call!(napi_get_threadsafe_function_context(
        function,
        &raw mut context
    ));
    (status, context.addr())
}

fn turn(bench: &Bench) -> bool {
    bench.host.turn(1000, Duration::from_secs(1))
}

#[test]
fn arguments_are_checked() {
    with_env(|env| {
        let (object, name) = (get!(napi_create_object(env)), string(env, "name"));
        let function = eval(env, "(() => 1)");
        let status =
            |function, name, threads, call| try_create(env, function, name, threads, call).0;
        assert_eq!(status(function, name, 0, None), Status::InvalidArg);
        assert_eq!(status(function, NULL, 1, None), Status::InvalidArg);
        assert_eq!(status(NULL, name, 1, None), Status::InvalidArg);
        assert_eq!(status(object, name, 1, None), Status::InvalidArg);
        assert_eq!(status(NULL, name, 1, Some(call_js)), Status::Ok);
        assert_eq!(
            status(function, object, 1, None),
            Status::Ok,
            "names are ToString'ed"
        );
    });
}

#[test]
fn last_release_has_it_finalized_in_a_turn() {
    let bench = bench();
    bench.run(8, |env| {
        let function = create(env, 1);
        assert_eq!(context(function), (Status::Ok, 6));
        assert_eq!(
            call!(napi_acquire_threadsafe_function(function)),
            Status::Ok
        );
    });
    let function = MADE.get();
    assert!(bench.host.is_kept_alive());
    let release = || call!(napi_release_threadsafe_function(function, RELEASE));
    assert_eq!(release(), Status::Ok);
    assert!(!bench.host.has_pending());
    assert_eq!(release(), Status::Ok);
    assert!(bench.host.has_pending());
    assert_eq!(release(), Status::InvalidArg);
    assert_eq!(FINALIZED.get().0, 0);
    assert!(!turn(&bench));
    assert_eq!(FINALIZED.get(), (1, 5, 6));
    assert_eq!(context(function).0, Status::InvalidArg);
    assert!(!bench.host.is_kept_alive());
    bench.host.close();
    assert_eq!(FINALIZED.get().0, 1);
}

#[test]
fn acquired_again_before_the_turn_it_stays_open() {
    let bench = bench();
    bench.run(8, |env| {
        create(env, 1);
    });
    let function = MADE.get();
    assert_eq!(
        call!(napi_release_threadsafe_function(function, RELEASE)),
        Status::Ok
    );
    assert_eq!(
        call!(napi_acquire_threadsafe_function(function)),
        Status::Ok
    );
    turn(&bench);
    assert_eq!(FINALIZED.get().0, 0);
    assert_eq!(context(function), (Status::Ok, 6));
}

#[test]
fn abort_closes_at_once_and_late_threads_find_it_closing() {
    let bench = bench();
    bench.run(8, |env| {
        create(env, 3);
    });
    let function = MADE.get();
    let found = std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            let aborted = call!(napi_release_threadsafe_function(function, ABORT));
            (aborted, call!(napi_acquire_threadsafe_function(function)))
        });
        thread.join().unwrap()
    });
    assert_eq!(found, (Status::Ok, Status::Closing));
    turn(&bench);
    assert_eq!(FINALIZED.get().0, 1);
    let release = || call!(napi_release_threadsafe_function(function, RELEASE));
    assert_eq!(
        call!(napi_acquire_threadsafe_function(function)),
        Status::Closing
    );
    assert_eq!(
        [release(), release(), release()],
        [Status::Ok, Status::Ok, Status::InvalidArg]
    );
}

#[test]
fn close_finalizes_what_is_open() {
    let bench = bench();
    bench.run(8, |env| {
        create(env, 1);
    });
    bench.host.close();
    assert_eq!(FINALIZED.get().0, 1);
    assert_eq!(
        call!(napi_acquire_threadsafe_function(MADE.get())),
        Status::Closing
    );
}

#[test]
fn unreferenced_ones_keep_nothing_alive() {
    let bench = bench();
    bench.run(8, |env| {
        let function = create(env, 1);
        assert_eq!(
            call!(napi_unref_threadsafe_function(env, function)),
            Status::Ok
        );
        assert_eq!(
            call!(napi_unref_threadsafe_function(env, function)),
            Status::Ok
        );
    });
    assert!(!bench.host.is_kept_alive());
    assert_eq!(
        call!(napi_ref_threadsafe_function(napi_env(0), MADE.get())),
        Status::Ok
    );
    assert!(bench.host.is_kept_alive());
}

#[test]
fn wrong_ids_are_invalid_arg_on_any_thread() {
    for wrong in [0, 1, 0x7fff_0000_1000, usize::MAX] {
        let wrong = napi_threadsafe_function(wrong);
        assert_eq!(context(wrong).0, Status::InvalidArg);
        assert_eq!(
            call!(napi_acquire_threadsafe_function(wrong)),
            Status::InvalidArg
        );
        assert_eq!(
            call!(napi_release_threadsafe_function(wrong, ABORT)),
            Status::InvalidArg
        );
        assert_eq!(
            call!(napi_unref_threadsafe_function(napi_env(0), wrong)),
            Status::InvalidArg
        );
    }
}

#[test]
fn threads_that_acquire_and_release_leave_the_count_right() {
    let bench = bench();
    bench.run(8, |env| {
        create(env, 1);
    });
    let function = MADE.get();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(move || {
                for _ in 0..1000 {
                    assert_eq!(
                        call!(napi_acquire_threadsafe_function(function)),
                        Status::Ok
                    );
                    assert_eq!(context(function), (Status::Ok, 6));
                    let status = call!(napi_release_threadsafe_function(function, RELEASE));
                    assert_eq!(status, Status::Ok);
                }
            });
        }
    });
    assert_eq!(
        call!(napi_release_threadsafe_function(function, RELEASE)),
        Status::Ok
    );
    turn(&bench);
    assert_eq!(FINALIZED.get().0, 1);
}

// Calls.

thread_local! {
    static SEEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn see(text: String) {
    SEEN.with_borrow_mut(|seen| seen.push(text));
}

fn seen() -> String {
    SEEN.take().join(" ")
}

extern "C" fn deliver(
    env: napi_env,
    function: napi_value,
    context: *mut c_void,
    data: *mut c_void,
) {
    if env.0 == 0 {
        assert_eq!(function, NULL);
        see(format!("left{}", data.addr()));
        return;
    }
    see(format!("{}", data.addr()));
    assert_eq!(context.addr(), 6);
    let undefined = get!(napi_get_undefined(env));
    let argument = number(env, f64::from(u32::try_from(data.addr()).unwrap()));
    let mut result = NULL;
    call!(napi_call_function(
        env,
        undefined,
        function,
        1,
        &raw const argument,
        &raw mut result
    ));
}

extern "C" fn finalize_seen(_: napi_env, _: *mut c_void, _: *mut c_void) {
    see("end".to_owned());
}

fn create_calling(
    env: napi_env,
    source: &str,
    limit: usize,
    threads: usize,
    call_js: napi_threadsafe_function_call_js,
) -> napi_threadsafe_function {
    let (function, name) = (eval(env, source), string(env, "name"));
    let made = get!(napi_create_threadsafe_function(
        env,
        function,
        NULL,
        name,
        limit,
        threads,
        ptr::null_mut(),
        Some(finalize_seen),
        ptr::without_provenance_mut(6),
        call_js,
    ));
    MADE.set(made);
    made
}

fn call(function: napi_threadsafe_function, data: usize, mode: i32) -> Status {
    call!(napi_call_threadsafe_function(
        function,
        ptr::without_provenance_mut(data),
        mode
    ))
}

fn release(function: napi_threadsafe_function, mode: i32) -> Status {
    call!(napi_release_threadsafe_function(function, mode))
}

#[test]
fn default_call_has_no_arguments_and_undefined_as_this() {
    let bench = bench();
    bench.run(8, |env| {
        let source =
            "(function () { 'use strict'; globalThis.got = [this === undefined, arguments.length] })";
        let function = create_calling(env, source, 0, 1, None);
        assert_eq!(call(function, 5, 0), Status::Ok);
    });
    assert_eq!(bench.host.queued_calls(), 1);
    assert!(!turn(&bench));
    assert_eq!(bench.script("got.join()"), "true,0");
    assert_eq!(bench.host.queued_calls(), 0);
}

#[test]
fn calls_of_a_thread_are_delivered_in_order_then_the_end() {
    let bench = bench();
    bench.run(8, |env| {
        create_calling(
            env,
            "(x => { globalThis.sum = (globalThis.sum ?? 0) + x })",
            0,
            1,
            Some(deliver),
        );
    });
    let function = MADE.get();
    spawn(move || {
        for data in 1..=5 {
            assert_eq!(call(function, data, 1), Status::Ok);
        }
        assert_eq!(release(function, RELEASE), Status::Ok);
    })
    .join()
    .unwrap();
    assert!(!turn(&bench));
    assert_eq!(seen(), "1 2 3 4 5 end");
    assert_eq!(bench.script("sum"), "15");
    assert_eq!(call(function, 6, 0), Status::InvalidArg);
}

#[test]
fn microtasks_and_ticks_run_between_calls() {
    let bench = bench();
    bench.run(8, |env| {
        let source = "(() => { order.push('call'); Promise.resolve().then(() => order.push('then')); \
                      process.nextTick(() => order.push('tick')) })";
        eval(env, "globalThis.order = []");
        let function = create_calling(env, source, 0, 1, None);
        assert_eq!(call(function, 0, 0), Status::Ok);
        assert_eq!(call(function, 0, 0), Status::Ok);
    });
    // A turn that is taken inside an entry settles after each item too.
    bench.host.enter(|_| turn(&bench));
    assert_eq!(
        bench.script("order.join()"),
        "call,tick,then,call,tick,then"
    );
}

#[test]
fn full_queue_refuses_or_waits() {
    let bench = bench();
    bench.run(8, |env| {
        let function = create_calling(env, "(() => 0)", 2, 2, Some(deliver));
        assert_eq!(call(function, 1, 0), Status::Ok);
        assert_eq!(call(function, 2, 1), Status::Ok);
        assert_eq!(call(function, 3, 0), Status::QueueFull);
        assert_eq!(call(function, 3, 1), Status::WouldDeadlock);
    });
    let function = MADE.get();
    let thread = spawn(move || call(function, 3, 1));
    std::thread::sleep(Duration::from_millis(20));
    assert!(!thread.is_finished());
    turn(&bench);
    assert_eq!(thread.join().unwrap(), Status::Ok);
    turn(&bench);
    assert_eq!(seen(), "1 2 3");
}

#[test]
fn abort_gives_back_undelivered_calls_and_wakes_waiting_threads() {
    let bench = bench();
    bench.run(8, |env| {
        let function = create_calling(env, "(() => 0)", 2, 3, Some(deliver));
        assert_eq!(call(function, 1, 0), Status::Ok);
        assert_eq!(call(function, 2, 0), Status::Ok);
    });
    let function = MADE.get();
    let waiting = spawn(move || call(function, 3, 1));
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(release(function, ABORT), Status::Ok);
    assert_eq!(waiting.join().unwrap(), Status::Closing);
    // The one that found it closing does not hold it any more: one of three is left.
    assert_eq!(call(function, 4, 0), Status::Closing);
    assert_eq!(call(function, 4, 0), Status::InvalidArg);
    turn(&bench);
    assert_eq!(seen(), "left1 left2 end");
}

#[test]
fn close_gives_calls_back_and_threads_that_still_call_find_it_closing() {
    let bench = bench();
    bench.run(8, |env| {
        let function = create_calling(env, "(() => 0)", 0, 2, Some(deliver));
        assert_eq!(call(function, 1, 0), Status::Ok);
    });
    let function = MADE.get();
    bench.host.close();
    assert_eq!(seen(), "left1 end");
    let late = spawn(move || {
        [
            call(function, 2, 1),
            call(function, 2, 1),
            call(function, 2, 1),
        ]
    });
    assert_eq!(
        late.join().unwrap(),
        [Status::Closing, Status::Closing, Status::InvalidArg]
    );
}

#[test]
fn exception_goes_to_the_listeners_from_version_10_on_and_to_the_embedder_always() {
    for version in [8, 10] {
        spawn(move || {
            let bench = bench();
            bench.run(version, |env| {
                let function =
                    create_calling(env, "(() => { throw new Error('tsfn') })", 0, 1, None);
                assert_eq!(call(function, 0, 0), Status::Ok);
            });
            turn(&bench);
            let recorded = bench.recorded.uncaught.take();
            let expected = (
                hostd_napi::Origin::ThreadsafeFunction,
                "Error: tsfn".to_owned(),
            );
            assert_eq!(recorded, [expected]);
            bench
                .script("globalThis.heard = 0; process.on('uncaughtException', () => { heard++ })");
            assert_eq!(call(MADE.get(), 0, 0), Status::Ok);
            turn(&bench);
            let heard = bench.script("heard");
            assert_eq!(heard, if version == 10 { "1" } else { "0" });
            assert_eq!(
                bench.recorded.uncaught.borrow().len(),
                usize::from(version == 8)
            );
        })
        .join()
        .unwrap();
    }
}

#[test]
fn turn_is_bounded_and_the_rest_is_not_lost() {
    let bench = bench();
    bench.run(8, |env| {
        eval(env, "globalThis.count = 0");
        let function = create_calling(env, "(() => { count++ })", 0, 1, None);
        for _ in 0..2500 {
            assert_eq!(call(function, 0, 0), Status::Ok);
        }
    });
    assert!(bench.host.turn(1000, Duration::from_secs(10)));
    assert_eq!(bench.script("count"), "1000");
    assert!(bench.host.turn(1000, Duration::from_secs(10)));
    assert!(!bench.host.turn(1000, Duration::from_secs(10)));
    assert_eq!(bench.script("count"), "2500");
}

#[test]
fn turn_ends_when_nothing_is_left() {
    let bench = bench();
    // The function dies with the threadsafe function: that is not left pending.
    for death in [
        "() => 0",
        "() => { new FinalizationRegistry(() => 0).register({}) }",
    ] {
        bench.run(8, move |env| {
            let function = create_calling(env, &format!("({death})"), 0, 1, None);
            assert_eq!(call(function, 0, 0), Status::Ok);
            assert_eq!(release(function, RELEASE), Status::Ok);
        });
        let begun = std::time::Instant::now();
        assert!(!bench.host.turn(1000, Duration::from_secs(30)));
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn turn_inside_javascript_does_nothing() {
    let bench = bench();
    bench.run(8, |env| {
        let function = create_calling(env, "(() => { globalThis.called = 1 })", 0, 1, None);
        assert_eq!(call(function, 0, 0), Status::Ok);
    });
    bench.host.enter(|_| {
        bench.host.enter(|_| assert!(turn(&bench)));
    });
    assert_eq!(bench.script("typeof called"), "undefined");
    assert!(!turn(&bench));
    assert_eq!(bench.script("called"), "1");
}

#[test]
fn burst_of_a_thread_rings_once() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    let rings = Arc::new(AtomicUsize::new(0));
    let bench = bench_with_requests({
        let rings = Arc::clone(&rings);
        Arc::new(move || {
            rings.fetch_add(1, Ordering::SeqCst);
        })
    });
    bench.run(8, |env| {
        create_calling(env, "(() => 0)", 0, 1, None);
    });
    let function = MADE.get();
    let before = rings.load(Ordering::SeqCst);
    for _ in 0..1000 {
        assert_eq!(call(function, 0, 0), Status::Ok);
    }
    assert_eq!(rings.load(Ordering::SeqCst), before + 1);
    turn(&bench);
    assert_eq!(call(function, 0, 0), Status::Ok);
    assert_eq!(rings.load(Ordering::SeqCst), before + 2);
}

#[test]
fn events_of_eight_threads_all_arrive_in_order_per_thread() {
    const EACH: usize = 5_000;
    thread_local! {
        static NEXT: RefCell<[usize; 8]> = const { RefCell::new([0; 8]) };
    }
    extern "C" fn check(_: napi_env, _: napi_value, _: *mut c_void, data: *mut c_void) {
        let (thread, number) = (data.addr() / EACH, data.addr() % EACH);
        NEXT.with_borrow_mut(|next| {
            assert_eq!(next[thread], number);
            next[thread] += 1;
        });
    }
    let bench = bench();
    bench.run(8, |env| {
        create_calling(env, "(() => 0)", 16, 8, Some(check));
    });
    let function = MADE.get();
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            spawn(move || {
                for number in 0..EACH {
                    assert_eq!(call(function, thread * EACH + number, 1), Status::Ok);
                }
                assert_eq!(release(function, RELEASE), Status::Ok);
            })
        })
        .collect();
    bench.run_to_the_end();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(NEXT.take(), [EACH; 8]);
    assert_eq!(seen(), "end");
}

#[test]
fn environment_ends_while_threads_still_call() {
    let bench = bench();
    bench.run(8, |env| {
        create_calling(env, "(() => 0)", 4, 8, Some(deliver));
    });
    let function = MADE.get();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            spawn(move || {
                for data in 0.. {
                    match call(function, data, 1) {
                        Status::Ok => {}
                        status => return status,
                    }
                }
                Status::Ok
            })
        })
        .collect();
    std::thread::sleep(Duration::from_millis(5));
    turn(&bench);
    bench.host.close();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), Status::Closing);
    }
    assert_eq!(call(function, 0, 1), Status::InvalidArg);
    assert!(seen().ends_with("end"));
}
