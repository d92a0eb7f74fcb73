//! Any header is refused, or is what it would be written as; any body's release block is read.
#![no_main]

use hostd_protocol::control::Packet;
use hostd_protocol::frame::{HEADER_BYTES, Header, read_releases};
use hostd_protocol::ids::Generation;
use hostd_protocol::limits::Limits;
use hostd_protocol::value::ValueReader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some((kind, payload)) = bytes.split_first() {
        let _ = Packet::decode(*kind, payload);
    }
    let Some((head, body)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return;
    };
    let generation = Generation(u32::from_le_bytes([head[12], head[13], head[14], head[15]]));
    if let Ok(header) = Header::decode(head, generation, &Limits::DEFAULT) {
        assert_eq!(&header.encode(), head);
        let mut reader = ValueReader::new(body, &Limits::DEFAULT);
        let _ = read_releases(header.flags, &mut reader, |_| Ok(()));
    }
});
