//! Buffers.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;

use crate::harness::*;

#[test]
fn buffer_is_a_uint8_array_with_buffers_methods() {
    with_env(|env| {
        let (mut data, mut buffer) = (ptr::null_mut(), NULL);
        assert_eq!(
            call!(napi_create_buffer(env, 3, &raw mut data, &raw mut buffer)),
            Status::Ok
        );
        // SAFETY: the buffer has three bytes and is alive.
        unsafe { data.cast::<[u8; 3]>().write(*b"abc") };
        set_global(env, "b", buffer);
        assert_eq!(
            global_text(
                env,
                "[b instanceof Uint8Array, b instanceof Buffer, Buffer.isBuffer(b), b.toString()]"
            ),
            "true,true,true,abc"
        );
        assert!(get!(napi_is_buffer(env, buffer)));
    });
}

#[test]
fn copy_owns_its_bytes() {
    with_env(|env| {
        let mut bytes = *b"copy";
        let (mut data, mut buffer) = (ptr::null_mut(), NULL);
        let source = bytes.as_mut_ptr().cast::<c_void>();
        let status = call!(napi_create_buffer_copy(
            env,
            4,
            source,
            &raw mut data,
            &raw mut buffer
        ));
        assert_eq!(status, Status::Ok);
        std::hint::black_box(&mut bytes)[0] = b'X';
        set_global(env, "b", buffer);
        assert_eq!(global_text(env, "b.toString()"), "copy");
        assert_ne!(data.cast_const(), source.cast_const());
        let empty = call!(napi_create_buffer_copy(
            env,
            0,
            ptr::null(),
            ptr::null_mut(),
            &raw mut buffer
        ));
        assert_eq!(empty, Status::Ok);
        let wrong = call!(napi_create_buffer_copy(
            env,
            1,
            ptr::null(),
            ptr::null_mut(),
            &raw mut buffer
        ));
        assert_eq!(wrong, Status::InvalidArg);
    });
}

thread_local! {
    static FREED: Cell<u32> = const { Cell::new(0) };
}

extern "C" fn freed(_: napi_env, _: *mut c_void, _: *mut c_void) {
    FREED.set(FREED.get() + 1);
}

#[test]
fn external_buffer_is_given_back_when_it_dies() {
    static mut MEMORY: [u8; 2] = *b"hi";
    let bench = bench();
    bench.run(8, |env| {
        let data = (&raw mut MEMORY).cast::<c_void>();
        let null = ptr::null_mut();
        let buffer = get!(napi_create_external_buffer(env, 2, data, Some(freed), null));
        set_global(env, "b", buffer);
        assert_eq!(global_text(env, "b.toString()"), "hi");
        eval(env, "delete globalThis.b");
        assert_eq!(FREED.get(), 0);
    });
    assert_eq!(FREED.get(), 0, "not before a collection");
    bench.host.collect();
    assert_eq!(FREED.get(), 1);
}

#[test]
fn any_view_counts_as_a_buffer_with_a_length_in_bytes() {
    with_env(|env| {
        for (source, expected) in [
            ("new Float32Array(2)", 8),
            ("new DataView(new ArrayBuffer(6), 1)", 5),
        ] {
            let value = eval(env, source);
            assert!(get!(napi_is_buffer(env, value)), "{source}");
            let (mut data, mut length) = (ptr::null_mut(), 0);
            assert_eq!(
                call!(napi_get_buffer_info(
                    env,
                    value,
                    &raw mut data,
                    &raw mut length
                )),
                Status::Ok
            );
            assert_eq!((length, data.is_null()), (expected, false), "{source}");
        }
        let bare = eval(env, "new ArrayBuffer(1)");
        assert!(!get!(napi_is_buffer(env, bare)));
        assert_eq!(
            call!(napi_get_buffer_info(
                env,
                bare,
                ptr::null_mut(),
                ptr::null_mut()
            )),
            Status::InvalidArg
        );
    });
}

#[test]
fn buffer_from_an_array_buffer_looks_at_a_part_of_it() {
    with_env(|env| {
        let memory = eval(env, "globalThis.m = new Uint8Array([1, 2, 3, 4]).buffer");
        let buffer = get!(node_api_create_buffer_from_arraybuffer(env, memory, 1, 2));
        set_global(env, "b", buffer);
        assert_eq!(
            global_text(env, "[Buffer.isBuffer(b), b.buffer === m, ...b]"),
            "true,true,2,3"
        );
        let mut result = NULL;
        let status = call!(node_api_create_buffer_from_arraybuffer(
            env,
            memory,
            3,
            2,
            &raw mut result
        ));
        assert_eq!((status, result), (Status::Ok, NULL));
        let exception = get!(napi_get_and_clear_last_exception(env));
        set_global(env, "e", exception);
        assert_eq!(
            global_text(env, "`${e.name} ${e.code}`"),
            "RangeError ERR_OUT_OF_RANGE"
        );
        let object = get!(napi_create_object(env));
        let status = call!(node_api_create_buffer_from_arraybuffer(
            env,
            object,
            0,
            0,
            &raw mut result
        ));
        assert_eq!(status, Status::InvalidArg);
    });
}

#[test]
fn hosts_own_buffers_are_buffers() {
    let bench = bench();
    let host = bench.host;
    bench.run(8, move |_| {
        let buffer = host.buffer(b"own".to_vec()).unwrap();
        assert!(host.is_buffer(&buffer));
        let rt = host.runtime();
        let plain = rt.eval_script("new Uint8Array(1)", "test").unwrap();
        assert!(!host.is_buffer(&plain));
    });
}
