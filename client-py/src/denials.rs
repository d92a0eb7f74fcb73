//! What the sandbox denied an addon, from the host's frames to `napi_python/_denials.py`.

use std::sync::atomic::{AtomicBool, Ordering};

use hostd_protocol::frame::Denial;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyList};

use crate::call::call;

/// What the hosts of one addon were denied.
pub(crate) struct Denials {
    /// The object in Python, once there is something.
    kept: PyOnceLock<Py<PyAny>>,
    /// Whether something was not told yet.
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

    /// Keeps what a frame reports.
    #[cold]
    pub(crate) fn add(
        &self,
        py: Python<'_>,
        sandbox: &Py<PyAny>,
        denials: &[Denial],
    ) -> PyResult<()> {
        let kept = self.kept.get_or_try_init(py, || {
            let class = py.import("napi_python._denials")?.getattr("Denials")?;
            call(&class, (sandbox,)).map(Bound::unbind)
        })?;
        let bytes = |text: &[u8]| PyBytes::new(py, text);
        let reported = denials.iter().map(|denial| {
            let grants: Vec<_> = denial.grants.iter().map(|path| bytes(path)).collect();
            let subject = bytes(&denial.subject);
            let what = denial.what as u8;
            (what, denial.js_thread, denial.is_guess, subject, grants)
        });
        let reported = PyList::new(py, reported.collect::<Vec<_>>())?;
        call(&kept.bind(py).getattr("add")?, (reported,))?;
        self.pending.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Warns of what no exception told. `is_end` says that nothing will tell it later.
    #[cold]
    pub(crate) fn warn(&self, py: Python<'_>, place: &str, is_end: bool) -> PyResult<()> {
        let Some(kept) = self.kept(py) else {
            return Ok(());
        };
        self.pending.store(false, Ordering::Relaxed);
        let is_left = call(&kept.getattr("warn")?, (place, is_end))?.is_truthy()?;
        if is_left {
            self.pending.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}
