//! The real process: command line, handshake, one conversation over shared lanes, and its end.

use std::io::{IoSlice, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use hostd_protocol::calls::CallKind;
use hostd_protocol::carrier::{Uninterruptible, lane};
use hostd_protocol::control::{
    ClientMessage, HostMessage, LogLevel, Setup, read_hello, read_message, write_message,
};
use hostd_protocol::frame::{FrameBuilder, FrameKind};
use hostd_protocol::handover::{Handover, Role};
use hostd_protocol::handshake::Hello;
use hostd_protocol::ids::{CallId, Generation};
use hostd_protocol::limits::Limits;
use hostd_protocol::value::{Token, ValueReader};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

const GENERATION: Generation = Generation(3);
const LIMITS: Limits = Limits::DEFAULT;

/// Runs the program by hand.
fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_napi-hostd"))
        .args(arguments)
        .output()
        .unwrap()
}

/// Starts a session that is handed nothing yet; the client's end of the control socket.
fn start() -> (Child, UnixStream) {
    let (socket, theirs) = UnixStream::pair().unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_napi-hostd"));
    command
        .args(["--session", "--parent", &std::process::id().to_string()])
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    (command.spawn().unwrap(), socket)
}

/// Hands over the lanes and sends the setup; the client's end of the lanes.
fn begin(socket: &mut UnixStream) -> lane::Segment {
    let (segment, lanes) = lane::Segment::create().unwrap();
    let mut handover = Handover::default();
    handover.add(Role::Lanes, Some(lanes));
    handover.send(socket).unwrap();
    read_hello(socket).unwrap().check().unwrap();
    write_message(socket, &setup()).unwrap();
    segment
}

/// What a session that fails writes to its standard error.
fn error_of(mut child: Child) -> String {
    let mut error = String::new();
    let stderr = child.stderr.as_mut().unwrap();
    stderr.read_to_string(&mut error).unwrap();
    assert!(!child.wait().unwrap().success());
    error
}

fn setup() -> ClientMessage {
    ClientMessage::Setup(Setup {
        generation: GENERATION,
        limits: LIMITS,
        label: "test".into(),
        log: LogLevel::Info,
        nested_threads: false,
        debug: false,
        keeps_calls: true,
        core_folder: None,
        profile: false,
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
fn doctor_prints_each_policy_and_layer_as_json() {
    let output = run(&["doctor", "--json"]);
    assert!(output.status.success(), "{output:?}");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(found["kernel"].is_string() && found["root"].is_boolean());
    let policies = found["policies"].as_array().unwrap();
    assert_eq!(policies.len(), 2);
    for (policy, name) in policies.iter().zip(["default", "strict"]) {
        assert_eq!(policy["name"], name);
        let layers = policy["layers"].as_array().unwrap();
        let limits = layers.iter().find(|layer| layer["name"] == "limits");
        assert_eq!(limits.unwrap()["state"], "applied");
    }
}

#[test]
fn inspect_prints_a_line_for_each_file_and_why_it_cannot_work() {
    let this = std::env::current_exe().unwrap();
    let output = run(&["inspect", this.to_str().unwrap(), "/dev/null"]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let refused: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|found| found["refused"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(refused.len(), 2);
    assert!(refused[0].contains("is a program"), "{text}");
    assert!(refused[1].contains("is a device"), "{text}");
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
    let (mut child, mut socket) = start();
    let segment = begin(&mut socket);
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
    let (mut child, mut socket) = start();
    let _segment = begin(&mut socket);
    message(&mut socket);
    drop(socket);
    assert!(!child.wait().unwrap().success());
}

/// Sends these bytes with these descriptors, as a client that is out of order.
fn forge(socket: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(descriptors)));
    let slices = [IoSlice::new(bytes)];
    sendmsg(socket, &slices, &mut ancillary, SendFlags::empty()).unwrap();
}

#[test]
fn forged_handover_ends_the_host_with_an_error() {
    let (_, lanes) = lane::Segment::create().unwrap();
    let (reader, _writer) = std::io::pipe().unwrap();
    let mut record = [0; 16];
    record[..2].copy_from_slice(&[1, Role::Lanes as u8]);
    let whole = [&Hello::ours().encode()[..], &record].concat();
    let cases: [(&[u8], &[BorrowedFd<'_>], &str); 4] = [
        (&whole[..90], &[lanes.as_fd()], "truncated handover"),
        (
            &whole,
            &[lanes.as_fd(), lanes.as_fd()],
            "another number of descriptors",
        ),
        (&whole, &[reader.as_fd()], "not a memory file"),
        (b"GET / HTTP/1.1", &[lanes.as_fd()], "truncated handover"),
    ];
    for (bytes, descriptors, why) in cases {
        let (child, socket) = start();
        forge(&socket, bytes, descriptors);
        let error = error_of(child);
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn memory_that_is_not_that_of_lanes_is_refused() {
    let (child, mut socket) = start();
    let mut handover = Handover::default();
    handover.add(Role::Lanes, Some(tempfile::tempfile().unwrap().into()));
    handover.send(&socket).unwrap();
    read_hello(&mut socket).unwrap().check().unwrap();
    write_message(&mut socket, &setup()).unwrap();
    let refused = message(&mut socket);
    assert!(
        matches!(&refused, HostMessage::Refused { message } if message.contains("cannot map")),
        "{refused:?}"
    );
    error_of(child);
}

#[test]
fn client_of_another_version_is_told_so() {
    let (child, mut socket) = start();
    let theirs = Hello {
        protocol: 999,
        build: "napi-hostd 99".into(),
    };
    socket.write_all(&theirs.encode()).unwrap();
    let error = error_of(child);
    assert!(
        error.contains("999") && error.contains("same release"),
        "{error}"
    );
}
