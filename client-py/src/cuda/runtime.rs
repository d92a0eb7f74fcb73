//! The driver of this process: loaded at the first use, with the contexts of its devices, the buffers
//! that are kept for reuse, and the errors for its answers.
//!
//! The state of a driver is not valid in a forked child. There it is not touched: no call is made, and
//! no lock is taken, which another thread of the parent may have held.

use std::collections::HashMap;
use std::env;
use std::ffi::OsString;
use std::process;
use std::sync::{Mutex, OnceLock};

use hostd_client::lock;
use pyo3::prelude::*;

use crate::errors;
use crate::fallible;
use crate::foreign::driver::{
    Allocation, CurrentContext, Driver, DriverStatus, INVALID_DEVICE, LibraryError, PrimaryContext,
};

/// The variable that names another library than that of the system.
const LIBRARY_VARIABLE: &str = "NAPI_PYTHON_CUDA_DRIVER";
const SYSTEM_LIBRARY: &str = "libcuda.so.1";

/// The driver, initialized.
pub(super) struct Runtime {
    driver: Driver,
    /// The process that initialized it.
    pid: u32,
    contexts: Vec<OnceLock<PrimaryContext>>,
    idle: Mutex<HashMap<Kind, Idle>>,
}

/// What buffers have in common that can stand for each other: device and size in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    pub(super) device: i32,
    pub(super) size: u64,
}

/// Allocations that are not in use.
struct Idle {
    /// It has room for `max`.
    allocations: Vec<Allocation>,
    max: usize,
}

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// The driver of this process, initialized if it was not.
pub(super) fn runtime(py: Python<'_>) -> PyResult<&'static Runtime> {
    let runtime = if let Some(runtime) = RUNTIME.get() {
        runtime
    } else {
        let library = match env::var_os(LIBRARY_VARIABLE) {
            Some(path) if !path.is_empty() => path,
            _ => SYSTEM_LIBRARY.into(),
        };
        let started = py.detach(|| Runtime::start(&library));
        let started = started.map_err(|error| error.raise(&library))?;
        // If another thread was faster, its runtime is used.
        RUNTIME.get_or_init(|| started)
    };
    if runtime.pid != process::id() {
        return Err(forked());
    }
    Ok(runtime)
}

/// The driver, if this process has initialized it.
pub(super) fn usable() -> Option<&'static Runtime> {
    RUNTIME.get().filter(|runtime| runtime.pid == process::id())
}

/// Why there is no driver.
enum StartError {
    Library(LibraryError),
    Init(Box<Driver>, DriverStatus),
}

impl StartError {
    #[cold]
    fn raise(self, library: &OsString) -> PyErr {
        let library = library.display();
        match self {
            Self::Library(LibraryError::NotLoaded(why)) => errors::cuda(
                &format!(
                    "CUDA is not available: {library} cannot be loaded: {why}; install the NVIDIA \
                     driver, or set {LIBRARY_VARIABLE} to its libcuda.so"
                ),
                None,
                None,
            ),
            Self::Library(LibraryError::Lacks(function, version)) => {
                let version = version.map_or_else(String::new, |version| {
                    format!(" (CUDA {}.{})", version / 1000, version % 1000 / 10)
                });
                errors::cuda(
                    &format!(
                        "CUDA is not available: the driver {library}{version} lacks {function}; \
                         install an NVIDIA driver for CUDA 11.0 or newer"
                    ),
                    None,
                    None,
                )
            }
            Self::Init(driver, status) => {
                raise(&driver, "CUDA is not available", status, ADVICE_OTHER)
            }
        }
    }
}

const ADVICE_OTHER: &str = "the description of this error in CUDA's driver API says more";

/// What to do about some of the driver's errors, by their numbers.
const ADVICE: [(i32, &str); 7] = [
    (
        1,
        "check the sizes and the device, and that the memory was not freed by others",
    ),
    (
        2,
        "release buffers, give back preallocated ones, or ask for fewer bytes",
    ),
    (
        3,
        "CUDA cannot be used in a child that was forked after its parent used CUDA; start processes \
         with the method 'spawn' of multiprocessing",
    ),
    (
        100,
        "check that nvidia-smi lists a GPU, and that CUDA_VISIBLE_DEVICES does not hide it",
    ),
    (
        201,
        "an IPC handle can only be opened in another process than the one that made it",
    ),
    (400, "get a new handle from the process that has the buffer"),
    (
        803,
        "the driver's library and the kernel's module are of different versions: restart the system",
    ),
];

#[cold]
fn raise(driver: &Driver, what: &str, status: DriverStatus, advice: &str) -> PyErr {
    let (name, text) = driver.describe(status);
    let advice = ADVICE
        .iter()
        .find(|(code, _)| *code == status.0)
        .map_or(advice, |(_, advice)| advice);
    let shown = name.as_deref().unwrap_or("an error without a name");
    let text = text.unwrap_or_else(|| format!("error {} of the driver", status.0));
    errors::cuda(
        &format!("{what}: {shown}: {text}; {advice}"),
        name.as_deref(),
        Some(status.0),
    )
}

#[cold]
fn forked() -> PyErr {
    errors::cuda(
        "CUDA cannot be used in this forked child: its state belongs to the parent process; start \
         processes with the method 'spawn' of multiprocessing, and pass buffers by ipc_handle()",
        None,
        None,
    )
}

impl Runtime {
    fn start(library: &OsString) -> Result<Self, StartError> {
        let driver = Driver::load(library).map_err(StartError::Library)?;
        let count = match driver.init() {
            Ok(count) => count,
            Err(status) => return Err(StartError::Init(Box::new(driver), status)),
        };
        Ok(Self {
            driver,
            pid: process::id(),
            contexts: (0..count).map(|_| OnceLock::new()).collect(),
            idle: Mutex::default(),
        })
    }

    /// The context of a device, retained at its first use until the process ends: to make one
    /// anew is slow.
    fn context(&self, device: i32) -> Result<PrimaryContext, DriverStatus> {
        let place = usize::try_from(device).ok();
        let Some(cell) = place.and_then(|place| self.contexts.get(place)) else {
            return match self.driver.retain(device) {
                Ok(context) => {
                    self.driver.release(&context);
                    Err(INVALID_DEVICE)
                }
                Err(status) => Err(status),
            };
        };
        if let Some(context) = cell.get() {
            return Ok(*context);
        }
        let context = self.driver.retain(device)?;
        if cell.set(context).is_err() {
            // Another thread was faster; the driver returned the same context to both.
            self.driver.release(&context);
        }
        Ok(context)
    }

    /// Does something in the context of a device. The caller does not hold the interpreter, since the
    /// driver may wait for the device.
    pub(super) fn within<R>(
        &self,
        device: i32,
        work: impl FnOnce(&CurrentContext<'_>) -> Result<R, DriverStatus>,
    ) -> Result<R, DriverStatus> {
        let context = self.context(device)?;
        work(&self.driver.enter(&context)?)
    }

    /// As [`Self::within`], without the interpreter; `what` says what could not be done.
    pub(super) fn run<R: Send>(
        &self,
        py: Python<'_>,
        device: i32,
        what: impl FnOnce() -> String,
        work: impl FnOnce(&CurrentContext<'_>) -> Result<R, DriverStatus> + Send,
    ) -> PyResult<R> {
        py.detach(|| self.within(device, work))
            .map_err(|status| self.error(&what(), status))
    }

    /// The exception for an answer of the driver.
    #[cold]
    pub(super) fn error(&self, what: &str, status: DriverStatus) -> PyErr {
        if status == INVALID_DEVICE {
            let advice = match self.contexts.len() {
                0 => "the driver has no device".to_owned(),
                1 => "the driver has one device, 0".to_owned(),
                count => format!("the driver has {count} devices, 0 to {}", count - 1),
            };
            return raise(&self.driver, what, status, &advice);
        }
        raise(&self.driver, what, status, ADVICE_OTHER)
    }

    /// Takes an idle allocation.
    pub(super) fn take_idle(&self, kind: Kind) -> Option<Allocation> {
        lock(&self.idle).get_mut(&kind)?.allocations.pop()
    }

    /// How many idle allocations there are.
    pub(super) fn count_idle(&self, kind: Kind) -> usize {
        let idle = lock(&self.idle);
        idle.get(&kind).map_or(0, |idle| idle.allocations.len())
    }

    /// Whether an allocation that is given back would be kept.
    pub(super) fn keeps_another(&self, kind: Kind) -> bool {
        let idle = lock(&self.idle);
        idle.get(&kind)
            .is_some_and(|idle| idle.allocations.len() < idle.max)
    }

    /// Keeps an allocation for reuse, or returns it if there are enough.
    pub(super) fn keep(&self, kind: Kind, allocation: Allocation) -> Result<(), Allocation> {
        let mut lists = lock(&self.idle);
        match lists.get_mut(&kind) {
            Some(idle) if idle.allocations.len() < idle.max => {
                idle.allocations.push(allocation);
                Ok(())
            }
            _ => Err(allocation),
        }
    }

    /// Sets how many idle allocations are kept. Returns those beyond it.
    pub(super) fn set_idle_max(&self, kind: Kind, max: usize) -> PyResult<Vec<Allocation>> {
        let mut lists = lock(&self.idle);
        if max == 0 {
            return Ok(lists
                .remove(&kind)
                .map(|idle| idle.allocations)
                .unwrap_or_default());
        }
        lists.try_reserve(1).map_err(|_| fallible::memory())?;
        let idle = lists.entry(kind).or_insert_with(|| Idle {
            allocations: Vec::new(),
            max: 0,
        });
        let kept = idle.allocations.len().min(max);
        fallible::reserve(&mut idle.allocations, max - kept)?;
        idle.max = max;
        Ok(idle.allocations.split_off(kept))
    }
}
