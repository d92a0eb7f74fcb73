//! The floor of the benchmark: what a call costs at least. A lane of an in-process carrier is
//! leased, sixteen bytes are sent, and their echo is waited for without the interpreter.

use std::sync::Mutex;

use hostd_protocol::carrier::lane::{self, Segment};
use hostd_protocol::carrier::{ClientEnd, HostEnd, Patient, Wake};
use hostd_protocol::frame::{FrameBuilder, FrameKind};
use hostd_protocol::ids::{CallId, Generation, LaneIndex};
use hostd_protocol::limits::Limits;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::quiet;

/// A thread that echoes frames, and a lane to it.
#[pyclass(frozen, name = "Floor", module = "napi_python._native")]
#[derive(Debug)]
pub(crate) struct Floor {
    end: ClientEnd,
    state: Mutex<(Option<LaneIndex>, FrameBuilder, Vec<u8>)>,
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.end.disconnect();
    }
}

fn failed(error: impl std::fmt::Display) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}

#[pymethods]
impl Floor {
    #[new]
    fn new() -> PyResult<Self> {
        let (ours, fd) = Segment::create().map_err(failed)?;
        let theirs = Segment::open(fd).map_err(failed)?;
        quiet::start("napi-python-floor", move || {
            echo(lane::host(theirs, Generation(1), Limits::DEFAULT));
        })
        .map_err(failed)?;
        Ok(Self {
            end: lane::client(ours, Generation(1), Limits::DEFAULT),
            state: Mutex::new((None, FrameBuilder::new(Limits::DEFAULT), Vec::new())),
        })
    }

    /// One round trip.
    fn call(&self, py: Python<'_>) -> PyResult<()> {
        let mut state = self.state.lock().map_err(failed)?;
        let (hint, builder, body) = &mut *state;
        py.detach(|| {
            let mut lane = self.end.lease(*hint, &mut Patient)?;
            *hint = Some(lane.index());
            builder.start(FrameKind::Request, 1);
            lane.send(builder.finish(CallId(1), Generation(1))?, &mut Patient)?;
            lane.receive(body, &mut Patient).map(drop)
        })
        .map_err(failed)
    }

    /// Ends the thread.
    fn close(&self) {
        self.end.disconnect();
    }
}

fn echo(mut host: HostEnd) {
    let mut body = Vec::new();
    let mut builder = FrameBuilder::new(Limits::DEFAULT);
    while let Ok(wake) = host.wait(None) {
        let Wake::Lane(lane) = wake else { continue };
        if host.receive(lane, &mut body).is_err() {
            return;
        }
        builder.start(FrameKind::Reply, 1);
        let Ok(frame) = builder.finish(CallId(1), Generation(1)) else {
            return;
        };
        if host.send(lane, frame).is_err() {
            return;
        }
    }
}
