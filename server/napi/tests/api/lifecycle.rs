//! Instance data, cleanup hooks and the order of the end.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr;
use std::thread::JoinHandle;

use crate::harness::*;

thread_local! {
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static ENV: Cell<napi_env> = const { Cell::new(napi_env(0)) };
    static HANDLE: Cell<napi_async_cleanup_hook_handle> =
        const { Cell::new(napi_async_cleanup_hook_handle(0)) };
    static WORK: Cell<napi_async_work> = const { Cell::new(napi_async_work(0)) };
    static THREAD: Cell<Option<JoinHandle<(Status, Status)>>> = const { Cell::new(None) };
}

fn log(text: String) {
    LOG.with_borrow_mut(|log| log.push(text));
}

fn data(number: usize) -> *mut c_void {
    ptr::without_provenance_mut(number)
}

extern "C" fn hook(argument: *mut c_void) {
    log(format!("hook {}", argument.addr()));
}

extern "C" fn finalize(_: napi_env, data: *mut c_void, _: *mut c_void) {
    log(format!("finalize {}", data.addr()));
}

extern "C" fn async_hook(handle: napi_async_cleanup_hook_handle, argument: *mut c_void) {
    log(format!("async {}", argument.addr()));
    assert_eq!(call!(napi_remove_async_cleanup_hook(handle)), Status::Ok);
}

#[test]
fn instance_data_is_per_environment_and_a_replaced_one_is_not_finalized() {
    let bench = bench();
    bench.run(8, |env| {
        assert!(get!(napi_get_instance_data(env)).is_null());
        let null = ptr::null_mut();
        assert_eq!(
            call!(napi_set_instance_data(env, data(1), Some(finalize), null)),
            Status::Ok
        );
        assert_eq!(
            call!(napi_set_instance_data(env, data(2), Some(finalize), null)),
            Status::Ok
        );
        assert_eq!(get!(napi_get_instance_data(env)), data(2));
    });
    bench.run(8, |env| {
        assert!(get!(napi_get_instance_data(env)).is_null());
    });
    bench.host.close();
    assert_eq!(LOG.take(), ["finalize 2"]);
}

#[test]
fn environment_ends_in_nodes_order() {
    extern "C" fn finalize_buffer(_: napi_env, _: *mut c_void, _: *mut c_void) {
        log("buffer".to_owned());
    }
    extern "C" fn hook_that_reads(_: *mut c_void) {
        let env = ENV.get();
        let object = get!(napi_create_object(env));
        let mut result = NULL;
        let status = call!(napi_get_named_property(
            env,
            object,
            c"x".as_ptr(),
            &raw mut result
        ));
        log(format!(
            "{status:?} {}",
            get!(napi_is_exception_pending(env))
        ));
    }
    static mut MEMORY: [u8; 1] = [0];
    let bench = bench();
    bench.run(10, |env| {
        ENV.set(env);
        let null = ptr::null_mut();
        assert_eq!(
            call!(napi_set_instance_data(env, data(1), Some(finalize), null)),
            Status::Ok
        );
        let object = get!(napi_create_object(env));
        set_global(env, "kept", object);
        let status = call!(napi_wrap(
            env,
            object,
            data(2),
            Some(finalize),
            null,
            ptr::null_mut()
        ));
        assert_eq!(status, Status::Ok);
        let memory = (&raw mut MEMORY).cast();
        let buffer = get!(napi_create_external_arraybuffer(
            env,
            memory,
            1,
            Some(finalize_buffer),
            null
        ));
        set_global(env, "buffer", buffer);
        assert_eq!(
            call!(napi_add_env_cleanup_hook(env, Some(hook), data(3))),
            Status::Ok
        );
        let status = call!(napi_add_async_cleanup_hook(
            env,
            Some(async_hook),
            data(4),
            ptr::null_mut()
        ));
        assert_eq!(status, Status::Ok);
        assert_eq!(
            call!(napi_add_env_cleanup_hook(env, Some(hook_that_reads), null)),
            Status::Ok
        );
        let external = get!(napi_create_external(env, data(5), Some(finalize), null));
        set_global(env, "external", external);
    });
    assert!(LOG.with_borrow(Vec::is_empty));
    bench.host.close();
    assert_eq!(
        LOG.take(),
        [
            "buffer",
            "CannotRunJs false",
            "async 4",
            "hook 3",
            "finalize 5",
            "finalize 2",
            "finalize 1"
        ]
    );
    bench.host.close();
    assert!(LOG.take().is_empty(), "closing again does nothing");
}

#[test]
fn old_modules_get_pending_exception_when_javascript_cannot_run() {
    extern "C" fn ask(_: *mut c_void) {
        let env = ENV.get();
        log(format!(
            "{:?}",
            call!(napi_throw_error(env, ptr::null(), c"late".as_ptr()))
        ));
    }
    let bench = bench();
    bench.run(8, |env| {
        ENV.set(env);
        assert_eq!(
            call!(napi_add_env_cleanup_hook(env, Some(ask), ptr::null_mut())),
            Status::Ok
        );
    });
    bench.host.close();
    assert_eq!(LOG.take(), ["PendingException"]);
}

#[test]
fn hooks_are_removed_and_doubles_refused() {
    let bench = bench();
    bench.run(8, |env| {
        let add = |number| call!(napi_add_env_cleanup_hook(env, Some(hook), data(number)));
        let remove = |number| call!(napi_remove_env_cleanup_hook(env, Some(hook), data(number)));
        assert_eq!(
            (add(1), add(2), add(1)),
            (Status::Ok, Status::Ok, Status::InvalidArg)
        );
        assert_eq!((remove(1), remove(9)), (Status::Ok, Status::Ok));
        assert_eq!(
            call!(napi_add_env_cleanup_hook(env, None, data(1))),
            Status::InvalidArg
        );
        let mut handle = napi_async_cleanup_hook_handle(0);
        let status = call!(napi_add_async_cleanup_hook(
            env,
            Some(async_hook),
            data(3),
            &raw mut handle
        ));
        assert_eq!(status, Status::Ok);
        HANDLE.set(handle);
        assert_eq!(call!(napi_remove_async_cleanup_hook(handle)), Status::Ok);
        assert_eq!(
            call!(napi_remove_async_cleanup_hook(handle)),
            Status::InvalidArg
        );
        let null = napi_async_cleanup_hook_handle(0);
        assert_eq!(
            call!(napi_remove_async_cleanup_hook(null)),
            Status::InvalidArg
        );
    });
    bench.host.close();
    assert_eq!(LOG.take(), ["hook 2"]);
}

#[test]
fn function_of_a_closed_environment_throws() {
    extern "C" fn never(_: napi_env, _: napi_callback_info) -> napi_value {
        log("called".to_owned());
        NULL
    }
    let bench = bench();
    bench.run(8, |env| {
        let f = function(env, Some(never));
        set_global(env, "f", f);
    });
    bench.host.close();
    let rt = bench.host.runtime();
    let text = rt
        .eval_script("try { f() } catch (e) { String(e) }", "test")
        .unwrap();
    assert_eq!(
        &*rt.utf8(&text).unwrap(),
        "Error: the addon of this function was closed"
    );
    assert!(LOG.take().is_empty());
}

extern "C" fn work_hook(handle: napi_async_cleanup_hook_handle, argument: *mut c_void) {
    log(format!("async {}", argument.addr()));
    HANDLE.set(handle);
    let status = call!(napi_queue_async_work(ENV.get(), WORK.get()));
    assert_eq!(status, Status::Ok);
}

extern "C" fn idle_hook(_: napi_async_cleanup_hook_handle, _: *mut c_void) {
    log("idle".to_owned());
}

extern "C" fn execute(_: napi_env, _: *mut c_void) {
    std::thread::sleep(std::time::Duration::from_millis(20));
}

extern "C" fn complete(_: napi_env, status: napi_status, _: *mut c_void) {
    log(format!("complete {status:?}"));
    let status = call!(napi_remove_async_cleanup_hook(HANDLE.get()));
    assert_eq!(status, Status::Ok);
}

fn add_async(env: napi_env, hook: napi_async_cleanup_hook, number: usize) {
    let status = call!(napi_add_async_cleanup_hook(
        env,
        hook,
        data(number),
        ptr::null_mut()
    ));
    assert_eq!(status, Status::Ok);
}

#[test]
fn end_waits_for_an_async_hook_that_has_work_done() {
    let bench = bench();
    bench.run(8, |env| {
        ENV.set(env);
        let name = string(env, "work");
        let (execute, complete) = (Some(execute as _), Some(complete as _));
        WORK.set(get!(napi_create_async_work(
            env,
            NULL,
            name,
            execute,
            complete,
            ptr::null_mut()
        )));
        let null = ptr::null_mut();
        let status = call!(napi_set_instance_data(env, data(1), Some(finalize), null));
        assert_eq!(status, Status::Ok);
        let status = call!(napi_add_env_cleanup_hook(env, Some(hook), data(2)));
        assert_eq!(status, Status::Ok);
        add_async(env, Some(work_hook), 3);
    });
    bench.host.close();
    assert_eq!(
        LOG.take(),
        ["async 3", "hook 2", "complete Ok", "finalize 1"]
    );
}

extern "C" fn threaded_hook(handle: napi_async_cleanup_hook_handle, _: *mut c_void) {
    log("hook".to_owned());
    let thread = std::thread::Builder::new().name("addon".to_owned());
    let work = move || {
        std::thread::sleep(std::time::Duration::from_millis(20));
        let handle = napi_async_cleanup_hook_handle(handle.0);
        let first = call!(napi_remove_async_cleanup_hook(handle));
        (first, call!(napi_remove_async_cleanup_hook(handle)))
    };
    THREAD.set(Some(thread.spawn(work).unwrap()));
}

#[test]
fn async_hook_is_done_when_another_thread_says_so() {
    let bench = bench();
    bench.run(8, |env| {
        let null = ptr::null_mut();
        let status = call!(napi_set_instance_data(env, data(1), Some(finalize), null));
        assert_eq!(status, Status::Ok);
        add_async(env, Some(threaded_hook), 3);
    });
    let started = std::time::Instant::now();
    bench.host.close();
    let took = started.elapsed();
    assert!(took >= std::time::Duration::from_millis(20), "{took:?}");
    let statuses = THREAD.take().unwrap().join().unwrap();
    assert_eq!(statuses, (Status::Ok, Status::InvalidArg));
    assert_eq!(LOG.take(), ["hook", "finalize 1"]);
}

#[test]
fn async_hook_that_another_thread_removes_does_not_run() {
    let bench = bench();
    bench.run(8, |env| {
        let mut handle = napi_async_cleanup_hook_handle(0);
        let status = call!(napi_add_async_cleanup_hook(
            env,
            Some(idle_hook),
            data(1),
            &raw mut handle
        ));
        assert_eq!(status, Status::Ok);
        let thread = std::thread::Builder::new().name("addon".to_owned());
        let thread = thread.spawn(move || call!(napi_remove_async_cleanup_hook(handle)));
        assert_eq!(thread.unwrap().join().unwrap(), Status::Ok);
    });
    bench.host.turn(10, std::time::Duration::from_secs(1));
    bench.host.close();
    assert!(LOG.take().is_empty());
}

#[test]
fn end_does_not_wait_for_ever_for_an_async_hook() {
    let bench = bench();
    bench.run(8, |env| add_async(env, Some(idle_hook), 1));
    let begun = std::time::Instant::now();
    bench.host.close();
    assert!(begun.elapsed() < std::time::Duration::from_secs(5));
    assert_eq!(LOG.take(), ["idle"]);
}
