//! Makes the Python exception for each error. The classes, and the texts about crashes, are in
//! `napi_python/_errors.py`.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use hostd_client::{ClientError, ExitReport, SpawnError};
use hostd_protocol::error::{ProtocolError, RemoteError};
use hostd_protocol::limits::LimitKind;
use pyo3::exceptions::{
    PyAttributeError, PyException, PyMemoryError, PyRuntimeError, PySyntaxError, PyTypeError,
    PyValueError,
};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;
use pyo3::{IntoPyObjectExt as _, PyTypeInfo};

use crate::call::{call, call_with};
use crate::crash_facts;
use crate::fallible::{self, Facts};
use crate::names;

/// The exception that `make` returns, or what it raises.
fn made(make: impl for<'py> FnOnce(Python<'py>) -> PyResult<Bound<'py, PyAny>>) -> PyErr {
    Python::attach(|py| make(py).map_or_else(|error| error, PyErr::from_value))
}

/// A class or function of `_errors.py`.
fn of_errors<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    fallible::import(py, "napi_python._errors", name)
}

/// An exception of `_errors.py` with this message and the facts that `set` sets.
fn raise_with(class: &str, message: &str, set: impl FnOnce(&Facts<'_>) -> PyResult<()>) -> PyErr {
    made(|py| {
        let facts = Facts::new(py)?;
        set(&facts)?;
        call_with(&of_errors(py, class)?, (message,), Some(&facts.0))
    })
}

fn raise(class: &str, message: &str) -> PyErr {
    raise_with(class, message, |_| Ok(()))
}

/// The error about an object of a process that is gone.
fn stale_handle(message: impl AsRef<str>) -> PyErr {
    raise("StaleHandleError", message.as_ref())
}

/// An exception with a text of the host.
fn shown<T: PyTypeInfo>(text: &str) -> PyErr {
    Python::attach(|py| raised::<T>(names::shown_message(py, text)))
}

thread_local! {
    static BROKEN: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread has found a breach of the protocol since the last call of this.
pub(crate) fn take_breach() -> bool {
    BROKEN.take()
}

/// Whether [`take_breach`] would say so.
pub(crate) fn is_breach() -> bool {
    BROKEN.get()
}

/// A message that can't be sent or understood.
#[cold]
pub(crate) fn protocol(error: ProtocolError) -> PyErr {
    if let ProtocolError::Violation { what } = error {
        return violation(what);
    }
    BROKEN.set(error.is_fatal());
    protocol_to_py(error)
}

/// Converts a protocol error for Python. The caller handles the consequences for the host.
#[cold]
fn protocol_to_py(error: ProtocolError) -> PyErr {
    match error {
        ProtocolError::Limit { kind, limit, found } => raised::<PyValueError>(format!(
            "{found} {} exceed the limit of {limit}{}; split the data, or keep it on one side with \
             by_ref() or new_object()",
            kind.what(),
            kind.option()
        )),
        error @ ProtocolError::Memory { .. } => raised::<PyMemoryError>(error.to_string()),
        error => raise(
            "ProtocolError",
            &format!("{error}; this is a defect of the host, or the host is another version"),
        ),
    }
}

/// The host said what it may not say.
#[cold]
pub(crate) fn violation(what: &str) -> PyErr {
    BROKEN.set(true);
    raise(
        "ProtocolError",
        &format!("protocol violation by the host: {what}; its process was killed"),
    )
}

/// An exception with this text, or a `MemoryError` if there is no memory for the text: the binding
/// makes the text later, and panics then.
#[cold]
pub(crate) fn raised<T: PyTypeInfo>(text: impl AsRef<str>) -> PyErr {
    Python::attach(|py| match fallible::string(py, text.as_ref()) {
        Ok(text) => PyErr::new::<T, _>(text.unbind()),
        Err(error) => error,
    })
}

/// A limit was reached before anything was sent.
#[cold]
pub(crate) fn limit(kind: LimitKind, limit: u64) -> PyErr {
    raised::<PyValueError>(format!(
        "more {} than the limit of {limit}{}; split the data, or keep it on one side with by_ref() \
         or new_object()",
        kind.what(),
        kind.option()
    ))
}

/// What the next call does after a process has died.
#[derive(Clone, Copy)]
pub(crate) enum After<'a> {
    /// It starts a process.
    Start,
    /// It raises again; the text says which restart policy is the reason.
    NoStart(&'a str),
    /// It raises, because the addon was closed.
    Closed,
    /// There is none: `load_addon` itself fails.
    NoAddon,
}

/// An object of a process that is gone: that of generation `own`, while it is `current` now.
#[cold]
pub(crate) fn stale(what: &str, own: u32, current: u32, after: After<'_>) -> PyErr {
    let advice = match after {
        After::NoStart(policy) => policy,
        After::Closed => "the addon was closed; load it again",
        After::Start | After::NoAddon => {
            "get it again from the addon, whose exported functions and classes work in each \
             generation"
        }
    };
    let now = if current > own {
        format!("generation {current} is running")
    } else {
        "no process is running".to_owned()
    };
    stale_handle(format!(
        "{what} belongs to generation {own} of the addon's process, which has ended; {now}; {advice}"
    ))
}

#[cold]
pub(crate) fn export_gone(name: &str, generation: u32) -> PyErr {
    stale_handle(format!(
        "the addon no longer exports {name} (generation {generation})"
    ))
}

/// The host was replaced whenever something was to be said to it.
#[cold]
pub(crate) fn replaced(label: &str, generation: u32) -> PyErr {
    stale_handle(format!(
        "the process of the addon {label} was replaced again and again while a call to it was \
         written, up to generation {generation}: it is restarted too often to be used"
    ))
}

/// Whether an exception of a callback ends the call around it: an interruption or a deadline.
pub(crate) fn ends_calls(py: Python<'_>, error: &PyErr) -> bool {
    !error.is_instance_of::<PyException>(py)
        || of_errors(py, "AddonTimeout")
            .is_ok_and(|class| error.matches(py, class).unwrap_or(false))
}

/// Gives a syntax error of a script its line of the source.
#[cold]
pub(crate) fn add_source_line(py: Python<'_>, error: &PyErr, source: &Bound<'_, PyString>) {
    if !error.is_instance_of::<PySyntaxError>(py) {
        return;
    }
    // Without the line the error is the same.
    let _ = of_errors(py, "add_source_line").and_then(|add| call(&add, (error.value(py), source)));
}

#[cold]
pub(crate) fn closed(label: &str) -> PyErr {
    stale_handle(format!("the addon {label} has been closed; load it again"))
}

/// A promise of a host that belongs to the parent of this process.
#[cold]
pub(crate) fn forked(label: &str) -> PyErr {
    stale_handle(format!(
        "this promise of the addon {label} belongs to the parent of this forked process and is \
         settled there; call the addon here to start a host for this process"
    ))
}

#[cold]
pub(crate) fn another_addon(label: &str) -> PyErr {
    raised::<PyTypeError>(format!(
        "an object of the addon {label} cannot be passed to another addon: each addon has its own \
         process; pass plain data, or a Python function that uses the object"
    ))
}

#[cold]
pub(crate) fn not_picklable(class: &str) -> PyErr {
    raised::<PyTypeError>(format!(
        "a {class} cannot be pickled or copied: it belongs to the process of an addon; pickle the \
         data in it, or load the addon where it is needed"
    ))
}

#[cold]
pub(crate) fn no_attribute(owner: &Bound<'_, PyAny>, name: &Bound<'_, PyString>) -> PyErr {
    let class = owner
        .get_type()
        .name()
        .map_or_else(|_| "object".to_owned(), |name| name.to_string());
    let error = raised::<PyAttributeError>(format!(
        "this {class} has no property {:?}",
        name.to_string_lossy()
    ));
    let value = error.value(owner.py());
    // For the suggestions of the interpreter; an error without them is as good.
    let _ = value
        .setattr(intern!(owner.py(), "name"), name)
        .and_then(|()| value.setattr(intern!(owner.py(), "obj"), owner));
    error
}

#[cold]
pub(crate) fn promise_timeout(after: Duration) -> PyErr {
    deadline_passed("the promise was not settled", after, None)
}

/// A turn was not taken; the caller drops this error.
#[cold]
pub(crate) fn busy(label: &str) -> PyErr {
    raised::<PyRuntimeError>(format!("the addon {label} is busy with another call"))
}

/// A wait for a promise that would never end.
#[cold]
pub(crate) fn would_wait_for_ever(why: &str) -> PyErr {
    raised::<PyRuntimeError>(format!("result() would never return: {why}"))
}

#[cold]
pub(crate) fn call_timeout(label: &str, export: Option<&str>, after: Duration) -> PyErr {
    let call = export.unwrap_or("a call");
    let what = format!("{call} of the addon {label} did not return");
    deadline_passed(&what, after, export)
}

/// The addon's own initialisation took too long.
#[cold]
pub(crate) fn load_timeout(label: &str, after: Duration) -> PyErr {
    let message = format!(
        "loading the addon {label} took longer than {} s; if its initialisation takes long, pass \
         a longer start_timeout=, or load it outside of the deadline",
        after.as_secs_f64()
    );
    timeout(&message, after, None)
}

fn deadline_passed(what: &str, after: Duration, export: Option<&str>) -> PyErr {
    let seconds = after.as_secs_f64();
    timeout(
        &format!("{what} before its deadline of {seconds} s"),
        after,
        export,
    )
}

/// `after` is the length of the deadline that passed.
fn timeout(message: &str, after: Duration, export: Option<&str>) -> PyErr {
    raise_with("AddonTimeout", message, |facts| {
        facts.set("seconds", after.as_secs_f64())?;
        facts.set("export", export)
    })
}

/// What the host answered instead of a value.
#[cold]
pub(crate) fn remote(error: RemoteError, path: Option<&str>) -> PyErr {
    match error {
        RemoteError::Load { message, detail } => raise_with("LoadError", &message, |facts| {
            facts.set("path", path)?;
            facts.set("detail", (!detail.is_empty()).then_some(detail))
        }),
        RemoteError::Cancelled => raise("AddonTimeout", "the call was cancelled by its deadline"),
        RemoteError::Limit(text) => shown::<PyValueError>(&text),
        RemoteError::Unsupported(text) | RemoteError::Host(text) => raise("AddonError", &text),
        RemoteError::Stale(id) => stale_handle(format!(
            "object {id} has been released by the host; get it anew from the addon"
        )),
    }
}

/// The addon threw while it was loaded.
#[cold]
pub(crate) fn thrown_at_load(path: Option<&str>, module: Option<&str>, thrown: &PyErr) -> PyErr {
    made(|py| {
        let thrown = thrown.value(py);
        call(&of_errors(py, "thrown_at_load")?, (path, module, thrown))
    })
}

/// CUDA cannot be used, or its driver refused something: `name` and `code` are the driver's own.
#[cold]
pub(crate) fn cuda(message: &str, name: Option<&str>, code: Option<i32>) -> PyErr {
    raise_with("CudaError", message, |facts| {
        facts.set("name", name)?;
        facts.set("code", code)
    })
}

/// The lane of a call went away while a callback of it ran.
#[cold]
pub(crate) fn lost_lane(label: &str) -> PyErr {
    raised::<PyRuntimeError>(format!(
        "calls of the addon {label} ended out of order: a callback switched to another greenlet, \
         which used the addon; nested calls must end in the reverse order of their start"
    ))
}

/// The end of a process, `loading` if it died before it had loaded the addon.
#[cold]
pub(crate) fn crashed(label: &str, report: &ExitReport, after: After<'_>, loading: bool) -> PyErr {
    let after = match after {
        After::Start => "the next call starts a fresh process",
        After::NoStart(policy) => policy,
        After::Closed => "it was closed; load it again",
        After::NoAddon => "",
    };
    made(|py| {
        let facts = crash_facts::facts(py, report)?;
        let crashed = of_errors(py, "crashed")?;
        call(&crashed, (label, facts.0, after, loading))
    })
}

/// The host could not be confined.
fn unavailable(label: &str, error: SpawnError) -> PyErr {
    let why = error.to_string();
    let SpawnError::Sandbox { mechanism, entry } = error else {
        return shown::<PyRuntimeError>(&why);
    };
    let errno = entry.as_ref().and_then(|entry| entry.errno);
    made(|py| {
        let unavailable = of_errors(py, "sandbox_unavailable")?;
        call(&unavailable, (label, why, mechanism, errno))
    })
}

/// The library for sessions in this process cannot be used.
#[cold]
pub(crate) fn no_library(label: &str, file: &Path, reason: &str) -> PyErr {
    let message = format!("cannot run the addon {label} in this process: {reason}");
    raise_with("LoadError", &message, |facts| {
        facts.set("path", file.as_os_str().into_py_any(facts.0.py())?)
    })
}

fn not_started(label: &str, error: &SpawnError) -> PyErr {
    let message = format!("cannot start a host for the addon {label}: {error}");
    raise_with("LoadError", &message, |facts| {
        let path = error.path().map(|path| path.as_os_str().to_os_string());
        facts.set("path", path.into_py_any(facts.0.py())?)?;
        facts.set("errno", error.errno())
    })
}

/// What the client of the host says. An interruption is the caller's own and not expected here.
#[cold]
pub(crate) fn client(label: &str, error: ClientError) -> PyErr {
    match error {
        // The conversation has ended its host if that was at fault.
        ClientError::Protocol(error) => protocol_to_py(error),
        ClientError::Remote(error) => remote(error, None),
        ClientError::HostDied(report) => crashed(label, &report, After::Start, false),
        ClientError::Closed => closed(label),
        ClientError::WrongThread => raise(
            "WrongThreadError",
            &format!("{label}: {}", ClientError::WrongThread),
        ),
        ClientError::Spawn(error) if matches!(*error, SpawnError::Sandbox { .. }) => {
            unavailable(label, *error)
        }
        ClientError::Spawn(error) => not_started(label, &error),
        error => shown::<PyRuntimeError>(&error.to_string()),
    }
}
