//! A loaded addon, which carries its exports as attributes and nothing else, and its process.

use std::sync::Arc;

use hostd_protocol::calls::CallKind;
use hostd_protocol::value::HostKind;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use super::is_dunder;
use super::reference::{Reference, attribute};
use crate::errors;
use crate::request::{self, Ask};
use crate::sandbox;
use crate::session::Session;

/// A loaded addon: its exports are its attributes.
///
/// Exported functions and classes lie in the instance's `__dict__`, so reading one costs no
/// message; other exports are read from the host each time.
#[pyclass(frozen, dict, weakref, module = "napi_python")]
#[derive(Debug)]
pub(crate) struct Addon {
    pub(crate) session: Arc<Session>,
}

#[pymethods]
impl Addon {
    fn __getattr__<'py>(
        slf: &Bound<'py, Self>,
        name: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if is_dunder(&name.to_string_lossy()) {
            return Err(errors::no_attribute(slf.as_any(), name));
        }
        attribute(slf.as_any(), Reference::Exports(&slf.get().session), name)
    }

    fn __setattr__(
        slf: &Bound<'_, Self>,
        name: &Bound<'_, PyString>,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let session = &slf.get().session;
        Reference::Exports(session).set(name.as_any(), value)?;
        session.forget_export(slf.py(), name)
    }

    fn __delattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyString>) -> PyResult<()> {
        let session = &slf.get().session;
        if !Reference::Exports(session).test(CallKind::Delete, name.as_any())? {
            return Err(PyTypeError::new_err(format!(
                "JavaScript refuses to delete {}",
                name.to_string_lossy()
            )));
        }
        session.forget_export(slf.py(), name)
    }

    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let exports = Reference::Exports(&self.session);
        match exports.exports_kind() {
            Some(HostKind::Function) => {
                exports.call(py, Some(&self.session.label), None, args, kwargs)
            }
            Some(HostKind::Class) => exports.construct(py, Some(&self.session.label), args, kwargs),
            _ => Err(PyTypeError::new_err(format!(
                "the exports of {} are an object, not a function: call one of its attributes",
                self.session.label
            ))),
        }
    }

    fn __dir__(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Reference::Exports(&self.session).keys(py, 1)
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) {
        self.session.close(py);
    }

    fn __repr__(&self) -> String {
        format!("<Addon {}>", self.session.label)
    }

    fn __reduce__(_slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Err(errors::not_picklable("Addon"))
    }
}

/// The process of an addon.
#[pyclass(frozen, module = "napi_python")]
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) session: Arc<Session>,
}

#[pymethods]
impl Host {
    /// The process id, None while no process runs.
    #[getter]
    fn pid(&self) -> Option<u32> {
        self.session.pid()
    }

    /// How many processes this addon has had.
    #[getter]
    fn generation(&self) -> u32 {
        self.session.generation()
    }

    /// What confines the process: a `SandboxReport`.
    #[getter]
    fn sandbox<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let policy = self
            .session
            .sandbox
            .as_ref()
            .map_or_else(|| py.None(), |policy| policy.clone_ref(py));
        let applied = self.session.client()?.applied();
        sandbox::report(py, &policy, applied)
    }

    /// What the process says about itself, and what this side counts.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.session.stats(py)
    }

    /// Frees the addon's unreachable objects now and runs their finalizers.
    fn collect(&self, py: Python<'_>) -> PyResult<()> {
        self.session.collect(py)
    }

    /// Ends the process and starts a fresh one.
    fn restart(&self, py: Python<'_>) -> PyResult<()> {
        self.session.restart(py)
    }

    /// Ends the process; later calls raise.
    fn close(&self, py: Python<'_>) {
        self.session.close(py);
    }

    /// Runs JavaScript in the global scope of the host, where the exports are `addon`.
    fn run_script<'py>(
        &self,
        py: Python<'py>,
        source: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let answer = self.session.request(
            py,
            Ask::of(CallKind::RunScript),
            |encoder| encoder.string(source),
            request::value,
        );
        answer.inspect_err(|error| errors::add_source_line(py, error, source))
    }

    fn __repr__(&self) -> String {
        match self.session.pid() {
            Some(pid) => format!("<Host of {}, process {pid}>", self.session.label),
            None => format!("<Host of {}, not running>", self.session.label),
        }
    }
}
