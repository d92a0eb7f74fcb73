//! Messages of the control connection.

use hostd_protocol::control::*;
use hostd_protocol::ids::Generation;
use hostd_protocol::limits::Limits;

const DATA: u8 = 1;
const CANCEL: u8 = 2;

#[test]
fn message_is_read_as_written() {
    let message = ClientMessage::Setup(Setup {
        generation: Generation(3),
        limits: Limits::DEFAULT,
        label: "x".into(),
        log: LogLevel::Info,
        nested_threads: false,
        debug: true,
        keeps_calls: true,
        core_folder: None,
        profile: false,
        confinement: None,
    });
    let mut bytes = Vec::new();
    write_message(&mut bytes, &message).unwrap();
    assert_eq!(
        read_message::<ClientMessage>(&mut &bytes[..]).unwrap(),
        message
    );
    for cut in 0..bytes.len() {
        assert!(
            read_message::<ClientMessage>(&mut &bytes[..cut]).is_err(),
            "{cut}"
        );
    }
}

#[test]
fn message_larger_than_a_packet_is_refused() {
    let message = HostMessage::Refused {
        message: "x".repeat(PACKET_BYTES),
    };
    let mut bytes = Vec::new();
    assert!(encode_message(&mut bytes, &message).is_err());
    assert!(bytes.is_empty());
    let huge = [0xFF, 0xFF, 0xFF, 0xFF, 0];
    assert!(read_message::<HostMessage>(&mut &huge[..]).is_err());
}

#[test]
fn data_of_a_lane_that_does_not_exist_is_refused() {
    assert!(Packet::decode(DATA, &[64, 0, 1]).is_err());
    assert!(Packet::decode(DATA, &[63]).is_err());
    assert!(Packet::decode(CANCEL, &[1, 0, 1]).is_err());
    assert!(Packet::decode(9, &[]).is_err());
}
