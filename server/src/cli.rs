//! The command line: what the client passes, and what a curious human gets.

use std::ffi::OsString;
use std::path::PathBuf;

use hostd_sandbox::policy::Name;

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
    /// Whether descriptor 6 is the client's cord.
    pub cord: bool,
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
             [--cord]
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
--cord        descriptor 6 is the wake pipe, which the host writes to when it has
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
    let mut session = false;
    let mut parent = None;
    let mut carrier = CarrierChoice::Lanes;
    let (mut crash_page, mut cord) = (false, false);
    let mut seen_any = false;
    let mut words = arguments.into_iter();
    let is_help = |word: &OsString| word == "--help" || word == "-h";
    while let Some(word) = words.next() {
        let is_what_to_do = matches!(word.to_str(), Some("serve" | "audit" | "doctor"));
        if !seen_any && is_what_to_do {
            let mut rest = words.peekable();
            return match word.to_str() {
                _ if rest.peek().is_some_and(is_help) => Ok(Command::Help),
                Some("serve") => serve(rest),
                Some("audit") => audit(rest),
                _ => doctor(rest),
            };
        }
        seen_any = true;
        match word.to_str() {
            Some("--version" | "-V") => return Ok(Command::Version),
            Some("--help" | "-h") => return Ok(Command::Help),
            Some("--session") => session = true,
            Some("--crash-page") => crash_page = true,
            Some("--cord") => cord = true,
            Some("--parent") => {
                let number = words.next().and_then(|text| text.to_str()?.parse().ok());
                parent = Some(number.ok_or(UsageError::Value {
                    option: "--parent",
                    expected: "a process id",
                })?);
            }
            Some("--carrier") => {
                carrier = match words.next().as_ref().and_then(|text| text.to_str()) {
                    Some("lanes") => CarrierChoice::Lanes,
                    Some("socket") => CarrierChoice::Socket,
                    _ => {
                        return Err(UsageError::Value {
                            option: "--carrier",
                            expected: "\"lanes\" or \"socket\"",
                        });
                    }
                }
            }
            _ => return Err(UsageError::Unknown(word.to_string_lossy().into_owned())),
        }
    }
    match (session, parent) {
        (true, Some(parent)) => Ok(Command::Session(SessionArguments {
            parent,
            carrier,
            crash_page,
            cord,
        })),
        (true, None) => Err(UsageError::NoParent),
        (false, _) if seen_any => Err(UsageError::Value {
            option: "--parent, --carrier, --crash-page and --cord",
            expected: "--session",
        }),
        (false, _) => Ok(Command::Explain),
    }
}

fn serve(mut words: impl Iterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut socket = None;
    while let Some(word) = words.next() {
        if word == "--socket" {
            let path = words.next().filter(|path| !path.is_empty());
            socket = Some(PathBuf::from(path.ok_or(UsageError::Value {
                option: "--socket",
                expected: "a path",
            })?));
        } else {
            return Err(UsageError::Unknown(word.to_string_lossy().into_owned()));
        }
    }
    Ok(Command::Serve(socket))
}

fn audit(mut words: impl Iterator<Item = OsString>) -> Result<Command, UsageError> {
    let value = |option, expected| UsageError::Value { option, expected };
    let addon = words.next();
    let addon = addon.ok_or(value("audit", "the path of one addon"))?;
    if addon.as_encoded_bytes().starts_with(b"-") {
        return Err(UsageError::Unknown(addon.to_string_lossy().into_owned()));
    }
    let addon = addon.into();
    let Some(word) = words.next() else {
        return Ok(Command::Audit(addon, None));
    };
    let given = words.next();
    let script = match word.to_str() {
        Some("--run") => Script::File(given.ok_or(value("--run", "a file of JavaScript"))?.into()),
        Some("--call") => {
            let call = given.and_then(|text| text.into_string().ok());
            Script::Call(call.ok_or(value("--call", "a call in JavaScript"))?)
        }
        _ => return Err(UsageError::Unknown(word.to_string_lossy().into_owned())),
    };
    match words.next() {
        None => Ok(Command::Audit(addon, Some(script))),
        Some(word) => Err(UsageError::Unknown(word.to_string_lossy().into_owned())),
    }
}

fn doctor(mut words: impl Iterator<Item = OsString>) -> Result<Command, UsageError> {
    match words.next() {
        None => Ok(Command::Doctor),
        Some(word) if word == doctor::TRY => {
            let name = words.next().and_then(|text| doctor::named(text.to_str()?));
            Ok(Command::TryPolicy(name.ok_or(UsageError::Value {
                option: doctor::TRY,
                expected: "\"default\" or \"strict\"",
            })?))
        }
        Some(word) => Err(UsageError::Unknown(word.to_string_lossy().into_owned())),
    }
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
            cord: false,
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
