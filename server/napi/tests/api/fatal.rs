//! Fatal errors and exceptions.

use std::process::Command;

use crate::harness::*;

#[test]
fn fatal_exception_is_reported_and_the_process_goes_on() {
    let bench = bench();
    bench.run(8, |env| {
        let error = eval(env, "new RangeError('nobody caught me')");
        assert_eq!(call!(napi_fatal_exception(env, error)), Status::Ok);
        assert_eq!(call!(napi_fatal_exception(env, NULL)), Status::InvalidArg);
    });
    let recorded = bench.recorded.uncaught.borrow();
    assert_eq!(
        *recorded,
        [(
            hostd_napi::Origin::FatalException,
            "RangeError: nobody caught me".to_owned()
        )]
    );
}

#[test]
fn fatal_exception_goes_to_a_listener_of_the_process_first() {
    let bench = bench();
    bench.run(8, |env| {
        eval(
            env,
            "process.on('uncaughtException', error => { globalThis.heard = String(error) })",
        );
        let error = string(env, "heard");
        assert_eq!(call!(napi_fatal_exception(env, error)), Status::Ok);
        assert_eq!(global_text(env, "heard"), "heard");
    });
    assert!(bench.recorded.uncaught.borrow().is_empty());
}

/// Set for the child process that is to die.
const CHILD: &str = "HOSTD_TEST_FATAL_ERROR";

#[test]
fn fatal_error_prints_and_aborts() {
    use std::os::unix::process::ExitStatusExt as _;

    if std::env::var_os(CHILD).is_some() {
        call!(napi_fatal_error(
            c"here.c:7".as_ptr(),
            4,
            c"it broke".as_ptr(),
            NAPI_AUTO_LENGTH
        ));
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "fatal::fatal_error_prints_and_aborts",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert_eq!(child.status.signal(), Some(6));
    let stderr = String::from_utf8_lossy(&child.stderr);
    assert!(stderr.contains("FATAL ERROR: here it broke"), "{stderr}");
}
