//! Array buffers: owned, external, shared, detached.

#![expect(unsafe_code, reason = "external buffers are unsafe to make")]

use hostd_engine::{FinalizerToken, MAX_BUFFER_LENGTH, Runtime, Value};

use crate::{call_js, engine, engine_of, js, thrown_text};

const TOKEN: FinalizerToken = FinalizerToken {
    tag: 9,
    words: [7, 0, 0],
};

fn dead(rt: Runtime) -> usize {
    let mut tokens = Vec::new();
    rt.take_finalized(&mut tokens);
    assert!(tokens.iter().all(|token| *token == TOKEN));
    tokens.len()
}

/// A buffer over leaked memory.
fn external(rt: Runtime, bytes: &[u8]) -> (Value, &'static mut [u8]) {
    let memory = Box::leak(bytes.to_vec().into_boxed_slice());
    let address = memory.as_mut_ptr().expose_provenance();
    // SAFETY: the memory is leaked and so lives for ever.
    let buffer = unsafe { rt.external_array_buffer(address, memory.len(), TOKEN) };
    (buffer.unwrap_or_else(|thrown| panic!("{thrown:?}")), memory)
}

#[test]
fn new_buffers_are_zeroed() {
    let rt = engine();
    for length in [0, 1, 4096, 4097, 1 << 20] {
        let buffer = rt.array_buffer(length).unwrap();
        assert_eq!(rt.copy_bytes(&buffer).unwrap().unwrap(), vec![0; length]);
        assert_eq!(rt.byte_length(&buffer), Some(length));
        assert!(rt.is_array_buffer(&buffer));
    }
}

#[test]
fn bytes_are_copied_in_and_out() {
    let rt = engine();
    for buffer in [
        rt.array_buffer_copy(b"hello").unwrap(),
        rt.array_buffer_from(b"hello".to_vec()).unwrap(),
    ] {
        assert!(rt.write_bytes(&buffer, 1, b"EL"));
        assert!(rt.bytes_equal(&buffer, b"hELlo"));
        let mut two = [0; 2];
        assert!(rt.read_bytes(&buffer, 3, &mut two));
        assert_eq!(&two, b"lo");
        assert!(!rt.read_bytes(&buffer, 4, &mut two));
        assert!(!rt.write_bytes(&buffer, usize::MAX, b"xx"));
        assert_eq!(
            call_js(rt, "b => new Uint8Array(b)[1]", &[buffer]).as_i32(),
            Some(69)
        );
    }
    assert!(rt.copy_bytes(&js(rt, "({})")).unwrap().is_none());
}

#[test]
fn too_long_buffers_are_refused_before_anything_is_copied() {
    let rt = engine();
    let answer = thrown_text(rt, rt.array_buffer(MAX_BUFFER_LENGTH + 1));
    assert!(
        answer.starts_with("RangeError: Array buffer of 2147483648 bytes"),
        "{answer}"
    );
    // SAFETY: refused before the memory is looked at.
    let result = unsafe { rt.external_array_buffer(16, usize::MAX, TOKEN) };
    assert!(thrown_text(rt, result).starts_with("RangeError"));
    assert_eq!(dead(rt), 1);
}

#[test]
fn external_memory_is_shared_and_released_once() {
    let rt = engine();
    let (buffer, memory) = external(rt, b"abc");
    call_js(
        rt,
        "b => { new Uint8Array(b)[0] = 65 }",
        std::slice::from_ref(&buffer),
    );
    assert_eq!(memory, b"Abc");
    assert_eq!(
        rt.data_pointer(&buffer).unwrap().address,
        memory.as_ptr().addr()
    );
    assert_eq!(dead(rt), 0);
    drop(buffer);
    assert_eq!(dead(rt), 1);
}

#[test]
fn a_detach_only_queues_the_token() {
    let rt = engine();
    let (buffer, _) = external(rt, b"abc");
    let array = call_js(rt, "b => new Uint8Array(b)", std::slice::from_ref(&buffer));
    rt.detach(&buffer);
    assert!(rt.is_detached(&buffer));
    assert_eq!(dead(rt), 1);
    rt.detach(&buffer);
    assert_eq!(rt.byte_length(&buffer), Some(0));
    assert_eq!(rt.byte_length(&array), Some(0));
    assert_eq!(rt.data_pointer(&array).unwrap().address, 0);
    drop((buffer, array));
    assert_eq!(dead(rt), 0);
}

#[test]
fn a_transfer_keeps_the_bytes_and_releases_once() {
    let rt = engine();
    let (buffer, _) = external(rt, b"abc");
    let moved = call_js(rt, "b => b.transfer()", std::slice::from_ref(&buffer));
    assert!(rt.is_detached(&buffer));
    assert!(rt.bytes_equal(&moved, b"abc"));
    assert_eq!(dead(rt), 0);
    let longer = call_js(rt, "b => b.transfer(5)", std::slice::from_ref(&moved));
    assert!(rt.bytes_equal(&longer, b"abc\0\0"));
    assert_eq!(dead(rt), 1);
    let shorter = call_js(rt, "b => b.transfer(2)", std::slice::from_ref(&longer));
    assert!(rt.bytes_equal(&shorter, b"ab"));
    let empty = call_js(rt, "b => b.transfer(0)", std::slice::from_ref(&shorter));
    assert_eq!(rt.byte_length(&empty), Some(0));
    drop((buffer, moved, longer, shorter, empty));
    assert_eq!(dead(rt), 0);
}

#[test]
fn an_empty_external_buffer_releases_too() {
    let rt = engine();
    // SAFETY: there are no bytes.
    let buffer = unsafe { rt.external_array_buffer(0, 0, TOKEN) }.unwrap();
    assert_eq!(rt.data_pointer(&buffer).unwrap().address, 0);
    assert!(!rt.is_detached(&buffer));
    drop(buffer);
    assert_eq!(dead(rt), 1);
}

#[test]
fn shared_buffers_are_distinguished() {
    let rt = engine();
    let shared = rt.shared_array_buffer(4).unwrap();
    assert!(rt.is_shared_array_buffer(&shared));
    assert!(!rt.is_array_buffer(&shared));
    assert!(rt.write_bytes(&shared, 0, b"1234"));
    assert!(rt.bytes_equal(&shared, b"1234"));
    assert_eq!(rt.data_pointer(&shared).unwrap().length, 4);
}

#[test]
fn shared_buffer_grows_and_says_where_nothing_is() {
    let rt = engine();
    let shared = js(rt, "new SharedArrayBuffer(2, { maxByteLength: 8 })");
    let start = rt.data_pointer(&shared).unwrap().address;
    assert!(rt.write_bytes(&shared, 0, b"12"));
    call_js(rt, "b => b.grow(8)", std::slice::from_ref(&shared));
    assert!(rt.bytes_equal(&shared, b"12\0\0\0\0\0\0"));
    let nothing = call_js(
        rt,
        "b => new Uint8Array(b, 5, 0)",
        std::slice::from_ref(&shared),
    );
    let pointer = rt.data_pointer(&nothing).unwrap();
    assert_eq!((pointer.address, pointer.length), (start + 5, 0));
    let may_grow = js(rt, "new ArrayBuffer(0, { maxByteLength: 4 })");
    assert_ne!(rt.data_pointer(&may_grow).unwrap().address, 0);
    let never = js(rt, "new Uint8Array(new ArrayBuffer(0))");
    assert_eq!(rt.data_pointer(&never).unwrap().address, 0);
}

#[test]
fn shared_buffer_beyond_the_heap_is_an_error() {
    let rt = engine_of(Some(64 << 20));
    let source = "new SharedArrayBuffer(1, { maxByteLength: 1 << 30 })";
    let text = thrown_text(rt, rt.eval_script(source, "test.js"));
    assert!(text.contains("out of memory"), "{text}");
}
