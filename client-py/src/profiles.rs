//! Makes the figures of a profile into what `_profile.py` takes.

use hostd_client::lock;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::fallible::{Arguments as _, Facts};
use crate::profile::{ClientSpan, Profiler, Row, SpanKind};

/// The figures, by name.
pub(crate) fn facts<'py>(py: Python<'py>, profiler: &Profiler) -> PyResult<Facts<'py>> {
    let facts = Facts::new(py)?;
    facts.set("elapsed", profiler.elapsed())?;
    let rows: PyResult<Vec<_>> = profiler
        .rows()
        .map(|(number, row)| row_facts(py, number, row))
        .collect();
    facts.set("rows", rows?)?;
    let (made, rejected, classes, total) = profiler.promises.read();
    facts.set("promises", (made, rejected, classes, total).tuple(py)?)?;
    // Copies, since the collector of Python may run code that calls the addon.
    let host = lock(&profiler.host).clone();
    let functions: PyResult<Vec<_>> = host
        .functions
        .iter()
        .filter(|it| it.calls > 0)
        .map(|it| (it.name.as_str(), it.calls, it.total, it.own).tuple(py))
        .collect();
    facts.set("functions", functions?)?;
    facts.set("collections", (host.collections, host.collecting))?;
    facts.set("finalizers", (host.finalizers, host.finalizing))?;
    let spans = lock(&profiler.spans).clone();
    let client: PyResult<Vec<_>> = spans
        .client
        .iter()
        .map(|span| {
            let ClientSpan {
                kind,
                row,
                began,
                ended,
                thread,
            } = *span;
            let is_callback = kind == SpanKind::Callback;
            (is_callback, row, began, ended, thread).tuple(py)
        })
        .collect();
    facts.set("client_spans", client?)?;
    let host: PyResult<Vec<_>> = spans
        .host
        .iter()
        .map(|(name, began, ended)| (&**name, *began, *ended).tuple(py))
        .collect();
    facts.set("host_spans", host?)?;
    Ok(facts)
}

fn row_facts<'py>(py: Python<'py>, number: usize, row: &Row) -> PyResult<Bound<'py, PyDict>> {
    let facts = Facts::new(py)?;
    let (sent, received) = row.bytes();
    let sums = row.sums();
    facts.set("number", number)?;
    facts.set("call", row.call.name())?;
    facts.set("name", row.name.as_deref())?;
    facts.set("calls", row.calls())?;
    facts.set("failures", row.failures())?;
    facts.set("sent", sent)?;
    facts.set("received", received)?;
    facts.set("samples", sums.samples)?;
    facts.set("weight", sums.weight)?;
    facts.set("total", sums.total)?;
    facts.set("marshalling", sums.marshalling)?;
    facts.set("waiting", sums.waiting)?;
    facts.set("callbacks", sums.callbacks)?;
    facts.set("nested", sums.nested)?;
    facts.set("longest", sums.longest)?;
    facts.set("host_marshalling", sums.host.marshalling)?;
    facts.set("engine", sums.host.engine)?;
    facts.set("addon", sums.host.addon)?;
    facts.set("functions", sums.host.functions)?;
    facts.set("collection", sums.host.collection)?;
    Ok(facts.0)
}
