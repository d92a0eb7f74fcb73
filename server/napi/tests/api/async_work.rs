//! Async work, which is not implemented.

use std::ptr;

use crate::harness::*;

#[test]
fn async_work_is_refused() {
    extern "C" fn execute(_: napi_env, _: *mut std::ffi::c_void) {}
    with_env(|env| {
        let name = string(env, "work");
        let mut work = napi_async_work(0);
        let status = call!(napi_create_async_work(
            env,
            NULL,
            name,
            Some(execute),
            None,
            ptr::null_mut(),
            &raw mut work
        ));
        assert_eq!((status, work), (Status::GenericFailure, napi_async_work(0)));
        assert_eq!(
            call!(napi_queue_async_work(env, work)),
            Status::GenericFailure
        );
    });
}
