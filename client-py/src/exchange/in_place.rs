//! Callbacks that a host of this thread makes in place: with scalars, without a frame.

use std::sync::Arc;

use hostd_protocol::direct::{CallbackState, DirectCallback, Scalar};
use hostd_protocol::ids::SlotId;
use hostd_protocol::value::ClientKind;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyNone, PyTuple};

use super::buffers::ExchangeBuffers;
use super::serve::{self, Replied, Served};
use super::spec::Request;
use super::suspended::{self, OpenConversation};
use crate::addon::LoadedAddon;
use crate::blocked::InCallback;
use crate::call::call;
use crate::convert::number;
use crate::errors;
use crate::fallible;
use crate::generation::HostGeneration;
use crate::profile::Activity;
use crate::wait::CallWait;

/// Larger ones become values of type `BigInt`.
const EXACT_MAX: i64 = (1 << 53) - 1;

/// What a value becomes in JavaScript, if that is passed in place.
#[inline]
pub(super) fn scalar(value: &Bound<'_, PyAny>) -> Option<Scalar> {
    if value.is_exact_instance_of::<PyInt>() {
        let number: i64 = value.extract().ok()?;
        #[expect(clippy::cast_precision_loss, reason = "it is exact below 2^53")]
        return (number.abs() <= EXACT_MAX).then_some(Scalar::Number(number as f64));
    }
    if let Ok(number) = value.cast_exact::<PyFloat>() {
        return Some(Scalar::Number(number.value()));
    }
    if let Ok(flag) = value.cast_exact::<PyBool>() {
        return Some(Scalar::Bool(flag.is_true()));
    }
    value.is_none().then_some(Scalar::Null)
}

/// The value of a scalar.
#[inline]
pub(super) fn value(py: Python<'_>, scalar: Scalar) -> PyResult<Bound<'_, PyAny>> {
    Ok(match scalar {
        Scalar::Undefined | Scalar::Null => PyNone::get(py).to_owned().into_any(),
        Scalar::Bool(flag) => PyBool::new(py, flag).to_owned().into_any(),
        Scalar::Number(value) => number(py, value)?,
    })
}

/// What became of a callback.
pub(super) enum Called<'a> {
    /// The host is to go on with what is in the callback.
    InPlace,
    /// A frame is to reply.
    ByFrame(Box<Replied<'a>>),
}

impl LoadedAddon {
    /// Runs a callback that the host makes in place.
    #[inline(never)]
    pub(super) fn serve_in_place<'a>(
        self: &'a Arc<Self>,
        py: Python<'_>,
        open: &mut Option<OpenConversation>,
        generation: &Arc<HostGeneration>,
        request: Request<'_>,
        callback: &mut DirectCallback,
    ) -> PyResult<Called<'a>> {
        let Some(mut busy) = open.take() else {
            return Err(errors::lost_lane(self.label()));
        };
        let target = SlotId::new(callback.target).and_then(|id| generation.lent(py, id));
        let Some(target) = target.filter(|target| target.kind == ClientKind::Callable) else {
            // A frame gets the error.
            busy.lane.refuse_in_place(callback);
            *open = Some(busy);
            return Ok(Called::InPlace);
        };
        let deadline = busy.deadline;
        suspended::suspend(self, generation, busy);
        let in_callback = InCallback::enter(py, &self.config);
        let target = target.object.into_bound(py);
        request.switch(Activity::Callback);
        let called = arguments(py, callback).and_then(|arguments| call(&target, arguments));
        request.switch(Activity::Marshalling);
        let outcome = match called.as_ref().ok().and_then(scalar) {
            Some(answer) => Ok(answer),
            // What is converted may need nested requests.
            None => Err(self.reply_by_frame(py, generation, called)),
        };
        drop(in_callback);
        request.served.into_iter().for_each(|it| it.set(true));
        *open = suspended::resume();
        let mut wait = CallWait::attached(&self.config, deadline);
        let is_over = wait.is_over(py);
        if let (Ok(answer), Some(resumed)) = (&outcome, open)
            && !is_over
            && !resumed.lane.is_over()
            && resumed.lane.answer_in_place(callback, *answer)
        {
            return Ok(Called::InPlace);
        }
        callback.state = CallbackState::Deferred;
        let (served, reply) = outcome.map_or_else(
            |reply| reply,
            |answer| self.reply_by_frame(py, generation, value(py, answer)),
        );
        Ok(Called::ByFrame(Box::new(Replied {
            served,
            reply,
            wait,
        })))
    }

    fn reply_by_frame(
        self: &Arc<Self>,
        py: Python<'_>,
        generation: &Arc<HostGeneration>,
        called: PyResult<Bound<'_, PyAny>>,
    ) -> (PyResult<Served>, Box<ExchangeBuffers>) {
        let mut reply = ExchangeBuffers::take(&self.config.limits);
        let served = serve::reply_to_callback(py, self, generation, called, &mut reply);
        (served, reply)
    }
}

fn arguments<'py>(py: Python<'py>, callback: &DirectCallback) -> PyResult<Bound<'py, PyTuple>> {
    let scalars = &callback.arguments;
    let at = |place: usize| value(py, scalars[place]);
    match callback.count {
        0 => Ok(PyTuple::empty(py)),
        1 => fallible::tuple_of(py, [at(0)?]),
        2 => fallible::tuple_of(py, [at(0)?, at(1)?]),
        3 => fallible::tuple_of(py, [at(0)?, at(1)?, at(2)?]),
        _ => fallible::tuple_of(py, [at(0)?, at(1)?, at(2)?, at(3)?]),
    }
}
