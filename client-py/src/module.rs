//! The Python module: what `_native.pyi` describes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hostd_client::record::RecordOptions;
use hostd_client::{Carrier, HostConfig, RestartMode, SessionLibrary};
use hostd_protocol::calls;
use hostd_protocol::limits::Limits;
use hostd_protocol::package::{package_of, packages_above, packages_of, version_of};
use hostd_protocol::value::{ClientKind, ErrorClass, IteratorStep};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::addon::{LoadedAddon, SHUTDOWN_GRACE};
use crate::call::call;
use crate::config::{AddonConfig, Loads};
use crate::errors;
use crate::exchange::Request;
use crate::fallible;
use crate::foreign::library;
use crate::lifecycle;
use crate::output;
use crate::proxy::{Addon, Host, JSClass, JSFunction, Module, Reference, reference_of};
use crate::sandbox::confinement;
use crate::threads;
use crate::turns::running_loop;
use crate::worker::Worker;

/// The numbers of the protocol that Python uses: what an object is lent as, the steps of an iterator,
/// the classes of errors.
const NUMBERS: [(&str, u8); 17] = [
    ("CALLABLE", ClientKind::Callable.code()),
    ("EXPOSED", ClientKind::Exposed.code()),
    ("MAPPING", ClientKind::Mapping.code()),
    ("SEQUENCE", ClientKind::Sequence.code()),
    ("OPAQUE", ClientKind::Opaque.code()),
    ("AWAITABLE", ClientKind::Awaitable.code()),
    ("ITERATOR", ClientKind::Iterator.code()),
    ("GENERATOR", ClientKind::Generator.code()),
    ("ASYNC_ITERATOR", ClientKind::AsyncIterator.code()),
    ("ASYNC_GENERATOR", ClientKind::AsyncGenerator.code()),
    ("NEXT", IteratorStep::Next.code()),
    ("RETURN", IteratorStep::Return.code()),
    ("THROW", IteratorStep::Throw.code()),
    ("ERROR", ErrorClass::Error.code()),
    ("TYPE_ERROR", ErrorClass::Type.code()),
    ("RANGE_ERROR", ErrorClass::Range.code()),
    ("SYNTAX_ERROR", ErrorClass::Syntax.code()),
];

/// The native part of `napi_python`.
#[pymodule]
mod _native {
    use super::NUMBERS;
    use crate::errors;
    use crate::foreign::interpreter;
    use hostd_client::check_kernel;
    use pyo3::exceptions::PyImportError;
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::{
        _after_fork, _is_closed, _open, _package_folders, _package_version, _run_beside, _shutdown,
        clear_cache, construct, host, new_object,
    };
    #[pymodule_export]
    use crate::buffer::Buffer;
    #[pymodule_export]
    use crate::cuda::{CudaBuffer, CudaHandle, acquire_cuda, preallocate_cuda};
    #[pymodule_export]
    use crate::deadline::_deadlines;
    #[pymodule_export]
    use crate::exchange::Settler;
    #[pymodule_export]
    use crate::methods::_call_rows;
    #[pymodule_export]
    use crate::pickling::_origin;
    #[pymodule_export]
    use crate::pool::{
        _pool_at, _pool_buffer_at, _pools_after_fork_in_child, _pools_after_fork_in_parent,
        _pools_before_fork, _remove_pool_names,
    };
    #[pymodule_export]
    use crate::pool::{BufferPool, PoolBuffer, PoolGuard};
    #[pymodule_export]
    use crate::proxy::opaque::{ErrorHandle, External, Symbol};
    #[pymodule_export]
    use crate::proxy::{Addon, Host, JSClass, JSFunction, JSIterator, JSObject, Module, Promise};
    #[pymodule_export]
    use crate::replay::{_minimize, _read_record, _replay};

    /// Python takes the numbers of the protocol from here; the stub lists them.
    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        interpreter::check_main(module.py())?;
        check_kernel().map_err(|old| {
            errors::raised::<PyImportError>(format!("cannot import napi_python: {old}"))
        })?;
        NUMBERS
            .iter()
            .try_for_each(|(name, number)| module.setattr(*name, *number))
    }

    /// The version of the package, which is that of the workspace.
    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "the name that Python looks for")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}

/// Loads an addon; `napi_python.load_addon` has checked what it was given.
#[pyfunction]
#[pyo3(signature = (path, *, module, label, binary, library, public, restart, policy, env, address, carrier, start_timeout, timeout, max_values, unsolicited_cpu, nested_threads, debug, core_file, profile, log, on_start, sandbox, opening, record=None))]
#[expect(
    clippy::too_many_arguments,
    reason = "keyword arguments, from one place"
)]
fn _open<'py>(
    py: Python<'py>,
    path: PathBuf,
    module: Option<(Option<String>, String)>,
    label: String,
    binary: PathBuf,
    library: Option<(PathBuf, bool)>,
    public: bool,
    restart: (u32, f64, f64),
    policy: String,
    env: Option<Vec<(OsString, OsString)>>,
    address: Option<PathBuf>,
    carrier: &str,
    start_timeout: f64,
    timeout: Option<f64>,
    max_values: u32,
    unsolicited_cpu: f64,
    nested_threads: bool,
    debug: bool,
    core_file: Option<PathBuf>,
    profile: Option<bool>,
    log: u32,
    on_start: Option<Py<PyAny>>,
    sandbox: Option<Bound<'py, PyAny>>,
    opening: Py<PyAny>,
    record: Option<(PathBuf, u64, u32, bool)>,
) -> PyResult<Bound<'py, Addon>> {
    let is_module = module.is_some();
    let is_caller = library.as_ref().is_some_and(|(_, is_caller)| *is_caller);
    // As Node does. In a sandbox the links to the file need not exist.
    let path = if sandbox.is_some() {
        path.canonicalize().unwrap_or(path)
    } else {
        path
    };
    let start_timeout =
        Duration::try_from_secs_f64(start_timeout).unwrap_or(Duration::from_secs(10));
    running_loop(py)?;
    // The look-up of the user can wait for another machine.
    let package = if sandbox.is_some() {
        py.detach(|| match &module {
            None => package_of(&path),
            Some((Some(_), _)) => packages_of(&path),
            Some((None, folder)) => packages_above(Path::new(folder)),
        })
    } else {
        Vec::new()
    };
    let library = library
        .map(|(file, _)| {
            py.detach(|| library::load(&file))
                .map_err(|reason| errors::no_library(&label, &file, &reason))
        })
        .transpose()?;
    let addon = LoadedAddon::new(AddonConfig {
        label: label.as_str().into(),
        path: path.clone(),
        loads: match module {
            None => Loads::Addon,
            Some((Some(name), folder)) => Loads::Module { name, folder },
            Some((None, folder)) => Loads::Nothing { folder },
        },
        public,
        limits: Limits::of_values(max_values),
        opening,
        on_start,
        // A value beyond a duration means no limit.
        timeout: timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        start_timeout,
        policy,
        nested_threads,
        sandbox: sandbox.as_ref().map(|sandbox| sandbox.clone().unbind()),
        package: package.clone(),
        // A record has the bytes of arguments, and not where they lie.
        process_memory: library
            .as_ref()
            .filter(|_| record.is_none())
            .map(|it| Arc::clone(it.memory())),
        is_recorded: record.is_some(),
        owner: is_caller.then(|| std::thread::current().id()),
        profile,
        unsolicited_cpu,
    });
    let object = Addon {
        addon: Arc::clone(&addon),
    };
    let object = if is_module {
        let module = PyClassInitializer::from(object).add_subclass(Module);
        Bound::new(py, module)?.into_super()
    } else {
        Bound::new(py, object)?
    };
    let events = Arc::new(Worker::of(&addon));
    let confinement = sandbox
        .map(|sandbox| confinement(&sandbox, &package))
        .transpose()?;
    let mut options = HostConfig::new(binary, path, events);
    options.caller = addon.config.owner;
    options.library = library.map(|library| library as Arc<dyn SessionLibrary>);
    options.label = label;
    options.env = env;
    options.address = address;
    options.confinement = confinement;
    options.limits = addon.config.limits;
    options.carrier = match carrier {
        "lanes" => Carrier::Lanes,
        "socket" => Carrier::Socket,
        _ => Carrier::Auto,
    };
    options.restart = restart_mode(restart);
    options.start_timeout = start_timeout;
    options.nested_threads = nested_threads;
    options.debug = debug;
    options.core_file = core_file;
    options.shares_memory = record.is_none();
    options.record = record.map(record_options);
    options.profile = profile.is_some();
    options.log = output::level_of_host(log);
    addon.connect(options, object.as_any())?;
    lifecycle::register(&addon);
    if let Err(error) = addon.running(py) {
        // It is this thread that loads it.
        addon.close(py)?;
        return Err(error);
    }
    addon.set_opened();
    Ok(object)
}

/// What `_restart.native` returns.
fn restart_mode(restart: (u32, f64, f64)) -> RestartMode {
    let seconds = |seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    match restart {
        (0, ..) => RestartMode::Never,
        (u32::MAX, ..) => RestartMode::OnCrash,
        (max, window, backoff) => RestartMode::Limited {
            max,
            window: seconds(window),
            backoff: seconds(backoff),
        },
    }
}

/// What `_recording.native` returns.
fn record_options((path, limit, files, values): (PathBuf, u64, u32, bool)) -> RecordOptions {
    RecordOptions {
        path,
        limit,
        files,
        values,
    }
}

/// Returns the version of the package in a folder; None if its manifest says none.
#[pyfunction]
#[pyo3(signature = (folder, /))]
fn _package_version(py: Python<'_>, folder: PathBuf) -> Option<String> {
    py.detach(move || version_of(&folder))
}

/// Returns the folders of the package with this manifest and of all packages that it depends on.
#[pyfunction]
#[pyo3(signature = (manifest, /))]
fn _package_folders(py: Python<'_>, manifest: PathBuf) -> Vec<PathBuf> {
    let mut found = py.detach(move || packages_of(&manifest));
    found.retain(|folder| folder.is_dir());
    found
}

/// Whether an addon was closed.
#[pyfunction]
#[pyo3(signature = (addon, /))]
fn _is_closed(addon: &Bound<'_, Addon>) -> bool {
    addon.get().addon.is_closed()
}

/// Removes the stored cache folders of confined addons.
///
/// Running processes keep their own copies. docs/sandbox.md, "The cache", says what is stored. Raises
/// `OSError` if an entry could not be removed.
#[pyfunction]
fn clear_cache(py: Python<'_>) -> PyResult<()> {
    py.detach(hostd_client::clear_cache)?;
    Ok(())
}

/// Returns the process of an addon, with its pid, generation, statistics, restart and close. It may be
/// a reference to one, which another process pickled.
#[pyfunction]
#[pyo3(signature = (addon, /))]
fn host(addon: &Bound<'_, PyAny>) -> PyResult<Host> {
    if let Ok(addon) = addon.cast::<Addon>() {
        let addon = Arc::clone(&addon.get().addon);
        return Ok(Host { addon });
    }
    let find = fallible::import(addon.py(), "napi_python._references", "addon_of")?;
    let found = call(&find, (addon,))?;
    let addon = Arc::clone(&found.cast::<Addon>()?.get().addon);
    Ok(Host { addon })
}

/// Returns `new function(...args)`, for functions that act as constructors.
#[pyfunction]
#[pyo3(signature = (function, /, *args, **kwargs))]
fn construct<'py>(
    function: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = function.py();
    let reference = if let Ok(function) = function.cast::<JSFunction>() {
        function.get().reference(py)?
    } else if let Ok(class) = function.cast::<JSClass>() {
        class.get().reference()
    } else if let Ok(addon) = function.cast::<Addon>() {
        Reference::Exports(&addon.get().addon)
    } else {
        return Err(errors::raised::<PyTypeError>(format!(
            "construct takes a JavaScript function or class, not {}",
            function.get_type().name()?
        )));
    };
    reference.construct(py, None, (args, kwargs))
}

/// Makes a JavaScript object in the host from plain data.
///
/// Passed to the addon it is the same object every time, unlike a dict, which is copied.
#[pyfunction]
#[pyo3(signature = (addon, value = None, /))]
fn new_object<'py>(
    addon: &Bound<'py, Addon>,
    value: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let (py, addon) = (addon.py(), &addon.get().addon);
    let value = match value {
        Some(value) => value,
        None => fallible::dict(py)?.into_any(),
    };
    addon.request(py, calls::NewObject, Request::to(None), &(&value,))
}

/// Runs JavaScript in the host of a proxy.
#[pyfunction]
#[pyo3(signature = (proxy, source, /))]
fn _run_beside<'py>(
    proxy: &Bound<'py, PyAny>,
    source: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyAny>> {
    let Some(reference) = reference_of(proxy)? else {
        return Err(errors::raised::<PyTypeError>(
            "an object of a host is needed",
        ));
    };
    let request = Request::to(reference.home());
    reference
        .addon()
        .request(proxy.py(), calls::RunScript, request, &(source.as_any(),))
}

/// The interpreter ends: closes every host.
#[pyfunction]
fn _shutdown(py: Python<'_>) {
    threads::begin_end();
    // One deadline for all addons and steps.
    let end = Instant::now() + SHUTDOWN_GRACE + output::DRAIN_TIMEOUT;
    lifecycle::close_all(py, end);
    output::drain(py, output::DRAIN_TIMEOUT);
    output::end();
    hostd_client::end_polling();
    threads::join(py, end);
}

/// In a forked child: the hosts belong to the parent, and the next call of an addon starts one.
#[pyfunction]
fn _after_fork() {
    hostd_client::forked();
    threads::forked();
    for addon in lifecycle::registered() {
        addon.background.turns.forget();
        addon.leave_generations();
    }
}
