//! The client against real processes.
//!
//! This program has three modes: without special arguments it runs the tests; with `--session` it is the
//! host that they start, which behaves as the test requests; with `--scenario` it is a client in a
//! process of its own, because it ends, ignores signals or reaps children.

mod cases;
mod fake;
mod scenario;
mod start;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("--session") => fake::serve(&arguments),
        Some("--scenario") => scenario::play(arguments.get(2).map_or("", String::as_str)),
        _ => {
            let mut trials = Vec::new();
            for (name, case) in cases::ALL {
                trials.push(Trial::test(*name, || {
                    case();
                    Ok(())
                }));
            }
            libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
        }
    }
}
