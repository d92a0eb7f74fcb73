//! The host process: reads its command line and does what it says.
#![forbid(unsafe_code)]

use std::io::{self, Write as _};
use std::process::ExitCode;

use napi_hostd::cli::{self, Command};
use napi_hostd::{audit, doctor, process, serve};

fn main() -> ExitCode {
    run().unwrap_or_else(|error| complain(&format!("napi-hostd: {error:#}\n")))
}

fn run() -> anyhow::Result<ExitCode> {
    // The first word is the program itself.
    Ok(match cli::parse(std::env::args_os().skip(1))? {
        Command::Version => say(concat!("napi-hostd ", env!("CARGO_PKG_VERSION"), "\n")),
        Command::Help => say(cli::HELP),
        Command::Explain => complain(cli::EXPLANATION),
        Command::Audit(addon, script) => match audit::run(&addon, script.as_ref())? {
            Some(text) => say(&text),
            None => ExitCode::FAILURE,
        },
        Command::Doctor => say(&doctor::run()?),
        Command::TryPolicy(name) => match doctor::attempt(name)? {
            (text, true) => say(&text),
            (text, false) => {
                say(&text);
                ExitCode::FAILURE
            }
        },
        Command::Serve(socket) => {
            serve::run(socket)?;
            ExitCode::SUCCESS
        }
        Command::Session(arguments) => {
            process::run(arguments)?;
            ExitCode::SUCCESS
        }
    })
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
