//! Runs a `CommonJS` file as Node would, in this process: `script FILE [ARGUMENT…]`. What the tests of
//! the built-in modules are run by, beside Node.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a tool of the tests"
)]

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use hostd_engine::{FinalizerToken, Runtime, Value};
use hostd_napi::{Host, HostHooks, HostOptions, Origin};

#[derive(Debug)]
struct Printing;

impl HostHooks for Printing {
    fn uncaught(&self, rt: Runtime, error: &Value, _: Origin) {
        let stack = rt.get_named(error, "stack").unwrap_or(Value::UNDEFINED);
        for part in [error, &stack] {
            let text = rt.to_string_value(part).map_or_else(
                |_| "an error without text".to_owned(),
                |text| String::from_utf8_lossy(rt.utf8(&text).unwrap().as_bytes()).into_owned(),
            );
            let _ = writeln!(std::io::stderr(), "{text}");
        }
        std::process::exit(1);
    }
    fn exit_requested(&self, code: i32) {
        std::process::exit(code);
    }
    fn finalized(&self, _rt: Runtime, _token: &FinalizerToken) {}
}

fn main() {
    let file = std::env::args_os().nth(1).expect("usage: script FILE");
    let file = std::fs::canonicalize(Path::new(&file)).expect("a file");
    let host = hostd_node::start(HostOptions::new(Box::new(Printing)));
    let host = host.expect("a host").leak();
    let rt = host.runtime();
    if let Err(thrown) = host.enter(|_| hostd_node::require(host, file.to_str().unwrap(), "/")) {
        Printing.uncaught(rt, &thrown.0, Origin::Microtask);
    }
    run_to_the_end(host);
}

/// Takes turns until nothing keeps the host busy, as Node's loop does.
fn run_to_the_end(host: Host) {
    while host.has_pending() || host.is_kept_alive() {
        if !host.turn(1000, Duration::from_secs(1)) {
            std::thread::sleep(Duration::from_micros(100));
        }
    }
}
