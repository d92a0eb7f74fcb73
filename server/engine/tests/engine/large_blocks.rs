//! Array buffers in shared memory: where their bytes lie, and how long they stay there.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;

use hostd_engine::{FinalizerToken, MemoryPin, Runtime};
use hostd_shm::{Arena, SharedMemory};

use crate::{call_js, engine, js};

const ALL: usize = 4 << 20;
const LARGE_MIN: usize = 16 << 10;
const LENGTH: usize = 100_000;
const TOKEN: FinalizerToken = FinalizerToken {
    tag: 9,
    words: [7, 0, 0],
};

/// An engine whose large buffers lie in the second half of a memory file.
fn shared() -> (Runtime, Arc<SharedMemory>) {
    let rt = engine();
    let (memory, _) = SharedMemory::create("test", 2 * ALL).unwrap();
    rt.allocate_in(Arena::new(&memory, ALL, ALL).unwrap(), None, LARGE_MIN);
    (rt, memory)
}

fn seen(memory: &Arc<SharedMemory>, pin: &MemoryPin, length: usize) -> Vec<u8> {
    let mut bytes = vec![0xEE; length];
    let shared = memory.bytes(pin.offset(), length).unwrap();
    assert!(shared.read(0, &mut bytes));
    bytes
}

#[test]
fn buffers_of_scripts_and_natives_are_seen_by_others() {
    let (rt, memory) = shared();
    for (number, buffer) in (1..).zip([
        rt.array_buffer(LENGTH).unwrap(),
        rt.array_buffer_copy(&vec![0; LENGTH]).unwrap(),
        rt.array_buffer_from(vec![0; LENGTH]).unwrap(),
        js(rt, &format!("new ArrayBuffer({LENGTH})")),
        js(rt, &format!("new Float64Array({LENGTH} / 8)")),
        js(rt, &format!("new Uint8Array({LENGTH} + 64).subarray(64)")),
        js(rt, &format!("new ArrayBuffer({LENGTH}).slice(0)")),
    ]) {
        let pin = rt.pin(&buffer).unwrap();
        assert!(pin.offset() >= ALL && pin.offset() % 64 == 0, "{pin:?}");
        assert_eq!(seen(&memory, &pin, LENGTH), vec![0; LENGTH]);
        assert!(rt.write_bytes(&buffer, 7, &[number]));
        assert_eq!(seen(&memory, &pin, LENGTH)[7], number);
        let shared = memory.bytes(pin.offset(), LENGTH).unwrap();
        assert!(shared.write(9, &[number]));
        let mut byte = [0];
        assert!(rt.read_bytes(&buffer, 9, &mut byte));
        assert_eq!(byte, [number]);
    }
    assert_eq!(rt.shared_usage().allocated, 0, "all are freed");
}

#[test]
fn small_and_foreign_buffers_lie_elsewhere() {
    let (rt, memory) = shared();
    assert!(rt.pin(&rt.array_buffer(1000).unwrap()).is_none());
    assert!(rt.pin(&rt.array_buffer(LARGE_MIN - 9).unwrap()).is_none());
    assert!(rt.pin(&rt.array_buffer(LARGE_MIN).unwrap()).is_some());
    assert!(rt.pin(&js(rt, "({})")).is_none());
    assert!(rt.pin(&js(rt, "'x'.repeat(100000)")).is_none());
    let foreign = memory.bytes(0, LENGTH).unwrap();
    let foreign = rt.shared_memory_buffer(foreign, TOKEN).unwrap();
    assert!(rt.pin(&foreign).is_none(), "not in the engine's part");
    let copy = rt.copy_shared(&foreign, LENGTH).unwrap();
    assert!(rt.copy_shared(&foreign, LENGTH + 1).is_none());
    assert_eq!(seen(&memory, &copy, 1), [0]);
    assert!(rt.write_bytes(&foreign, 0, b"x"));
    assert_eq!(seen(&memory, &copy, 1), [0], "it is a copy");
    drop(copy);
    assert_eq!(rt.shared_usage().allocated, 0);
}

#[test]
fn pinned_bytes_outlive_their_buffer() {
    let (rt, memory) = shared();
    for end in ["transfer", "detach"] {
        let buffer = rt.array_buffer(LENGTH).unwrap();
        assert!(rt.write_bytes(&buffer, 0, b"kept"));
        let (first, second) = (rt.pin(&buffer).unwrap(), rt.pin(&buffer).unwrap());
        assert_eq!(first.offset(), second.offset());
        if end == "transfer" {
            call_js(rt, "b => b.transfer(1)", &[buffer]);
        } else {
            rt.detach(&buffer);
            assert!(rt.pin(&buffer).is_none(), "detached");
        }
        drop(first);
        // Another buffer gets memory of its own.
        let other = rt.array_buffer(LENGTH).unwrap();
        assert!(rt.write_bytes(&other, 0, b"else"));
        assert_eq!(seen(&memory, &second, 4), b"kept");
        assert!(rt.shared_usage().allocated >= 2 * LENGTH);
    }
    assert_eq!(rt.shared_usage().allocated, 0);
}

#[test]
fn resizable_buffers_keep_their_bytes() {
    let (rt, _memory) = shared();
    let buffer = js(rt, "new ArrayBuffer(20000, { maxByteLength: 200000 })");
    assert!(rt.write_bytes(&buffer, 0, b"abc"));
    let resize = "(b, n) => { b.resize(n); return new Uint8Array(b).reduce((x, y) => x + y, 0); }";
    for length in [20_001, 100_000, 17_000, 1000, 3, 200_000, 20_000] {
        let sum = call_js(rt, resize, &[buffer.clone(), f64::from(length).into()]);
        assert_eq!(sum.as_i32(), Some(97 + 98 + 99), "{length}");
    }
    drop(buffer);
    assert_eq!(rt.shared_usage().allocated, 0);
}

#[test]
fn full_memory_falls_back_to_the_heap() {
    let (rt, _memory) = shared();
    let first = rt.array_buffer(ALL - 4096).unwrap();
    let second = rt.array_buffer(LENGTH).unwrap();
    assert!(rt.pin(&first).is_some());
    assert!(rt.pin(&second).is_none());
    assert!(rt.copy_shared(&second, LENGTH).is_none());
    assert!(rt.write_bytes(&second, 0, b"x"));
}

#[test]
fn memory_is_zero_again_when_it_is_reused() {
    let (rt, _memory) = shared();
    for _ in 0..3 {
        let buffer = rt.array_buffer(LENGTH).unwrap();
        assert!(rt.bytes_equal(&buffer, &vec![0; LENGTH]));
        assert!(rt.write_bytes(&buffer, 0, &vec![1; LENGTH]));
    }
    rt.trim_shared();
    assert_eq!(rt.shared_usage().retained, 0);
    assert!(rt.bytes_equal(&rt.array_buffer(LENGTH).unwrap(), &vec![0; LENGTH]));
}

#[test]
fn shared_bytes_are_released_when_the_last_buffer_is_gone() {
    let (rt, memory) = shared();
    let mut tokens = Vec::new();
    let buffer = |length| {
        let shared = memory.bytes(64, length).unwrap();
        rt.shared_memory_buffer(shared, TOKEN).unwrap()
    };
    let moved = call_js(rt, "b => b.transfer()", &[buffer(LENGTH)]);
    rt.take_finalized(&mut tokens);
    assert!(tokens.is_empty(), "the bytes have moved to another buffer");
    assert!(rt.write_bytes(&moved, 0, b"y"));
    let mut byte = [0];
    assert!(memory.bytes(64, 1).unwrap().read(0, &mut byte));
    assert_eq!(&byte, b"y");
    drop(moved);
    rt.detach(&buffer(0));
    let grown = call_js(rt, "b => b.transfer(200000)", &[buffer(LENGTH)]);
    rt.take_finalized(&mut tokens);
    assert_eq!(tokens, [TOKEN; 3], "copied bytes are released, too");
    assert_eq!(rt.byte_length(&grown), Some(200_000));
}

#[test]
fn limit_holds_for_all_large_buffers_together() {
    let rt = engine();
    let (memory, _) = SharedMemory::create("test", 2 * ALL).unwrap();
    rt.allocate_in(Arena::new(&memory, ALL, ALL).unwrap(), Some(ALL), LARGE_MIN);
    let many = "(() => { const all = []; try { for (;;) all.push(new Uint8Array(1e5)); } \
                catch { return all.length; } })()";
    let count = js(rt, many).as_i32().unwrap();
    assert!((30..=42).contains(&count), "{count}");
    rt.gc();
    assert_eq!(
        js(rt, "new Uint8Array(2e6).length").as_i32(),
        Some(2_000_000)
    );
}
