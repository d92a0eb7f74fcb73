//! How the end of a host process reads: signal, place in the backtrace and likely reason, as the rest
//! of a sentence about the process.

use std::fmt;

use nix::sys::signal::Signal;

use crate::cause::Cause;
use crate::report::{ExitReport, NULL_END, StackFrame};

/// The file name of the host's own code, and the end of an addon's.
const HOST_MODULE: &str = "napi-hostd";
const ADDON_SUFFIX: &str = ".node";
/// How the names of system libraries begin. A fault in them is due to the arguments of the caller.
const SYSTEM_MODULES: &str = "libc. libc- libm. libpthread ld-linux libstdc++ libgcc_s [vdso]";
/// How the names of functions begin that a panic or an abort of Rust code adds to an addon's own.
const RUNTIME_SYMBOLS: &str = "std:: core:: alloc:: __rustc:: <core:: <alloc:: <std:: rust_";
/// How the names of functions begin that the host exports to addons.
const EXPORTED_SYMBOLS: &str = "napi_ node_api_ uv_";

const HOST_DEFECT: &str = "this is a defect of napi-hostd, unless the addon damaged memory or \
     handed over memory that is not there; please report it with the backtrace";
const WRONG_ARGUMENT: &str =
    "the addon passed a wrong pointer or length, or this is a defect of napi-hostd";

impl ExitReport {
    /// How the process ended, as the rest of a sentence: "died of SIGABRT in addon.node!f (…)".
    pub fn how(&self) -> String {
        let reason = self.cause.reason().unwrap_or_default();
        let end = match (self.signal_name(), self.exit_code) {
            (Some(signal), _) => format!("died of {signal}"),
            (None, Some(code)) => format!("exited with code {code}"),
            (None, None) => "is gone".to_owned(),
        };
        match &self.cause {
            Cause::Killed(_) | Cause::Left(_) => format!("was {reason}"),
            Cause::Restart => format!("was ended: {reason}"),
            Cause::Limit(_) | Cause::OutOfMemory(_) | Cause::Unknown(_) => {
                format!("{end}: {reason}")
            }
            Cause::MaybeOutOfMemory(_) => format!("{end}{}, {reason}", self.place_and_meaning()),
            Cause::Signal | Cause::ForbiddenCall => format!("{end}{}", self.place_and_meaning()),
            Cause::Exit if self.exit_code.is_some() => {
                format!("{end} without being asked to")
            }
            Cause::Exit => end,
        }
    }

    /// Where a signal was raised, and what it most likely means.
    fn place_and_meaning(&self) -> String {
        let signal = self.signal.and_then(|number| Signal::try_from(number).ok());
        let (mut text, suspect) = self.place(signal);
        if let Some(thread) = &self.thread {
            text = format!("{text} on a thread of its own ({thread})");
        }
        match (self.meaning(signal), suspect) {
            (Some(meaning), Some(suspect)) if !self.overflowed => {
                format!("{text} ({meaning}; {suspect})")
            }
            (Some(meaning), _) => format!("{text} ({meaning})"),
            (None, _) => text,
        }
    }

    fn meaning(&self, signal: Option<Signal>) -> Option<String> {
        if self.overflowed {
            return Some("its stack overflowed".to_owned());
        }
        let text = match (signal?, self.address) {
            (Signal::SIGSEGV, Some(address)) if address < NULL_END => "it used a null pointer",
            (Signal::SIGSEGV, Some(address)) => {
                let what = "it read, wrote or ran memory that is not its own";
                return Some(format!("{what}, at {address:#x}"));
            }
            (Signal::SIGSEGV, None) => {
                "it read or wrote memory that is not its own, or its stack overflowed"
            }
            (Signal::SIGBUS, _) => "it touched memory that is no longer there",
            (Signal::SIGFPE, _) => "probably an integer division by zero",
            (Signal::SIGILL, _) => {
                "an instruction this processor does not have, or a compiler trap"
            }
            (Signal::SIGABRT, _) => {
                "it called abort(): an assertion, an uncaught C++ exception, a damaged heap"
            }
            (Signal::SIGKILL, _) => {
                "something killed it: the kernel when memory runs out, or a user"
            }
            (Signal::SIGSYS, _) if self.cause == Cause::ForbiddenCall => {
                let forbidden = "a system call that the sandbox forbids";
                return Some(self.forbidden_call().map_or_else(
                    || forbidden.to_owned(),
                    |call| format!("{forbidden}: {call}"),
                ));
            }
            (Signal::SIGXCPU, _) => {
                "the processor time that its sandbox allows is used up, cpu=..."
            }
            _ => return None,
        };
        Some(text.to_owned())
    }

    /// The system call that ended it, as it is written in a program.
    fn forbidden_call(&self) -> Option<String> {
        let call = self.forbidden.as_ref()?;
        let arguments = call.arguments.map(|argument| format!("{argument:#x}"));
        let path = call.path.as_ref();
        let path = path.map_or_else(String::new, |path| format!(", path '{path}'"));
        Some(format!(
            "{}({}) by the numbers of {}{path}",
            call.name,
            arguments.join(", "),
            call.table
        ))
    }

    /// Where a signal was raised, and what is at fault if it was raised in the host's own code.
    fn place(&self, signal: Option<Signal>) -> (String, Option<&'static str>) {
        let frames = self.backtrace.as_deref().unwrap_or_default();
        let frames: Vec<_> = frames
            .iter()
            .filter(|frame| frame.module.is_some())
            .collect();
        let mut in_addon = frames.iter().filter(|frame| frame.is_addon());
        let caller = in_addon
            .clone()
            .find(|frame| !frame.symbol_begins_with(RUNTIME_SYMBOLS))
            .or_else(|| in_addon.next());
        let caller = caller.map(|frame| frame.function());
        let called_by = |caller: Option<String>| {
            caller.map_or_else(String::new, |caller| format!(", called by {caller}"))
        };
        let in_caller = || {
            let caller = caller.as_ref();
            caller.map_or_else(String::new, |caller| format!(" in {caller}"))
        };
        // The innermost frame of these is where an instruction failed; abort() and kill() are
        // functions of the C library.
        let is_fault = matches!(
            signal,
            Some(Signal::SIGSEGV | Signal::SIGBUS | Signal::SIGFPE | Signal::SIGILL)
        );
        let innermost = frames.first().filter(|_| is_fault);
        let culprit = frames
            .iter()
            .position(|frame| !frame.module_begins_with(SYSTEM_MODULES));
        if !culprit.is_some_and(|index| frames[index].is_host()) {
            return match innermost {
                Some(frame) if !frame.is_addon() => {
                    let text = format!(" in {}{}", frame.function(), called_by(caller));
                    (text, None)
                }
                _ => (in_caller(), None),
            };
        }
        let addon = frames.iter().position(|frame| frame.is_addon());
        let mut host = frames[..addon.unwrap_or(0)].iter().rev();
        let exported = host
            .find(|frame| frame.is_host() && frame.symbol_begins_with(EXPORTED_SYMBOLS))
            .and_then(|frame| frame.symbol.as_ref());
        if let Some(function) = self.node_api.as_ref().or(exported) {
            let api = if function.starts_with("uv_") {
                "libuv"
            } else {
                "Node-API"
            };
            let inner = innermost.map(|frame| format!(" in {},", frame.function()));
            let suspect = inner.as_ref().map(|_| WRONG_ARGUMENT);
            let (inner, by) = (inner.unwrap_or_default(), called_by(caller));
            return (
                format!("{inner} inside {api} function {function}{by}"),
                suspect,
            );
        }
        let Some(innermost) = innermost else {
            return (in_caller(), None);
        };
        // A signal that was sent has no address, and the code is where it happened to be.
        let is_own =
            self.address.is_some() || matches!(signal, Some(Signal::SIGFPE | Signal::SIGILL));
        let by = culprit.filter(|index| *index > 0);
        let by = called_by(by.map(|index| frames[index].function()));
        let text = format!(" in {}{by}", innermost.function());
        (text, is_own.then_some(HOST_DEFECT))
    }
}

impl fmt::Display for ExitReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the host process {} {}", self.pid, self.how())?;
        if let Some(export) = &self.export {
            write!(f, " while {export}() was running")?;
        }
        Ok(())
    }
}

impl StackFrame {
    fn is_addon(&self) -> bool {
        self.module
            .as_ref()
            .is_some_and(|module| module.ends_with(ADDON_SUFFIX))
    }

    fn is_host(&self) -> bool {
        self.symbol.is_some() && self.module.as_deref() == Some(HOST_MODULE)
    }

    fn module_begins_with(&self, names: &str) -> bool {
        begins_with(self.module.as_deref(), names)
    }

    fn symbol_begins_with(&self, names: &str) -> bool {
        begins_with(self.symbol.as_deref(), names)
    }

    /// The function without the offset; where none is known, the offset stays.
    fn function(&self) -> String {
        match (&self.module, &self.symbol) {
            (Some(module), Some(symbol)) => format!("{module}!{symbol}"),
            _ => self.to_string(),
        }
    }
}

fn begins_with(text: Option<&str>, names: &str) -> bool {
    let starts = |text: &str| names.split(' ').any(|name| text.starts_with(name));
    text.is_some_and(starts)
}
