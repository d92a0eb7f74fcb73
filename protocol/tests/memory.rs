//! The bulk memory of a session: each side allocates in its half and reads the other's only; pools are
//! files of their own, which a running host is handed.
#![expect(clippy::unwrap_used, reason = "tests")]

use hostd_protocol::ids::SlotId;
use hostd_protocol::memory::{ClientMemory, HostMemory, Region};

const HALF: u64 = 1 << 20;

fn region(file: u32, offset: u64, length: u64) -> Region {
    Region {
        id: SlotId::new(1).unwrap(),
        file,
        offset,
        length,
    }
}

fn session() -> (ClientMemory, HostMemory) {
    let (client, file) = ClientMemory::create(Some(HALF)).unwrap();
    (client, HostMemory::open(&file, None).unwrap())
}

#[test]
fn each_side_reads_what_the_other_has_written() {
    let (client, host) = session();
    let sent = client.allocate(100).unwrap();
    assert!(sent.bytes().write(0, b"argument"));
    let offset = sent.bytes().offset() as u64;
    let seen = host.of_client(region(0, offset, 8)).unwrap();
    let mut bytes = [0; 8];
    assert!(seen.read(0, &mut bytes));
    assert_eq!(&bytes, b"argument");
    let mut arena = host.arena().unwrap();
    let result = arena.allocate(100).unwrap();
    assert!(result.bytes().write(0, b"result"));
    let offset = result.bytes().offset() as u64;
    let seen = client.of_host(region(0, offset, 6)).unwrap();
    assert!(seen.read(0, &mut bytes[..6]));
    assert_eq!(&bytes[..6], b"result");
    client.free(sent);
    arena.free(result);
    assert_eq!(client.usage().allocated, 0);
}

#[test]
fn regions_outside_of_the_senders_memory_are_refused() {
    let (client, host) = session();
    for (offset, length) in [
        (0, HALF + 1),
        (HALF - 1, 2),
        (HALF * 2, 1),
        (u64::MAX, 1),
        (1, u64::MAX),
        (u64::MAX, u64::MAX),
    ] {
        assert!(host.of_client(region(0, offset, length)).is_err());
        let mirrored = region(0, offset.wrapping_add(HALF), length);
        assert!(client.of_host(mirrored).is_err(), "{mirrored:?}");
    }
    assert!(host.of_client(region(0, 0, HALF)).is_ok());
    assert!(client.of_host(region(0, HALF, HALF)).is_ok());
    assert!(client.of_host(region(0, 0, 1)).is_err(), "its own half");
    assert!(host.of_client(region(0, HALF, 1)).is_err(), "its own half");
    assert!(client.of_host(region(0, HALF * 2, 0)).is_ok(), "no bytes");
    assert!(client.of_host(region(1, HALF, 1)).is_err(), "another file");
}

#[test]
fn limit_of_memory_limits_a_half() {
    for (limit, half) in [(HALF + 1, HALF), (64 << 10, 64 << 10), (u64::MAX, 4 << 30)] {
        let (client, _file) = ClientMemory::create(Some(limit)).unwrap();
        assert_eq!(client.usage().limit as u64, half);
    }
    let (client, _file) = ClientMemory::create(None).unwrap();
    assert_eq!(client.usage().limit, 4 << 30);
    assert!(ClientMemory::create(Some(4096)).is_err(), "too little");
    let (_client, file) = ClientMemory::create(Some(HALF)).unwrap();
    let host = HostMemory::open(&file, Some(HALF / 2 + 1)).unwrap();
    assert_eq!(host.arena().unwrap().usage().limit as u64, HALF / 2);
}

#[test]
fn memory_of_a_host_is_counted_and_freed_but_for_what_is_in_use() {
    const LENGTH: u64 = 64 << 10;
    let length = usize::try_from(LENGTH).unwrap();
    let (client, host) = session();
    let mut arena = host.arena().unwrap();
    let own = client.allocate(3 * length).unwrap();
    assert_eq!(client.host_bytes(), 0);
    let blocks: Vec<_> = (0..4).map(|_| arena.allocate(length).unwrap()).collect();
    assert_eq!(client.host_bytes(), 4 * LENGTH);
    client.free(own);
    assert_eq!(client.host_bytes(), 4 * LENGTH);
    // The second and a part of the fourth are in use, the second twice.
    let places: Vec<u64> = blocks
        .iter()
        .map(|block| block.bytes().offset() as u64)
        .collect();
    let used = client.of_host(region(0, places[1], LENGTH)).unwrap();
    let part = client.of_host(region(0, places[3] + 5, 10)).unwrap();
    for bytes in [&used, &used, &part] {
        assert!(client.regions().add(bytes));
    }
    client.regions().remove(&used);
    for block in &blocks {
        assert!(block.bytes().write(7, b"x"));
    }
    client.host_has_ended();
    assert_eq!(client.host_bytes(), LENGTH + 4096);
    assert_eq!(client.usage().retained, 0);
    let mut byte = [0];
    assert!(used.read(7, &mut byte) && byte == *b"x");
    assert!(part.read(2, &mut byte) && byte == *b"x");
    assert!(blocks[0].bytes().read(7, &mut byte) && byte == [0]);
    // What a message that is read now names is gone, unless it is in use.
    let gone = client.of_host(region(0, places[0], LENGTH)).unwrap();
    assert!(!client.regions().add(&gone));
    assert!(client.regions().add(&used));
    client.regions().remove(&used);
    client.regions().remove(&used);
    client.regions().remove(&part);
    client.host_has_ended();
    assert_eq!(client.host_bytes(), 0);
}

#[test]
fn pools_are_handed_over_once() {
    let (client, host) = session();
    let mut sent = Vec::new();
    let number = client.attach([7, 0], |number| {
        sent.push(number);
        true
    });
    assert_eq!(client.attach([7, 0], |_| false), number);
    assert_ne!(client.attach([7, 1], |_| true), number);
    assert_eq!(
        client.attach([9, 9], |_| false),
        None,
        "it could not be sent"
    );
    assert_eq!(sent.as_slice(), [number.unwrap()]);
    assert!(client.of_host(region(1, HALF, 1)).is_err(), "of the client");
    assert_eq!(client.detach([7, 0]), number);
    assert_eq!(client.detach([7, 0]), None);
    assert!(host.files().arrived(1).is_err(), "without a descriptor");
}

#[test]
fn files_that_were_never_sent_are_refused() {
    let (_client, host) = session();
    host.files().close();
    assert!(host.files().get(1).is_err());
    assert!(host.of_client(region(1, 0, 1)).is_err());
}
