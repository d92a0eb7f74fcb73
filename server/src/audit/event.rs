//! What an audit has to tell, as text for people or as lines of JSON for programs.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use hostd_sandbox::diagnose::DeniedCall;
use serde_json::{Value, json};

/// The signal that ends a process whose denied call could not be recorded, and why.
const SIGSYS: i32 = rustix::process::Signal::SYS.as_raw();
const BLOCKED: &str = "it was denied a call while that signal was blocked, as it is where a program \
                       is started; subprocess=True would allow that";

/// One thing that happened.
pub(super) enum Event<'a> {
    /// The addon was loaded, and runs under this version of Node-API.
    Loaded { name: &'a str, api_version: i32 },
    /// The addon could not be loaded: why.
    Refused { name: &'a str, error: String },
    /// A call was denied.
    Denied(&'a DeniedCall),
    /// The script returned this, as text.
    Returned(String),
    /// The script threw this, as text.
    Threw(String),
    /// The promise that the script returned was not settled in time.
    Pending,
    /// How many calls were denied, and which options would allow them.
    Summary {
        denials: usize,
        options: &'a BTreeSet<String>,
    },
    /// The process was ended by other means than the end of the audit.
    Ended {
        name: &'a str,
        status: ExitStatus,
        /// Whether the addon was loaded before.
        was_loaded: bool,
    },
    /// The process had not ended after this time, and was killed.
    TimedOut(Duration),
}

impl Event<'_> {
    /// The event in the form that was asked for, with its line feed.
    pub(super) fn shown(&self, is_json: bool) -> String {
        if is_json {
            format!("{}\n", self.json())
        } else {
            self.text()
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Loaded { name, .. } => format!("{name} loads under \"default\".\n"),
            Self::Refused { name, error } => {
                format!("{name} does not load under \"default\": {error}\n")
            }
            Self::Denied(call) => {
                format!("denied: {call}\n    in {}\n", call.stack.join(" < "))
            }
            Self::Returned(value) => format!("It returned: {value}\n"),
            Self::Threw(value) => format!("It threw: {value}\n"),
            Self::Pending => "Its promise is still pending.\n".to_owned(),
            Self::Summary { denials: 0, .. } => "Nothing was denied.\n".to_owned(),
            Self::Summary { options, .. } if options.is_empty() => {
                "No option allows what was denied.\n".to_owned()
            }
            Self::Summary { options, .. } => {
                let options: Vec<_> = options.iter().map(String::as_str).collect();
                format!("Options that allow it: {}\n", options.join(", "))
            }
            // What was printed before names an addon that was loaded.
            Self::Ended {
                name,
                status,
                was_loaded: false,
            } => format!("{name} {} while it was loaded.\n", ended(*status)),
            Self::Ended { status, .. } => format!("It {}.\n", ended(*status)),
            Self::TimedOut(timeout) => format!(
                "It did not end within {} s and was killed. An addon that does not handle a denial \
                 may wait for ever.\n",
                timeout.as_secs()
            ),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Loaded { api_version, .. } => json!({"loaded": {"api_version": api_version}}),
            Self::Refused { error, .. } => json!({"refused": error}),
            Self::Denied(call) => json!({"denied": {
                "call": call.name(),
                "shown": call.to_string(),
                "path": call.path,
                "errno": call.errno,
                "option": call.option(),
                "stack": call.stack,
            }}),
            Self::Returned(value) => json!({"returned": value}),
            Self::Threw(value) => json!({"threw": value}),
            Self::Pending => json!({"pending": true}),
            Self::Summary { denials, options } => {
                json!({"summary": {"denials": denials, "options": options}})
            }
            Self::Ended { status, .. } => json!({"ended": {
                "signal": status.signal(),
                "exit_code": status.code(),
                "text": format!("It {}.", ended(*status)),
            }}),
            Self::TimedOut(timeout) => json!({"ended": {
                "timeout": timeout.as_secs(),
                "text": self.text().trim_end(),
            }}),
        }
    }
}

/// How a process has ended.
fn ended(status: ExitStatus) -> String {
    match status.signal() {
        Some(SIGSYS) => format!("ended the process by signal {SIGSYS}: {BLOCKED}"),
        Some(signal) => format!("ended the process by signal {signal}"),
        None => format!(
            "ended the process with exit code {}",
            status.code().unwrap_or_default()
        ),
    }
}
