//! Async work: made, queued, cancelled, completed, deleted.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hostd_napi::Origin;

use crate::harness::*;

thread_local! {
    static COMPLETED: RefCell<Vec<(usize, Status)>> = const { RefCell::new(Vec::new()) };
    static WORK: Cell<napi_async_work> = const { Cell::new(napi_async_work(0)) };
    static ENV: Cell<napi_env> = const { Cell::new(napi_env(0)) };
}

/// The pool is the process's: tests that fill it run one after the other.
static POOL: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds one to the number that it points to, off the JavaScript thread.
extern "C" fn add_one(_: napi_env, data: *mut c_void) {
    if let Some(number) = ptr::NonNull::new(data.cast::<AtomicUsize>()) {
        // SAFETY: the tests pass leaked numbers.
        unsafe { number.as_ref() }.fetch_add(1, Ordering::SeqCst);
    }
}

static HOLD: AtomicBool = AtomicBool::new(false);
static HELD: AtomicUsize = AtomicUsize::new(0);

extern "C" fn wait_for_release(_: napi_env, _: *mut c_void) {
    HELD.fetch_add(1, Ordering::SeqCst);
    while HOLD.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(1));
    }
    HELD.fetch_sub(1, Ordering::SeqCst);
}

extern "C" fn note(_: napi_env, status: napi_status, data: *mut c_void) {
    COMPLETED.with_borrow_mut(|all| all.push((data.addr(), status)));
}

extern "C" fn throw(env: napi_env, _: napi_status, _: *mut c_void) {
    eval_throwing(env, "throw new RangeError('in complete')");
}

extern "C" fn delete_own(env: napi_env, status: napi_status, data: *mut c_void) {
    note(env, status, data);
    let deleted = call!(napi_delete_async_work(env, WORK.get()));
    COMPLETED.with_borrow_mut(|all| all.push((0, deleted)));
}

extern "C" fn settle(env: napi_env, _: napi_status, _: *mut c_void) {
    eval(env, "order.push('complete'); resolve('done')");
}

fn eval_throwing(env: napi_env, source: &str) {
    let source = string(env, source);
    let mut result = NULL;
    call!(napi_run_script(env, source, &raw mut result));
}

fn create(
    env: napi_env,
    execute: napi_async_execute_callback,
    complete: napi_async_complete_callback,
    data: *mut c_void,
) -> napi_async_work {
    let name = string(env, "work");
    get!(napi_create_async_work(
        env, NULL, name, execute, complete, data
    ))
}

fn queue(env: napi_env, work: napi_async_work) -> Status {
    call!(napi_queue_async_work(env, work))
}

fn completed() -> Vec<(usize, Status)> {
    COMPLETED.take()
}

#[test]
fn arguments_are_checked() {
    with_env(|env| {
        let (name, object) = (string(env, "work"), get!(napi_create_object(env)));
        let null = get!(napi_get_null(env));
        let mut work = napi_async_work(0);
        let mut try_create = |resource, name, execute| {
            call!(napi_create_async_work(
                env,
                resource,
                name,
                execute,
                None,
                ptr::null_mut(),
                &raw mut work
            ))
        };
        assert_eq!(try_create(NULL, NULL, Some(add_one)), Status::InvalidArg);
        assert_eq!(try_create(NULL, name, None), Status::InvalidArg);
        assert_eq!(
            try_create(null, name, Some(add_one)),
            Status::ObjectExpected
        );
        assert_eq!(try_create(object, object, Some(add_one)), Status::Ok);
        for wrong in [0, 1, usize::MAX] {
            let wrong = napi_async_work(wrong);
            assert_eq!(queue(env, wrong), Status::InvalidArg);
            assert_eq!(
                call!(napi_cancel_async_work(env, wrong)),
                Status::InvalidArg
            );
            assert_eq!(
                call!(napi_delete_async_work(env, wrong)),
                Status::InvalidArg
            );
        }
    });
}

#[test]
fn work_runs_elsewhere_and_completes_here_and_can_be_queued_again() {
    let _alone = alone();
    let count: &'static AtomicUsize = Box::leak(Box::new(AtomicUsize::new(0)));
    let data = ptr::from_ref(count).cast_mut().cast::<c_void>();
    let bench = bench();
    bench.run(8, move |env| {
        ENV.set(env);
        let work = create(env, Some(add_one), Some(note), data);
        WORK.set(work);
        assert_eq!(queue(env, work), Status::Ok);
    });
    assert!(bench.host.is_kept_alive());
    bench.run_to_the_end();
    assert_eq!(count.load(Ordering::SeqCst), 1);
    assert_eq!(completed(), [(data.addr(), Status::Ok)]);
    assert_eq!(queue(ENV.get(), WORK.get()), Status::Ok);
    bench.run_to_the_end();
    assert_eq!(count.load(Ordering::SeqCst), 2);
    assert_eq!(
        call!(napi_delete_async_work(ENV.get(), WORK.get())),
        Status::Ok
    );
    assert_eq!(queue(ENV.get(), WORK.get()), Status::InvalidArg);
}

#[test]
fn work_begins_although_its_addon_waits_for_it_at_once() {
    let _alone = alone();
    let count: &'static AtomicUsize = Box::leak(Box::new(AtomicUsize::new(0)));
    let data = ptr::from_ref(count).cast_mut().cast::<c_void>();
    bench().run(8, move |env| {
        // From the second one on there is a thread that naps after a single job.
        for wanted in 1..=20 {
            let work = create(env, Some(add_one), None, data);
            assert_eq!(queue(env, work), Status::Ok);
            let end = Instant::now() + Duration::from_secs(20);
            while count.load(Ordering::SeqCst) < wanted {
                assert!(Instant::now() < end, "job {wanted} does not begin");
                std::thread::yield_now();
            }
        }
    });
}

#[test]
fn completion_may_delete_its_work() {
    let _alone = alone();
    let bench = bench();
    bench.run(8, |env| {
        let work = create(env, Some(add_one), Some(delete_own), ptr::null_mut());
        WORK.set(work);
        assert_eq!(queue(env, work), Status::Ok);
    });
    bench.run_to_the_end();
    assert_eq!(completed(), [(0, Status::Ok), (0, Status::Ok)]);
}

#[test]
fn microtasks_run_after_each_completion() {
    let _alone = alone();
    let bench = bench();
    bench.run(8, |env| {
        eval(
            env,
            "globalThis.order = []; \
             const promise = new Promise(done => { globalThis.resolve = done }); \
             promise.then(() => { order.push('then'); process.nextTick(() => order.push('tick')) })",
        );
        for _ in 0..2 {
            let work = create(env, Some(add_one), Some(settle), ptr::null_mut());
            assert_eq!(queue(env, work), Status::Ok);
        }
    });
    std::thread::sleep(Duration::from_millis(50));
    bench.run_to_the_end();
    assert_eq!(bench.script("order.join()"), "complete,then,tick,complete");
}

#[test]
fn exception_of_a_completion_is_uncaught() {
    let _alone = alone();
    let bench = bench();
    bench.run(8, |env| {
        let work = create(env, Some(add_one), Some(throw), ptr::null_mut());
        assert_eq!(queue(env, work), Status::Ok);
    });
    bench.run_to_the_end();
    let recorded = bench.recorded.uncaught.take();
    assert_eq!(
        recorded,
        [(Origin::AsyncWork, "RangeError: in complete".to_owned())]
    );
    bench.script("process.on('uncaughtException', error => { globalThis.heard = String(error) })");
    bench.run(8, |env| {
        let work = create(env, Some(add_one), Some(throw), ptr::null_mut());
        assert_eq!(queue(env, work), Status::Ok);
    });
    bench.run_to_the_end();
    assert!(bench.recorded.uncaught.borrow().is_empty());
    assert_eq!(bench.script("heard"), "RangeError: in complete");
}

/// Fills all threads of the pool, with this work, until the guard drops.
struct Filled([napi_async_work; 4]);

fn fill(env: napi_env) -> Filled {
    HOLD.store(true, Ordering::SeqCst);
    let works = [(); 4].map(|()| {
        let work = create(env, Some(wait_for_release), None, ptr::null_mut());
        assert_eq!(queue(env, work), Status::Ok);
        work
    });
    while HELD.load(Ordering::SeqCst) < 4 {
        std::thread::sleep(Duration::from_millis(1));
    }
    Filled(works)
}

impl Filled {
    /// Leaves the threads busy; the test releases them itself.
    fn keep(self) -> std::mem::ManuallyDrop<Self> {
        std::mem::ManuallyDrop::new(self)
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        HOLD.store(false, Ordering::SeqCst);
    }
}

#[test]
fn only_what_has_not_begun_can_be_cancelled() {
    let _alone = alone();
    let bench = bench();
    bench.run(8, |env| {
        let idle = create(env, Some(add_one), Some(note), ptr::null_mut());
        let cancel = |work| call!(napi_cancel_async_work(env, work));
        assert_eq!(cancel(idle), Status::InvalidArg);
        let filled = fill(env);
        let second = create(
            env,
            Some(add_one),
            Some(note),
            ptr::without_provenance_mut(0),
        );
        assert_eq!(queue(env, second), Status::Ok);
        assert_eq!(queue(env, second), Status::GenericFailure, "queued already");
        assert_eq!(cancel(second), Status::Ok);
        assert_eq!(cancel(second), Status::Ok, "until it completes");
        assert_eq!(cancel(filled.0[0]), Status::GenericFailure, "begun");
        let info = get!(napi_get_last_error_info(env));
        // SAFETY: the function gave the address of a live record.
        let code = unsafe { (*info).engine_error_code };
        assert_eq!(code.cast_signed(), -16);
        drop(filled);
    });
    bench.run_to_the_end();
    assert_eq!(completed(), [(0, Status::Cancelled)]);
}

#[test]
fn work_that_follows_a_burst_has_all_threads() {
    let _alone = alone();
    let count: &'static AtomicUsize = Box::leak(Box::new(AtomicUsize::new(0)));
    let data = ptr::from_ref(count).cast_mut().cast::<c_void>();
    let bench = bench();
    for round in 1..=20 {
        bench.run(1, move |env| {
            for _ in 0..100 {
                let work = create(env, Some(add_one), None, data);
                assert_eq!(queue(env, work), Status::Ok);
            }
            // It waits until four threads are in its work at the same time.
            drop(fill(env));
        });
        bench.run_to_the_end();
        assert_eq!(count.load(Ordering::SeqCst), round * 100);
    }
}

#[test]
fn deleted_work_does_not_begin_and_does_not_complete() {
    let _alone = alone();
    let count: &'static AtomicUsize = Box::leak(Box::new(AtomicUsize::new(0)));
    let data = ptr::from_ref(count).cast_mut().cast::<c_void>();
    let bench = bench();
    bench.run(8, move |env| {
        let filled = fill(env);
        let work = create(env, Some(add_one), Some(note), data);
        assert_eq!(queue(env, work), Status::Ok);
        assert_eq!(call!(napi_delete_async_work(env, work)), Status::Ok);
        drop(filled);
    });
    bench.run_to_the_end();
    assert_eq!(completed(), []);
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[test]
fn close_cancels_what_waits_and_completes_what_runs() {
    let _alone = alone();
    let bench = bench();
    bench.run(8, |env| {
        let filled = fill(env);
        let waiting = create(
            env,
            Some(add_one),
            Some(note),
            ptr::without_provenance_mut(1 << 12),
        );
        let running = create(env, Some(wait_for_release), Some(note), ptr::null_mut());
        assert_eq!(queue(env, waiting), Status::Ok);
        assert_eq!(queue(env, running), Status::Ok);
        spawn(move || {
            std::thread::sleep(Duration::from_millis(30));
            drop(filled);
        });
    });
    bench.host.close();
    let mut all = completed();
    all.sort_by_key(|(data, _)| *data);
    assert_eq!(all, [(0, Status::Cancelled), (1 << 12, Status::Cancelled)]);
}

#[test]
fn close_goes_on_without_work_that_runs_for_ever() {
    let _alone = alone();
    let bench = bench();
    let begun = std::time::Instant::now();
    bench.run(8, |env| {
        let _held_until_the_end_of_the_test = fill(env).keep();
        let work = create(env, Some(add_one), Some(note), ptr::null_mut());
        WORK.set(work);
    });
    bench.host.close();
    let took = begun.elapsed();
    HOLD.store(false, Ordering::SeqCst);
    assert!(
        (Duration::from_millis(900)..Duration::from_secs(5)).contains(&took),
        "{took:?}"
    );
    while HELD.load(Ordering::SeqCst) > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn ten_thousand_pieces_complete_each_once() {
    let _alone = alone();
    let bench = bench();
    bench.run(8, |env| {
        for _ in 0..10_000 {
            let scope = get!(napi_open_handle_scope(env));
            let work = create(env, Some(add_one), Some(note), ptr::null_mut());
            assert_eq!(queue(env, work), Status::Ok);
            assert_eq!(call!(napi_close_handle_scope(env, scope)), Status::Ok);
        }
    });
    bench.run_to_the_end();
    assert_eq!(completed().len(), 10_000);
}
