//! Makes the attributes of `AddonCrashed` from an exit report. `errors` makes the exception.

use std::path::Path;

use hostd_client::{Cause, ExitReport, LoadedFile, StackFrame, Usage};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::fallible::Facts;

/// The facts of a report, by the names of the attributes, and what only the message needs.
pub(crate) fn facts<'py>(py: Python<'py>, report: &ExitReport) -> PyResult<Facts<'py>> {
    let facts = Facts::new(py)?;
    facts.set("how", report.how())?;
    facts.set("in_process", report.in_process)?;
    facts.set("signal", report.signal)?;
    facts.set("exit_code", report.exit_code)?;
    facts.set("signal_name", report.signal_name())?;
    facts.set("cause", report.cause.code())?;
    facts.set("reason", report.cause.reason())?;
    facts.set("export", report.export.as_deref())?;
    facts.set("address", report.address)?;
    facts.set("node_api", report.node_api.as_deref())?;
    facts.set("node_api_calls", report.node_api_calls.clone())?;
    facts.set("thread", report.thread.as_deref())?;
    if let (Cause::ForbiddenCall, Some(call)) = (&report.cause, &report.forbidden) {
        facts.set("call", call.name.as_str())?;
        facts.set("table", call.table)?;
        facts.set("arguments", call.arguments.to_vec())?;
        facts.set("path", call.path.as_deref())?;
    }
    if let Some(backtrace) = &report.backtrace {
        let names: Vec<String> = backtrace.iter().map(ToString::to_string).collect();
        facts.set("backtrace", names)?;
        let frames: PyResult<Vec<_>> = backtrace.iter().map(|each| frame(py, each)).collect();
        facts.set("frames", frames?)?;
    }
    if let Some(registers) = &report.registers {
        let named = Facts::new(py)?;
        for (name, value) in registers {
            named.set(name, *value)?;
        }
        facts.set("registers", named.0)?;
    }
    if let Some(modules) = &report.modules {
        let modules: PyResult<Vec<_>> = modules.iter().map(|each| module(py, each)).collect();
        facts.set("modules", modules?)?;
    }
    let core_file = report.core_file.as_deref();
    facts.set(
        "core_file",
        core_file.map(|path| path.to_string_lossy().into_owned()),
    )?;
    facts.set("confinement", report.confinement.clone())?;
    facts.set("stderr", report.stderr_tail.as_str())?;
    if let Some(used) = report.usage {
        facts.set("usage", usage(py, used)?)?;
    }
    facts.set(
        "record",
        report
            .record
            .as_deref()
            .map(Path::to_string_lossy)
            .as_deref(),
    )?;
    facts.set("generation", report.generation)?;
    facts.set("pid", report.pid)?;
    Ok(facts)
}

fn frame<'py>(py: Python<'py>, frame: &StackFrame) -> PyResult<Bound<'py, PyDict>> {
    let facts = Facts::new(py)?;
    facts.set("address", frame.address)?;
    facts.set("path", frame.path.as_deref())?;
    facts.set("file_address", frame.file_address)?;
    facts.set("function", frame.symbol.as_deref())?;
    facts.set("offset", frame.module.as_ref().map(|_| frame.offset))?;
    Ok(facts.0)
}

fn module<'py>(py: Python<'py>, file: &LoadedFile) -> PyResult<Bound<'py, PyDict>> {
    let facts = Facts::new(py)?;
    facts.set("path", file.path.as_str())?;
    facts.set("start", file.start)?;
    facts.set("end", file.end)?;
    facts.set("build_id", file.build_id.as_deref())?;
    Ok(facts.0)
}

fn usage(py: Python<'_>, usage: Usage) -> PyResult<Bound<'_, PyDict>> {
    let facts = Facts::new(py)?;
    facts.set("user", usage.user.as_secs_f64())?;
    facts.set("system", usage.system.as_secs_f64())?;
    facts.set("wall", usage.wall.as_secs_f64())?;
    facts.set("peak_memory", usage.peak_memory)?;
    Ok(facts.0)
}
