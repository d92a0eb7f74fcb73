//! The cases: each starts hosts of its own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use hostd_client::{
    Carrier, Cause, Client, ClientError, Conversation, ExitReport, HostConfig, HostEvents, Idle,
    Interrupted, Kill, OutputStream, ParkedWait, RestartMode, SpawnError, Uninterruptible,
};
use hostd_protocol::control::LogLevel;
use hostd_protocol::error::ProtocolError;
use hostd_protocol::frame::{FrameBuilder, FrameKind, Header};
use hostd_protocol::limits::Limits;
use hostd_protocol::value::{Token, ValueReader};

macro_rules! cases {
    ($($case:ident)*) => {
        pub(crate) const ALL: &[(&str, fn())] = &[$((stringify!($case), $case)),*];
    };
}

cases! {
    call_over_lanes_is_answered
    call_over_the_socket_is_answered
    large_frames_pass_on_both_carriers
    callback_and_a_call_inside_it_use_one_lane
    death_by_signal_is_reported_and_the_next_call_finds_another_host
    death_is_reported_over_the_socket_too
    exit_without_goodbye_is_a_crash_whatever_its_code
    death_ends_the_waits_of_all_threads
    death_is_noticed_while_a_child_of_the_host_keeps_the_pipes_open
    death_without_restart_refuses_with_the_old_report
    missing_program_is_named
    file_that_is_no_program_is_named
    host_of_another_version_is_refused
    garbage_instead_of_a_hello_is_refused
    host_that_dies_at_its_start_is_reported
    host_that_refuses_says_why
    host_that_says_nothing_is_given_up
    host_that_says_it_bit_by_bit_is_given_up
    reply_that_stops_in_the_middle_ends_with_the_call
    garbage_on_a_lane_kills_the_host
    reply_of_a_wrong_id_kills_the_host
    host_that_hangs_up_is_killed
    close_ends_the_host_in_order
    stubborn_host_is_killed_after_its_grace
    dropped_client_ends_its_host
    restart_starts_a_new_generation
    interrupted_call_that_ends_leaves_the_host_alive
    callback_of_an_interrupted_call_is_refused
    interrupted_call_that_hangs_kills_the_host
    callbacks_without_end_last_no_longer_than_the_grace
    reply_that_trickles_ends_with_the_call
    wait_is_interrupted_at_its_deadline
    request_too_large_is_refused_and_the_conversation_goes_on
    dropped_conversation_with_an_open_request_kills_the_host
    output_is_handed_on_and_its_end_is_kept
    notice_and_log_are_handed_on
    on_start_runs_for_each_generation
    failing_on_start_ends_the_start
    many_threads_start_one_host
    host_ends_with_its_client_that_leaves
    host_ends_with_its_client_that_is_killed
    exit_status_is_known_where_sigchld_is_ignored
    exit_status_is_known_where_another_thread_waits_for_all_children
    forked_child_has_a_host_of_its_own
    forked_child_waits_for_no_lock_of_its_parent
    crashes_leave_nothing_behind
}

/// A fake host, and the events that its client recorded.
#[derive(Default)]
pub(crate) struct Fixture {
    told: Arc<RecordedEvents>,
    manner: Option<&'static str>,
}

#[derive(Default)]
struct RecordedEvents {
    lists: Mutex<Lists>,
    changed: Condvar,
}

#[derive(Default)]
struct Lists {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    logs: Vec<String>,
    deaths: Vec<ExitReport>,
    notices: Vec<(u16, Vec<u8>)>,
}

impl RecordedEvents {
    fn add(&self, add: impl FnOnce(&mut Lists)) {
        add(&mut self.lists.lock().unwrap());
        self.changed.notify_all();
    }

    /// Waits until `look` finds something.
    fn until<R>(&self, look: impl Fn(&Lists) -> Option<R>) -> R {
        let mut lists = self.lists.lock().unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(found) = look(&lists) {
                return found;
            }
            assert!(Instant::now() < end, "it never came");
            lists = self
                .changed
                .wait_timeout(lists, Duration::from_millis(100))
                .unwrap()
                .0;
        }
    }
}

impl HostEvents for RecordedEvents {
    fn output(&self, stream: OutputStream, bytes: &[u8]) {
        self.add(|lists| match stream {
            OutputStream::Stdout => lists.stdout.extend_from_slice(bytes),
            OutputStream::Stderr => lists.stderr.extend_from_slice(bytes),
        });
    }

    fn log(&self, _: LogLevel, target: &str, message: &str) {
        self.add(|lists| lists.logs.push(format!("{target}: {message}")));
    }

    fn died(&self, report: &ExitReport) {
        self.add(|lists| lists.deaths.push(report.clone()));
    }

    fn notice(&self, header: Header, body: &[u8]) {
        self.add(|lists| lists.notices.push((header.number, body.to_vec())));
    }
}

impl Fixture {
    fn of(manner: &'static str) -> Self {
        Self {
            manner: Some(manner),
            ..Self::default()
        }
    }

    pub(crate) fn options(&self) -> HostConfig {
        let events = Arc::clone(&self.told);
        let mut options = HostConfig::new(
            std::env::current_exe().unwrap(),
            "sample.node".into(),
            events,
        );
        if let Some(manner) = self.manner {
            let mut env: Vec<(OsString, OsString)> = std::env::vars_os().collect();
            env.push(("FAKE_HOST".into(), manner.into()));
            options.env = Some(env);
        }
        options
    }

    fn client(&self) -> Client {
        Client::new(self.options())
    }

    fn client_over(&self, carrier: Carrier) -> Client {
        let mut options = self.options();
        options.carrier = carrier;
        Client::new(options)
    }
}

fn request(script: &str) -> FrameBuilder {
    let mut frame = FrameBuilder::new(Limits::DEFAULT);
    frame.start(FrameKind::Request, 11);
    frame.body().str(script).unwrap();
    frame
}

fn text(body: &[u8]) -> String {
    match ValueReader::new(body, &Limits::DEFAULT).next().unwrap() {
        Token::Str(text) => text.to_owned(),
        Token::Int32(number) => number.to_string(),
        token => format!("{token:?}"),
    }
}

pub(crate) fn run(conversation: &mut Conversation, script: &str) -> Result<String, ClientError> {
    run_idly(conversation, script, &mut Uninterruptible)
}

fn run_idly(
    conversation: &mut Conversation,
    script: &str,
    idle: &mut dyn Idle,
) -> Result<String, ClientError> {
    conversation.send_while(&mut request(script), idle)?;
    let mut body = Vec::new();
    let header = conversation.next(&mut body, idle)?;
    assert_eq!(header.kind, FrameKind::Reply, "{body:?}");
    Ok(text(&body))
}

pub(crate) fn ask(client: &Client, script: &str) -> Result<String, ClientError> {
    run(&mut client.conversation(&mut Uninterruptible)?, script)
}

fn death(result: Result<String, ClientError>) -> ExitReport {
    match result {
        Err(ClientError::HostDied(report) | ClientError::GivenUp(report)) => *report,
        Err(error) => panic!("{error}"),
        Ok(text) => panic!("it answered {text}"),
    }
}

fn refusal(client: &Client) -> SpawnError {
    match client.conversation(&mut Uninterruptible) {
        Err(ClientError::Spawn(error)) => *error,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it started"),
    }
}

/// Waits until a process is gone, or a zombie that another process has to reap.
fn wait_until_gone(pid: &str) {
    let end = Instant::now() + Duration::from_secs(20);
    while fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(Instant::now() < end, "process {pid} lives on");
        thread::sleep(Duration::from_millis(5));
    }
}

/// An idle callback that interrupts at its `looks`-th call.
fn impatient(mut looks: u32) -> impl FnMut() -> Result<(), Interrupted> {
    move || {
        looks = looks.saturating_sub(1);
        if looks > 0 { Ok(()) } else { Err(Interrupted) }
    }
}

fn call_over_lanes_is_answered() {
    let fixture = Fixture::default();
    let mut options = fixture.options();
    options.carrier = Carrier::Lanes;
    let client = Client::new(options);
    assert!(client.is_dead());
    assert_eq!(client.generation(), 0);
    for _ in 0..1000 {
        assert_eq!(ask(&client, "echo hello").unwrap(), "hello");
    }
    assert_eq!(
        client.pid().unwrap().to_string(),
        ask(&client, "pid").unwrap()
    );
    assert_eq!(client.generation(), 1);
}

fn call_over_the_socket_is_answered() {
    let fixture = Fixture::default();
    let mut options = fixture.options();
    options.carrier = Carrier::Socket;
    let client = Client::new(options);
    for _ in 0..100 {
        assert_eq!(ask(&client, "echo hello").unwrap(), "hello");
    }
}

fn large_frames_pass_on_both_carriers() {
    for carrier in [Carrier::Lanes, Carrier::Socket] {
        let fixture = Fixture::default();
        let client = fixture.client_over(carrier);
        let text = "x".repeat(3 << 20);
        assert!(ask(&client, &format!("echo {text}")).unwrap() == text);
    }
}

fn callback_and_a_call_inside_it_use_one_lane() {
    let client = Fixture::default().client();
    let mut conversation = client.conversation(&mut Uninterruptible).unwrap();
    conversation.send(&mut request("call")).unwrap();
    let mut body = Vec::new();
    let header = conversation.next(&mut body, &mut Uninterruptible).unwrap();
    assert_eq!((header.kind, header.number), (FrameKind::Request, 32));
    assert_eq!(run(&mut conversation, "inside").unwrap(), "inside");
    let mut answer = FrameBuilder::new(Limits::DEFAULT);
    answer.start(FrameKind::Reply, 0);
    answer.body().null();
    conversation.send(&mut answer).unwrap();
    let header = conversation.next(&mut body, &mut Uninterruptible).unwrap();
    assert_eq!(header.kind, FrameKind::Reply);
    assert_eq!(conversation.depth(), 0);
    drop(conversation);
    assert_eq!(ask(&client, "echo after").unwrap(), "after");
    assert_eq!(client.generation(), 1);
}

fn death_by_signal_is_reported_and_the_next_call_finds_another_host() {
    let fixture = Fixture::default();
    let client = fixture.client();
    let pid = ask(&client, "pid").unwrap();
    let mut conversation = client.conversation(&mut Uninterruptible).unwrap();
    run(&mut conversation, "print 3").unwrap();
    conversation.set_export("boom".into());
    let start = Instant::now();
    let report = death(run(&mut conversation, "die 11"));
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    drop(conversation);
    assert_eq!(report.signal, Some(11));
    assert_eq!(report.signal_name().as_deref(), Some("SIGSEGV"));
    assert_eq!((report.exit_code, report.generation), (None, 1));
    assert_eq!(report.pid.to_string(), pid);
    assert_eq!(report.export.as_deref(), Some("boom"));
    assert_eq!(
        (report.stderr_tail.as_str(), report.stdout_tail.as_str()),
        ("eee!", "ooo")
    );
    assert_eq!(report.cause, Cause::Signal);
    assert!(report.usage.is_some() && !report.expected);
    assert_eq!(ask(&client, "echo again").unwrap(), "again");
    assert_eq!(client.generation(), 2);
    let told = fixture.told.until(|lists| lists.deaths.first().cloned());
    assert_eq!(told.signal, Some(11));
}

fn death_is_reported_over_the_socket_too() {
    let fixture = Fixture::default();
    let mut options = fixture.options();
    options.carrier = Carrier::Socket;
    let client = Client::new(options);
    assert_eq!(death(ask(&client, "die 6")).signal, Some(6));
    assert_eq!(ask(&client, "echo again").unwrap(), "again");
}

fn exit_without_goodbye_is_a_crash_whatever_its_code() {
    let client = Fixture::default().client();
    for code in [0, 3] {
        let report = death(ask(&client, &format!("exit {code}")));
        assert_eq!(
            (report.exit_code, report.signal, report.expected),
            (Some(code), None, false)
        );
    }
}

fn death_ends_the_waits_of_all_threads() {
    let client = Fixture::default().client();
    ask(&client, "pid").unwrap();
    thread::scope(|scope| {
        let waits: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| death(ask(&client, "slow 600000"))))
            .collect();
        thread::sleep(Duration::from_millis(100));
        let pid = rustix::process::Pid::from_raw(client.pid().unwrap().try_into().unwrap());
        rustix::process::kill_process(pid.unwrap(), rustix::process::Signal::KILL).unwrap();
        for wait in waits {
            let report = wait.join().unwrap();
            assert_eq!((report.signal, report.generation), (Some(9), 1));
        }
    });
}

fn death_is_noticed_while_a_child_of_the_host_keeps_the_pipes_open() {
    let client = Fixture::default().client();
    let start = Instant::now();
    let report = death(ask(&client, "leave-child"));
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(report.signal, Some(6));
    let child = report
        .stdout_tail
        .trim()
        .strip_prefix("child ")
        .unwrap()
        .parse()
        .unwrap();
    let child = rustix::process::Pid::from_raw(child).unwrap();
    rustix::process::kill_process(child, rustix::process::Signal::KILL).unwrap();
}

fn death_without_restart_refuses_with_the_old_report() {
    let fixture = Fixture::default();
    let mut options = fixture.options();
    options.restart = RestartMode::Never;
    let client = Client::new(options);
    let first = death(ask(&client, "die 11"));
    let second = death(ask(&client, "echo x"));
    assert_eq!((second.signal, second.pid), (Some(11), first.pid));
    assert_eq!(client.generation(), 1);
    client.restart();
    assert_eq!(ask(&client, "echo x").unwrap(), "x");
}

fn missing_program_is_named() {
    let fixture = Fixture::default();
    let mut options = fixture.options();
    options.binary = PathBuf::from("/nowhere/napi-hostd");
    let error = refusal(&Client::new(options));
    assert!(matches!(error, SpawnError::Missing(_)), "{error}");
    assert!(error.to_string().contains("/nowhere/napi-hostd"));
}

fn file_that_is_no_program_is_named() {
    let fixture = Fixture::default();
    for binary in [
        Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"),
        "/".into(),
    ] {
        let mut options = fixture.options();
        options.binary.clone_from(&binary);
        let error = refusal(&Client::new(options));
        assert!(matches!(error, SpawnError::NotExecutable { .. }), "{error}");
        assert!(
            error.to_string().contains(&binary.display().to_string()),
            "{error}"
        );
    }
}

fn host_of_another_version_is_refused() {
    let error = refusal(&Fixture::of("old").client());
    let SpawnError::Handshake { source, .. } = &error else {
        panic!("{error}")
    };
    assert!(
        matches!(source, ProtocolError::Version { theirs: 99, .. }),
        "{source}"
    );
    assert!(error.to_string().contains("same release"), "{error}");
}

fn garbage_instead_of_a_hello_is_refused() {
    let error = refusal(&Fixture::of("garbage").client());
    assert!(error.to_string().contains("no napi-hostd"), "{error}");
}

fn host_that_dies_at_its_start_is_reported() {
    let error = refusal(&Fixture::of("die").client());
    let SpawnError::Died { report } = &error else {
        panic!("{error}")
    };
    assert_eq!(report.exit_code, Some(3));
    assert!(
        report.stderr_tail.contains("no reason to live"),
        "{report:?}"
    );
}

fn host_that_refuses_says_why() {
    let error = refusal(&Fixture::of("refuse").client());
    assert!(
        error.to_string().contains("does not feel like it"),
        "{error}"
    );
}

fn host_that_says_nothing_is_given_up() {
    let mut options = Fixture::of("silent").options();
    options.start_timeout = Duration::from_millis(200);
    let error = refusal(&Client::new(options));
    assert!(matches!(error, SpawnError::Timeout(_)), "{error}");
}

fn host_that_says_it_bit_by_bit_is_given_up() {
    let mut options = Fixture::of("drip").options();
    options.start_timeout = Duration::from_millis(400);
    let start = Instant::now();
    let error = refusal(&Client::new(options));
    assert!(matches!(error, SpawnError::Timeout(_)), "{error}");
    // A tenth of the timeout passes between two bytes.
    assert!(start.elapsed() < Duration::from_secs(3));
}

fn reply_that_stops_in_the_middle_ends_with_the_call() {
    for carrier in [Carrier::Lanes, Carrier::Socket] {
        let fixture = Fixture::default();
        let client = fixture.client_over(carrier);
        let mut conversation = client.conversation(&mut Uninterruptible).unwrap();
        let error = run_idly(&mut conversation, "half", &mut impatient(2)).unwrap_err();
        assert!(matches!(error, ClientError::Interrupted), "{error}");
        drop(conversation);
        assert_eq!(ask(&client, "echo on").unwrap(), "on");
        assert_eq!(client.generation(), 2);
    }
}

fn garbage_on_a_lane_kills_the_host() {
    let fixture = Fixture::default();
    let client = fixture.client();
    let error = ask(&client, "garbage").unwrap_err();
    assert!(
        matches!(
            error,
            ClientError::Protocol(ProtocolError::Malformed { .. })
        ),
        "{error}"
    );
    let report = fixture.told.until(|lists| lists.deaths.first().cloned());
    assert_eq!(report.signal, Some(9));
    let Cause::Killed(Kill::ProtocolViolation(what)) = &report.cause else {
        panic!("{report}")
    };
    assert!(what.contains("malformed"), "{what}");
    assert_eq!(ask(&client, "echo again").unwrap(), "again");
}

fn reply_of_a_wrong_id_kills_the_host() {
    let client = Fixture::default().client();
    let error = ask(&client, "wrong-id").unwrap_err();
    assert!(
        matches!(
            error,
            ClientError::Protocol(ProtocolError::Violation { .. })
        ),
        "{error}"
    );
    assert_eq!(ask(&client, "echo again").unwrap(), "again");
    assert_eq!(client.generation(), 2);
}

fn host_that_hangs_up_is_killed() {
    for carrier in [Carrier::Lanes, Carrier::Socket] {
        let fixture = Fixture::default();
        let client = fixture.client_over(carrier);
        let report = death(ask(&client, "hang-up"));
        assert_eq!(report.signal, Some(9));
        assert_eq!(report.cause, Cause::Killed(Kill::Disconnected));
    }
}

fn close_ends_the_host_in_order() {
    let fixture = Fixture::default();
    let client = fixture.client();
    let pid = ask(&client, "pid").unwrap();
    client.close(Duration::from_secs(20)).wait();
    assert!(fs::metadata(format!("/proc/{pid}")).is_err());
    let refused = client.conversation(&mut Uninterruptible).unwrap_err();
    assert!(matches!(refused, ClientError::Closed), "{refused}");
    assert!(fixture.told.lists.lock().unwrap().deaths.is_empty());
    client.close(Duration::ZERO).wait();
}

fn stubborn_host_is_killed_after_its_grace() {
    let client = Fixture::of("stubborn").client();
    let pid = ask(&client, "pid").unwrap();
    let start = Instant::now();
    client.close(Duration::from_millis(100)).wait();
    assert!(start.elapsed() >= Duration::from_millis(100));
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(fs::metadata(format!("/proc/{pid}")).is_err());
}

fn dropped_client_ends_its_host() {
    for manner in ["", "stubborn"] {
        let client = Fixture::of(manner).client();
        let pid = ask(&client, "pid").unwrap();
        drop(client);
        wait_until_gone(&pid);
    }
}

fn restart_starts_a_new_generation() {
    let fixture = Fixture::default();
    let client = fixture.client();
    let first = ask(&client, "pid").unwrap();
    client.restart();
    assert!(client.is_dead());
    assert_ne!(ask(&client, "pid").unwrap(), first);
    assert_eq!(client.generation(), 2);
    assert!(fixture.told.lists.lock().unwrap().deaths.is_empty());
}

fn interrupted_call_that_ends_leaves_the_host_alive() {
    for carrier in [Carrier::Lanes, Carrier::Socket] {
        let fixture = Fixture::default();
        let client = fixture.client_over(carrier);
        let mut conversation = client.conversation(&mut Uninterruptible).unwrap();
        let error = run_idly(&mut conversation, "heed", &mut impatient(2)).unwrap_err();
        assert!(matches!(error, ClientError::Interrupted), "{error}");
        let discarded = conversation.take_discarded();
        assert_eq!(discarded.last().unwrap().0.kind, FrameKind::Failure);
        assert_eq!(run(&mut conversation, "echo on").unwrap(), "on");
        drop(conversation);
        assert_eq!(client.generation(), 1);
    }
}

fn callback_of_an_interrupted_call_is_refused() {
    let client = Fixture::default().client();
    let mut conversation = client.conversation(&mut Uninterruptible).unwrap();
    let error = run_idly(&mut conversation, "heed-then-call", &mut impatient(2)).unwrap_err();
    assert!(matches!(error, ClientError::Interrupted), "{error}");
    drop(conversation);
    assert_eq!(ask(&client, "echo on").unwrap(), "on");
    assert_eq!(client.generation(), 1);
}

fn interrupted_call_that_hangs_kills_the_host() {
    let fixture = Fixture::default();
    let client = fixture.client();
    let mut conversation = client.conversation(&mut Uninterruptible).unwrap();
    let start = Instant::now();
    let error = run_idly(&mut conversation, "hang", &mut impatient(2)).unwrap_err();
    assert!(matches!(error, ClientError::Interrupted), "{error}");
    assert!(start.elapsed() >= Duration::from_millis(500));
    // The next send, also a reply to an outer callback, fails at once with the exit report.
    assert!(conversation.is_over());
    let mut answer = FrameBuilder::new(Limits::DEFAULT);
    answer.start(FrameKind::Reply, 0);
    let error = conversation.send(&mut answer).unwrap_err();
    assert!(matches!(error, ClientError::HostDied(_)), "{error}");
    assert_eq!(death(run(&mut conversation, "echo on")).signal, Some(9));
    let report = fixture.told.until(|lists| lists.deaths.first().cloned());
    let grace = Duration::from_millis(500);
    assert_eq!(report.cause, Cause::Killed(Kill::CallTimeout(grace)));
    drop(conversation);
    assert_eq!(ask(&client, "echo on").unwrap(), "on");
}

/// Interrupts a call at a time, and counts how often it is checked.
struct Deadline {
    at: Instant,
    checks: u32,
}

impl Deadline {
    fn after(time: Duration) -> Self {
        Self {
            at: Instant::now() + time,
            checks: 0,
        }
    }
}

impl Idle for Deadline {
    fn check(&mut self) -> Result<(), Interrupted> {
        self.checks += 1;
        if Instant::now() < self.at {
            Ok(())
        } else {
            Err(Interrupted)
        }
    }

    fn park(&mut self, wait: &mut ParkedWait<'_>) {
        wait(self);
    }

    fn until(&self) -> Option<Instant> {
        Some(self.at)
    }
}

/// The grace period of half a second, and a second for a busy machine.
const HEEDED: Duration = Duration::from_millis(1500);

fn callbacks_without_end_last_no_longer_than_the_grace() {
    for carrier in [Carrier::Lanes, Carrier::Socket] {
        let client = Fixture::default().client_over(carrier);
        let mut conversation = client.conversation(&mut Uninterruptible).unwrap();
        let start = Instant::now();
        conversation.send(&mut request("call-forever")).unwrap();
        let mut body = Vec::new();
        // The first callback is answered, as if it took until the deadline.
        assert_eq!(
            conversation
                .next(&mut body, &mut Uninterruptible)
                .unwrap()
                .kind,
            FrameKind::Request
        );
        conversation.interrupt();
        let mut idle = Deadline::after(Duration::from_millis(50));
        let mut answer = FrameBuilder::new(Limits::DEFAULT);
        answer.start(FrameKind::Reply, 32);
        answer.body().null();
        conversation.send(&mut answer).unwrap();
        let error = conversation.next(&mut body, &mut idle).unwrap_err();
        assert!(matches!(error, ClientError::Interrupted), "{error}");
        assert!(start.elapsed() < HEEDED, "{:?}", start.elapsed());
        let kept: usize = conversation
            .take_discarded()
            .iter()
            .map(|kept| kept.1.len())
            .sum();
        assert!(
            kept <= 16 << 20,
            "{kept} bytes of refused callbacks were kept"
        );
        drop(conversation);
        assert_eq!(ask(&client, "echo on").unwrap(), "on");
        assert_eq!(client.generation(), 2);
    }
}

fn reply_that_trickles_ends_with_the_call() {
    for (carrier, deed) in [
        (Carrier::Lanes, "trickle"),
        (Carrier::Socket, "trickle"),
        (Carrier::Lanes, "trickle-header"),
    ] {
        let client = Fixture::default().client_over(carrier);
        let mut conversation = client.conversation(&mut Uninterruptible).unwrap();
        let start = Instant::now();
        let mut idle = Deadline::after(Duration::from_millis(100));
        let error = run_idly(&mut conversation, deed, &mut idle).unwrap_err();
        assert!(matches!(error, ClientError::Interrupted), "{error}");
        assert!(start.elapsed() < HEEDED, "{deed}: {:?}", start.elapsed());
        drop(conversation);
        assert_eq!(ask(&client, "echo on").unwrap(), "on");
    }
}

fn wait_is_interrupted_at_its_deadline() {
    for carrier in [Carrier::Lanes, Carrier::Socket] {
        let client = Fixture::default().client_over(carrier);
        ask(&client, "echo on").unwrap();
        // The deadline is between two of the regular checks of a wait.
        let most = (0..5).map(|_| {
            let mut conversation = client.conversation(&mut Uninterruptible).unwrap();
            let mut idle = Deadline::after(Duration::from_millis(30));
            let at = idle.at;
            let error = run_idly(&mut conversation, "heed", &mut idle).unwrap_err();
            assert!(matches!(error, ClientError::Interrupted), "{error}");
            assert!(idle.checks < 20, "{} checks", idle.checks);
            at.elapsed()
        });
        let late = most.min().unwrap();
        assert!(late < Duration::from_millis(30), "{late:?} late at best");
        assert_eq!(client.generation(), 1);
    }
}

fn request_too_large_is_refused_and_the_conversation_goes_on() {
    let fixture = Fixture::default();
    let mut options = fixture.options();
    let limits = Limits {
        frame_bytes: 1000,
        nested_requests: 1,
        ..Limits::DEFAULT
    };
    options.limits = limits;
    let client = Client::new(options);
    let mut conversation = client.conversation(&mut Uninterruptible).unwrap();
    let mut frame = FrameBuilder::new(limits);
    frame.start(FrameKind::Request, 11);
    frame.body_bytes().resize(2000, 0);
    let error = conversation.send(&mut frame).unwrap_err();
    assert!(
        matches!(error, ClientError::Protocol(ProtocolError::Limit { .. })),
        "{error}"
    );
    assert_eq!(run(&mut conversation, "echo on").unwrap(), "on");
}

fn dropped_conversation_with_an_open_request_kills_the_host() {
    let fixture = Fixture::default();
    let client = fixture.client();
    let mut conversation = client.conversation(&mut Uninterruptible).unwrap();
    conversation.send(&mut request("echo x")).unwrap();
    drop(conversation);
    let report = fixture.told.until(|lists| lists.deaths.first().cloned());
    assert_eq!(report.cause, Cause::Killed(Kill::CallAbandoned));
    assert_eq!(ask(&client, "echo on").unwrap(), "on");
}

fn output_is_handed_on_and_its_end_is_kept() {
    let fixture = Fixture::default();
    let client = fixture.client();
    ask(&client, "print 300000").unwrap();
    let report = death(ask(&client, "die 15"));
    assert_eq!(report.stdout_tail.len(), 64 << 10);
    assert!(report.stderr_tail.len() == 64 << 10 && report.stderr_tail.ends_with("e!"));
    fixture.told.until(|lists| {
        (lists.stdout.len() == 300_000 && lists.stderr.len() == 300_001).then_some(())
    });
}

fn notice_and_log_are_handed_on() {
    let fixture = Fixture::default();
    let client = fixture.client();
    ask(&client, "notice ding").unwrap();
    let notice = fixture.told.until(|lists| lists.notices.first().cloned());
    assert_eq!((notice.0, text(&notice.1).as_str()), (64, "ding"));
    let log = fixture.told.until(|lists| lists.logs.first().cloned());
    assert_eq!(log, "fake: ready");
}

fn on_start_runs_for_each_generation() {
    let fixture = Fixture::default();
    let said = Arc::new(AtomicU32::new(0));
    let mut options = fixture.options();
    let count = Arc::clone(&said);
    options.on_start = Some(Box::new(move |conversation| {
        count.fetch_add(1, Ordering::Relaxed);
        assert_eq!(run(conversation, "echo first")?, "first");
        Ok(())
    }));
    let client = Client::new(options);
    ask(&client, "echo x").unwrap();
    death(ask(&client, "die 11"));
    ask(&client, "echo x").unwrap();
    assert_eq!(said.load(Ordering::Relaxed), 2);
}

fn failing_on_start_ends_the_start() {
    let fixture = Fixture::default();
    let mut options = fixture.options();
    options.on_start = Some(Box::new(|conversation| {
        let pid = run(conversation, "pid")?;
        Err(hostd_protocol::error::RemoteError::Host(pid).into())
    }));
    let client = Client::new(options);
    let error = client.conversation(&mut Uninterruptible).unwrap_err();
    let ClientError::Remote(hostd_protocol::error::RemoteError::Host(pid)) = error else {
        panic!("{error}")
    };
    wait_until_gone(&pid);
    assert!(client.is_dead());
    assert!(fixture.told.lists.lock().unwrap().deaths.is_empty());
}

fn many_threads_start_one_host() {
    let client = Fixture::default().client();
    thread::scope(|scope| {
        let pids: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| ask(&client, "pid").unwrap()))
            .collect();
        let pids: Vec<_> = pids.into_iter().map(|pid| pid.join().unwrap()).collect();
        assert!(pids.iter().all(|pid| *pid == pids[0]), "{pids:?}");
    });
    assert_eq!(client.generation(), 1);
}

/// Runs a client in a process of its own; returns the lines it printed.
fn scenario(name: &str, environment: &[&str]) -> Vec<String> {
    let output = Command::new("env")
        .args(environment)
        .arg(std::env::current_exe().unwrap())
        .args(["--scenario", name])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", output.status);
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

fn host_ends_with_its_client_that_leaves() {
    let lines = scenario("leave", &[]);
    wait_until_gone(lines[0].strip_prefix("host ").unwrap());
}

fn host_ends_with_its_client_that_is_killed() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--scenario", "stay"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let pid = line.trim().strip_prefix("host ").unwrap();
    assert!(fs::metadata(format!("/proc/{pid}")).is_ok());
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until_gone(pid);
}

fn exit_status_is_known_where_sigchld_is_ignored() {
    assert_eq!(
        scenario("ignore", &["--ignore-signal=CHLD"])[1],
        status_of_others()
    );
}

fn exit_status_is_known_where_another_thread_waits_for_all_children() {
    let line = &scenario("reap", &[])[1];
    // The other thread may have come too late.
    assert!(line == "known" || line == status_of_others(), "{line}");
}

/// What this kernel says about a process that another thread has reaped.
fn status_of_others() -> &'static str {
    let mut child = Command::new("true").spawn().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
    child.wait().unwrap();
    match hostd_protocol::exit_status(&pidfd) {
        Ok(Some(_)) => "known",
        _ => "unknown",
    }
}

fn crashes_leave_nothing_behind() {
    assert_eq!(scenario("crashes", &[])[1], "nothing left");
}

fn forked_child_has_a_host_of_its_own() {
    assert_eq!(scenario("fork", &[])[1], "apart");
}

fn forked_child_waits_for_no_lock_of_its_parent() {
    assert_eq!(scenario("fork-locked", &[])[1], "not locked");
}
