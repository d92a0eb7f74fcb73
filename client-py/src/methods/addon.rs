//! Methods of `Addon`, whose attributes are the exports, and of `Host`, its process.

use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hostd_protocol::calls;
use hostd_protocol::message::LoadRequest;
use hostd_protocol::parts::Record;
use hostd_protocol::value::HostKind;
use pyo3::exceptions::{PyAttributeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use super::extending;
use super::keywords;
use super::object::delete;
use super::requests::attribute;
use crate::call::call;
use crate::config::Loads;
use crate::errors;
use crate::exchange::Request;
use crate::fallible;
use crate::names::is_dunder;
use crate::pickling;
use crate::proxy::{Addon, Host, Reference};
use crate::rebound;
use crate::sandbox;
use crate::turn;
use crate::turns::TurnCondition;

fn enter_async<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let enter = fallible::import(value.py(), "napi_python._closing", "enter")?;
    call(&enter, (value,))
}

/// A coroutine that ends the process.
fn leave_async<'py>(host: &Bound<'py, Host>) -> PyResult<Bound<'py, PyAny>> {
    let leave = fallible::import(host.py(), "napi_python._closing", "leave")?;
    call(&leave, (host,))
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
        match attribute(slf.as_any(), Reference::Exports(&slf.get().addon), name) {
            Err(error) if error.is_instance_of::<PyAttributeError>(name.py()) => {
                keywords::attribute(slf.as_any(), name)
            }
            found => found,
        }
    }

    fn __setattr__(&self, name: &Bound<'_, PyString>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let exports = Reference::Exports(&self.addon);
        let name = keywords::property(exports, name)?;
        exports.set(name.as_any(), value)?;
        self.addon.forget_export(name.py(), &name)
    }

    fn __delattr__(&self, name: &Bound<'_, PyString>) -> PyResult<()> {
        let exports = Reference::Exports(&self.addon);
        let name = keywords::property(exports, name)?;
        delete(exports, name.as_any())?;
        self.addon.forget_export(name.py(), &name)
    }

    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let exports = Reference::Exports(&self.addon);
        match exports.exports_kind() {
            Some(HostKind::Function) => {
                exports.call(py, Some(self.addon.label()), None, (args, kwargs))
            }
            Some(HostKind::Class) => {
                exports.construct(py, Some(self.addon.label()), (args, kwargs))
            }
            _ => Err(errors::raised::<PyTypeError>(format!(
                "the exports of {} are an object, not a function: call one of its attributes",
                self.addon.label()
            ))),
        }
    }

    /// As `instanceof`: the exports can be a class.
    fn __instancecheck__(&self, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        extending::is_instance(value, Reference::Exports(&self.addon))
    }

    /// Whether a JavaScript class is this one or extends it.
    fn __subclasscheck__(&self, class: &Bound<'_, PyAny>) -> PyResult<bool> {
        extending::is_subclass(class, Reference::Exports(&self.addon))
    }

    /// The base that a class statement has in the place of the exports.
    fn __mro_entries__<'py>(
        slf: &Bound<'py, Self>,
        bases: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        extending::mro_entries(slf.py(), bases)
    }

    fn __dir__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        Reference::Exports(&self.addon).shown_keys(py)
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.addon.close(py)
    }

    fn __aenter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        enter_async(slf.as_any())
    }

    #[pyo3(signature = (*_exception))]
    fn __aexit__<'py>(
        &self,
        py: Python<'py>,
        _exception: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let addon = Arc::clone(&self.addon);
        leave_async(&Bound::new(py, Host { addon })?)
    }

    fn __repr__(&self) -> String {
        let class = match self.addon.config.loads {
            Loads::Addon => "Addon",
            Loads::Module { .. } | Loads::Nothing { .. } => "Module",
        };
        format!("<{class} {}>", self.addon.label())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        pickling::reduce(slf.as_any())
    }
}

#[pymethods]
impl Host {
    /// The process id, None while no process runs.
    #[getter]
    fn pid(&self) -> Option<u32> {
        self.addon.pid()
    }

    /// The number of processes that this addon has had.
    #[getter]
    fn generation(&self) -> u32 {
        self.addon.generation()
    }

    /// The `SandboxReport` of the process.
    #[getter]
    fn sandbox<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let config = &self.addon.config;
        let applied = self.addon.client()?.applied();
        sandbox::report(py, config.sandbox.as_ref(), &config.package, applied)
    }

    /// The counters of the process, and those of this side.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.addon.stats(py)
    }

    /// What was measured for a profile, and forgets it if `reset`.
    #[pyo3(signature = (*, reset = false))]
    fn profile<'py>(&self, py: Python<'py>, reset: bool) -> PyResult<Bound<'py, PyAny>> {
        let profile = fallible::import(py, "napi_python._profile", "profile_of")?;
        call(&profile, (self.addon.profile(py, reset)?,))
    }

    /// Frees the addon's unreachable objects now and runs their finalizers.
    fn collect(&self, py: Python<'_>) -> PyResult<()> {
        self.addon.collect(py)
    }

    /// Ends the process and starts a fresh one.
    fn restart(&self, py: Python<'_>) -> PyResult<()> {
        self.addon.restart(py)
    }

    /// Ends the process; later calls raise.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.addon.close(py)
    }

    /// Runs what is due of the addon: timers, events of its threads, settled promises. Needed with
    /// thread="caller" where no asyncio loop runs; elsewhere this happens by itself.
    fn run_pending(&self, py: Python<'_>) -> PyResult<()> {
        turn::give(&self.addon, py, TurnCondition::None)
    }

    /// Runs JavaScript in the global scope of the host, where the exports are `addon`.
    fn run_script<'py>(
        &self,
        py: Python<'py>,
        source: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let request = Request::to(None);
        let answer = self
            .addon
            .request(py, calls::RunScript, request, &(source.as_any(),));
        answer.inspect_err(|error| errors::add_source_line(py, error, source))
    }

    /// Loads a package or module into this process, as `require(name)` in a module of the folder
    /// does, and returns what it exports.
    #[pyo3(signature = (name, root = None))]
    fn require<'py>(
        &self,
        py: Python<'py>,
        name: String,
        root: Option<PathBuf>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let folder = match (root, &self.addon.config.loads) {
            (Some(root), _) => absolute(&root)?,
            (None, Loads::Module { folder, .. } | Loads::Nothing { folder }) => folder.clone(),
            (None, Loads::Addon) => {
                absolute(self.addon.config.path.parent().unwrap_or(Path::new("/")))?
            }
        };
        self.load_more(py, LoadRequest::Module { name, folder })
    }

    /// Loads a Node-API addon into this process, and returns what it exports.
    fn load_addon<'py>(&self, py: Python<'py>, path: PathBuf) -> PyResult<Bound<'py, PyAny>> {
        let path = std::path::absolute(path)?.into_os_string().into_vec();
        self.load_more(py, LoadRequest::Addon { path })
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.addon.close(py)
    }

    fn __aenter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        enter_async(slf.as_any())
    }

    #[pyo3(signature = (*_exception))]
    fn __aexit__<'py>(
        slf: &Bound<'py, Self>,
        _exception: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        leave_async(slf)
    }

    /// Calls a function as one step: no event of the addon comes before it returns.
    #[pyo3(signature = (function, /, *args, **kwargs))]
    fn run_step<'py>(
        &self,
        function: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = function.py();
        let step = fallible::import(py, "napi_python._callables", "Step")?;
        let step = call(&step, (function, args, kwargs))?;
        self.addon
            .request(py, calls::RunStep, Request::to(None), &(step.as_any(),))?;
        step.getattr(intern!(py, "result"))
    }

    fn __repr__(&self) -> String {
        match self.addon.pid() {
            Some(pid) => format!("<Host of {}, process {pid}>", self.addon.label()),
            None => format!("<Host of {}, not running>", self.addon.label()),
        }
    }
}

impl Host {
    fn load_more<'py>(&self, py: Python<'py>, wanted: LoadRequest) -> PyResult<Bound<'py, PyAny>> {
        let request = Request::to(None);
        let body = (Record(wanted.clone()),);
        let loaded = self.addon.request(py, calls::LoadMore, request, &body)?;
        rebound::loaded(&loaded, wanted)?;
        Ok(loaded)
    }
}

/// A folder that scripts are told.
fn absolute(folder: &Path) -> PyResult<String> {
    let folder = std::path::absolute(folder)?;
    folder
        .into_os_string()
        .into_string()
        .map_err(|_| errors::raised::<PyValueError>("root must be a path in UTF-8"))
}
