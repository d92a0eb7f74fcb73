//! Finalizers: when they run, how often, and who cancels them.

use std::cell::RefCell;
use std::ffi::c_void;
use std::ptr;

use crate::harness::*;

thread_local! {
    static RAN: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

extern "C" fn finalize(_: napi_env, data: *mut c_void, _: *mut c_void) {
    RAN.with_borrow_mut(|ran| ran.push(data.addr()));
}

fn data(number: usize) -> *mut c_void {
    ptr::without_provenance_mut(number)
}

fn add(env: napi_env, object: napi_value, number: usize) {
    let null = ptr::null_mut();
    assert_eq!(
        call!(napi_add_finalizer(
            env,
            object,
            data(number),
            Some(finalize),
            null,
            ptr::null_mut()
        )),
        Status::Ok
    );
}

#[test]
fn finalizer_runs_once_after_the_outermost_call() {
    let bench = bench();
    bench.run(8, |env| {
        for source in [
            "({})",
            "Object.freeze([])",
            "new Proxy({}, {})",
            "(() => { const a = {}; a.a = a; return a })()",
        ] {
            let scope = get!(napi_open_handle_scope(env));
            let object = eval(env, source);
            add(env, object, 1);
            assert_eq!(call!(napi_close_handle_scope(env, scope)), Status::Ok);
        }
        assert!(RAN.with_borrow(Vec::is_empty), "never inside a call");
    });
    assert!(RAN.with_borrow(Vec::is_empty), "not before a collection");
    bench.host.enter(hostd_engine::Runtime::gc);
    assert_eq!(RAN.take(), [1, 1, 1, 1]);
    bench.host.close();
    assert!(RAN.take().is_empty(), "never twice");
}

#[test]
fn deleted_reference_cancels_the_finalizer() {
    let bench = bench();
    bench.run(8, |env| {
        let object = get!(napi_create_object(env));
        let mut reference = napi_ref(0);
        let null = ptr::null_mut();
        let status = call!(napi_add_finalizer(
            env,
            object,
            data(2),
            Some(finalize),
            null,
            &raw mut reference
        ));
        assert_eq!(status, Status::Ok);
        assert_eq!(call!(napi_delete_reference(env, reference)), Status::Ok);
        add(env, object, 3);
    });
    bench.host.collect();
    assert_eq!(RAN.take(), [3]);
}

#[test]
fn finalizer_may_call_anything_and_its_exception_is_reported() {
    extern "C" fn throws(env: napi_env, _: *mut c_void, _: *mut c_void) {
        let error = eval(env, "new Error('from a finalizer')");
        assert_eq!(call!(napi_throw(env, error)), Status::Ok);
    }
    let bench = bench();
    bench.run(8, |env| {
        let null = ptr::null_mut();
        get!(napi_create_external(env, null, Some(throws), null));
    });
    bench.host.collect();
    assert_eq!(
        *bench.recorded.uncaught.borrow(),
        [(
            hostd_napi::Origin::Finalizer,
            "Error: from a finalizer".to_owned()
        )]
    );
}

#[test]
fn finalizer_that_makes_garbage_is_followed_by_the_next() {
    extern "C" fn chain(env: napi_env, data: *mut c_void, _: *mut c_void) {
        RAN.with_borrow_mut(|ran| ran.push(data.addr()));
        if data.addr() > 0 {
            let next = ptr::without_provenance_mut(data.addr() - 1);
            get!(napi_create_external(
                env,
                next,
                Some(chain),
                ptr::null_mut()
            ));
        }
    }
    let bench = bench();
    bench.run(8, |env| {
        get!(napi_create_external(
            env,
            data(3),
            Some(chain),
            ptr::null_mut()
        ));
    });
    bench.host.collect();
    assert_eq!(RAN.take(), [3, 2, 1, 0]);
}

#[test]
fn posted_finalizer_runs_after_the_call() {
    bench().run(i32::MAX, |env| {
        let null = ptr::null_mut();
        assert_eq!(
            call!(node_api_post_finalizer(env, Some(finalize), data(7), null)),
            Status::Ok
        );
        assert_eq!(
            call!(node_api_post_finalizer(env, None, data(7), null)),
            Status::InvalidArg
        );
        assert!(RAN.with_borrow(Vec::is_empty));
    });
    assert_eq!(RAN.take(), [7]);
}

#[test]
fn finalizer_of_an_experimental_addon_runs_while_garbage_is_collected() {
    extern "C" fn posts(env: napi_env, data: *mut c_void, _: *mut c_void) {
        RAN.with_borrow_mut(|ran| ran.push(data.addr()));
        let null = ptr::null_mut();
        let later = ptr::without_provenance_mut(data.addr() + 100);
        assert_eq!(
            call!(node_api_post_finalizer(env, Some(finalize), later, null)),
            Status::Ok
        );
    }
    for (version, at_once, afterwards) in [
        (10, &[][..], &[1, 2, 101, 102][..]),
        (i32::MAX, &[1, 2], &[101, 102]),
    ] {
        let thread = spawn(move || {
            bench().run(version, move |env| {
                let scope = get!(napi_open_handle_scope(env));
                for number in [1, 2] {
                    let null = ptr::null_mut();
                    get!(napi_create_external(env, data(number), Some(posts), null));
                }
                assert_eq!(call!(napi_close_handle_scope(env, scope)), Status::Ok);
                eval(env, "gc()");
                assert_eq!(RAN.take(), at_once, "version {version}");
            });
            assert_eq!(RAN.take(), afterwards, "version {version}");
        });
        thread.join().unwrap();
    }
}

#[test]
fn finalizer_needs_a_function_and_an_object() {
    with_env(|env| {
        let (object, one) = (get!(napi_create_object(env)), number(env, 1.0));
        let null = ptr::null_mut();
        assert_eq!(
            call!(napi_add_finalizer(
                env,
                object,
                null,
                None,
                null,
                ptr::null_mut()
            )),
            Status::InvalidArg
        );
        assert_eq!(
            call!(napi_add_finalizer(
                env,
                one,
                null,
                Some(finalize),
                null,
                ptr::null_mut()
            )),
            Status::InvalidArg
        );
    });
}

#[test]
fn external_memory_is_a_running_total() {
    with_env(|env| {
        let start = get!(napi_adjust_external_memory(env, 0));
        assert_eq!(get!(napi_adjust_external_memory(env, 1000)), start + 1000);
        assert_eq!(get!(napi_adjust_external_memory(env, -1000)), start);
        assert_eq!(
            call!(napi_adjust_external_memory(env, 0, ptr::null_mut())),
            Status::InvalidArg
        );
    });
}
