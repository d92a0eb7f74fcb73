//! What an asyncio loop calls when a turn is due.

use std::os::fd::AsRawFd;
use std::sync::Weak;

use pyo3::intern;
use pyo3::prelude::*;

use crate::addon::LoadedAddon;
use crate::adopt::{LoopTurn, TurnReader};
use crate::call::call;
use crate::turn;
use crate::turns::running_loop;

#[pymethods]
impl TurnReader {
    #[pyo3(signature = (by_pipe = false))]
    fn __call__(&self, py: Python<'_>, by_pipe: bool) -> PyResult<()> {
        if by_pipe {
            // After a retirement the pipe is another loop's, and the signal is set as well. The
            // thread that took the byte out takes the turn, since no other one learns of it.
            let watch = self.pipe.as_ref().filter(|_| !self.signal.is_retired());
            if !watch.is_some_and(|watch| watch.pipe.take()) {
                return Ok(());
            }
        } else {
            self.signal.clear();
            if self.signal.is_retired() {
                return self.unregister(py);
            }
        }
        give(py, &self.addon)
    }
}

impl TurnReader {
    fn unregister(&self, py: Python<'_>) -> PyResult<()> {
        if let Some(event_loop) = running_loop(py)? {
            let remove_reader = event_loop.getattr(intern!(py, "remove_reader"))?;
            call(&remove_reader, (self.signal.descriptor(),))?;
            if let Some(watch) = &self.pipe {
                call(&remove_reader, (watch.descriptor.as_raw_fd(),))?;
            }
        }
        Ok(())
    }
}

#[pymethods]
impl LoopTurn {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        give(py, &self.0)
    }
}

fn give(py: Python<'_>, addon: &Weak<LoadedAddon>) -> PyResult<()> {
    match addon.upgrade() {
        Some(addon) => turn::give_from_loop(&addon, py),
        None => Ok(()),
    }
}
