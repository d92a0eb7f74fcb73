//! `napi-hostd locate`: finds addresses of a native file in its source code, by its debug information,
//! and disassembles the code around one. `main` calls [`run`].
//!
//! The file may be hostile, and the libraries that read it may need much time or memory for it: the
//! process limits both for itself, and ends. Whoever starts it must expect that.

mod file;
mod instructions;
mod lines;

use std::path::PathBuf;

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, setrlimit};
use serde_json::{Value, json};

/// Memory for one file, in bytes: its debug information is read as a whole.
const MEMORY_MAX: u64 = 2 << 30;
/// Processor time in seconds.
const CPU_MAX: u64 = 5;
/// The most addresses of one question.
const ADDRESSES_MAX: usize = 256;

/// What is to be found in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    /// The file.
    pub file: PathBuf,
    /// The build id that it must have, in hexadecimal digits.
    pub build_id: Option<String>,
    /// Where a function begins, and the address in it around which it is disassembled.
    pub code: Option<(u64, u64)>,
    /// The addresses, as they are in the file.
    pub addresses: Vec<u64>,
}

/// Limits this process, and returns the answer as one line of JSON.
///
/// # Errors
/// The file cannot be read, is no native file of this machine, or has another build id.
pub fn run(question: &Question) -> anyhow::Result<String> {
    for (resource, most) in [
        (Resource::As, MEMORY_MAX),
        (Resource::Cpu, CPU_MAX),
        (Resource::Core, 0),
    ] {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, limit).context("cannot limit this process")?;
    }
    Ok(format!("{}\n", answer(question)?))
}

fn answer(question: &Question) -> anyhow::Result<Value> {
    let content = file::open(&question.file)?;
    let elf = file::parse(&content, question.build_id.as_deref())?;
    let code = question
        .code
        .map(|(from, to)| instructions::around(&elf, from, to));
    let addresses = question.addresses.iter().take(ADDRESSES_MAX);
    let found = lines::find(&elf, addresses.copied());
    Ok(json!({"lines": found, "instructions": code}))
}
