//! What a loop that takes turns watches, and what it calls when that says something.

use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use hostd_client::Cord;
use pyo3::prelude::*;

use super::running_loop;
use crate::call::call;
use crate::owner::{Owner, Shared};

/// A host's cord, as far as one loop is concerned.
#[derive(Debug)]
pub(super) struct Rope {
    pub(super) cord: Arc<Cord>,
    pub(super) descriptor: OwnedFd,
}

impl Rope {
    /// What a loop is to watch beside its bell, if the host has it and descriptors are left.
    pub(super) fn new(cord: Arc<Cord>) -> Option<Self> {
        let descriptor = cord.descriptor().ok()?;
        Some(Self { cord, descriptor })
    }
}

/// Makes a descriptor readable, once until that is answered.
#[derive(Debug)]
pub(super) struct Bell {
    reader: PipeReader,
    writer: PipeWriter,
    rung: AtomicBool,
    retired: AtomicBool,
}

impl Bell {
    pub(super) fn new() -> PyResult<Self> {
        let (reader, writer) = pipe()?;
        Ok(Self {
            reader,
            writer,
            rung: AtomicBool::new(false),
            retired: AtomicBool::new(false),
        })
    }

    pub(super) fn descriptor(&self) -> i32 {
        self.reader.as_raw_fd()
    }

    pub(super) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // One byte at most is in the pipe: this never waits, and both ends live as long.
            let _ = (&self.writer).write(&[1]);
        }
    }

    /// Whoever watches shall stop that.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        self.ring();
    }

    fn answer(&self) {
        if self.rung.swap(false, Ordering::AcqRel) {
            let _ = (&self.reader).read(&mut [0]);
        }
    }
}

/// What the loop calls when it has been rung for. It belongs to the loop alone: once the loop lets
/// go of it, as it does when it is closed, the loop takes no more turns.
#[pyclass(frozen, module = "napi_python")]
#[derive(Debug)]
pub(super) struct TurnReader {
    pub(super) owner: Weak<Shared>,
    pub(super) bell: Arc<Bell>,
    pub(super) rope: Option<Arc<Rope>>,
}

#[pymethods]
impl TurnReader {
    #[pyo3(signature = (by_cord = false))]
    fn __call__(&self, py: Python<'_>, by_cord: bool) -> PyResult<()> {
        let is_retired = || self.bell.retired.load(Ordering::Acquire);
        if by_cord {
            // Of one that is retired the bell rings, too. What is in the cord is another loop's then;
            // whoever took something out of it takes a turn, for nobody else finds it.
            let rope = self.rope.as_ref().filter(|_| !is_retired());
            if !rope.is_some_and(|rope| rope.cord.take()) {
                return Ok(());
            }
        } else {
            self.bell.answer();
            if is_retired() {
                return self.unregister(py);
            }
        }
        take_turn(py, &self.owner)
    }
}

impl TurnReader {
    fn unregister(&self, py: Python<'_>) -> PyResult<()> {
        if let Some(event_loop) = running_loop(py)? {
            let remove_reader = event_loop.getattr("remove_reader")?;
            call(&remove_reader, (self.bell.descriptor(),))?;
            if let Some(rope) = &self.rope {
                call(&remove_reader, (rope.descriptor.as_raw_fd(),))?;
            }
        }
        Ok(())
    }
}

impl Drop for TurnReader {
    fn drop(&mut self) {
        if let Some(owner) = Owner::upgrade(&self.owner) {
            let keeper = owner.turns().take_keeper(Some(&self.bell));
            if keeper.is_some() && owner.turns().overdue().is_some() {
                owner.pass_on();
            }
            drop(keeper);
        }
    }
}

/// A turn of the loop that something else takes in its stead. Knows nothing that the loop is to
/// let go of.
#[pyclass(frozen, module = "napi_python")]
#[derive(Debug)]
pub(super) struct LoopTurn(pub(super) Weak<Shared>);

#[pymethods]
impl LoopTurn {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        take_turn(py, &self.0)
    }
}

fn take_turn(py: Python<'_>, owner: &Weak<Shared>) -> PyResult<()> {
    match Owner::upgrade(owner) {
        Some(owner) => owner.turn_of_loop(py),
        None => Ok(()),
    }
}
