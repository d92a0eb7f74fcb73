//! Calls with scalars of an addon that runs on this thread: they take no frame.

use std::sync::Arc;

use hostd_protocol::calls::{ReplyOf, TypedCall};
use hostd_protocol::ids::SlotId;
use hostd_protocol::in_process::{
    DIRECT_ARGUMENTS_MAX, DirectCall, DirectName, DirectRequest, DirectState, DirectTarget, Scalar,
};
use hostd_protocol::parts::Part;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyNone};

use super::buffers::ExchangeBuffers;
use super::spec::Request;
use super::suspended::{self, OpenConversation};
use crate::addon::LoadedAddon;
use crate::adopt::adopt_running;
use crate::convert::{CallArguments, ClientSide, Decoder, number};
use crate::generation::HostGeneration;
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

/// What a call in place does, and with which objects.
#[derive(Clone, Copy)]
pub(crate) enum Operation<'a> {
    /// Calls a function with a `this`.
    Call(Reference<'a>, Option<Reference<'a>>),
    /// Calls a method of an object.
    CallMethod(Reference<'a>, &'a str),
    /// Reads a property of an object.
    Get(Reference<'a>, &'a str),
}

impl<'a> Operation<'a> {
    /// The object that the call is about.
    fn subject(self) -> Reference<'a> {
        match self {
            Self::Call(subject, _) | Self::CallMethod(subject, _) | Self::Get(subject, _) => {
                subject
            }
        }
    }

    /// What the session is asked for. None if a name is too long, or an object is not there: a frame then
    /// says what is wrong.
    fn target(
        self,
        addon: &Arc<LoadedAddon>,
        generation: &Arc<HostGeneration>,
    ) -> Option<DirectTarget> {
        let id = |reference: Reference<'_>| {
            let id = reference.id_in(addon, generation);
            id.ok().map(SlotId::get)
        };
        Some(match self {
            Self::Call(function, None) => DirectTarget::Function(id(function)?, 0),
            Self::Call(function, Some(this)) => DirectTarget::Function(id(function)?, id(this)?),
            Self::CallMethod(object, name) => {
                DirectTarget::Method(id(object)?, DirectName::new(name)?)
            }
            Self::Get(object, name) => DirectTarget::Property(id(object)?, DirectName::new(name)?),
        })
    }
}

impl LoadedAddon {
    /// Makes a call in place, with arguments that are all scalars; None if it takes a frame. `replied` makes
    /// of a scalar what a reply has.
    #[inline]
    pub(crate) fn call_directly<'py, C: TypedCall>(
        self: &Arc<Self>,
        py: Python<'py>,
        operation: Operation<'_>,
        name: Option<&Arc<str>>,
        arguments: Option<CallArguments<'_, 'py>>,
        replied: impl FnOnce(Bound<'py, PyAny>) -> ReplyOf<C, ClientSide<'py>>,
    ) -> PyResult<Option<ReplyOf<C, ClientSide<'py>>>> {
        if self.background.owner.is_none() {
            return Ok(None);
        }
        let mut scalars = [Scalar::Undefined; DIRECT_ARGUMENTS_MAX];
        let mut count = 0;
        if let Some((arguments, keywords)) = arguments {
            if keywords.is_some() || arguments.len() > DIRECT_ARGUMENTS_MAX {
                return Ok(None);
            }
            for (place, argument) in scalars.iter_mut().zip(arguments.iter_borrowed()) {
                let Some(scalar) = scalar(&argument) else {
                    return Ok(None);
                };
                *place = scalar;
                count += 1;
            }
        }
        adopt_running(self, py)?;
        let Some(generation) = self.current() else {
            return Ok(None);
        };
        let home = operation.subject().home();
        if self.is_closed()
            || home.is_some_and(|home| !Arc::ptr_eq(home, &generation))
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
        let Some(target) = operation.target(self, &generation) else {
            return Ok(None);
        };
        let kind = target.kind();
        let mut call = DirectCall {
            request: DirectRequest {
                lane: 0,
                count,
                call: 0,
                target,
                arguments: scalars,
            },
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
                    ..Request::to(home)
                };
                if let Some(name) = name {
                    lane.set_export(Arc::clone(name));
                }
                let open = OpenConversation { lane, deadline };
                let sent = self.await_reply(py, open, &generation, (request, wait), &mut buffers);
                let sent = sent.map(|header| (Arc::clone(&generation), header));
                let mut read = |decoder: &mut Decoder<'_, 'py>| C::Reply::read(decoder);
                let call = (kind, request);
                let result = self.conclude(py, call, sent, &mut buffers, &mut read);
                buffers.give();
                result.map(Some)
            }
            DirectState::Answered(result) => Ok(Some(replied(match result {
                Scalar::Undefined | Scalar::Null => PyNone::get(py).to_owned().into_any(),
                Scalar::Bool(flag) => PyBool::new(py, flag).to_owned().into_any(),
                Scalar::Number(value) => number(py, value)?,
            }))),
        }
    }
}
