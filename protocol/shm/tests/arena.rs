//! Arenas: blocks never overlap, have the size that was asked for, and give their memory back.

#![cfg(not(loom))]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::os::fd::OwnedFd;
use std::sync::Arc;

use hostd_shm::{Arena, Block, SegmentError, SharedMemory};
use proptest::prelude::*;

const PAGE: usize = 4096;
const PAGES: usize = 512;

fn memory() -> (Arc<SharedMemory>, OwnedFd) {
    SharedMemory::create("arena", 2 * PAGES * PAGE).unwrap()
}

/// Memory of the file in bytes.
fn used(file: &OwnedFd) -> usize {
    usize::try_from(rustix::fs::fstat(file).unwrap().st_blocks).unwrap() * 512
}

fn contents(block: &Block) -> Vec<u8> {
    let mut bytes = vec![0xEE; block.bytes().len()];
    assert!(block.bytes().read(0, &mut bytes));
    bytes
}

#[derive(Debug, Clone)]
enum Step {
    Allocate(usize),
    AllocateZeroed(usize),
    Free(usize),
    Trim,
}

fn step() -> impl Strategy<Value = Step> {
    let length = prop_oneof![1..4 * PAGE, 1..PAGES * PAGE / 2];
    prop_oneof![
        4 => length.clone().prop_map(Step::Allocate),
        2 => length.prop_map(Step::AllocateZeroed),
        5 => any::<usize>().prop_map(Step::Free),
        1 => Just(Step::Trim),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Each block is filled with a number of its own, which must be there when it is freed.
    #[test]
    fn blocks_keep_what_was_written(steps in prop::collection::vec(step(), 1..100)) {
        let (memory, _file) = memory();
        let offset = PAGES * PAGE;
        let mut arena = Arena::new(&memory, offset, PAGES * PAGE).unwrap();
        let mut blocks: Vec<(Block, u8)> = Vec::new();
        for (step, number) in steps.iter().zip((1..=250_u8).cycle()) {
            match *step {
                Step::Allocate(length) | Step::AllocateZeroed(length) => {
                    let zeroed = matches!(step, Step::AllocateZeroed(_));
                    let block = if zeroed {
                        arena.allocate_zeroed(length)
                    } else {
                        arena.allocate(length)
                    };
                    let Some(block) = block else { continue };
                    prop_assert_eq!(block.bytes().len(), length);
                    prop_assert!(block.bytes().offset() >= offset);
                    prop_assert!(!zeroed || contents(&block).iter().all(|byte| *byte == 0));
                    prop_assert!(block.bytes().write(0, &vec![number; length]));
                    blocks.push((block, number));
                }
                Step::Free(which) if !blocks.is_empty() => {
                    let (block, number) = blocks.swap_remove(which % blocks.len());
                    prop_assert!(contents(&block).iter().all(|byte| *byte == number));
                    arena.free(block);
                }
                Step::Free(_) => {}
                Step::Trim => {
                    arena.trim();
                    prop_assert_eq!(arena.usage().retained, 0);
                }
            }
            let taken = blocks.iter().map(|(block, _)| block.bytes().len().div_ceil(PAGE) * PAGE);
            prop_assert_eq!(arena.usage().allocated, taken.sum::<usize>());
        }
        for (block, number) in blocks {
            prop_assert!(contents(&block).iter().all(|byte| *byte == number));
            arena.free(block);
        }
        let all = arena.allocate(PAGES * PAGE);
        prop_assert!(all.is_some(), "what is free is one piece");
    }
}

#[test]
fn memory_is_given_back() {
    let (memory, file) = memory();
    let mut arena = Arena::new(&memory, 0, PAGES * PAGE).unwrap();
    assert_eq!(used(&file), 0, "an arena without blocks takes up nothing");
    let few = PAGES / 32;
    let mut block = |count: usize| arena.allocate(count * PAGE).unwrap();
    let (first, second, third) = (block(few), block(50), block(few));
    assert_eq!(
        used(&file),
        (50 + 2 * few) * PAGE,
        "the pages are there at once"
    );
    arena.free(first);
    assert_eq!(arena.usage().retained, few * PAGE);
    assert_eq!(used(&file), (50 + 2 * few) * PAGE, "a little is kept");
    arena.trim();
    assert_eq!(used(&file), (50 + few) * PAGE);
    arena.free(second);
    assert_eq!(used(&file), few * PAGE, "more than a part of the arena");
    arena.retain_nothing();
    arena.free(third);
    assert_eq!(used(&file), 0);
}

#[test]
fn what_does_not_fit_is_none() {
    let (memory, _file) = memory();
    let mut arena = Arena::new(&memory, PAGE, PAGES * PAGE).unwrap();
    assert!(arena.allocate(PAGES * PAGE + 1).is_none());
    assert!(arena.allocate(usize::MAX).is_none());
    let all = arena.allocate(PAGES * PAGE).unwrap();
    assert!(arena.allocate(0).is_none(), "an empty block takes a page");
    arena.free(all);
    let empty = arena.allocate(0).unwrap();
    assert!(empty.bytes().is_empty());
    arena.free(empty);
    for (offset, length) in [
        (0, 3 * PAGES * PAGE),
        (2 * PAGES * PAGE, PAGE),
        (usize::MAX & !(PAGE - 1), PAGE),
        (1, PAGE),
        (0, PAGE + 1),
    ] {
        assert!(Arena::new(&memory, offset, length).is_none());
    }
}

#[test]
fn bytes_outside_are_refused() {
    let (memory, _file) = memory();
    assert!(memory.bytes(memory.len(), 1).is_none());
    assert!(memory.bytes(usize::MAX, 2).is_none());
    let bytes = memory.bytes(PAGE, 10).unwrap();
    assert!(!bytes.write(1, &[0; 10]));
    assert!(!bytes.read(usize::MAX, &mut [0; 2]));
    let mut all = Vec::new();
    assert!(!bytes.append_to(&mut all), "nothing is reserved");
    all.reserve_exact(1 + bytes.len());
    all.push(7);
    assert!(bytes.append_to(&mut all) && all.len() == 1 + bytes.len());
    let mut same = vec![0; bytes.len()];
    assert!(bytes.read(0, &mut same));
    assert_eq!((all[0], &all[1..]), (7, &same[..]));
    assert!(bytes.write(10, &[]));
    assert!(bytes.part(4, 7).is_none());
    assert!(bytes.part(4, 6).unwrap().write(5, b"x"));
    let mut last = [0];
    assert!(bytes.read(9, &mut last));
    assert_eq!(&last, b"x");
    assert_eq!(memory.offset_of(bytes.address()), Some(PAGE));
    assert_eq!(memory.offset_of(bytes.address() - PAGE - 1), None);
    assert_eq!(
        memory.offset_of(bytes.address() - PAGE + memory.len()),
        None
    );
}

#[test]
fn other_process_sees_what_is_written() {
    let (memory, file) = memory();
    let other = SharedMemory::open(&file).unwrap();
    let mut arena = Arena::new(&memory, 0, PAGES * PAGE).unwrap();
    let block = arena.allocate(3 * PAGE).unwrap();
    assert!(block.bytes().write(0, b"seen"));
    let view = other.bytes(block.bytes().offset(), 4).unwrap();
    let mut seen = [0; 4];
    assert!(view.read(0, &mut seen));
    assert_eq!(&seen, b"seen");
    arena.free(block);
    drop((arena, memory));
    assert!(view.read(0, &mut seen), "its own mapping keeps the memory");
}

#[test]
fn files_that_can_shrink_are_refused() {
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let open = |seals, length| {
        let file = memfd_create("unsealed", flags).unwrap();
        ftruncate(&file, length).unwrap();
        fcntl_add_seals(&file, seals).unwrap();
        SharedMemory::open(&file).map(drop)
    };
    let all = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    assert!(open(all, 4096).is_ok());
    for (seals, length) in [
        (SealFlags::GROW | SealFlags::SEAL, 4096),
        (SealFlags::SHRINK | SealFlags::SEAL, 4096),
        (SealFlags::SHRINK | SealFlags::GROW, 4096),
        (all, 0),
    ] {
        let refused = open(seals, length);
        assert!(
            matches!(refused, Err(SegmentError::NotSealed)),
            "{refused:?}"
        );
    }
    let pipe = rustix::pipe::pipe().unwrap().0;
    assert!(matches!(
        SharedMemory::open(&pipe),
        Err(SegmentError::NotSealed)
    ));
}

/// The first 64 MiB have tables for 1024 blocks; what has no room there lies behind.
#[test]
fn more_and_larger_blocks_lie_in_the_second_part() {
    const LENGTH: usize = 256 << 20;
    let (memory, file) = SharedMemory::create("arena", LENGTH).unwrap();
    let mut arena = Arena::new(&memory, 0, LENGTH).unwrap();
    let mut blocks: Vec<Block> = (0..3000).map(|_| arena.allocate(PAGE).unwrap()).collect();
    blocks.push(arena.allocate(65 << 20).unwrap());
    blocks.sort_by_key(|block| block.bytes().offset());
    for (before, after) in blocks.iter().zip(&blocks[1..]) {
        assert!(before.bytes().offset() + before.bytes().len() <= after.bytes().offset());
    }
    assert_eq!(arena.usage().allocated, 3000 * PAGE + (65 << 20));
    assert!(arena.allocate(192 << 20).is_none(), "it is used in part");
    for block in blocks {
        arena.free(block);
    }
    let whole = arena.allocate(128 << 20).unwrap();
    arena.free(whole);
    arena.trim();
    assert_eq!(arena.usage().allocated, 0);
    assert_eq!(used(&file), 0);
}
