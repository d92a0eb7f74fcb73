//! The regions of any values are inside the half of their sender, or refused.
#![no_main]

use std::sync::OnceLock;

use hostd_protocol::limits::Limits;
use hostd_protocol::memory::{ClientMemory, HostMemory, Region, SharedBytes};
use hostd_protocol::value::{Token, ValueReader};
use libfuzzer_sys::fuzz_target;

const HALF: u64 = 1 << 20;

fn memory() -> &'static (ClientMemory, HostMemory) {
    static MEMORY: OnceLock<(ClientMemory, HostMemory)> = OnceLock::new();
    MEMORY.get_or_init(|| {
        let (client, descriptors) = ClientMemory::create(Some(HALF)).expect("memory");
        let host = HostMemory::open(descriptors, None).expect("the same memory");
        (client, host)
    })
}

/// Checks bytes that were accepted in the half that begins at `start`.
fn check(bytes: &SharedBytes, region: Region, start: u64) {
    assert_eq!((bytes.offset() as u64, bytes.len() as u64), (region.offset, region.length));
    assert!(region.file == 0 && region.offset >= start);
    assert!(region.offset + region.length <= start + HALF);
    let mut byte = [0];
    assert_eq!(bytes.read(bytes.len().wrapping_sub(1), &mut byte), !bytes.is_empty());
}

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { values: 1 << 16, ..Limits::DEFAULT };
    let mut reader = ValueReader::new(bytes, &limits);
    let (client, host) = memory();
    let mut regions = Vec::new();
    let mut collect = |token: &Token<'_>| match *token {
        Token::SharedBuffer { region, .. } | Token::SharedText(region) => regions.push(region),
        _ => {}
    };
    while reader.remaining() > 0 && reader.walk(&mut collect).is_ok() {}
    for region in regions {
        if let Ok(bytes) = client.of_host(region) {
            check(&bytes, region, HALF);
        }
        if let Ok(bytes) = host.of_client(region) {
            check(&bytes, region, 0);
        }
    }
});
