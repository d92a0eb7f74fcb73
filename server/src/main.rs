//! The host process: reads its command line and does what it says.
#![forbid(unsafe_code)]

use std::io::{self, Write as _};
use std::process::ExitCode;

use napi_hostd::cli::{self, Command};
use napi_hostd::{audit, doctor, process, serve};

fn main() -> ExitCode {
    // The first word is the program itself.
    let command = match cli::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(error) => return complain(&format!("napi-hostd: {error}\n")),
    };
    match command {
        Command::Version => say(concat!("napi-hostd ", env!("CARGO_PKG_VERSION"), "\n")),
        Command::Help => say(cli::HELP),
        Command::Explain => complain(cli::EXPLANATION),
        Command::Audit(addon, script) => match audit::run(&addon, script.as_ref()) {
            Ok(Some(text)) => say(&text),
            Ok(None) => ExitCode::FAILURE,
            Err(error) => complain(&format!("napi-hostd: {error:#}\n")),
        },
        Command::Doctor => match doctor::run() {
            Ok(text) => say(&text),
            Err(error) => complain(&format!("napi-hostd: {error:#}\n")),
        },
        Command::TryPolicy(name) => match doctor::attempt(name) {
            Ok((text, true)) => say(&text),
            Ok((text, false)) => {
                say(&text);
                ExitCode::FAILURE
            }
            Err(error) => complain(&format!("napi-hostd: {error:#}\n")),
        },
        Command::Serve(socket) => match serve::run(socket) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&format!("napi-hostd: {error:#}\n")),
        },
        Command::Session(arguments) => match process::run(arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&format!("napi-hostd: {error:#}\n")),
        },
    }
}

fn say(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn complain(text: &str) -> ExitCode {
    // Nobody is left to tell if this fails, too.
    let _ = io::stderr().write_all(text.as_bytes());
    ExitCode::FAILURE
}
