//! The host as its embedder sees it.

use hostd_engine::Value;
use hostd_napi::{HostHooks, HostOptions, StartError};

use crate::harness::*;

#[test]
fn next_ticks_run_before_microtasks_and_both_after_the_outermost_call() {
    let bench = bench();
    let rt = bench.host.runtime();
    bench.host.enter(|_| {
        bench.host.enter(|_| {
            let source = "globalThis.order = []; \
                Promise.resolve().then(() => { order.push('micro'); \
                    process.nextTick(() => order.push('late tick')) }); \
                process.nextTick(() => order.push('tick'));";
            rt.eval_script(source, "test").unwrap();
        });
        let order = rt.eval_script("order.length", "test").unwrap();
        assert_eq!(order.as_i32(), Some(0), "the inner exit runs nothing");
    });
    let order = rt.eval_script("order.join()", "test").unwrap();
    assert_eq!(&*rt.utf8(&order).unwrap(), "tick,micro,late tick");
}

#[test]
fn uncaught_errors_of_ticks_and_microtasks_are_reported() {
    let bench = bench();
    bench.host.enter(|rt| {
        let source = "process.nextTick(() => { throw new Error('tick') }); \
            Promise.reject(new Error('rejected'));";
        rt.eval_script(source, "test").unwrap();
    });
    let recorded = || -> Vec<String> {
        let recorded = bench.recorded.uncaught.borrow();
        recorded.iter().map(|(_, text)| text.clone()).collect()
    };
    // What comes after a tick that threw waits for a turn, as in Node.
    assert_eq!(recorded(), ["Error: tick"]);
    assert!(bench.host.has_pending());
    bench.host.turn(10, std::time::Duration::from_secs(5));
    assert_eq!(recorded(), ["Error: tick", "Error: rejected"]);
    assert!(!bench.host.has_pending());
}

#[test]
fn wrapped_tagged_and_referenced_objects_are_pinned_and_others_not() {
    let bench = bench();
    let host = bench.host;
    let exports = bench
        .load(8, |env, exports| {
            for name in [
                c"plain",
                c"wrapped",
                c"tagged",
                c"referenced",
                c"released",
                c"watched",
            ] {
                let object = get!(napi_create_object(env));
                assert_eq!(
                    call!(napi_set_named_property(env, exports, name.as_ptr(), object)),
                    Status::Ok
                );
                let null = std::ptr::null_mut();
                match name.to_str().unwrap() {
                    "wrapped" => {
                        let status = call!(napi_wrap(
                            env,
                            object,
                            null,
                            None,
                            null,
                            std::ptr::null_mut()
                        ));
                        assert_eq!(status, Status::Ok);
                    }
                    "tagged" => {
                        let tag = napi_type_tag { lower: 0, upper: 0 };
                        let status = call!(napi_type_tag_object(env, object, &raw const tag));
                        assert_eq!(status, Status::Ok);
                    }
                    "referenced" => {
                        get!(napi_create_reference(env, object, 1));
                    }
                    "released" => {
                        let reference = get!(napi_create_reference(env, object, 1));
                        assert_eq!(call!(napi_delete_reference(env, reference)), Status::Ok);
                    }
                    "watched" => {
                        get!(napi_create_reference(env, object, 0));
                    }
                    _ => {}
                }
            }
            NULL
        })
        .unwrap();
    let rt = host.runtime();
    let pinned = |name| host.is_pinned(&rt.get_named(&exports, name).unwrap());
    assert!(!pinned("plain"));
    assert!(!pinned("released"));
    for name in ["wrapped", "tagged", "referenced", "watched"] {
        assert!(pinned(name), "{name}");
    }
    assert!(!host.is_pinned(&Value::from(1)));
}

#[test]
fn second_host_of_a_thread_is_refused() {
    struct Silent;
    impl HostHooks for Silent {
        fn uncaught(&self, _: hostd_engine::Runtime, _: &Value, _: hostd_napi::Origin) {}
        fn exit_requested(&self, _: i32) {}
        fn finalized(&self, _: hostd_engine::Runtime, _: &hostd_engine::FinalizerToken) {}
    }
    let _bench = bench();
    let second = hostd_node::start(HostOptions::new(Box::new(Silent)));
    assert!(matches!(second, Err(StartError::Engine(_))));
}

#[test]
fn exports_are_what_init_returns() {
    let bench = bench();
    let rt = bench.host.runtime();
    let exports = bench.load(8, |env, _| string(env, "replaced")).unwrap();
    assert_eq!(&*rt.utf8(&exports).unwrap(), "replaced");
    let exports = bench.load(8, |_, exports| exports).unwrap();
    assert!(exports.is_object());
    let stale = bench.load(8, |_, _| napi_value(1 << 44)).unwrap();
    assert!(stale.is_object(), "a handle that is none counts as NULL");
}

#[test]
fn recent_calls_are_kept_in_order_where_that_is_wanted() {
    let names = || {
        let mut names = Vec::new();
        hostd_napi::recent_calls(&mut |name| names.push(name));
        names
    };
    let bench = bench();
    bench.run(8, |env| assert_eq!(global_text(env, "'a'"), "a"));
    assert_eq!(names(), Vec::<&str>::new(), "they are not kept");
    drop(bench);
    let bench = bench_of(|options| options.keeps_calls = true);
    bench.run(8, move |env| {
        extern "C" fn called(env: napi_env, _: napi_callback_info) -> napi_value {
            get!(napi_get_undefined(env))
        }
        let before = names().len();
        set_global(env, "f", function(env, Some(called)));
        number(env, 1.5);
        eval(env, "f(); f()");
        let expected = "napi_create_function napi_get_global napi_set_named_property napi_create_double \
                        napi_create_string_utf8 napi_run_script napi_get_undefined napi_get_undefined";
        let expected: Vec<&str> = expected.split(' ').collect();
        assert_eq!(names()[before..], expected, "those of callbacks too");
        for place in 0..100 {
            number(env, f64::from(place) + 0.5);
        }
        assert_eq!(names(), vec!["napi_create_double"; 64]);
    });
}

#[test]
fn current_call_is_set_inside_a_call_only() {
    assert_eq!(hostd_napi::current_call(), None);
    let bench = bench();
    let host = bench.host;
    bench.run(8, move |env| {
        assert_eq!(
            hostd_napi::current_call(),
            None,
            "the addon's own code runs"
        );
        let rt = host.runtime();
        let spy = hostd_engine::FunctionSpec::new(
            |rt, _| rt.string_utf8(hostd_napi::current_call().unwrap_or("none").as_bytes()),
            64,
            [0; 3],
        );
        host.set_global("spy", rt.function(spy).unwrap()).unwrap();
        assert_eq!(global_text(env, "spy()"), "napi_run_script");
    });
}
