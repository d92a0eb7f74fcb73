//! Words, hashes and copies of a memory file.
#![cfg(not(loom))]

use hostd_shm::{PAGE, SharedMemory, hash_piece};

#[test]
fn words_are_those_of_the_file_and_inside_of_it() {
    let (memory, file) = SharedMemory::create("words", PAGE).unwrap();
    let other = SharedMemory::open(&file).unwrap();
    assert!(memory.set_word(8, 5));
    assert_eq!(other.word(8), Some(5));
    assert!(!other.exchange_word(8, 4, 6));
    assert!(other.exchange_word(8, 5, u64::MAX));
    assert_eq!(memory.word(8), Some(u64::MAX));
    assert_eq!(memory.word(0), Some(0));
    assert!(memory.set_word(PAGE - 8, 1));
    for outside in [1, 12, PAGE - 4, PAGE, PAGE + 8, usize::MAX, usize::MAX - 7] {
        assert_eq!(memory.word(outside), None);
        assert!(!memory.set_word(outside, 1));
        assert!(!memory.exchange_word(outside, 0, 1));
    }
}

#[test]
fn hash_of_a_piece_tells_every_change_of_a_byte() {
    let (memory, _file) = SharedMemory::create("hashes", 2 * PAGE).unwrap();
    for length in [0, 1, 15, 16, 63, 64, 65, 200, PAGE - 1, PAGE] {
        let mut piece: Vec<u8> = (0..=250).cycle().take(length).collect();
        let bytes = memory.bytes(100, PAGE + 8).unwrap();
        let hash = bytes.write_hashed(8, &piece);
        assert_eq!(hash, Some(hash_piece(&piece)));
        assert_eq!(bytes.hash(8, length), hash);
        let mut copied = vec![0; length];
        assert!(bytes.read(8, &mut copied));
        assert_eq!(copied, piece);
        for at in 0..length {
            piece[at] ^= 1 << (at % 8);
            assert_ne!(Some(hash_piece(&piece)), hash, "byte {at} of {length}");
            assert!(bytes.write(8 + at, &piece[at..=at]));
            assert_ne!(bytes.hash(8, length), hash, "byte {at} of {length}");
            piece[at] ^= 1 << (at % 8);
            assert!(bytes.write(8 + at, &piece[at..=at]));
        }
    }
}

#[test]
fn hash_of_a_piece_tells_its_order() {
    let piece: Vec<u8> = (0..=250).cycle().take(PAGE).collect();
    let words = PAGE / 8;
    for (left, right) in [(0, 1), (0, 2), (0, 8), (1, 9), (7, words - 1)] {
        let mut swapped = piece.clone();
        for at in 0..8 {
            swapped.swap(left * 8 + at, right * 8 + at);
        }
        assert_ne!(
            hash_piece(&swapped),
            hash_piece(&piece),
            "{left} and {right}"
        );
    }
    assert_ne!(hash_piece(&[0; 64]), hash_piece(&[0; 128]));
}

#[test]
fn nothing_outside_is_hashed() {
    let (memory, _file) = SharedMemory::create("outside", PAGE).unwrap();
    let bytes = memory.bytes(0, 100).unwrap();
    for (at, length) in [(0, 101), (100, 1), (101, 0), (usize::MAX, 2)] {
        assert_eq!(bytes.hash(at, length), None);
    }
    assert_eq!(bytes.write_hashed(37, &[7; 64]), None);
    assert_eq!(memory.word(32), Some(0));
    assert_eq!(memory.word(96), Some(0));
}

#[test]
fn large_ranges_are_copied_as_small_ones() {
    const LENGTH: usize = 32 << 20;
    let (memory, _file) = SharedMemory::create("copies", LENGTH + PAGE).unwrap();
    let source: Vec<u8> = (0..251).cycle().take(1000).collect();
    let mut copied = vec![0; source.len() + 2];
    for start in [0, 1, 15, 16, 33] {
        let bytes = memory.bytes(start, LENGTH).unwrap();
        for length in [0, 1, 15, 16, 63, 64, 65, 200, 999] {
            for at in [1, 2, 16, 4099, LENGTH - length - 1] {
                assert!(bytes.write(at - 1, &[0; 1002][..length + 2]));
                assert!(bytes.write(at, &source[..length]));
                let copied = &mut copied[..length + 2];
                assert!(bytes.read(at - 1, copied));
                assert_eq!(copied[1..=length], source[..length]);
                assert_eq!(
                    (copied[0], copied[length + 1]),
                    (0, 0),
                    "{length} bytes at {at}"
                );
            }
            assert!(!bytes.write(LENGTH - length, &source[..=length]));
        }
    }
}
