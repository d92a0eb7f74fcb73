//! How the end of a host process reads.

use hostd_client::{Cause, ExitReport, ForbiddenCall, Kill, StackFrame};
use nix::sys::signal::Signal;

const HOST_DEFECT: &str = "this is a defect of napi-hostd, unless the addon damaged memory or \
     handed over memory that is not there; please report it with the backtrace";
const WRONG_ARGUMENT: &str =
    "the addon passed a wrong pointer or length, or this is a defect of napi-hostd";

fn report(set: impl FnOnce(&mut ExitReport)) -> ExitReport {
    let mut report = ExitReport::default();
    set(&mut report);
    report
}

fn frames(names: &[&str]) -> Vec<StackFrame> {
    let frame = |name: &&str| {
        let (module, symbol) = name.split_once('!').unwrap_or((name, ""));
        StackFrame {
            address: 1,
            module: Some(module.to_owned()),
            symbol: (!symbol.is_empty()).then(|| symbol.to_owned()),
            offset: 0x10,
            ..StackFrame::default()
        }
    };
    names.iter().map(frame).collect()
}

fn by(signal: Signal, names: &[&str]) -> ExitReport {
    report(|report| {
        report.signal = Some(signal as i32);
        report.cause = Cause::Signal;
        report.backtrace = Some(frames(names));
    })
}

#[test]
fn each_cause_has_its_sentence() {
    let text = || "what happened".to_owned();
    for (signal, exit_code, cause, how) in [
        (None, None, Cause::Exit, "is gone"),
        (
            None,
            Some(7),
            Cause::Exit,
            "exited with code 7 without being asked to",
        ),
        (
            None,
            Some(1),
            Cause::OutOfMemory(text()),
            "exited with code 1: out of memory: …",
        ),
        (
            None,
            None,
            Cause::Unknown(text()),
            "is gone: exit status unknown: …",
        ),
        (
            Some(9),
            None,
            Cause::Restart,
            "was ended: the program restarted it",
        ),
        (Some(9), None, Cause::Limit(text()), "died of SIGKILL: …"),
        (Some(63), None, Cause::Signal, "died of signal 63"),
    ] {
        let report = report(|report| {
            report.signal = signal;
            report.exit_code = exit_code;
            report.cause = cause;
        });
        assert_eq!(report.how(), how.replace('…', &text()));
    }
    let killed = |cause| {
        report(|report| {
            report.signal = Some(9);
            report.cause = cause;
        })
    };
    assert_eq!(
        killed(Cause::Killed(Kill::ShutdownTimeout)).how(),
        "was killed: shutdown grace period expired"
    );
    assert_eq!(
        killed(Cause::MaybeOutOfMemory(text())).how(),
        "died of SIGKILL (something killed it: the kernel when memory runs out, or a user), \
         maybe out of memory: what happened"
    );
}

#[test]
fn report_as_text_names_process_and_export() {
    let report = report(|report| {
        report.pid = 7;
        report.export = Some("boom".into());
        report.exit_code = Some(3);
    });
    assert_eq!(
        report.to_string(),
        "the host process 7 exited with code 3 without being asked to while boom() was running"
    );
}

#[test]
fn fault_of_an_addon_names_its_function() {
    let mut report = by(Signal::SIGSEGV, &["crash.node!f", "napi-hostd!JS_Call"]);
    report.address = Some(8);
    assert_eq!(
        report.how(),
        "died of SIGSEGV in crash.node!f (it used a null pointer)"
    );
    report.address = Some(0xdead_beef_0000);
    report.thread = Some("worker".to_owned());
    assert_eq!(
        report.how(),
        "died of SIGSEGV in crash.node!f on a thread of its own (worker) \
         (it read, wrote or ran memory that is not its own, at 0xdeadbeef0000)"
    );
    report.overflowed = true;
    assert!(report.how().ends_with("(its stack overflowed)"));
}

#[test]
fn fault_of_a_library_names_its_caller() {
    let mut report = by(Signal::SIGSEGV, &["libc.so.6!strlen", "crash.node!f"]);
    report.address = Some(0x7f00_0000_0000);
    let text = "died of SIGSEGV in libc.so.6!strlen, called by crash.node!f (";
    assert!(report.how().starts_with(text), "{}", report.how());
    let panic = ["libc.so.6!abort", "x.node!std::panicking", "x.node!x::f"];
    let text = "died of SIGABRT in x.node!x::f (it called abort()";
    let how = by(Signal::SIGABRT, &panic).how();
    assert!(how.starts_with(text), "{how}");
    let unnamed = by(Signal::SIGBUS, &["crash.node"]);
    let text = "died of SIGBUS in crash.node+0x10 (it touched memory";
    assert!(unnamed.how().starts_with(text), "{}", unnamed.how());
}

#[test]
fn fault_inside_node_api_names_function_and_caller() {
    let stack = ["libc.so.6!memcpy", "napi-hostd!napi_x", "crash.node!f"];
    let mut report = by(Signal::SIGSEGV, &stack);
    report.address = Some(1 << 40);
    let how = report.how();
    let text = "died of SIGSEGV in libc.so.6!memcpy, inside Node-API function napi_x, \
                called by crash.node!f (";
    assert!(how.starts_with(text), "{how}");
    assert!(how.ends_with(&format!("; {WRONG_ARGUMENT})")), "{how}");
    let stack = ["napi-hostd!uv_loop", "crash.node!f"];
    let how = by(Signal::SIGABRT, &stack).how();
    let text = "died of SIGABRT inside libuv function uv_loop, called by crash.node!f (";
    assert!(how.starts_with(text), "{how}");
    assert!(!how.contains(WRONG_ARGUMENT), "{how}");
}

#[test]
fn fault_of_the_host_is_a_defect_unless_the_signal_was_sent() {
    let stack = ["libc.so.6!memcpy", "napi-hostd!copy", "napi-hostd!main"];
    let mut report = by(Signal::SIGSEGV, &stack);
    let how = report.how();
    assert!(!how.contains(HOST_DEFECT), "{how}");
    report.address = Some(1 << 40);
    let how = report.how();
    let text = "died of SIGSEGV in libc.so.6!memcpy, called by napi-hostd!copy (";
    assert!(how.starts_with(text), "{how}");
    assert!(how.ends_with(&format!("; {HOST_DEFECT})")), "{how}");
}

#[test]
fn forbidden_call_is_written_with_its_arguments() {
    let mut report = by(Signal::SIGSYS, &["libc.so.6!syscall", "crash.node!f"]);
    assert_eq!(report.how(), "died of SIGSYS in crash.node!f");
    report.cause = Cause::ForbiddenCall;
    report.forbidden = Some(ForbiddenCall {
        name: "openat".to_owned(),
        table: "x86-64",
        arguments: [1, 2, 0, 0, 0, 255],
        path: Some("/etc/passwd".to_owned()),
    });
    assert_eq!(
        report.how(),
        "died of SIGSYS in crash.node!f (a system call that the sandbox forbids: \
         openat(0x1, 0x2, 0x0, 0x0, 0x0, 0xff) by the numbers of x86-64, path '/etc/passwd')"
    );
    report.backtrace = None;
    report.forbidden = None;
    assert_eq!(
        report.how(),
        "died of SIGSYS (a system call that the sandbox forbids)"
    );
}
