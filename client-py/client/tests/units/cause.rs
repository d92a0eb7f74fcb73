//! Why a host process ended: codes and words.

use std::time::Duration;

use hostd_client::{Cause, Kill};
use hostd_protocol::error::ProtocolError;

#[test]
fn each_cause_has_its_code_and_words() {
    let text = || "what happened".to_owned();
    let kills = [
        Kill::ShutdownTimeout,
        Kill::CallTimeout(Duration::from_millis(500)),
        Kill::CallAbandoned,
        Kill::LoadAbandoned,
        Kill::Disconnected,
        Kill::ProtocolViolation(text()),
        Kill::Connection(text()),
        Kill::Limit(text()),
        Kill::Flood(text()),
        Kill::ClientResources(text()),
    ];
    let others = [
        Cause::Exit,
        Cause::Signal,
        Cause::ForbiddenCall,
        Cause::Restart,
        Cause::Limit(text()),
        Cause::OutOfMemory(text()),
        Cause::MaybeOutOfMemory(text()),
        Cause::Unknown(text()),
    ];
    let causes = others.into_iter().chain(kills.map(Cause::Killed));
    let lines = causes.map(|cause| match cause.reason() {
        None => format!("{}\n", cause.code()),
        Some(reason) => format!("{}, {reason}\n", cause.code()),
    });
    let expected = "\
exit
signal
forbidden-call
restart, the program restarted it
limit, what happened
out-of-memory, out of memory: what happened
maybe-out-of-memory, maybe out of memory: what happened
unknown, exit status unknown: what happened
shutdown-timeout, killed: shutdown grace period expired
call-timeout, killed: a call did not end within 0.5 s after it was interrupted
call-abandoned, killed: a call was abandoned before its reply
load-abandoned, killed: the load that started it was abandoned
disconnected, killed: it closed its control connection
protocol-violation, killed: what happened
connection, killed: what happened
limit, killed: what happened
flood, killed: what happened
client-resources, killed: what happened
";
    assert_eq!(lines.collect::<String>(), expected);
}

#[test]
fn system_error_of_a_connection_is_kept() {
    let refused = ProtocolError::Io {
        what: "cannot read from the host",
        error: std::io::Error::from_raw_os_error(104),
    };
    let kill = Kill::from(&refused);
    assert_eq!(
        Cause::Killed(kill).reason().unwrap(),
        "killed: cannot read from the host: Connection reset by peer (os error 104)"
    );
    let violation = ProtocolError::violation("a second ready message");
    assert_eq!(
        Cause::Killed(Kill::from(&violation)).code(),
        "protocol-violation"
    );
}
