//! Loads an addon in this process and runs a script of operations over it, without any client.
//!
//! `operations ADDON < SCRIPT` prints the strings that the script's value, or the promise that it is,
//! lists, a line each: what
//! `tests/conformance/run_in_node.cjs` is for Node.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a tool of the tests"
)]

use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use hostd_engine::{FinalizerToken, PromiseState, Runtime, Value};
use hostd_napi::{Host, HostHooks, HostOptions, Origin};

#[derive(Debug)]
struct Quiet;

impl HostHooks for Quiet {
    fn uncaught(&self, rt: Runtime, error: &Value, origin: Origin) {
        let text = rt.to_string_value(error).map_or_else(
            |_| "an error without words".to_owned(),
            |text| String::from_utf8_lossy(rt.utf8(&text).unwrap().as_bytes()).into_owned(),
        );
        let _ = writeln!(std::io::stderr(), "uncaught in {origin:?}: {text}");
    }
    fn exit_requested(&self, _code: i32) {}
    fn finalized(&self, _rt: Runtime, _token: &FinalizerToken) {}
}

fn main() {
    let addon = std::env::args_os()
        .nth(1)
        .expect("usage: operations ADDON < SCRIPT");
    let mut source = String::new();
    std::io::stdin()
        .read_to_string(&mut source)
        .expect("a script on standard input");
    let host = hostd_node::start(HostOptions::new(Box::new(Quiet)));
    let host = host.expect("a host").leak();
    let loaded = host.load(Path::new(&addon)).expect("an addon");
    host.set_global("addon", loaded.exports.clone())
        .expect("a global");
    let lines = host.enter(|rt| rt.eval_script(&source, "operations.js"));
    let rt = host.runtime();
    let lines = lines.unwrap_or_else(|thrown| {
        Quiet.uncaught(rt, &thrown.0, Origin::Microtask);
        Value::UNDEFINED
    });
    if rt.is_promise(&lines) {
        run_to_the_end(host);
    }
    let lines = match rt.promise_state(&lines) {
        Some(PromiseState::Fulfilled(lines)) => lines,
        Some(PromiseState::Rejected(reason)) => {
            Quiet.uncaught(rt, &reason, Origin::Microtask);
            Value::UNDEFINED
        }
        Some(PromiseState::Pending) => Value::UNDEFINED,
        None => lines,
    };
    let mut out = std::io::stdout().lock();
    for index in 0..rt.array_length(&lines).unwrap_or(0) {
        let line = rt.get_index(&lines, index).unwrap_or(Value::UNDEFINED);
        let text = rt.utf8(&line).expect("a string");
        out.write_all(text.as_bytes()).expect("standard output");
        out.write_all(b"\n").expect("standard output");
    }
    drop(out);
    run_to_the_end(host);
    host.close();
}

/// Takes turns until nothing keeps the host busy, as Node's loop does.
fn run_to_the_end(host: Host) {
    while host.has_pending() || host.is_kept_alive() {
        if !host.turn(1000, Duration::from_secs(1)) {
            std::thread::sleep(Duration::from_micros(100));
        }
    }
}
