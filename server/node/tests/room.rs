//! What a host has room for once it is ready. The only test of its program: nobody else may ask the
//! system for memory meanwhile.

#![cfg(target_env = "gnu")]
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "helpers of tests are not recognised as tests"
)]

#[expect(dead_code, reason = "other programs of tests use the rest")]
mod harness;

use hostd_engine::Value;

/// How many bytes the process has of the system's allocator.
fn in_use() -> usize {
    #[expect(unsafe_code, reason = "the C library tells it in no other way")]
    // SAFETY: it only reads the allocator's own books.
    let told = unsafe { libc::mallinfo2() };
    told.uordblks
}

#[test]
fn objects_that_come_and_go_find_room_whatever_else_stays() {
    let (host, _) = harness::start();
    let mut objects: Vec<Value> = Vec::with_capacity(100);
    let mut come_and_go = |times: usize| -> Vec<(usize, usize)> {
        (0..times)
            .map(|_| {
                let before = in_use();
                host.enter(|rt| {
                    objects.extend((0..100).map(|_| rt.object().expect("an object")));
                });
                let after = in_use();
                objects.clear();
                (before, after)
            })
            .collect()
    };
    // Room is made once it is missed.
    come_and_go(30);
    for (before, after) in come_and_go(3) {
        assert_eq!(before, after);
    }
    let stays: Vec<Value> = host.enter(|rt| {
        (0..1_000)
            .map(|_| rt.object().expect("an object"))
            .collect()
    });
    come_and_go(60);
    for (before, after) in come_and_go(3) {
        assert_eq!(before, after);
    }
    drop(stays);
}
