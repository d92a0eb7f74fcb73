//! Threadsafe functions: made, shared, released, finalized.

use std::cell::Cell;
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
fn calls_are_not_delivered_yet_and_say_so() {
    let bench = bench();
    bench.run(8, |env| {
        create(env, 1);
    });
    assert_eq!(
        call!(napi_call_threadsafe_function(
            MADE.get(),
            ptr::null_mut(),
            0
        )),
        Status::GenericFailure
    );
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
