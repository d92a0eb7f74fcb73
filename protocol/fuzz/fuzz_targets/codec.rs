//! Any block of values is read over to its end or refused, within its limits.
#![no_main]

use hostd_protocol::failure::Failure;
use hostd_protocol::limits::Limits;
use hostd_protocol::message::{self, Description};
use hostd_protocol::value::ValueReader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { values: 1 << 16, ..Limits::DEFAULT };
    let mut reader = ValueReader::new(bytes, &limits);
    while reader.remaining() > 0 && reader.walk(|_| ()).is_ok() {}
    let _ = Failure::read(&mut ValueReader::new(bytes, &limits));
    let _ = message::read::<Description>(&mut ValueReader::new(bytes, &limits));
});
