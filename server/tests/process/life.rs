//! The real process: command line, handshake, one conversation over shared lanes, and its end.

use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use command_fds::{CommandFdExt as _, FdMapping};
use hostd_protocol::calls::CallKind;
use hostd_protocol::carrier::{Uninterruptible, lane};
use hostd_protocol::control::{
    CarrierKind, ClientMessage, HostMessage, LogLevel, Setup, greet, read_message, write_message,
};
use hostd_protocol::frame::{FrameBuilder, FrameKind};
use hostd_protocol::handshake::Hello;
use hostd_protocol::ids::{CallId, Generation};
use hostd_protocol::limits::Limits;
use hostd_protocol::value::{Token, ValueReader};

const GENERATION: Generation = Generation(3);
const LIMITS: Limits = Limits::DEFAULT;

/// Runs the program by hand.
fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_napi-hostd"))
        .args(arguments)
        .output()
        .unwrap()
}

/// Starts a session; the client's ends of socket and lanes.
fn start() -> (Child, UnixStream, lane::Segment) {
    let (socket, theirs) = UnixStream::pair().unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let (segment, lanes) = lane::Segment::create().unwrap();
    let mapping = |parent_fd: OwnedFd, child_fd| FdMapping {
        parent_fd,
        child_fd,
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_napi-hostd"));
    command
        .args(["--session", "--parent", &std::process::id().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .fd_mappings(vec![mapping(theirs.into(), 3), mapping(lanes, 4)])
        .unwrap();
    let child = command.spawn().unwrap();
    (child, socket, segment)
}

fn setup(carrier: CarrierKind) -> ClientMessage {
    ClientMessage::Setup(Setup {
        generation: GENERATION,
        limits: LIMITS,
        carrier,
        label: "test".into(),
        log: LogLevel::Info,
        nested_threads: false,
        debug: false,
        confinement: None,
    })
}

/// The next message that is no line of the log.
fn message(socket: &mut UnixStream) -> HostMessage {
    loop {
        match read_message(socket).unwrap() {
            HostMessage::Log { .. } => {}
            other => return other,
        }
    }
}

#[test]
fn program_says_what_it_is() {
    let version = run(&["--version"]);
    assert!(version.status.success());
    assert!(String::from_utf8_lossy(&version.stdout).starts_with("napi-hostd "));
    let help = run(&["--help"]);
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("--session"));
    let alone = run(&[]);
    assert!(!alone.status.success());
    assert!(String::from_utf8_lossy(&alone.stderr).contains("load_addon()"));
    let nonsense = run(&["--frobnicate"]);
    assert!(String::from_utf8_lossy(&nonsense.stderr).contains("--frobnicate"));
}

#[test]
fn doctor_tells_of_each_policy_and_layer() {
    let output = run(&["doctor"]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in ["Landlock", "\"default\" is", "\"strict\" is", "limits"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    // Either a layer is missing, or all were tried out.
    assert!(text.contains("UNAVAILABLE") || text.matches("self_test").count() == 2);
}

#[test]
fn session_by_hand_names_the_step_that_failed() {
    let parent = std::process::id().to_string();
    let output = run(&["--session", "--parent", &parent]);
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("control socket is missing"), "{error}");
    let output = run(&["--session", "--parent", "1"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("no client to serve"));
}

#[test]
fn session_serves_over_lanes_and_says_goodbye() {
    let (mut child, mut socket, segment) = start();
    greet(&mut socket).unwrap().check().unwrap();
    write_message(&mut socket, &setup(CarrierKind::Lanes)).unwrap();
    let ready = message(&mut socket);
    assert!(
        matches!(ready, HostMessage::Ready { pid, stack_bytes, .. }
            if pid == child.id() && stack_bytes > 1 << 20),
        "{ready:?}"
    );
    let end = lane::client(segment, GENERATION, LIMITS);
    let mut lane = end.lease(None, &mut Uninterruptible).unwrap();
    let mut frame = FrameBuilder::new(LIMITS);
    frame.start(FrameKind::Request, CallKind::RunScript.number());
    frame
        .body()
        .str("console.log('from the addon'); 6 * 7")
        .unwrap();
    lane.send(
        frame.finish(CallId(1), GENERATION).unwrap(),
        &mut Uninterruptible,
    )
    .unwrap();
    let mut body = Vec::new();
    let header = lane.receive(&mut body, &mut Uninterruptible).unwrap();
    assert_eq!(header.kind, FrameKind::Reply);
    let value = ValueReader::new(&body, &LIMITS).next().unwrap();
    assert_eq!(value, Token::Int32(42));
    write_message(&mut socket, &ClientMessage::Shutdown).unwrap();
    assert_eq!(message(&mut socket), HostMessage::Goodbye);
    let mut printed = String::new();
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_to_string(&mut printed)
        .unwrap();
    assert_eq!(
        printed,
        "from the addon
"
    );
    assert!(child.wait().unwrap().success());
}

#[test]
fn host_whose_client_is_gone_dies() {
    let (mut child, mut socket, _segment) = start();
    greet(&mut socket).unwrap();
    write_message(&mut socket, &setup(CarrierKind::Lanes)).unwrap();
    message(&mut socket);
    drop(socket);
    assert!(!child.wait().unwrap().success());
}

#[test]
fn setup_that_contradicts_the_command_line_is_refused() {
    let (mut child, mut socket, _segment) = start();
    greet(&mut socket).unwrap();
    write_message(&mut socket, &setup(CarrierKind::Socket)).unwrap();
    let refused = message(&mut socket);
    assert!(
        matches!(&refused, HostMessage::Refused { message } if message.contains("different carriers")),
        "{refused:?}"
    );
    assert!(!child.wait().unwrap().success());
}

#[test]
fn client_of_another_version_is_told_so() {
    use std::io::Write as _;
    let (mut child, mut socket, _segment) = start();
    let theirs = Hello {
        protocol: 999,
        build: "napi-hostd 99".into(),
    };
    socket.write_all(&theirs.encode()).unwrap();
    assert!(!child.wait().unwrap().success());
    let mut error = String::new();
    let stderr = child.stderr.as_mut().unwrap();
    stderr.read_to_string(&mut error).unwrap();
    assert!(
        error.contains("999") && error.contains("same release"),
        "{error}"
    );
}
