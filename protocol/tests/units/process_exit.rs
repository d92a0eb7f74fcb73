//! How the exit of a process travels.

use std::time::Duration;

use hostd_protocol::process_exit::*;

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
