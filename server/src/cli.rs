//! The command line: what the client passes, and what a curious human gets.

use std::ffi::OsString;
use std::path::PathBuf;

use hostd_sandbox::policy::Name;
use lexopt::Arg::{Long, Short, Value};
use lexopt::Parser;

use crate::doctor;

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Serve one session of a client over inherited descriptors.
    Session(SessionArguments),
    /// Serve clients at a named socket: this one, or one with a name of its own.
    Serve(Option<PathBuf>),
    /// Load an addon, use it as the script says, and say what it was denied.
    Audit(PathBuf, Option<Script>),
    /// Say what this system offers to a sandbox.
    Doctor,
    /// Try one policy, and say what of it holds.
    TryPolicy(Name),
    /// Print the version and end.
    Version,
    /// Print the help text and end.
    Help,
    /// Run by hand without a session: explain and end with an error.
    Explain,
}

/// How an addon is to be used once it is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Script {
    /// By a file of JavaScript, in which `addon` is what the addon exports.
    File(PathBuf),
    /// By a call, written without the `addon.` before it.
    Call(String),
}

/// How the client started the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionArguments {
    /// The process the host must not outlive.
    pub parent: u32,
    /// What the data frames travel on.
    pub carrier: CarrierChoice,
    /// Whether descriptor 5 is a file for the record of a crash.
    pub crash_page: bool,
    /// Whether descriptor 6 is the wake pipe of the client.
    pub wake_pipe: bool,
}

/// What the data frames travel on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CarrierChoice {
    /// Shared rings, whose mapping is descriptor 4.
    Lanes,
    /// Packets of the control socket.
    Socket,
}

/// A command line that makes no sense.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UsageError {
    /// A word that means nothing here.
    #[error("unknown argument {0:?}; see napi-hostd --help")]
    Unknown(String),
    /// An option without its value, or with one that cannot be read.
    #[error("{option} needs {expected}; see napi-hostd --help")]
    Value {
        /// The option.
        option: &'static str,
        /// What belongs behind it.
        expected: &'static str,
    },
    /// A session needs to know whose it is.
    #[error("--session needs --parent <pid>: the host must not outlive its client")]
    NoParent,
}

/// What `napi-hostd --help` prints.
pub const HELP: &str = "\
napi-hostd: runs one Node-API addon in a process of its own

Usage:
  napi-hostd --session --parent <pid> [--carrier lanes|socket] [--crash-page]
             [--wake-pipe]
  napi-hostd serve [--socket <path>]
  napi-hostd doctor
  napi-hostd audit <addon> [--run <file.js> | --call <call>]
  napi-hostd --version
  napi-hostd --help

--session     serve the client that started this process; descriptor 3 is the
              control socket, descriptor 4 the shared lanes (absent with
              --carrier socket)
--parent      the client's process; the host ends when it does
--crash-page  descriptor 5 is a file in which a crash is written down
--wake-pipe   descriptor 6 is the wake pipe, which the host writes to when it has
              events for the client

serve         start a session for each client of this user that connects to the
              socket, whose path is printed; its folder is for this user only.
              SIGTERM ends it, after 5 s at most for sessions that run
              From Python: load_addon(path, address=socket)

doctor        try each sandbox policy on this system; print which layers are
              applied and which are missing

audit         load an addon under the default policy; print what was denied and
              which option allows it
--run         then run a file of JavaScript, in which the addon is `addon`
--call        then make a call, such as 'open(\"/etc/hosts\", 0)'

A session is started by a client, never by hand. From Python:

  from napi_python import load_addon
  addon = load_addon(\"path/to/addon.node\")
";

/// What the program says when it is run by hand.
pub const EXPLANATION: &str = "\
napi-hostd is the process in which the Python package napi_python runs a
Node-API addon. It is started by load_addon(), not by hand.
See napi-hostd --help.
";

/// Reads the command line, without the program's name.
///
/// # Errors
/// Unknown words, and options without a proper value.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    // Copied first: the parser wants an iterator without borrows.
    let mut words = Parser::from_args(arguments.into_iter().collect::<Vec<_>>());
    let (mut session, mut parent, mut carrier) = (false, None, CarrierChoice::Lanes);
    let (mut crash_page, mut wake_pipe) = (false, false);
    let mut is_first = true;
    while let Some(word) = words.next()? {
        match word {
            Value(word) if is_first && word == "serve" => return serve(words),
            Value(word) if is_first && word == "audit" => return audit(words),
            Value(word) if is_first && word == "doctor" => return doctor(words),
            Short('V') | Long("version") => return Ok(Command::Version),
            Short('h') | Long("help") => return Ok(Command::Help),
            Long("session") => session = true,
            Long("crash-page") => crash_page = true,
            Long("wake-pipe") => wake_pipe = true,
            Long("parent") => {
                let number = |text: OsString| text.to_str()?.parse().ok();
                parent = Some(value(&mut words, "--parent", "a process id", number)?);
            }
            Long("carrier") => {
                let named = |text: OsString| match text.to_str()? {
                    "lanes" => Some(CarrierChoice::Lanes),
                    "socket" => Some(CarrierChoice::Socket),
                    _ => None,
                };
                carrier = value(&mut words, "--carrier", "\"lanes\" or \"socket\"", named)?;
            }
            other => return Err(other.unexpected().into()),
        }
        is_first = false;
    }
    match (session, parent) {
        (true, Some(parent)) => Ok(Command::Session(SessionArguments {
            parent,
            carrier,
            crash_page,
            wake_pipe,
        })),
        (true, None) => Err(UsageError::NoParent),
        (false, _) if is_first => Ok(Command::Explain),
        (false, _) => Err(UsageError::Value {
            option: "--parent, --carrier, --crash-page and --wake-pipe",
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
    let (mut addon, mut script) = (None, None);
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
            other => return Err(other.unexpected().into()),
        }
    }
    let addon = addon.ok_or(UsageError::Value {
        option: "audit",
        expected: "the path of one addon",
    })?;
    Ok(Command::Audit(addon, script))
}

fn doctor(mut words: Parser) -> Result<Command, UsageError> {
    let mut policy = None;
    while let Some(word) = words.next()? {
        match word {
            Short('h') | Long("help") => return Ok(Command::Help),
            Long("try") => {
                let named = |text: OsString| doctor::named(text.to_str()?);
                let expected = "\"default\" or \"strict\"";
                policy = Some(value(&mut words, doctor::TRY, expected, named)?);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(policy.map_or(Command::Doctor, Command::TryPolicy))
}

#[cfg(test)]
mod tests {
    use hostd_sandbox::policy::Name;

    use super::{CarrierChoice, Command, Script, SessionArguments, UsageError, parse};

    fn line(words: &[&str]) -> Result<Command, UsageError> {
        parse(words.iter().map(Into::into))
    }

    #[test]
    fn session_with_parent_is_a_session_over_lanes() {
        let expected = SessionArguments {
            parent: 42,
            carrier: CarrierChoice::Lanes,
            crash_page: false,
            wake_pipe: false,
        };
        assert_eq!(
            line(&["--session", "--parent", "42"]),
            Ok(Command::Session(expected))
        );
    }

    #[test]
    fn carrier_socket_is_understood_and_others_are_refused() {
        let Ok(Command::Session(session)) = line(&[
            "--session",
            "--parent",
            "1",
            "--carrier",
            "socket",
            "--crash-page",
        ]) else {
            panic!("a session");
        };
        assert_eq!(session.carrier, CarrierChoice::Socket);
        assert!(session.crash_page);
        assert!(matches!(
            line(&["--session", "--carrier", "pigeon"]),
            Err(UsageError::Value { .. })
        ));
    }

    #[test]
    fn nothing_at_all_explains_itself() {
        assert_eq!(line(&[]), Ok(Command::Explain));
    }

    #[test]
    fn serve_takes_a_socket_or_none() {
        assert_eq!(line(&["serve"]), Ok(Command::Serve(None)));
        assert_eq!(
            line(&["serve", "--socket", "/run/x/s"]),
            Ok(Command::Serve(Some("/run/x/s".into())))
        );
        assert!(line(&["serve", "--socket"]).is_err());
        assert!(line(&["serve", "more"]).is_err());
    }

    #[test]
    fn whoever_asks_for_help_gets_it() {
        for words in [["--help"].as_slice(), &["-h"], &["audit", "--help"]] {
            assert_eq!(line(words), Ok(Command::Help));
        }
        assert_eq!(line(&["doctor", "-h"]), Ok(Command::Help));
        assert_eq!(line(&["serve", "--help"]), Ok(Command::Help));
    }

    #[test]
    fn audit_takes_one_addon() {
        let expected = |script| Ok(Command::Audit("x.node".into(), script));
        assert_eq!(line(&["audit", "x.node"]), expected(None));
        assert_eq!(
            line(&["audit", "x.node", "--run", "y.js"]),
            expected(Some(Script::File("y.js".into())))
        );
        assert_eq!(
            line(&["audit", "x.node", "--call", "f(1)"]),
            expected(Some(Script::Call("f(1)".into())))
        );
        assert!(line(&["audit", "x.node", "--run"]).is_err());
        assert!(line(&["audit", "x.node", "--call", "f()", "more"]).is_err());
        assert!(line(&["audit"]).is_err());
        assert!(line(&["audit", "--call"]).is_err());
        assert!(line(&["audit", "x.node", "y.node"]).is_err());
    }

    #[test]
    fn doctor_takes_a_policy_to_try_or_none() {
        assert_eq!(line(&["doctor"]), Ok(Command::Doctor));
        assert_eq!(
            line(&["doctor", "--try", "strict"]),
            Ok(Command::TryPolicy(Name::Strict))
        );
        assert!(line(&["doctor", "--try", "loose"]).is_err());
        assert!(line(&["doctor", "who"]).is_err());
    }

    #[test]
    fn nonsense_is_named_in_the_error() {
        assert_eq!(
            line(&["nonsense"]),
            Err(UsageError::Unknown("nonsense".to_owned()))
        );
        assert_eq!(line(&["--session"]), Err(UsageError::NoParent));
        assert!(line(&["--parent", "1"]).is_err());
    }
}
