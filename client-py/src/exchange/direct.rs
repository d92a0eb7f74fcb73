//! Calls with scalars of an addon that runs on this thread: they take no frame.

use std::sync::Arc;

use hostd_protocol::calls::{self, CallKind, TypedCall};
use hostd_protocol::ids::SlotId;
use hostd_protocol::in_process::{
    DIRECT_ARGUMENTS_MAX, DirectCall, DirectRequest, DirectState, Scalar,
};
use hostd_protocol::parts::Part;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyNone};

use super::buffers::ExchangeBuffers;
use super::spec::Request;
use super::suspended::{self, OpenConversation};
use crate::addon::LoadedAddon;
use crate::adopt::adopt_running;
use crate::convert::{CallArguments, Decoder, number};
use crate::proxy::Reference;
use crate::wait::CallWait;

/// Larger ones become values of type `BigInt`.
const EXACT_MAX: i64 = (1 << 53) - 1;

/// What an argument becomes in JavaScript, if that is passed in place.
#[inline]
fn scalar(value: &Bound<'_, PyAny>) -> Option<Scalar> {
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

impl LoadedAddon {
    /// Makes a call in place; None if it takes a frame.
    #[inline]
    pub(crate) fn call_directly<'py>(
        self: &Arc<Self>,
        py: Python<'py>,
        function: Reference<'_>,
        name: Option<&Arc<str>>,
        this: Option<Reference<'_>>,
        (arguments, keywords): CallArguments<'_, 'py>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        if self.background.owner.is_none() {
            return Ok(None);
        }
        if keywords.is_some() || arguments.len() > DIRECT_ARGUMENTS_MAX {
            return Ok(None);
        }
        let mut scalars = [Scalar::Undefined; DIRECT_ARGUMENTS_MAX];
        for (place, argument) in scalars.iter_mut().zip(arguments.iter_borrowed()) {
            let Some(scalar) = scalar(&argument) else {
                return Ok(None);
            };
            *place = scalar;
        }
        adopt_running(self, py)?;
        let Some(generation) = self.current() else {
            return Ok(None);
        };
        if self.is_closed()
            || function
                .home()
                .is_some_and(|home| !Arc::ptr_eq(home, &generation))
            || generation.has_releases()
            || generation.is_unproven()
            || self.denials.is_pending()
            || suspended::generation(self).is_some()
        {
            return Ok(None);
        }
        let deadline = self.deadline(py, None)?;
        let mut wait = CallWait::attached(&self.config, deadline);
        if deadline.is_some() && wait.is_late() {
            return Ok(None);
        }
        let id = |reference: Reference<'_>| {
            let id = reference.id_in(self, &generation);
            id.map_or(0, SlotId::get)
        };
        let (function_id, this_id) = (id(function), this.map(id));
        if function_id == 0 || this_id == Some(0) {
            // The other way says what is wrong.
            return Ok(None);
        }
        let request = DirectRequest {
            lane: 0,
            count: u8::try_from(arguments.len()).unwrap_or(0),
            call: 0,
            function: function_id,
            this: this_id.unwrap_or(0),
            arguments: scalars,
        };
        let mut call = DirectCall {
            request,
            state: DirectState::Untaken,
        };
        let Ok(Some(mut lane)) = generation.host.conversation(&mut wait) else {
            return Ok(None);
        };
        if lane.call_directly(&mut call).is_err() {
            return Ok(None);
        }
        match call.state {
            DirectState::Untaken => Ok(None),
            DirectState::Taken => {
                let mut buffers = ExchangeBuffers::take(&self.config.limits);
                buffers.objects.deadline = deadline;
                let request = Request {
                    export: name,
                    ..Request::to(function.home())
                };
                if let Some(name) = name {
                    lane.set_export(Arc::clone(name));
                }
                let open = OpenConversation { lane, deadline };
                let replied =
                    self.await_reply(py, open, &generation, (request, wait), &mut buffers);
                let replied = replied.map(|header| (Arc::clone(&generation), header));
                let mut read = |decoder: &mut Decoder<'_, 'py>| {
                    <calls::Call as TypedCall>::Reply::read(decoder)
                };
                let call = (CallKind::Call, request);
                let result = self.conclude(py, call, replied, &mut buffers, &mut read);
                buffers.give();
                result.map(Some)
            }
            DirectState::Answered(result) => Ok(Some(match result {
                Scalar::Undefined | Scalar::Null => PyNone::get(py).to_owned().into_any(),
                Scalar::Bool(flag) => PyBool::new(py, flag).to_owned().into_any(),
                Scalar::Number(value) => number(py, value)?,
            })),
        }
    }
}
