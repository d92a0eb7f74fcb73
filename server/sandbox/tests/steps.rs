//! Every step, felt from inside a process that took it and seen from its parent.
//!
//! Steps change the whole process and want it single-threaded, so this test has no harness: it
//! runs itself again, once per case, and each case is the `main` thread of a fresh process.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test without a harness is not recognised as one"
)]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitCode, Stdio};
use std::{env, fs, process, thread};

use hostd_sandbox::{
    StepError, close_other_descriptors, core_file, crash, die_with_parent, own_session,
    reset_signals, single_threaded, stack_bytes, take_control_socket,
};
use rustix::process::{Resource, Signal, getrlimit, getsid};

/// A case is asserted inside a fresh process; roles are what the cases start in turn.
type Case = (&'static str, fn());

const CASES: &[Case] = &[
    (
        "single_threaded_alone_gives_the_proof",
        alone_gives_the_proof,
    ),
    (
        "single_threaded_with_a_thread_names_the_count",
        thread_is_refused,
    ),
    (
        "die_with_parent_with_another_parent_is_an_orphan",
        wrong_parent_is_an_orphan,
    ),
    (
        "die_with_parent_parent_killed_kills_the_host",
        parent_killed_kills_the_host,
    ),
    ("own_session_leaves_the_clients_session", session_is_own),
    (
        "own_session_leaves_a_session_from_outside_the_pid_namespace",
        session_from_outside_is_left,
    ),
    (
        "own_session_of_a_group_leader_is_refused",
        group_leader_is_refused,
    ),
    (
        "core_files_are_suspended_then_forbidden_or_allowed",
        core_files_are_limited,
    ),
    ("reset_signals_undoes_what_was_inherited", signals_are_reset),
    (
        "close_other_descriptors_keeps_only_what_is_named",
        others_are_closed,
    ),
    (
        "take_control_socket_refuses_another_standard_input",
        other_standard_input_is_refused,
    ),
    (
        "take_control_socket_leaves_an_empty_standard_input",
        control_socket_is_taken,
    ),
    ("stack_bytes_counts_what_lies_above", stack_is_measured),
    (
        "crash_is_written_down_and_ends_the_process_all_the_same",
        crash_is_written_down,
    ),
    (
        "crash_of_a_forked_child_is_not_written_down",
        child_is_not_written_down,
    ),
    (
        "crash_install_refuses_a_file_of_another_size",
        other_size_is_refused,
    ),
];

const ROLES: &[Case] = &[
    ("role_client", role_client),
    ("role_host", role_host),
    ("role_signals", role_signals),
    ("role_group_leader", role_group_leader),
    ("role_session", role_session),
    ("role_session_from_outside", role_session_from_outside),
    ("role_without_control_socket", role_without_control_socket),
    ("role_control_socket", role_control_socket),
    ("role_crash", role_crash),
    ("role_crash_in_child", role_crash_in_child),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [flag, name] = &arguments[..]
        && flag == "--case"
    {
        let (_, run) = CASES
            .iter()
            .chain(ROLES)
            .find(|(case, _)| case == name)
            .unwrap();
        run();
        return ExitCode::SUCCESS;
    }
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    let mut failed = 0_u32;
    for (name, _) in CASES {
        if filter.is_some_and(|filter| !name.contains(filter.as_str())) {
            continue;
        }
        let passed = again(name).status().unwrap().success();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += u32::from(!passed);
    }
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// This program again, as one case or role.
fn again(name: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--case", name]);
    command
}

fn alone_gives_the_proof() {
    single_threaded().unwrap();
}

fn thread_is_refused() {
    let (started, wait) = std::sync::mpsc::channel::<()>();
    let waiting = thread::Builder::new().spawn(move || wait.recv()).unwrap();
    let error = single_threaded().unwrap_err();
    assert!(
        matches!(error, StepError::NotAlone { threads: 2 }),
        "{error}"
    );
    drop(started);
    waiting.join().unwrap().unwrap_err();
}

fn wrong_parent_is_an_orphan() {
    let error = die_with_parent(process::id()).unwrap_err();
    assert!(matches!(error, StepError::Orphaned { .. }), "{error}");
    assert!(error.to_string().contains("no client to serve"), "{error}");
}

fn parent_killed_kills_the_host() {
    // The client starts a host, which says its process id and then sleeps for ever.
    let mut client = again("role_client").stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(client.stdout.take().unwrap());
    let mut host = String::new();
    output.read_line(&mut host).unwrap();
    assert!(host.trim().parse::<u32>().is_ok(), "the host said {host:?}");
    client.kill().unwrap();
    client.wait().unwrap();
    // The pipe ends when its last writer, the host, is gone.
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}

fn role_client() {
    let mut host: Child = again("role_host")
        .env("CLIENT", process::id().to_string())
        .spawn()
        .unwrap();
    host.wait().unwrap();
}

fn role_host() {
    die_with_parent(env::var("CLIENT").unwrap().parse().unwrap()).unwrap();
    println!("{}", process::id());
    loop {
        thread::park();
    }
}

fn session_is_own() {
    let status = again("role_session").status().unwrap();
    assert!(status.success());
}

/// Containers often start programs like this; the kernel then says that the session is number 0.
fn session_from_outside_is_left() {
    let namespaces = ["--user", "--map-root-user", "--pid", "--fork"];
    let possible = Command::new("unshare")
        .args(namespaces)
        .arg("true")
        .output();
    if !possible.is_ok_and(|output| output.status.success()) {
        println!("skipped: this machine makes no pid namespaces");
        return;
    }
    let status = Command::new("unshare")
        .args(namespaces)
        .arg(env::current_exe().unwrap())
        .args(["--case", "role_session_from_outside"])
        .status()
        .unwrap();
    assert!(status.success());
}

fn role_session_from_outside() {
    // The first process of the namespace; the one that it starts is no leader of anything.
    let status = again("role_session").status().unwrap();
    assert!(status.success());
}

fn role_session() {
    own_session().unwrap();
    // A second time it is so already.
    own_session().unwrap();
    let session = getsid(None).unwrap();
    assert_eq!(session, rustix::process::getpid());
    assert!(
        fs::File::open("/dev/tty").is_err(),
        "still has a controlling terminal"
    );
}

fn group_leader_is_refused() {
    let status = again("role_group_leader")
        .process_group(0)
        .status()
        .unwrap();
    assert!(status.success());
}

fn role_group_leader() {
    let error = own_session().unwrap_err();
    assert!(error.to_string().starts_with("own_session"), "{error}");
}

fn core_files_are_limited() {
    let limits = || {
        let limit = getrlimit(Resource::Core);
        (limit.current, limit.maximum)
    };
    let most = limits().1;
    core_file::suspend().unwrap();
    assert_eq!(limits(), (Some(0), most));
    let error = core_file::allow(b"a\0b".to_vec()).unwrap_err();
    assert!(error.to_string().starts_with("core_file::allow"), "{error}");
    core_file::allow(b"/tmp".to_vec()).unwrap();
    assert_eq!(limits(), (most, most));
    core_file::forbid().unwrap();
    assert_eq!(limits(), (Some(0), Some(0)));
}

fn signals_are_reset() {
    // A shell is how a process ends up with ignored signals in its child; the mask is blocked here.
    let script = format!(
        "trap '' INT HUP TERM; exec '{}' --case role_signals",
        env::current_exe().unwrap().display()
    );
    let status = Command::new("sh").args(["-c", &script]).status().unwrap();
    assert!(status.success());
}

fn role_signals() {
    let before = signal_sets();
    let bit = |signal: Signal| 1_u64 << (signal.as_raw() - 1);
    assert_ne!(
        before.ignored & bit(Signal::INT),
        0,
        "the shell passed nothing on"
    );
    let alone = single_threaded().unwrap();
    reset_signals(&alone).unwrap();
    let after = signal_sets();
    // Signals 32 and 33 belong to the C library.
    let of_the_c_library = 0b11 << 31;
    assert_eq!(after.ignored & !of_the_c_library, bit(Signal::PIPE));
    assert_eq!(after.blocked, 0);
    assert_eq!(after.caught, 0, "the runtime's own handlers are gone too");
}

struct SignalSets {
    blocked: u64,
    ignored: u64,
    caught: u64,
}

fn signal_sets() -> SignalSets {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let set = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
    };
    SignalSets {
        blocked: set("SigBlk"),
        ignored: set("SigIgn"),
        caught: set("SigCgt"),
    }
}

fn others_are_closed() {
    let alone = single_threaded().unwrap();
    let kept = fs::File::open("/dev/null").unwrap();
    let lost: Vec<i32> = (0..4)
        .map(|_| fs::File::open("/dev/null").unwrap().into_raw_fd())
        .collect();
    let also_kept = fs::File::open("/dev/null").unwrap();
    close_other_descriptors(
        &alone,
        &[also_kept.as_fd(), kept.as_fd(), io::stderr().as_fd()],
    )
    .unwrap();
    assert!(kept.metadata().is_ok() && also_kept.metadata().is_ok());
    for number in lost {
        assert!(
            fs::read_link(format!("/proc/self/fd/{number}")).is_err(),
            "{number} is open"
        );
    }
    // The listing's own descriptor is the sixth.
    assert_eq!(fs::read_dir("/proc/self/fd").unwrap().count(), 6);
}

fn other_standard_input_is_refused() {
    let mut host = again("role_without_control_socket");
    assert!(host.stdin(Stdio::null()).status().unwrap().success());
}

fn role_without_control_socket() {
    let alone = single_threaded().unwrap();
    let error = take_control_socket(&alone).unwrap_err();
    assert!(matches!(error, StepError::NoControlSocket), "{error}");
}

fn control_socket_is_taken() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let host = again("role_control_socket")
        .stdin(OwnedFd::from(theirs))
        .spawn();
    let mut host = host.unwrap();
    let mut said = String::new();
    (&ours).read_to_string(&mut said).unwrap();
    assert_eq!(said, "taken");
    assert!(host.wait().unwrap().success());
}

fn role_control_socket() {
    let alone = single_threaded().unwrap();
    let control = take_control_socket(&alone).unwrap();
    let mut rest = Vec::new();
    io::stdin().read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty(), "the standard input is empty");
    let flags = rustix::io::fcntl_getfd(&control).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    UnixStream::from(control).write_all(b"taken").unwrap();
}

fn stack_is_measured() {
    let limit = getrlimit(Resource::Stack).current.unwrap_or(u64::MAX);
    let limit = usize::try_from(limit.min(128 << 20)).unwrap();
    // Arguments and environment lie above us.
    let environment: usize = env::vars_os()
        .map(|(name, value)| name.len() + value.len() + 2)
        .sum();
    let left = stack_bytes().unwrap();
    assert!(left <= limit - environment, "{left}");
    assert!(left > limit - (1 << 20), "{left}");
}

/// A file as the client makes it, given to a process that plays the role.
fn crash_page_of(role: &str) -> (Option<i32>, Vec<u8>) {
    let file = tempfile(crash::FILE_BYTES);
    let page = file.try_clone().unwrap();
    let mut command = again(role);
    command.stdin(Stdio::from(page));
    let status = command.status().unwrap();
    let mut bytes = vec![0; crash::FILE_BYTES];
    let read = rustix::io::pread(&file, &mut bytes, 0).unwrap();
    assert_eq!(read, bytes.len());
    (status.signal(), bytes)
}

fn tempfile(bytes: usize) -> OwnedFd {
    let file = rustix::fs::memfd_create("page", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    rustix::fs::ftruncate(&file, bytes as u64).unwrap();
    file
}

fn word(bytes: &[u8], offset: usize) -> u64 {
    u64::from_ne_bytes(*bytes[offset..].first_chunk().unwrap())
}

fn crash_is_written_down() {
    let (signal, bytes) = crash_page_of("role_crash");
    assert_eq!(signal, Some(Signal::ABORT.as_raw()));
    let layout = crash::Layout::CURRENT;
    let [magic, state, lane, signal, ..] = layout.fields;
    assert_eq!(word(&bytes, magic), layout.magic);
    assert_eq!(bytes[state], 3, "the record is not whole");
    assert_eq!(bytes[lane], 9);
    assert_eq!(i32::from(bytes[signal]), Signal::ABORT.as_raw());
    let maps = &bytes[layout.maps.0..][..layout.maps.1];
    assert!(String::from_utf8_lossy(maps).contains("[stack]"));
    let [
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        maps,
        address,
        length,
        _,
        node_api,
        _,
        status,
        ..,
        registers,
        _,
    ] = layout.fields;
    assert!(word(&bytes, maps) > 100);
    assert!(word(&bytes, status) > 100);
    let figures = &bytes[layout.status.0..][..layout.status.1];
    assert!(String::from_utf8_lossy(figures).contains("VmHWM:"));
    assert!(word(&bytes, address) > 0);
    assert!(word(&bytes, length) > 100);
    assert!(bytes[node_api..].starts_with(b"napi_nothing\0"));
    let calls = crash::Layout::CURRENT.calls.0;
    assert!(bytes[calls..].starts_with(b"napi_before\n\0"));
    let [program_counter, stack_pointer] = [0, 8].map(|offset| word(&bytes, registers + offset));
    assert!(program_counter > 0);
    // The record has the stack from there on.
    assert_eq!(stack_pointer & !7, word(&bytes, address));
}

fn role_crash() {
    install();
    crash::swap_lane(9);
    process::abort();
}

fn child_is_not_written_down() {
    let (signal, bytes) = crash_page_of("role_crash_in_child");
    assert_eq!(signal, None);
    let state = crash::Layout::CURRENT.fields[1];
    assert_eq!(bytes[state], 0);
}

#[expect(unsafe_code, reason = "a fork is what this is about")]
fn role_crash_in_child() {
    install();
    // SAFETY: the process has one thread.
    let child = unsafe { libc::fork() };
    if child == 0 {
        process::abort();
    }
    let (_, status) = rustix::process::wait(rustix::process::WaitOptions::empty())
        .unwrap()
        .unwrap();
    assert_eq!(status.terminating_signal(), Some(Signal::ABORT.as_raw()));
}

fn install() {
    let alone = single_threaded().unwrap();
    reset_signals(&alone).unwrap();
    let page = io::stdin().as_fd().try_clone_to_owned().unwrap();
    crash::install(
        &alone,
        &page,
        || Some("napi_nothing"),
        |each| each("napi_before"),
    )
    .unwrap();
}

fn other_size_is_refused() {
    let alone = single_threaded().unwrap();
    for bytes in [0, 4096, crash::FILE_BYTES + 1] {
        let error = crash::install(&alone, &tempfile(bytes), || None, |_| {}).unwrap_err();
        assert!(matches!(error, StepError::CrashPage { .. }), "{error}");
    }
}
