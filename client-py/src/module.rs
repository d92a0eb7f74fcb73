//! The Python module: what `_native.pyi` describes.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hostd_client::{Carrier, HostOptions, RestartMode};
use hostd_protocol::calls::CallKind;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::names::Names;
use crate::output;
use crate::owner::Listener;
use crate::proxy::addon::Host;
use crate::proxy::{Addon, JSClass, JSFunction, Reference};
use crate::quiet;
use crate::request::{self, Ask};
use crate::sandbox::Sandbox;
use crate::session::{self, Session, Settings};
use crate::turns::running_loop;

/// The native part of `napi_python`.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::{_after_fork, _clear_cache, _construct, _host, _new_object, _open, _shutdown};
    #[pymodule_export]
    use crate::buffer::Buffer;
    #[pymodule_export]
    use crate::floor::Floor;
    #[pymodule_export]
    use crate::idle::_deadlines;
    #[pymodule_export]
    use crate::proxy::addon::{Addon, Host};
    #[pymodule_export]
    use crate::proxy::class::JSClass;
    #[pymodule_export]
    use crate::proxy::function::JSFunction;
    #[pymodule_export]
    use crate::proxy::object::{JSIterator, JSObject};
    #[pymodule_export]
    use crate::proxy::opaque::{ErrorHandle, External, Symbol};
    #[pymodule_export]
    use crate::proxy::promise::Promise;
    #[pymodule_export]
    use crate::serve::Settler;

    /// The version of the package, which is that of the workspace.
    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "the name that Python looks for")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}

/// Loads an addon; `napi_python.load_addon` has checked what it was given.
#[pyfunction]
#[pyo3(signature = (path, *, label, binary, public, restart, policy, env, address, carrier, start_timeout, timeout, nested_threads, debug, on_start, sandbox, policy_of_sandbox))]
#[expect(
    clippy::too_many_arguments,
    reason = "keyword arguments, from one place"
)]
fn _open<'py>(
    py: Python<'py>,
    path: PathBuf,
    label: String,
    binary: PathBuf,
    public: bool,
    restart: (u32, f64, f64),
    policy: String,
    env: Option<Vec<(OsString, OsString)>>,
    address: Option<PathBuf>,
    carrier: &str,
    start_timeout: f64,
    timeout: Option<f64>,
    nested_threads: bool,
    debug: bool,
    on_start: Option<Py<PyAny>>,
    sandbox: Option<Sandbox>,
    policy_of_sandbox: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, Addon>> {
    // As Node does; and in a jail the links to it need not exist.
    let path = if sandbox.is_some() {
        path.canonicalize().unwrap_or(path)
    } else {
        path
    };
    let start_timeout =
        Duration::try_from_secs_f64(start_timeout).unwrap_or(Duration::from_secs(10));
    // Looked up before any thread calls: a child forked in the middle of it would wait for ever.
    Names::get(py)?;
    running_loop(py)?;
    let session = Session::new(Settings {
        label: label.clone(),
        path: path.clone(),
        public,
        on_start,
        // What is beyond a duration is no limit.
        timeout: timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        start_timeout,
        policy,
        nested_threads,
        sandbox: policy_of_sandbox,
    });
    let addon = Bound::new(
        py,
        Addon {
            session: Arc::clone(&session),
        },
    )?;
    let events = Arc::new(Listener {
        label: label.clone(),
        owner: session.owner.clone(),
    });
    let own_scratch = sandbox.as_ref().is_some_and(Sandbox::own_scratch);
    let confinement = sandbox.map(|sandbox| sandbox.into_confinement(&path));
    let mut options = HostOptions::new(binary, path, events);
    options.label = label;
    options.env = env;
    options.address = address;
    options.scratch = own_scratch;
    options.confinement = confinement;
    options.limits = session.limits;
    options.carrier = match carrier {
        "lanes" => Carrier::Lanes,
        "socket" => Carrier::Socket,
        _ => Carrier::Auto,
    };
    options.restart = match restart {
        (0, ..) => RestartMode::Never,
        (u32::MAX, ..) => RestartMode::OnCrash,
        (max, window, backoff) => RestartMode::Limited {
            max,
            window: Duration::try_from_secs_f64(window).unwrap_or(Duration::MAX),
            backoff: Duration::try_from_secs_f64(backoff).unwrap_or(Duration::MAX),
        },
    };
    options.start_timeout = start_timeout;
    options.nested_threads = nested_threads;
    options.debug = debug;
    session.connect(options, &addon)?;
    session::register(&session);
    if let Err(error) = session.running_world(py) {
        session.close(py);
        return Err(error);
    }
    session.set_opened();
    Ok(addon)
}

/// Removes what addons stored for later hosts.
#[pyfunction]
fn _clear_cache(py: Python<'_>) -> PyResult<()> {
    py.detach(hostd_client::clear_cache)?;
    Ok(())
}

/// The process of an addon.
#[pyfunction]
fn _host(addon: &Bound<'_, Addon>) -> Host {
    Host {
        session: Arc::clone(&addon.get().session),
    }
}

/// `new function(...args)`
#[pyfunction]
fn _construct<'py>(
    function: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = function.py();
    if let Ok(function) = function.cast::<JSFunction>() {
        return function
            .get()
            .reference(py)?
            .construct(py, None, args, kwargs);
    }
    if let Ok(class) = function.cast::<JSClass>() {
        return class.get().reference().construct(py, None, args, kwargs);
    }
    if let Ok(addon) = function.cast::<Addon>() {
        return Reference::Exports(&addon.get().session).construct(py, None, args, kwargs);
    }
    Err(PyTypeError::new_err(format!(
        "construct takes a JavaScript function or class, not {}",
        function.get_type().name()?
    )))
}

/// An object that lives in the host, made of plain data.
#[pyfunction]
fn _new_object<'py>(
    addon: &Bound<'py, Addon>,
    value: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    addon.get().session.request(
        addon.py(),
        Ask::of(CallKind::NewObject),
        |encoder| encoder.value(value),
        request::value,
    )
}

/// The interpreter ends: closes every host.
#[pyfunction]
fn _shutdown(py: Python<'_>) {
    // One bound for all of it, however many addons there are and wherever it stops.
    let end = Instant::now() + session::GRACE + output::LAST_WORDS;
    session::close_all(py, end);
    output::drain(py, output::LAST_WORDS);
    output::end();
    quiet::join(py, end);
}

/// In a forked child: nothing of the parent's hosts is ours.
#[pyfunction]
fn _after_fork() {
    hostd_client::forked();
    quiet::forked();
    for session in session::registered() {
        session.forked();
    }
}
