//! Array buffers.

use std::cell::RefCell;
use std::ffi::c_void;
use std::ptr;

use crate::harness::*;

fn create(env: napi_env, length: usize) -> (napi_value, *mut c_void) {
    let (mut data, mut buffer) = (ptr::null_mut(), NULL);
    assert_eq!(
        call!(napi_create_arraybuffer(
            env,
            length,
            &raw mut data,
            &raw mut buffer
        )),
        Status::Ok
    );
    (buffer, data)
}

fn info(env: napi_env, buffer: napi_value) -> (*mut c_void, usize) {
    let (mut data, mut length) = (ptr::null_mut(), 0);
    assert_eq!(
        call!(napi_get_arraybuffer_info(
            env,
            buffer,
            &raw mut data,
            &raw mut length
        )),
        Status::Ok
    );
    (data, length)
}

#[test]
fn memory_is_zeroed_and_shared_with_javascript() {
    with_env(|env| {
        for length in [16, 100_000] {
            let (buffer, data) = create(env, length);
            // SAFETY: the buffer has that many bytes and is alive.
            let bytes = unsafe { std::slice::from_raw_parts_mut(data.cast::<u8>(), length) };
            assert!(bytes.iter().all(|byte| *byte == 0));
            bytes[3] = 200;
            set_global(env, "b", buffer);
            assert_eq!(global_text(env, "new Uint8Array(b)[3]"), "200");
            assert_eq!(info(env, buffer), (data, length));
            assert!(get!(napi_is_arraybuffer(env, buffer)));
        }
    });
}

#[test]
fn too_much_memory_is_a_range_error() {
    with_env(|env| {
        let mut buffer = NULL;
        assert_eq!(
            call!(napi_create_arraybuffer(
                env,
                1 << 40,
                ptr::null_mut(),
                &raw mut buffer
            )),
            Status::PendingException
        );
        assert!(take_exception(env).starts_with("RangeError"));
    });
}

thread_local! {
    static FREED: RefCell<Vec<(usize, usize)>> = const { RefCell::new(Vec::new()) };
}

extern "C" fn freed(_: napi_env, data: *mut c_void, hint: *mut c_void) {
    FREED.with_borrow_mut(|freed| freed.push((data.addr(), hint.addr())));
}

#[test]
fn external_buffer_over_null_is_detached_and_finalized_once_after_the_call() {
    let bench = bench();
    bench.run(8, |env| {
        let (null, hint) = (ptr::null_mut(), ptr::without_provenance_mut(7));
        let buffer = get!(napi_create_external_arraybuffer(
            env,
            null,
            0,
            Some(freed),
            hint
        ));
        assert!(get!(napi_is_detached_arraybuffer(env, buffer)));
        assert!(FREED.with_borrow(Vec::is_empty), "not inside the call");
    });
    assert_eq!(FREED.take(), [(0, 7)]);
    bench.host.close();
    assert!(FREED.take().is_empty(), "never twice");
}

#[test]
fn external_memory_is_seen_and_given_back_once_after_the_call() {
    static mut MEMORY: [u8; 4] = [1, 2, 3, 4];
    let bench = bench();
    bench.run(8, |env| {
        let data = (&raw mut MEMORY).cast::<c_void>();
        let hint = ptr::without_provenance_mut(9);
        let buffer = get!(napi_create_external_arraybuffer(
            env,
            data,
            4,
            Some(freed),
            hint
        ));
        set_global(env, "b", buffer);
        assert_eq!(global_text(env, "String(new Uint8Array(b))"), "1,2,3,4");
        assert_eq!(info(env, buffer), (data, 4));
        assert_eq!(call!(napi_detach_arraybuffer(env, buffer)), Status::Ok);
        assert!(FREED.with_borrow(Vec::is_empty), "not inside the call");
        assert_eq!(call!(napi_detach_arraybuffer(env, buffer)), Status::Ok);
        assert!(get!(napi_is_detached_arraybuffer(env, buffer)));
        assert_eq!(info(env, buffer).1, 0);
    });
    let data = (&raw const MEMORY).addr();
    assert_eq!(FREED.take(), [(data, 9)]);
    bench.host.close();
    assert!(FREED.take().is_empty(), "never twice");
}

#[test]
fn null_memory_is_valid_only_when_empty() {
    with_env(|env| {
        let null = ptr::null_mut();
        let empty = get!(napi_create_external_arraybuffer(env, null, 0, None, null));
        assert_eq!(info(env, empty).1, 0);
        let mut result = NULL;
        assert_eq!(
            call!(napi_create_external_arraybuffer(
                env,
                null,
                1,
                None,
                null,
                &raw mut result
            )),
            Status::InvalidArg
        );
    });
}

#[test]
fn only_array_buffers_are_detached() {
    with_env(|env| {
        for source in ["({})", "new Uint8Array(4)", "new SharedArrayBuffer(4)"] {
            let value = eval(env, source);
            assert_eq!(
                call!(napi_detach_arraybuffer(env, value)),
                Status::ArraybufferExpected,
                "{source}"
            );
            assert!(!get!(napi_is_detached_arraybuffer(env, value)));
            assert!(!get!(napi_is_arraybuffer(env, value)));
        }
        let object = get!(napi_create_object(env));
        let null = ptr::null_mut::<usize>();
        assert_eq!(
            call!(napi_get_arraybuffer_info(env, object, null.cast(), null)),
            Status::InvalidArg
        );
    });
}

#[test]
fn shared_memory_is_made_and_read_but_not_external() {
    with_env(|env| {
        let (mut data, mut buffer) = (ptr::null_mut(), NULL);
        let status = call!(node_api_create_sharedarraybuffer(
            env,
            8,
            &raw mut data,
            &raw mut buffer
        ));
        assert_eq!(status, Status::Ok);
        assert!(get!(node_api_is_sharedarraybuffer(env, buffer)));
        assert_eq!(info(env, buffer), (data, 8));
        let (plain, _) = create(env, 8);
        assert!(!get!(node_api_is_sharedarraybuffer(env, plain)));
        let null = ptr::null_mut();
        let status = call!(node_api_create_external_sharedarraybuffer(
            env,
            null,
            0,
            None,
            null,
            &raw mut buffer
        ));
        assert_eq!(status, Status::NoExternalBuffersAllowed);
    });
}
