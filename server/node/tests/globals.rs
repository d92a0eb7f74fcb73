//! The bootstrap's globals against Node's: the same expressions and lines, evaluated in both.
//!
//! `NODE` names the Node to compare with; without any the comparisons are skipped and say so.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "helpers of tests are not recognised as tests"
)]

#[expect(dead_code, reason = "other programs of tests use the rest")]
mod harness;

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use harness::{eval, node, start};
use hostd_napi::Origin;

const CASES: &str = include_str!("globals/cases.txt");
const SHOWS: &str = include_str!("globals/shows.txt");

/// Evaluates one expression of `cases.txt` to text, in the global scope of either side.
const EVALUATE: &str = r"
globalThis.evaluateCase = (source) => {
  try {
    const value = (0, eval)('(' + source + ')');
    if (typeof value === 'bigint') return value + 'n';
    return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
  } catch (error) {
    return 'throws ' + error.name + ' ' + error.code + ' ' + error.message;
  }
};
";
const BEGIN: &str = "<<begin>>\n";
const END: &str = "<<end>>\n";

/// A text as a JavaScript string literal.
fn literal(text: &str) -> String {
    // Rust's escapes are JavaScript's too.
    format!("{text:?}")
}

#[test]
fn every_case_is_as_in_node() {
    let (host, _) = start();
    eval(host, EVALUATE);
    let cases: Vec<&str> = CASES.lines().collect();
    let list: Vec<String> = cases.iter().map(|case| literal(case)).collect();
    let script = format!(
        "{EVALUATE}console.log(JSON.stringify([{}].map(evaluateCase), null, 1));",
        list.join(",\n")
    );
    let Some(expected) = node(&script) else {
        return;
    };
    let source = format!(
        "JSON.stringify([{}].map(evaluateCase), null, 1)",
        list.join(",\n")
    );
    let found = eval(host, &source);
    // One line per case, between two brackets.
    let differ = cases
        .iter()
        .zip(expected.lines().skip(1).zip(found.lines().skip(1)));
    let differ: Vec<String> = differ
        .filter(|(_, (node, ours))| node != ours)
        .map(|(case, (node, ours))| format!("{case}\n  node {node}\n  ours {ours}"))
        .collect();
    assert!(
        differ.is_empty(),
        "{} of {}:\n{}",
        differ.len(),
        cases.len(),
        differ.join("\n")
    );
    assert_eq!(found.lines().count(), cases.len() + 2, "{found}");
}

fn shows_script() -> String {
    let line = |show: &str| format!("console.log({show});\n");
    let lines: String = SHOWS.lines().map(line).collect();
    format!(
        "console.log({:?});\n{lines}console.log({:?});",
        BEGIN.trim_end(),
        END.trim_end()
    )
}

fn between_marks(output: &str) -> &str {
    let start = output.find(BEGIN).expect("the beginning") + BEGIN.len();
    &output[start..output.find(END).expect("the end")]
}

/// One of the `child_` tests of this program, in a process of its own.
fn child_command(name: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("this program"));
    command
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env("BOOTSTRAP_CHILD", name);
    command
}

fn child(name: &str) -> Output {
    child_command(name).output().expect("a child")
}

fn is_child(name: &str) -> bool {
    env::var("BOOTSTRAP_CHILD").is_ok_and(|child| child == name)
}

#[test]
fn child_shows() {
    if is_child("child_shows") {
        let (host, _) = start();
        eval(host, &shows_script());
    }
}

#[test]
fn console_shows_values_as_node_does() {
    let Some(expected) = node(&shows_script()) else {
        return;
    };
    let output = child("child_shows");
    let found = String::from_utf8(output.stdout).expect("UTF-8");
    let (found, expected) = (between_marks(&found), between_marks(&expected));
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.lines().count(), expected.lines().count());
}

#[test]
fn child_streams() {
    if is_child("child_streams") {
        let (host, _) = start();
        eval(
            host,
            "console.log('to stdout'); console.warn('to stderr'); console.group('g'); \
             console.info('in\\nside'); console.groupEnd(); console.error('%s', 'bad'); \
             process.stdout.write('plain'); process.stdout.write(Buffer.from(' bytes\\n')); \
             console.assert(false, 'why'); console.count(); console.count(); \
             process._rawDebug('raw', 1); process.emitWarning('careful', 'TestWarning', 'T1'); \
             console.trace('here'); console.log(new Proxy({}, {get() { throw 1 }}));",
        );
    }
}

#[test]
fn console_and_process_write_to_the_right_stream() {
    let output = child("child_streams");
    let stdout = String::from_utf8(output.stdout).expect("UTF-8");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    let wanted = "to stdout\ng\n  in\n  side\nplain bytes\ndefault: 1\ndefault: 2\n{}\n";
    assert!(stdout.contains(wanted), "{stdout}");
    assert!(
        stderr.contains("to stderr\nbad\nAssertion failed: why\nraw 1\nTrace: here\n    at "),
        "{stderr}"
    );
    assert!(stderr.contains("[T1] TestWarning: careful\n"), "{stderr}");
}

#[test]
fn child_broken_pipe() {
    if is_child("child_broken_pipe") {
        let (host, _) = start();
        println!("{}", BEGIN.trim_end());
        // The parent closes both pipes before it answers.
        std::io::stdin()
            .read_line(&mut String::new())
            .expect("the signal to go on");
        let text = eval(
            host,
            "for (let i = 0; i < 50; i++) { console.log('x'.repeat(5000)); console.error('y'.repeat(5000)); } \
             'survived'",
        );
        std::fs::write(env::var("BOOTSTRAP_RESULT").expect("a path"), text).expect("written");
    }
}

#[test]
fn output_without_a_reader_is_no_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let result = folder.path().join("result");
    let mut process = child_command("child_broken_pipe")
        .env("BOOTSTRAP_RESULT", &result)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a child");
    let stdout = BufReader::new(process.stdout.take().expect("its output"));
    stdout
        .lines()
        .map_while(Result::ok)
        .find(|line| line.ends_with(BEGIN.trim_end()))
        .expect("it began");
    drop(process.stderr.take());
    process
        .stdin
        .take()
        .expect("its input")
        .write_all(b"\n")
        .expect("told");
    // The test harness fails to print its verdict; the file is the answer.
    process.wait().expect("its end");
    assert_eq!(
        std::fs::read_to_string(result).expect("the answer"),
        "survived"
    );
}

/// Logs `nextTick` and microtask order, in the forms that differ.
const ORDER: &str = "
globalThis.order = [];
const tick = (name) => process.nextTick((given) => order.push(given), name);
Promise.resolve().then(() => { order.push('promise 1'); tick('tick from promise'); })
  .then(() => order.push('promise 2'));
queueMicrotask(() => { order.push('microtask'); queueMicrotask(() => order.push('inner microtask')); });
tick('tick 1');
process.nextTick(() => { order.push('tick 2'); Promise.resolve().then(() => order.push('promise from tick')); tick('tick from tick'); });
order.push('script');
";

#[test]
fn next_ticks_run_before_microtasks_as_in_node() {
    let (host, _) = start();
    eval(host, ORDER);
    let found = eval(host, "order.join()");
    assert_eq!(
        found,
        "script,tick 1,tick 2,tick from tick,promise 1,microtask,promise from tick,promise 2,\
         inner microtask,tick from promise"
    );
    // In a block, so that its names are not the script's own.
    let script = format!("{{{ORDER}}} process.on('exit', () => console.log(order.join()));");
    if let Some(expected) = node(&script) {
        assert_eq!(found, expected.trim_end());
    }
}

#[test]
fn errors_nobody_catches_reach_the_hooks_unless_somebody_listens() {
    let (host, log) = start();
    eval(
        host,
        "process.nextTick(() => { throw new Error('tick') }); 0",
    );
    eval(
        host,
        "queueMicrotask(() => { throw new TypeError('micro') }); 0",
    );
    eval(host, "Promise.reject(new RangeError('nobody')); 0");
    eval(
        host,
        "{ const p = Promise.reject(1); p.catch(() => {}); } 0",
    );
    let expected = [
        (Origin::NextTick, "Error: tick"),
        (Origin::Microtask, "TypeError: micro"),
        (Origin::UnhandledRejection, "RangeError: nobody"),
    ];
    let found = log.uncaught.take();
    let found: Vec<(Origin, &str)> = found.iter().map(|(o, text)| (*o, text.as_str())).collect();
    assert_eq!(found, expected);

    eval(
        host,
        "globalThis.heard = []; process.on('uncaughtException', (e) => heard.push(e.message)); 0",
    );
    eval(
        host,
        "process.nextTick(() => { throw new Error('listened') }); 0",
    );
    eval(host, "Promise.reject(new Error('also listened')); 0");
    assert_eq!(eval(host, "heard.join()"), "listened,also listened");
    assert!(log.uncaught.borrow().is_empty());
    eval(
        host,
        "process.on('unhandledRejection', (r) => heard.push('rejection ' + r)); Promise.reject(7); 0",
    );
    assert_eq!(eval(host, "heard.at(-1)"), "rejection 7");
}

#[test]
fn exit_tells_the_hooks_once_and_ends_the_script() {
    let (host, log) = start();
    let text = eval(
        host,
        "globalThis.after = 0; process.on('exit', (code) => { globalThis.seen = code }); \
         process.exit(3); globalThis.after = 1",
    );
    assert!(text.starts_with("throws"), "{text}");
    assert_eq!(*log.exits.borrow(), [3]);
    assert_eq!(
        eval(host, "`${after},${seen},${process.exitCode}`"),
        "0,3,3"
    );
    assert!(eval(host, "process.exit('x')").contains("\"code\""));
}

#[test]
fn exit_listener_that_throws_does_not_keep_the_host() {
    let (host, log) = start();
    eval(
        host,
        "process.on('exit', () => { throw new Error('late') }); process.exit(4)",
    );
    assert_eq!(*log.exits.borrow(), [4]);
    assert_eq!(
        log.uncaught.take(),
        [(Origin::Microtask, "Error: late".to_owned())]
    );
}

#[test]
fn what_is_absent_is_absent() {
    let (host, _) = start();
    let absent = "['Intl','WebAssembly','fetch','require','module']\
                  .filter((name) => name in globalThis).join()";
    assert_eq!(eval(host, absent), "");
    let versions = "[process.versions.electron, process.versions.nw, process.versions.bun, process.isBun].join()";
    assert_eq!(eval(host, versions), ",,,");
    assert_eq!(eval(host, "process.versions.napi"), "10");
    let found = "[typeof Reflect, typeof Symbol.iterator, typeof Symbol.toPrimitive, typeof Symbol.dispose, \
                 typeof Iterator, typeof Float16Array, typeof WeakMap, typeof Proxy].join()";
    assert_eq!(
        eval(host, found),
        "object,symbol,symbol,symbol,function,function,function,function"
    );
}

#[test]
fn a_buffer_made_by_the_host_is_one_before_any_script_asked_for_buffer() {
    let (host, _) = start();
    let buffer = host.enter(|_| host.buffer(b"hello".to_vec()).expect("a buffer"));
    assert!(host.is_buffer(&buffer));
    host.set_global("made", buffer).expect("set");
    assert_eq!(
        eval(
            host,
            "`${made instanceof Buffer} ${made} ${made.toString('hex')}`"
        ),
        "true hello 68656c6c6f"
    );
}

#[test]
fn globals_can_be_replaced_by_assignment() {
    let (host, _) = start();
    assert_eq!(
        eval(host, "Buffer = 5; process = 6; Buffer + process"),
        "11"
    );
    assert_eq!(
        eval(host, "Object.keys(globalThis).includes('Buffer')"),
        "false"
    );
}

#[test]
fn child_hostile() {
    if is_child("child_hostile") {
        let (host, _) = start();
        let hostile = "
            const deep = [];
            for (let i = 0, at = deep; i < 20000; i++) at.push(at = []);
            const wide = {};
            for (let i = 0; i < 20000; i++) wide['k' + i] = i;
            const ring = {}; ring.ring = ring;
            const thrower = { get [Symbol.toStringTag]() { throw 1 }, get stack() { throw 2 } };
            const liar = Object.defineProperty(new Error('x'), 'stack', { get() { throw 3 } });
            const named = Object.defineProperty(() => {}, 'name', { get() { throw 4 } });
            const { proxy, revoke } = Proxy.revocable({}, {}); revoke();
            const custom = { [Symbol.for('nodejs.util.inspect.custom')]() { return this } };
            const long = new Array(2 ** 32 - 1);
            console.log(deep, wide, ring, thrower, liar, named, proxy, custom, long, 'x'.repeat(50000));
            console.log('%s %d %j %o', proxy, thrower, ring, liar);
            console.log('survived');";
        eval(host, hostile);
    }
}

#[test]
fn hostile_values_do_not_break_console() {
    let output = String::from_utf8(child("child_hostile").stdout).expect("UTF-8");
    assert!(output.contains("\nsurvived\n"), "{output:.2000}");
    assert!(
        output.contains("[object that cannot be shown: 1]"),
        "{output:.2000}"
    );
    assert!(
        output.contains("<4294967295 empty items>"),
        "{output:.2000}"
    );
    assert!(output.len() < 100_000, "{} bytes", output.len());
}

#[test]
fn start_is_quick() {
    let begin = Instant::now();
    let (host, _) = start();
    let started = begin.elapsed();
    let begin = Instant::now();
    eval(host, "Buffer.from('x'); process.version");
    println!("host {started:?}, Buffer and process {:?}", begin.elapsed());
    // A generous bound for debug builds on busy machines; the figures are printed.
    assert!(started.as_millis() < 250, "{started:?}");
}
