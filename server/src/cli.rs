//! The command line: parses the arguments that a client, a server or a user passes. `main` runs the
//! [`Command`]. No I/O here.

use std::ffi::OsString;
use std::path::PathBuf;

use hostd_sandbox::policy::Name;
use lexopt::Arg::{Long, Short, Value};
use lexopt::Parser;

use crate::doctor;
use crate::locate::Question;

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Serve one session, for the client of the control socket.
    Session {
        /// The process that the host must not outlive.
        parent: u32,
    },
    /// Serve clients at a named socket: at this path, or at a generated one.
    Serve(Option<PathBuf>),
    /// Load an addon, run the script, and print what was denied.
    Audit {
        /// The addon.
        addon: PathBuf,
        /// What to run.
        script: Option<Script>,
        /// Whether to print JSON, one event a line.
        json: bool,
    },
    /// Print what the files of addons say of themselves, as one line of JSON each.
    Inspect(Vec<PathBuf>),
    /// Print where in the source code addresses of a file are, as one line of JSON.
    Locate(Question),
    /// Print which layers of each sandbox policy this system provides.
    Doctor {
        /// The one policy to apply to this process, instead of a process for each.
        policy: Option<Name>,
        /// Whether to print JSON.
        json: bool,
    },
    /// Print the version.
    Version,
    /// Print the help text.
    Help,
    /// Started without arguments: print an explanation and fail.
    Explain,
}

/// What `audit` runs after the addon is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Script {
    /// A file of JavaScript, in which `addon` is the addon's exports.
    File(PathBuf),
    /// A call of an export, without the `addon.` before it.
    Call(String),
}

/// An invalid command line.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UsageError {
    /// An unknown argument.
    #[error("unknown argument {0:?}; see napi-hostd --help")]
    Unknown(String),
    /// An option without a value, or with an invalid one.
    #[error("{option} needs {expected}; see napi-hostd --help")]
    Value {
        /// The option.
        option: &'static str,
        /// The value that it needs.
        expected: &'static str,
    },
    /// A session without the process that it must not outlive.
    #[error("--session needs --parent <pid>: the host must not outlive its client")]
    NoParent,
}

/// What `napi-hostd --help` prints.
pub const HELP: &str = "\
napi-hostd: runs one Node-API addon in a process of its own

Usage:
  napi-hostd --session --parent <pid>
  napi-hostd serve [--socket <path>]
  napi-hostd doctor [--json]
  napi-hostd audit <addon> [--run <file.js> | --call <call>] [--json]
  napi-hostd inspect <addon>...
  napi-hostd locate <file> [--build-id <id>] [--code <from>-<to>] <address>...
  napi-hostd --version
  napi-hostd --help

--session     serve one client; standard input is the control socket, over which
              the client passes further descriptors
--parent      the process that started this one; the host ends when it does

serve         start a session for each client of this user that connects to the
              socket, whose path is printed; its folder is for this user only.
              SIGTERM ends it, after 5 s at most for sessions that run
              From Python: load_addon(path, address=socket)

doctor        try each sandbox policy on this system; print which layers are
              applied and which are missing

audit         load an addon under the default policy; print what was denied and
              which option allows it
              Exit status: 0 if the audit is complete, also if the addon does not
              load; 1 if it could not be made; 3 if the addon has ended its process;
              4 if it had not ended after 30 s
--run         then run a file of JavaScript, in which the addon is `addon`
--call        then make a call, such as 'open(\"/etc/hosts\", 0)'

inspect       read files of addons without loading them; print one line of JSON for
              each: what it imports, the libraries that it needs, why it cannot work

locate        print the functions and lines of source code of addresses in a native
              file, by its debug information, as one line of JSON. Addresses are
              hexadecimal, as in the file
--build-id    fail if the file has another build id
--code        and the instructions before and after the second of two addresses, of
              a function that begins at the first

A session is started by a client, never by hand. From Python:

  from napi_python import load_addon
  addon = load_addon(\"path/to/addon.node\")
";

/// What the program prints when it is run without arguments.
pub const EXPLANATION: &str = "\
napi-hostd is the process in which the Python package napi_python runs a
Node-API addon. It is started by load_addon(), not by hand.
See napi-hostd --help.
";

/// Parses the command line, without the program's name.
///
/// # Errors
/// Unknown arguments, and options without a valid value.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    // Copied first: the parser needs an iterator without borrows.
    let mut words = Parser::from_args(arguments.into_iter().collect::<Vec<_>>());
    let (mut session, mut parent) = (false, None);
    let mut is_first = true;
    while let Some(word) = words.next()? {
        match word {
            Value(word) if is_first && word == "serve" => return serve(words),
            Value(word) if is_first && word == "audit" => return audit(words),
            Value(word) if is_first && word == "locate" => return locate(words),
            Value(word) if is_first && word == "doctor" => return doctor(words),
            Value(word) if is_first && word == "inspect" => return inspect(words),
            Short('V') | Long("version") => return Ok(Command::Version),
            Short('h') | Long("help") => return Ok(Command::Help),
            Long("session") => session = true,
            Long("parent") => {
                let number = |text: OsString| text.to_str()?.parse().ok();
                parent = Some(value(&mut words, "--parent", "a process id", number)?);
            }
            other => return Err(other.unexpected().into()),
        }
        is_first = false;
    }
    match (session, parent) {
        (true, Some(parent)) => Ok(Command::Session { parent }),
        (true, None) => Err(UsageError::NoParent),
        (false, _) if is_first => Ok(Command::Explain),
        (false, _) => Err(UsageError::Value {
            option: "--parent",
            expected: "--session",
        }),
    }
}

/// The value of the option that was read last.
fn value<T>(
    words: &mut Parser,
    option: &'static str,
    expected: &'static str,
    read: impl FnOnce(OsString) -> Option<T>,
) -> Result<T, UsageError> {
    let value = words.value().ok().and_then(read);
    value.ok_or(UsageError::Value { option, expected })
}

impl From<lexopt::Error> for UsageError {
    fn from(error: lexopt::Error) -> Self {
        Self::Unknown(match error {
            lexopt::Error::UnexpectedOption(option) => option,
            lexopt::Error::UnexpectedArgument(word) => word.to_string_lossy().into_owned(),
            lexopt::Error::UnexpectedValue { option, value } => {
                format!("{option}={}", value.to_string_lossy())
            }
            other => other.to_string(),
        })
    }
}

fn serve(mut words: Parser) -> Result<Command, UsageError> {
    let mut socket = None;
    while let Some(word) = words.next()? {
        match word {
            Short('h') | Long("help") => return Ok(Command::Help),
            Long("socket") => {
                let path = |path: OsString| (!path.is_empty()).then(|| path.into());
                socket = Some(value(&mut words, "--socket", "a path", path)?);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Command::Serve(socket))
}

fn audit(mut words: Parser) -> Result<Command, UsageError> {
    let (mut addon, mut script, mut json) = (None, None, false);
    while let Some(word) = words.next()? {
        match word {
            Short('h') | Long("help") => return Ok(Command::Help),
            Value(path) if addon.is_none() => addon = Some(path.into()),
            Long("run") if script.is_none() => {
                let file = |path: OsString| Some(Script::File(path.into()));
                script = Some(value(&mut words, "--run", "a file of JavaScript", file)?);
            }
            Long("call") if script.is_none() => {
                let call = |text: OsString| text.into_string().ok().map(Script::Call);
                script = Some(value(&mut words, "--call", "a call in JavaScript", call)?);
            }
            Long("json") => json = true,
            other => return Err(other.unexpected().into()),
        }
    }
    let addon = addon.ok_or(UsageError::Value {
        option: "audit",
        expected: "the path of one addon",
    })?;
    Ok(Command::Audit {
        addon,
        script,
        json,
    })
}

fn inspect(mut words: Parser) -> Result<Command, UsageError> {
    let mut addons = Vec::new();
    while let Some(word) = words.next()? {
        match word {
            Short('h') | Long("help") => return Ok(Command::Help),
            Value(path) => addons.push(path.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    if addons.is_empty() {
        return Err(UsageError::Value {
            option: "inspect",
            expected: "the path of an addon",
        });
    }
    Ok(Command::Inspect(addons))
}

fn locate(mut words: Parser) -> Result<Command, UsageError> {
    let (mut file, mut question) = (None, Question::default());
    while let Some(word) = words.next()? {
        match word {
            Short('h') | Long("help") => return Ok(Command::Help),
            Value(path) if file.is_none() => file = Some(PathBuf::from(path)),
            Value(address) => {
                let address = address.to_str().and_then(hexadecimal);
                question.addresses.push(address.ok_or(UsageError::Value {
                    option: "locate",
                    expected: "addresses in hexadecimal digits",
                })?);
            }
            Long("build-id") => {
                let id = |text: OsString| text.into_string().ok();
                question.build_id = Some(value(&mut words, "--build-id", "a build id", id)?);
            }
            Long("code") => {
                let range = |text: OsString| {
                    let (from, to) = text.to_str()?.split_once('-')?;
                    Some((hexadecimal(from)?, hexadecimal(to)?))
                };
                let expected = "two addresses, as in 1a0-1c4";
                question.code = Some(value(&mut words, "--code", expected, range)?);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    question.file = file.ok_or(UsageError::Value {
        option: "locate",
        expected: "the path of a file",
    })?;
    Ok(Command::Locate(question))
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok()
}

fn doctor(mut words: Parser) -> Result<Command, UsageError> {
    let (mut policy, mut json) = (None, false);
    while let Some(word) = words.next()? {
        match word {
            Short('h') | Long("help") => return Ok(Command::Help),
            Long("try") => {
                let named = |text: OsString| doctor::named(text.to_str()?);
                let expected = "\"default\" or \"strict\"";
                policy = Some(value(&mut words, doctor::TRY, expected, named)?);
            }
            Long("json") => json = true,
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Command::Doctor { policy, json })
}
