//! Requests to a server, and its answers.

use std::time::Duration;

use hostd_protocol::attach::*;
use hostd_protocol::control::CarrierKind;

#[test]
fn request_is_read_as_written_and_counts_its_descriptors() {
    for (carrier, crash_page, count) in [
        (CarrierKind::Lanes, true, 5),
        (CarrierKind::Lanes, false, 4),
        (CarrierKind::Socket, false, 3),
    ] {
        let request = AttachRequest {
            carrier,
            crash_page,
        };
        assert_eq!(AttachRequest::decode(&request.encode()).unwrap(), request);
        assert_eq!(request.descriptors(), count);
    }
}

#[test]
fn malformed_requests_are_refused() {
    let good = AttachRequest {
        carrier: CarrierKind::Lanes,
        crash_page: true,
    }
    .encode();
    for place in 0..ATTACH_BYTES {
        let mut bytes = good;
        bytes[place] ^= 0x80;
        assert!(AttachRequest::decode(&bytes).is_err(), "{place}");
    }
}

#[test]
fn refusals_are_read_and_long_ones_are_refused() {
    let refusal = refuse("no");
    let head: [u8; REFUSAL_BYTES] = refusal[..REFUSAL_BYTES].try_into().unwrap();
    assert_eq!(decode_refusal(&head).unwrap(), 2);
    let mut long = head;
    long[14] = 1;
    assert!(decode_refusal(&long).is_err());
    assert!(decode_refusal(&[0; REFUSAL_BYTES]).is_err());
}

#[test]
fn process_exit_is_read_as_written() {
    let killed = ProcessExit {
        signal: Some(11),
        user: Duration::from_micros(u64::from(u32::MAX) + 7),
        peak_memory: Some(5 << 32),
        ..ProcessExit::default()
    };
    let exited = ProcessExit {
        exit_code: Some(0),
        system: Duration::from_secs(1),
        ..ProcessExit::default()
    };
    for exit in [killed, exited] {
        assert_eq!(ProcessExit::decode(&exit.encode()), exit);
    }
}
