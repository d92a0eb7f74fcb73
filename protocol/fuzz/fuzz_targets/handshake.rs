//! Any hello and any control message is refused, or is what it would be written as.
#![no_main]

use hostd_protocol::control::{ClientMessage, HostMessage, read_message, write_message};
use hostd_protocol::handshake::{HELLO_BYTES, Hello};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some((hello, _)) = bytes.split_first_chunk::<HELLO_BYTES>()
        && let Ok(hello) = Hello::decode(hello)
    {
        assert_eq!(Hello::decode(&hello.encode()).ok(), Some(hello));
    }
    if let Ok(message) = read_message::<HostMessage>(&mut &bytes[..]) {
        write_message(&mut Vec::new(), &message).expect("a message that was read is small");
    }
    let _ = read_message::<ClientMessage>(&mut &bytes[..]);
});
