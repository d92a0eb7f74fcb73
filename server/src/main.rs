//! The program `napi-hostd`: parses its command line, runs the command, and prints what it returns.
#![forbid(unsafe_code)]

use std::io::{self, Write as _};
use std::process::ExitCode;

use napi_hostd::cli::{self, Command};
use napi_hostd::{audit, doctor, inspect, locate, process, serve};

fn main() -> ExitCode {
    run().unwrap_or_else(|error| fail(&format!("napi-hostd: {error:#}\n")))
}

fn run() -> anyhow::Result<ExitCode> {
    // The first word is the program itself.
    Ok(match cli::parse(std::env::args_os().skip(1))? {
        Command::Version => print(concat!("napi-hostd ", env!("CARGO_PKG_VERSION"), "\n")),
        Command::Help => print(cli::HELP),
        Command::Explain => fail(cli::EXPLANATION),
        Command::Audit {
            addon,
            script,
            json,
        } => match audit::run(&addon, script.as_ref(), json)? {
            Some(outcome) if outcome.code == 0 => print(&outcome.text),
            Some(outcome) => {
                print(&outcome.text);
                ExitCode::from(outcome.code)
            }
            None => ExitCode::FAILURE,
        },
        Command::Inspect(addons) => print(&inspect::run(&addons)),
        Command::Locate(question) => print(&locate::run(&question)?),
        Command::Doctor { policy: None, json } => print(&doctor::run(json)?),
        Command::Doctor {
            policy: Some(name),
            json,
        } => match doctor::attempt(name, json)? {
            (text, true) => print(&text),
            (text, false) => {
                print(&text);
                ExitCode::FAILURE
            }
        },
        Command::Serve(socket) => {
            serve::run(socket)?;
            ExitCode::SUCCESS
        }
        Command::Session { parent } => {
            process::run(parent)?;
            ExitCode::SUCCESS
        }
    })
}

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn fail(text: &str) -> ExitCode {
    // If this fails, the exit code still reports the failure.
    let _ = io::stderr().write_all(text.as_bytes());
    ExitCode::FAILURE
}
