//! Sealing a segment, and refusing what is none.

#![cfg(all(target_os = "linux", not(loom)))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use hostd_shm::{SEGMENT_LEN, Segment, SegmentError};
use rustix::fs::{
    FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, fcntl_get_seals, ftruncate,
    memfd_create,
};
use rustix::io::{Errno, FdFlags, fcntl_getfd};

const SEALS: SealFlags = SealFlags::SHRINK
    .union(SealFlags::GROW)
    .union(SealFlags::SEAL);

fn memfd(len: u64, seals: SealFlags) -> OwnedFd {
    let fd = memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&fd, len).unwrap();
    fcntl_add_seals(&fd, seals).unwrap();
    fd
}

#[test]
fn a_peer_can_neither_resize_nor_reseal_it() {
    let (segment, fd) = Segment::create().unwrap();
    let peer = fd.try_clone().unwrap();
    for len in [0, SEGMENT_LEN as u64 - 1, SEGMENT_LEN as u64 + 1] {
        assert_eq!(ftruncate(&peer, len), Err(Errno::PERM));
    }
    assert!(fcntl_get_seals(&peer).unwrap().contains(SEALS));
    assert_eq!(
        fcntl_add_seals(&peer, SealFlags::FUTURE_WRITE),
        Err(Errno::PERM)
    );
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    fallocate(&peer, hole, 0, SEGMENT_LEN as u64).unwrap();
    // All zeroes now, and no fault.
    let client = segment.into_client();
    assert_eq!(client.try_lease(None).unwrap().readable(), Ok(0));
    assert!(fcntl_getfd(&fd).unwrap().contains(FdFlags::CLOEXEC));
}

#[test]
fn it_opens_where_it_was_made_for() {
    let (_segment, fd) = Segment::create().unwrap();
    Segment::open(fd).unwrap();
}

#[test]
fn what_is_not_sealed_is_refused() {
    let len = SEGMENT_LEN as u64;
    let partly = [
        SealFlags::empty(),
        SealFlags::SHRINK,
        SealFlags::SHRINK | SealFlags::GROW,
        SealFlags::SHRINK | SealFlags::SEAL,
        SealFlags::GROW | SealFlags::SEAL,
    ];
    for seals in partly {
        let refused = Segment::open(memfd(len, seals)).unwrap_err();
        assert!(
            matches!(refused, SegmentError::NotSealed),
            "{seals:?}: {refused}"
        );
    }
}

#[test]
fn what_is_no_memfd_is_refused() {
    let (pipe, _write) = std::io::pipe().unwrap();
    let null = File::open("/dev/null").unwrap();
    let file = tempfile();
    for fd in [OwnedFd::from(pipe), null.into(), file.into()] {
        let refused = Segment::open(fd).unwrap_err();
        assert!(matches!(refused, SegmentError::NotSealed), "{refused}");
    }
}

/// A file of the right size, without a name.
fn tempfile() -> File {
    let flags = rustix::fs::OFlags::TMPFILE | rustix::fs::OFlags::RDWR;
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    let file = File::from(rustix::fs::open(std::env::temp_dir(), flags, mode).unwrap());
    file.set_len(SEGMENT_LEN as u64).unwrap();
    file
}

#[test]
fn another_size_is_refused() {
    for len in [0, 4096, SEGMENT_LEN as u64 - 1, SEGMENT_LEN as u64 + 4096] {
        let refused = Segment::open(memfd(len, SEALS)).unwrap_err();
        assert!(
            matches!(refused, SegmentError::WrongSize { found } if found == len),
            "{refused}"
        );
    }
}

#[test]
fn another_layout_is_refused() {
    let refused = Segment::open(memfd(SEGMENT_LEN as u64, SEALS)).unwrap_err();
    assert!(
        matches!(refused, SegmentError::WrongLayout { found: 0, .. }),
        "{refused}"
    );

    let (_segment, fd) = Segment::create().unwrap();
    let file = File::from(fd);
    file.write_all_at(b"\xff", 7).unwrap();
    assert!(matches!(
        Segment::open(file.into()),
        Err(SegmentError::WrongLayout { .. })
    ));
}

#[test]
fn it_cannot_be_mapped_once_writing_is_sealed_off() {
    let fd = memfd(SEGMENT_LEN as u64, SEALS.union(SealFlags::WRITE));
    assert!(matches!(
        Segment::open(fd),
        Err(SegmentError::System { step: "map", .. })
    ));
}

#[test]
fn nothing_is_left_mapped() {
    let mapped = || {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        maps.lines()
            .filter(|line| line.contains("napi-hostd-lanes"))
            .count()
    };
    // Other tests of this file run at the same time, so count in a process of our own.
    if std::env::var_os("SHM_TEST_ALONE").is_some() {
        for _ in 0..100 {
            let (segment, fd) = Segment::create().unwrap();
            let client = segment.into_client();
            let host = Segment::open(fd).unwrap().into_host();
            assert_eq!(mapped(), 2);
            drop((client, host));
        }
        assert_eq!(mapped(), 0);
    } else {
        let alone = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "nothing_is_left_mapped"])
            .env("SHM_TEST_ALONE", "1")
            .status()
            .unwrap();
        assert!(alone.success());
    }
}
