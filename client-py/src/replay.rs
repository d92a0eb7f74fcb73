//! Reads, plays and shortens records, for the commands `replay` and `minimize`.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hostd_client::record::{CallRecord, RecordEnd, RecordError, Runs};
use hostd_client::replay::{MinimizeError, PlayOptions, Replay, ReplayOutcome};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::call::call;
use crate::errors;
use crate::fallible::Facts;

/// How long an event of a replay is waited for.
const EVENTS: Duration = Duration::from_secs(2);

/// What is done with a record, by which the errors differ.
fn failed(error: RecordError) -> PyErr {
    match error {
        RecordError::Io { path, source } => match source.raw_os_error() {
            Some(number) => PyOSError::new_err((number, source.to_string(), path.into_os_string())),
            None => errors::raised::<PyOSError>(source.to_string()),
        },
        error => errors::raised::<PyValueError>(error.to_string()),
    }
}

thread_local! {
    /// What a handler of a signal has raised in a replay of this thread.
    static SIGNALLED: Cell<Option<PyErr>> = const { Cell::new(None) };
}

/// Whether a signal is to end the replay of this thread. Runs the handlers of signals.
fn is_signalled() -> bool {
    if let Some(raised) = SIGNALLED.take() {
        SIGNALLED.set(Some(raised));
        return true;
    }
    let Some(raised) = Python::attach(|py| py.check_signals().err()) else {
        return false;
    };
    SIGNALLED.set(Some(raised));
    true
}

fn options(binary: PathBuf, sandboxed: bool, echo: bool, call_timeout: f64) -> PlayOptions {
    let call_timeout = Duration::try_from_secs_f64(call_timeout).unwrap_or(Duration::MAX / 32);
    PlayOptions {
        binary,
        sandboxed,
        echo,
        call_timeout,
        events: EVENTS.min(call_timeout),
        is_interrupted: is_signalled,
        linger: EVENTS.min(call_timeout),
    }
}

/// Returns what a record says: how the host was started and ended, and its first `most` calls.
#[pyfunction]
#[pyo3(signature = (path, /, most = 0))]
pub(crate) fn _read_record(
    py: Python<'_>,
    path: PathBuf,
    most: usize,
) -> PyResult<Bound<'_, PyDict>> {
    let (record, replay) = py
        .detach(move || {
            let record = CallRecord::open(&path)?;
            let replay = match Replay::of(&record) {
                Err(RecordError::NoValues(_)) => None,
                replay => Some(replay?),
            };
            Ok((record, replay))
        })
        .map_err(failed)?;
    let head = &record.head;
    let facts = Facts::new(py)?;
    facts.set("addon", path_text(&head.addon.path))?;
    facts.set("label", head.label.as_str())?;
    facts.set("version", head.version.as_str())?;
    facts.set("generation", head.generation)?;
    facts.set("pid", head.client)?;
    let runs = match head.runs {
        Runs::Isolated => "isolated",
        Runs::OwnThread => "own",
        Runs::CallerThread => "caller",
    };
    facts.set("runs", runs)?;
    facts.set("sandboxed", head.confinement.is_some())?;
    facts.set("values", head.values)?;
    let end = py.detach(|| record.end()).map_err(failed)?;
    facts.set("end", end.map(|end| ended(py, &end)).transpose()?)?;
    let Some(replay) = replay else {
        return Ok(facts.0);
    };
    facts.set("stopped", replay.stopped())?;
    facts.set("export", replay.export())?;
    facts.set("open_calls", replay.open_calls())?;
    facts.set("call_count", replay.calls().count())?;
    let calls: PyResult<Vec<_>> = replay
        .calls()
        .take(most)
        .map(|call| {
            let facts = Facts::new(py)?;
            facts.set("call", call.text)?;
            facts.set("time", call.time.as_secs_f64())?;
            facts.set("took", call.took.map(|took| took.as_secs_f64()))?;
            facts.set("callbacks", call.callbacks)?;
            Ok(facts.0)
        })
        .collect();
    facts.set("calls", calls?)?;
    Ok(facts.0)
}

fn path_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn ended<'py>(py: Python<'py>, end: &RecordEnd) -> PyResult<Bound<'py, PyDict>> {
    let facts = Facts::new(py)?;
    facts.set("crashed", end.is_crash())?;
    facts.set("cause", end.cause.as_str())?;
    facts.set("text", end.text.as_str())?;
    facts.set("signal", end.signal)?;
    facts.set("signal_name", end.signal_name.as_deref())?;
    facts.set("exit_code", end.exit_code)?;
    facts.set("node_api", end.node_api.as_deref())?;
    Ok(facts.0)
}

fn with_place(facts: &Facts<'_>, replay: &Replay, end: Option<&RecordEnd>) -> PyResult<()> {
    facts.set("place", end.and_then(|end| replay.place(end)))
}

fn played<'py>(
    py: Python<'py>,
    replay: &Replay,
    outcome: &ReplayOutcome,
) -> PyResult<Bound<'py, PyDict>> {
    let facts = Facts::new(py)?;
    let end = outcome.end.as_ref();
    facts.set("end", end.map(|end| ended(py, end)).transpose()?)?;
    let recorded = replay.end();
    facts.set("recorded", recorded.map(|end| ended(py, end)).transpose()?)?;
    facts.set("failure", outcome.failure.as_deref())?;
    facts.set("same", replay.is_same(outcome))?;
    facts.set("export", outcome.export.as_deref())?;
    with_place(&facts, replay, end)?;
    facts.set("output", outcome.output.as_str())?;
    facts.set("played", outcome.played)?;
    facts.set("skipped", outcome.skipped)?;
    facts.set("differences", outcome.differences.clone())?;
    facts.set("difference_count", outcome.difference_count)?;
    facts.set("stopped", outcome.is_stopped)?;
    Ok(facts.0)
}

/// Plays a record against a fresh host of this program.
///
/// `stop` is called with the process id before the call of the number `before`, counted from one, and
/// returns whether to go on. Raises `OSError` or `ValueError` if the record cannot be used.
#[pyfunction]
#[pyo3(signature = (path, /, *, binary, sandboxed, echo, call_timeout, before = None, stop = None))]
#[expect(
    clippy::too_many_arguments,
    clippy::needless_pass_by_value,
    reason = "keyword arguments, from one place"
)]
pub(crate) fn _replay(
    py: Python<'_>,
    path: PathBuf,
    binary: PathBuf,
    sandboxed: bool,
    echo: bool,
    call_timeout: f64,
    before: Option<u64>,
    stop: Option<Py<PyAny>>,
) -> PyResult<Bound<'_, PyDict>> {
    let options = options(binary, sandboxed, echo, call_timeout);
    let mut raised = None;
    let mut ask = |pid: u32| {
        let Some(stop) = &stop else {
            return false;
        };
        let answer = Python::attach(|py| call(stop.bind(py), (pid,))?.is_truthy());
        answer.unwrap_or_else(|error| {
            raised = Some(error);
            false
        })
    };
    let replay = py.detach(|| Replay::open(&path)).map_err(failed)?;
    let outcome = py.detach(|| match before {
        Some(before) => replay.play(&options, Some((before, &mut ask))),
        None => replay.play(&options, None),
    });
    if let Some(error) = raised.or_else(|| SIGNALLED.take()) {
        return Err(error);
    }
    let outcome = outcome.map_err(|error| errors::client(&replay.head().label, error))?;
    played(py, &replay, &outcome)
}

/// Shortens a record while its crash stays, for at most `seconds`, and writes it to another file.
///
/// `progress` gets the number of replays and of calls in each candidate, and returns whether to go on.
/// Raises `OSError` or `ValueError` if the record cannot be used, or does not crash.
#[pyfunction]
#[pyo3(signature = (path, output, /, *, binary, sandboxed, call_timeout, seconds, progress))]
#[expect(
    clippy::too_many_arguments,
    clippy::needless_pass_by_value,
    reason = "keyword arguments, from one place"
)]
pub(crate) fn _minimize(
    py: Python<'_>,
    path: PathBuf,
    output: PathBuf,
    binary: PathBuf,
    sandboxed: bool,
    call_timeout: f64,
    seconds: f64,
    progress: Py<PyAny>,
) -> PyResult<Bound<'_, PyDict>> {
    let options = options(binary, sandboxed, false, call_timeout);
    let time = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX / 32);
    let mut raised = None;
    let mut told = |replays: u32, calls: usize| {
        let go_on = Python::attach(|py| call(progress.bind(py), (replays, calls))?.is_truthy());
        go_on.unwrap_or_else(|error| {
            raised = Some(error);
            false
        })
    };
    let replay = py.detach(|| Replay::open(&path)).map_err(failed)?;
    let found = py.detach(|| replay.minimize(&options, time, &mut told));
    if let Some(error) = raised.or_else(|| SIGNALLED.take()) {
        return Err(error);
    }
    let (short, found) = found.map_err(|error| match error {
        MinimizeError::Client(error) => errors::client(&replay.head().label, error),
        MinimizeError::NoCrash(outcome) => no_crash(&path, &outcome),
    })?;
    py.detach(|| short.save(&output))?;
    let facts = Facts::new(py)?;
    facts.set("end", ended(py, &found.end)?)?;
    with_place(&facts, &short, Some(&found.end))?;
    facts.set("calls", found.calls)?;
    facts.set("bytes", found.bytes)?;
    facts.set("replays", found.replays)?;
    facts.set("unfinished", found.is_unfinished)?;
    facts.set("steady", found.is_steady)?;
    let left: Vec<_> = short.calls().map(|call| call.text).collect();
    facts.set("left", left)?;
    Ok(facts.0)
}

fn no_crash(path: &Path, outcome: &ReplayOutcome) -> PyErr {
    let first = outcome.failure.as_ref().or(outcome.differences.first());
    let why = first.map_or_else(String::new, |difference| format!("; {difference}"));
    errors::raised::<PyValueError>(format!(
        "the replay of {} does not crash{why}: there is nothing to minimize",
        path.display()
    ))
}
