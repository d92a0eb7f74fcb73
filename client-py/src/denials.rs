//! What the sandbox denied an addon: read from the host's frames, kept by `napi_python/_denials.py`.

use std::sync::atomic::{AtomicBool, Ordering};

use hostd_protocol::frame::{Denial, Denied};
use pyo3::exceptions::PyBaseException;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::call::call;
use crate::fallible::{self, Arguments};
use crate::names::Names;
use crate::sandbox;

/// The denials of one addon's hosts.
pub(crate) struct Denials {
    /// The Python object that keeps them, once there is a denial.
    kept: PyOnceLock<Py<PyAny>>,
    /// Whether a denial was not reported yet.
    pending: AtomicBool,
}

impl Denials {
    pub(crate) const fn new() -> Self {
        Self {
            kept: PyOnceLock::new(),
            pending: AtomicBool::new(false),
        }
    }

    #[inline]
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Relaxed)
    }

    /// The object that keeps them, if there are any.
    pub(crate) fn kept<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        Some(self.kept.get(py)?.bind(py).clone())
    }

    /// Stores the denials that a frame reports.
    #[cold]
    pub(crate) fn add(
        &self,
        py: Python<'_>,
        confined: &Py<PyAny>,
        denials: &[Denial],
    ) -> PyResult<()> {
        let kept = self.kept.get_or_try_init(py, || {
            let class = Names::get(py)?.denials.bind(py);
            call(class, (sandbox::options(py, confined)?,)).map(Bound::unbind)
        })?;
        let bytes = |text: &[u8]| fallible::bytes(py, text);
        let add = kept.bind(py).getattr(intern!(py, "add"))?;
        let reported = fallible::list(py)?;
        for denial in denials {
            let grants = denial.grants.iter().map(|path| bytes(path));
            let grants = grants.collect::<PyResult<Vec<_>>>()?;
            let (option, subject) = (option(denial.what), bytes(&denial.subject)?);
            let entry = (option, denial.js_thread, denial.is_guess, subject, grants);
            reported.append(entry.tuple(py)?)?;
        }
        call(&add, (reported,))?;
        self.pending.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Undoes that this exception reported denials: it was dropped, and is decoded again later.
    #[cold]
    pub(crate) fn put_back(&self, py: Python<'_>, error: &Py<PyBaseException>) -> PyResult<()> {
        let Some(kept) = self.kept(py) else {
            return Ok(());
        };
        call(&kept.getattr(intern!(py, "put_back"))?, (error,))?;
        self.pending.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Warns of denials that no exception has reported. With `is_end`, none will report them later.
    #[cold]
    pub(crate) fn warn(&self, py: Python<'_>, place: &str, is_end: bool) -> PyResult<()> {
        let Some(kept) = self.kept(py) else {
            return Ok(());
        };
        self.pending.store(false, Ordering::Relaxed);
        let is_left = call(&kept.getattr(intern!(py, "warn"))?, (place, is_end))?.is_truthy()?;
        if is_left {
            self.pending.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// The option of `Sandbox` that allows what was denied.
const fn option(denied: Denied) -> &'static str {
    match denied {
        Denied::Read => "read",
        Denied::Write => "write",
        Denied::Network => "network",
        Denied::LocalSocket => "unix",
        Denied::Program => "subprocess",
        Denied::Watch => "watch",
    }
}
