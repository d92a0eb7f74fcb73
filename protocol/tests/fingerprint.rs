//! What travels stands in a file for each protocol number: what changes without the number fails.
//!
//! After a change, raise `PROTOCOL` and run this test with `NAPI_HOSTD_WRITE_GOLDEN=1`, which writes
//! the file of a number that has none yet. Only the newest is kept.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use hostd_protocol::calls::{self, TypedCall};
use hostd_protocol::confinement::{Bounds, Confinement, Mechanism, MechanismState, PolicyName};
use hostd_protocol::control::{ClientMessage, HostMessage, LogLevel, Setup, write_message};
use hostd_protocol::error::{ProtocolError, RemoteError};
use hostd_protocol::failure::Failure;
use hostd_protocol::frame::{
    Denial, Denied, Flags, FrameBuilder, FrameKind, HEADER_BYTES, Header, read_denials,
};
use hostd_protocol::handover::{Handover, Role};
use hostd_protocol::handshake::{HELLO_BYTES, PROTOCOL};
use hostd_protocol::ids::{CallId, Generation, SlotId};
use hostd_protocol::lent::Release;
use hostd_protocol::limits::Limits;
use hostd_protocol::message::{self, Description, HostStats, LoadRequest};
use hostd_protocol::parts::{Arguments, LentAgain, PromiseOutcome, PropertyKey, Put};
use hostd_protocol::process_exit::ProcessExit;
use hostd_protocol::profile::{FunctionTimes, HostProfile, HostTimes};
use hostd_protocol::value::{ValueReader, ValueWriter};
use serde::Serialize;

/// What the bodies of a call consist of is in the row of its number.
const CALLS: &str = include_str!("../src/calls.rs");
/// What a value begins with, and what its codes mean.
const TAGS: &str = include_str!("../src/value/tag.rs");

#[derive(Default)]
struct Fingerprint(String);

impl Fingerprint {
    fn bytes(&mut self, name: &str, bytes: &[u8]) {
        write!(self.0, "{name} =").unwrap();
        for chunk in bytes.chunks(4) {
            self.0.push(' ');
            for byte in chunk {
                write!(self.0, "{byte:02x}").unwrap();
            }
        }
        self.0.push('\n');
    }

    fn control<T: Serialize>(&mut self, name: &str, message: &T) {
        let mut bytes = Vec::new();
        write_message(&mut bytes, message).unwrap();
        self.bytes(name, &bytes);
    }

    fn record<T: Serialize>(&mut self, name: &str, record: &T) {
        let mut frame = FrameBuilder::new(Limits::DEFAULT);
        frame.start(FrameKind::Request, 1);
        message::write(&mut frame.body(), record).unwrap();
        let bytes = frame.finish(CallId(3), Generation(4)).unwrap();
        self.bytes(name, bytes);
    }

    fn failure(&mut self, name: &str, error: &RemoteError) {
        let mut frame = FrameBuilder::new(Limits::DEFAULT);
        frame.start(FrameKind::Failure, 1);
        Failure::write(&mut frame.body(), error).unwrap();
        let bytes = frame.finish(CallId(3), Generation(4)).unwrap();
        self.bytes(name, bytes);
    }
}

fn limits() -> Limits {
    Limits {
        frame_bytes: 1,
        depth: 2,
        values: 3,
        nested_requests: 4,
        lent_objects: 5,
    }
}

fn setup(policy: PolicyName) -> ClientMessage {
    ClientMessage::Setup(Setup {
        generation: Generation(6),
        limits: limits(),
        label: "label".into(),
        log: LogLevel::Debug,
        nested_threads: true,
        debug: false,
        keeps_calls: true,
        core_folder: Some(b"/c".to_vec()),
        profile: true,
        confinement: Some(Box::new(Confinement {
            policy,
            read: vec![b"/r".to_vec()],
            write: vec![b"/w".to_vec()],
            scratch: Some(b"/s".to_vec()),
            scratch_is_temporary: true,
            network: false,
            subprocess: true,
            watch: false,
            unix: true,
            exec_memory: Some(true),
            memory: Some(7),
            cpu: Some(8),
            threads: Some(9),
            files: Some(10),
            file_size: Some(11),
            client: 12,
            degrade: true,
            diagnose: false,
        })),
    })
}

fn control(all: &mut Fingerprint) {
    all.control("setup default", &setup(PolicyName::Default));
    all.control("setup strict", &setup(PolicyName::Strict));
    all.control("shutdown", &ClientMessage::Shutdown);
    let states = [
        MechanismState::Applied,
        MechanismState::Partial,
        MechanismState::Unavailable,
        MechanismState::Skipped,
    ];
    let confined = HostMessage::Confined {
        applied: states
            .map(|state| Mechanism {
                name: "name".into(),
                required: true,
                state,
                errno: Some(13),
                detail: "detail".into(),
            })
            .into(),
        bounds: Some(Bounds {
            memory: 14,
            threads: 15,
            files: 16,
            file_size: 17,
            cpu: Some(18),
        }),
    };
    all.control("confined", &confined);
    all.control("memory file", &ClientMessage::MemoryFile(1));
    all.control("forget memory file", &ClientMessage::ForgetMemoryFile(1));
    let ready = HostMessage::Ready {
        shares_memory: true,
        pid: 19,
        stack_bytes: 20,
    };
    all.control("ready", &ready);
    let refused = HostMessage::Refused {
        message: "message".into(),
    };
    all.control("refused", &refused);
    for level in [
        LogLevel::Error,
        LogLevel::Warn,
        LogLevel::Info,
        LogLevel::Debug,
        LogLevel::Trace,
    ] {
        let log = HostMessage::Log {
            level,
            target: "target".into(),
            message: "message".into(),
        };
        all.control("log", &log);
    }
    all.control("goodbye", &HostMessage::Goodbye);
}

fn frames(all: &mut Fingerprint) {
    let header = Header {
        body_len: 1,
        kind: FrameKind::Notice,
        flags: Flags::RELEASES
            | Flags::WRITE_BACK
            | Flags::UNREAD
            | Flags::DENIALS
            | Flags::MEASURED,
        number: 2,
        call: CallId(3),
        generation: Generation(4),
    };
    all.bytes("header", &header.encode());
    let mut frame = FrameBuilder::new(Limits::DEFAULT);
    frame.start(FrameKind::Reply, 1);
    let releases = [Release {
        id: SlotId::new(5).unwrap(),
        received: 6,
        returned: 7,
    }];
    frame.releases(&releases).unwrap();
    let bytes = frame.finish(CallId(3), Generation(4)).unwrap();
    all.bytes("releases", bytes);
    frame.start(FrameKind::Reply, 1);
    frame.denials(&[Denial {
        what: Denied::Watch,
        js_thread: true,
        is_guess: true,
        subject: b"/x".to_vec(),
        grants: vec![b"/".to_vec()],
    }]);
    let bytes = frame.finish(CallId(3), Generation(4)).unwrap();
    all.bytes("denials", bytes);
    let mut body = ValueReader::new(&bytes[HEADER_BYTES..], &Limits::DEFAULT);
    let read = read_denials(Flags::DENIALS, &mut body).unwrap();
    assert_eq!(
        (read[0].what, &*read[0].subject),
        (Denied::Watch, &b"/x"[..])
    );
    // Each count and length beyond what follows, or beyond its limit, is an error.
    for (place, most) in [(0, 32_u32), (6, 1024), (12, 2), (16, 1024)] {
        let mut broken = bytes[HEADER_BYTES..].to_vec();
        let mut is_refused = |value: u32| {
            broken[place..place + 4].copy_from_slice(&value.to_le_bytes());
            let mut body = ValueReader::new(&broken, &Limits::DEFAULT);
            let refused = read_denials(Flags::DENIALS, &mut body).is_err();
            broken.resize(1 << 16, 0);
            refused
        };
        assert!(is_refused(u32::MAX) && is_refused(most + 1), "{place}");
    }
    let path = b"/x".to_vec();
    all.record("load", &LoadRequest::Addon { path });
    let (name, folder) = ("sharp".to_owned(), "/srv".to_owned());
    all.record("load a module", &LoadRequest::Module { name, folder });
    let folder = "/srv".to_owned();
    all.record("load nothing", &LoadRequest::Nothing { folder });
    let description = Description {
        kind: 1,
        name: "name".into(),
        class_id: 2,
        methods: vec!["method".into()],
        accessors: vec!["accessor".into()],
        length: 3,
    };
    all.record("description", &description);
    let stats = HostStats {
        lent: 1,
        received: 2,
        calls: 3,
        callbacks: 4,
        queued_events: 5,
        engine_bytes: 6,
        engine_objects: 7,
        shared_bytes: 8,
        retained_bytes: 9,
    };
    all.record("stats", &stats);
    profile(all);
    let load = RemoteError::Load {
        message: "message".into(),
        detail: "detail".into(),
    };
    all.failure("failure load", &load);
    all.failure(
        "failure unsupported",
        &RemoteError::Unsupported("it".into()),
    );
    all.failure("failure cancelled", &RemoteError::Cancelled);
    all.failure("failure limit", &RemoteError::Limit("it".into()));
    all.failure("failure host", &RemoteError::Host("it".into()));
    all.failure("failure stale", &RemoteError::Stale(1));
}

/// What measured calls and profiles have.
fn profile(all: &mut Fingerprint) {
    let mut frame = FrameBuilder::new(Limits::DEFAULT);
    let profile = HostProfile {
        functions: vec![FunctionTimes {
            name: "name".into(),
            calls: 1,
            total: 2,
            own: 3,
        }],
        collections: 4,
        collecting: 5,
        finalizers: 6,
        finalizing: 7,
        spans: vec![(8, 9, 10)],
        left: 11,
    };
    all.record("profile", &profile);
    frame.start(FrameKind::Request, 1);
    frame.measure(12);
    let bytes = frame.finish(CallId(3), Generation(4)).unwrap();
    all.bytes("measured request", bytes);
    frame.start(FrameKind::Reply, 1);
    frame.times(&HostTimes::default());
    frame.times(&HostTimes {
        marshalling: 1,
        engine: 2,
        addon: 3,
        functions: 4,
        collection: 5,
        overhead: 6,
    });
    let bytes = frame.finish(CallId(3), Generation(4)).unwrap();
    all.bytes("measured reply", bytes);
}

/// Whatever a side writes in a way of its own.
#[derive(Clone, Copy)]
struct Hole;

macro_rules! holes {
    ($($part:ty: |$body:ident| $put:expr;)*) => { $(
        impl Put<$part, ValueWriter<'_>> for Hole {
            fn put(&self, $body: &mut ValueWriter<'_>) -> Result<(), ProtocolError> {
                $put;
                Ok(())
            }
        }
    )* };
}

holes! {
    Arguments: |body| { body.put_u32(1); body.int32(7) };
    PropertyKey: |body| body.int32(8);
    LentAgain: |body| body.put_u32(9);
}

/// Each part in the body of a call.
fn bodies(all: &mut Fingerprint) {
    fn request<C: TypedCall>(
        all: &mut Fingerprint,
        _: C,
        body: &impl for<'a> Put<C::Request, ValueWriter<'a>>,
    ) {
        let mut bytes = Vec::new();
        body.put(&mut ValueWriter::new(&mut bytes, &Limits::DEFAULT))
            .unwrap();
        all.bytes(&format!("{} request", C::KIND.name()), &bytes);
    }
    fn reply<C: TypedCall>(
        all: &mut Fingerprint,
        _: C,
        body: &impl for<'a> Put<C::Reply, ValueWriter<'a>>,
    ) {
        let mut bytes = Vec::new();
        body.put(&mut ValueWriter::new(&mut bytes, &Limits::DEFAULT))
            .unwrap();
        all.bytes(&format!("{} reply", C::KIND.name()), &bytes);
    }
    const SETTLED: PromiseOutcome<(), &str> = PromiseOutcome::Fulfilled("value");
    const FAILED: PromiseOutcome<(), &str> = PromiseOutcome::Rejected("reason");
    const PENDING: PromiseOutcome<u32, &str> = PromiseOutcome::Pending(3);
    let id = SlotId::new(1).unwrap();
    request(all, calls::Call, &(id, Some("this"), Hole));
    request(all, calls::Call, &(id, None::<&str>, Hole));
    request(all, calls::CallMethod, &(id, Hole, Hole));
    request(all, calls::Keys, &(id, true));
    request(all, calls::Describe, &(false, id));
    request(all, calls::RemoteStep, &(id, 2_u8, "value"));
    request(all, calls::Uncaught, &("error", "origin"));
    request(all, calls::Settle, &(Hole, SETTLED));
    reply(all, calls::Get, &(true, "value"));
    reply(all, calls::Load, &("exports", vec![("name", "function")]));
    reply(all, calls::Watch, &PENDING);
    reply(all, calls::Turn, &(true, vec![((id, 4_u32), FAILED)]));
}

fn start(all: &mut Fingerprint) {
    let (client, mut host) = UnixStream::pair().unwrap();
    let mut handover = Handover::default();
    let roles = [
        Role::Lanes,
        Role::CrashPage,
        Role::WakePipe,
        Role::Stdout,
        Role::Stderr,
        Role::Status,
        Role::Memory,
    ];
    for role in roles {
        handover.add(role, Some(tempfile::tempfile().unwrap().into()));
    }
    handover.send(&client).unwrap();
    drop(client);
    let mut bytes = Vec::new();
    host.read_to_end(&mut bytes).unwrap();
    all.bytes("handover", &bytes[HELLO_BYTES..]);
    let exit = ProcessExit {
        signal: Some(1),
        exit_code: Some(2),
        user: Duration::from_micros(3),
        system: Duration::from_micros(4),
        peak_memory: Some(5),
    };
    all.bytes("process exit", &exit.encode());
}

/// The rows of the tables: the parts of each call, and each code.
fn tables(all: &mut Fingerprint) {
    let (_, rows) = CALLS.split_once("\ncalls! {\n").unwrap();
    let (rows, _) = rows.split_once("\n}\n").unwrap();
    let rows = rows.lines().map(str::trim);
    let rows = rows.filter(|row| !row.starts_with("///"));
    all.0.extend(rows.flat_map(|row| [row, "\n"]));
    for row in TAGS.lines().map(str::trim) {
        let code = row.strip_suffix(',').and_then(|row| row.split_once(" = "));
        if row.contains("enum ") || code.is_some_and(|(_, code)| code.parse::<u8>().is_ok()) {
            all.0.extend([row, "\n"]);
        }
    }
}

fn golden(number: u32) -> PathBuf {
    let name = format!("tests/golden/protocol-{number}.txt");
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn what_travels_changes_with_the_protocol_number_only() {
    let mut all = Fingerprint::default();
    control(&mut all);
    frames(&mut all);
    bodies(&mut all);
    start(&mut all);
    tables(&mut all);
    let path = golden(PROTOCOL);
    if std::env::var_os("NAPI_HOSTD_WRITE_GOLDEN").is_some() && !path.exists() {
        fs::write(&path, &all.0).unwrap();
        // It is history.
        let _ = fs::remove_file(golden(PROTOCOL - 1));
    }
    let known = fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; NAPI_HOSTD_WRITE_GOLDEN=1 makes it",
            path.display()
        )
    });
    let differing = all
        .0
        .lines()
        .zip(known.lines())
        .find(|(now, then)| now != then);
    assert!(
        all.0 == known,
        "what travels has changed, {}: raise PROTOCOL in protocol/src/handshake.rs, which is \
         {PROTOCOL}, say so in CHANGELOG.md, and run this with NAPI_HOSTD_WRITE_GOLDEN=1",
        differing.map_or("a line more or less".to_owned(), |(now, then)| format!(
            "\nnow  {now}\nthen {then}\n"
        ))
    );
}
