//! Typed arrays and data views.

use std::ffi::c_void;
use std::ptr;

use crate::harness::*;

const INT32: i32 = 5;

struct Info {
    kind: i32,
    length: usize,
    data: *mut c_void,
    offset: usize,
}

fn info(env: napi_env, array: napi_value) -> Info {
    let mut info = Info {
        kind: -1,
        length: 9,
        data: ptr::null_mut(),
        offset: 9,
    };
    let mut buffer = NULL;
    let status = call!(napi_get_typedarray_info(
        env,
        array,
        &raw mut info.kind,
        &raw mut info.length,
        &raw mut info.data,
        &raw mut buffer,
        &raw mut info.offset
    ));
    assert_eq!(status, Status::Ok);
    info
}

#[test]
fn every_element_type_has_its_number() {
    with_env(|env| {
        let names = [
            "Int8",
            "Uint8",
            "Uint8Clamped",
            "Int16",
            "Uint16",
            "Int32",
            "Uint32",
            "Float32",
            "Float64",
            "BigInt64",
            "BigUint64",
            "Float16",
        ];
        let buffer = eval(env, "new ArrayBuffer(16)");
        for (name, kind) in names.iter().zip(0..) {
            let array = get!(napi_create_typedarray(env, kind, 2, buffer, 0));
            set_global(env, "a", array);
            assert_eq!(
                global_text(env, "a.constructor.name"),
                format!("{name}Array")
            );
            let info = info(env, array);
            assert_eq!((info.kind, info.length, info.offset), (kind, 2, 0));
            assert!(get!(napi_is_typedarray(env, array)));
        }
        let mut result = NULL;
        for kind in [-1, 12] {
            assert_eq!(
                call!(napi_create_typedarray(
                    env,
                    kind,
                    1,
                    buffer,
                    0,
                    &raw mut result
                )),
                Status::InvalidArg
            );
        }
    });
}

#[test]
fn data_includes_the_offset_and_length_counts_elements() {
    with_env(|env| {
        let array = eval(
            env,
            "globalThis.a = new Int32Array(new ArrayBuffer(16), 4, 2)",
        );
        let whole = eval(env, "new Uint8Array(a.buffer)");
        let (part, whole) = (info(env, array), info(env, whole));
        assert_eq!((part.length, part.offset, whole.length), (2, 4, 16));
        assert_eq!(part.data.addr() - whole.data.addr(), 4);
    });
}

#[test]
fn detached_array_has_no_length() {
    with_env(|env| {
        let array = eval(env, "globalThis.a = new Int32Array(4)");
        let buffer = eval(env, "a.buffer");
        assert_eq!(call!(napi_detach_arraybuffer(env, buffer)), Status::Ok);
        let info = info(env, array);
        assert_eq!(
            (info.length, info.offset, info.data.is_null()),
            (0, 0, true)
        );
    });
}

fn failure(env: napi_env, status: Status) -> String {
    let exception = get!(napi_get_and_clear_last_exception(env));
    set_global(env, "e", exception);
    format!(
        "{status:?} {}",
        global_text(env, "`${e.name} ${e.code} ${e.message}`")
    )
}

#[test]
fn bad_ranges_are_coded_range_errors() {
    with_env(|env| {
        let buffer = eval(env, "new ArrayBuffer(8)");
        let mut result = NULL;
        let mut create = |length, offset| {
            call!(napi_create_typedarray(
                env,
                INT32,
                length,
                buffer,
                offset,
                &raw mut result
            ))
        };
        assert_eq!(
            failure(env, create(1, 2)),
            "GenericFailure RangeError ERR_NAPI_INVALID_TYPEDARRAY_ALIGNMENT \
             start offset of Int32Array should be a multiple of 4"
        );
        let too_long = "GenericFailure RangeError ERR_NAPI_INVALID_TYPEDARRAY_LENGTH \
                        Invalid typed array length";
        for (length, offset) in [(3, 0), (1, 8), (usize::MAX / 4, 8), (usize::MAX, 0)] {
            assert_eq!(
                failure(env, create(length, offset)),
                too_long,
                "{length} {offset}"
            );
        }
        let status = call!(napi_create_dataview(env, 8, buffer, 1, &raw mut result));
        assert_eq!(
            failure(env, status),
            "PendingException RangeError ERR_NAPI_INVALID_DATAVIEW_ARGS byte_offset + byte_length \
             should be less than or equal to the size in bytes of the array passed in"
        );
        let status = call!(napi_create_dataview(
            env,
            usize::MAX,
            buffer,
            1,
            &raw mut result
        ));
        assert!(failure(env, status).starts_with("PendingException RangeError"));
    });
}

#[test]
fn shared_memory_has_views_and_objects_have_none() {
    with_env(|env| {
        let shared = eval(env, "new SharedArrayBuffer(8)");
        let array = get!(napi_create_typedarray(env, INT32, 2, shared, 0));
        assert_eq!(info(env, array).length, 2);
        let object = get!(napi_create_object(env));
        let mut result = NULL;
        let view = get!(napi_create_dataview(env, 8, shared, 0));
        assert!(get!(napi_is_dataview(env, view)));
        assert_eq!(
            call!(napi_create_dataview(env, 1, object, 0, &raw mut result)),
            Status::InvalidArg
        );
        assert_eq!(
            call!(napi_create_typedarray(
                env,
                INT32,
                1,
                object,
                0,
                &raw mut result
            )),
            Status::InvalidArg
        );
    });
}

#[test]
fn views_are_distinguished() {
    with_env(|env| {
        let buffer = eval(env, "new ArrayBuffer(8)");
        let view = get!(napi_create_dataview(env, 4, buffer, 2));
        assert!(get!(napi_is_dataview(env, view)));
        assert!(!get!(napi_is_typedarray(env, view)));
        let (mut length, mut data, mut memory, mut offset) = (0, ptr::null_mut(), NULL, 0);
        let status = call!(napi_get_dataview_info(
            env,
            view,
            &raw mut length,
            &raw mut data,
            &raw mut memory,
            &raw mut offset
        ));
        assert_eq!((status, length, offset), (Status::Ok, 4, 2));
        assert!(get!(napi_strict_equals(env, memory, buffer)));
        let null = ptr::null_mut::<usize>();
        let array = eval(env, "new Uint8Array(1)");
        assert_eq!(
            call!(napi_get_dataview_info(
                env,
                array,
                null,
                null.cast(),
                null.cast(),
                null
            )),
            Status::InvalidArg
        );
        assert_eq!(
            call!(napi_get_typedarray_info(
                env,
                view,
                null.cast(),
                null,
                null.cast(),
                null.cast(),
                null
            )),
            Status::InvalidArg
        );
    });
}
