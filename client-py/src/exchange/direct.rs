//! Calls with scalars and callables of an addon that runs on this thread: they take no frame.

use std::sync::Arc;

use hostd_protocol::calls::{CallKind, ReplyOf, TypedCall};
use hostd_protocol::direct::{
    DIRECT_ARGUMENTS_MAX, DirectArgument, DirectCall, DirectCallback, DirectName, DirectReleases,
    DirectRequest, DirectState, DirectTarget,
};
use hostd_protocol::frame::Header;
use hostd_protocol::ids::SlotId;
use hostd_protocol::parts::Part;
use hostd_protocol::profile::HostTimes;
use hostd_protocol::value::ClientKind;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::buffers::ExchangeBuffers;
use super::in_place::{Called, scalar, value};
use super::spec::Request;
use super::suspended::{self, OpenConversation};
use crate::addon::LoadedAddon;
use crate::adopt::adopt_running;
use crate::convert::{CallArguments, ClientSide, Decoder, callable_form};
use crate::errors;
use crate::generation::{HostGeneration, LentObject};
use crate::profile::{Activity, Measure};
use crate::proxy::Reference;
use crate::wait::CallWait;

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
        if self.background.owner.is_none() || self.config.is_recorded {
            return Ok(None);
        }
        let profiler = self.profiler.as_deref();
        let measure = profiler.map(|profiler| profiler.begin(C::KIND, name));
        let measured = measure.as_ref();
        let mut call = new_call(measured.map_or(0, Measure::weight));
        let Some(has_callables) = pass(arguments, &mut call.request) else {
            return Ok(None);
        };
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
        call.request.target = target;
        let Ok(Some(mut lane)) = generation.host.conversation(&mut wait) else {
            return Ok(None);
        };
        let mut lent = LentArguments::default();
        if has_callables
            && let Some((arguments, _)) = arguments
            && !lent.lend(&generation, arguments, &mut call.request.arguments)
        {
            drop(lane);
            lent.take_back(py, &generation);
            return Ok(None);
        }
        let mut callback = DirectCallback::default();
        let switch = |activity| measured.into_iter().for_each(|it| it.switch(activity));
        switch(Activity::Waiting);
        let made = lane.call_directly(&mut call, &mut callback);
        if made.is_err() || call.state == DirectState::Untaken {
            drop(lane);
            lent.take_back(py, &generation);
            return Ok(None);
        }
        if call.state == DirectState::Taken {
            if let Some(name) = name {
                lane.set_export(Arc::clone(name));
            }
            switch(Activity::Marshalling);
            let request = Request {
                export: name,
                measure: measured,
                ..Request::to(home)
            };
            let open = OpenConversation { lane, deadline };
            let mut buffers = ExchangeBuffers::take(&self.config.limits);
            buffers.objects.sent.extend(lent.ids());
            buffers.callback = callback;
            let made = (open, &generation);
            let reply = self.await_direct::<C>(py, made, &mut call, request, &mut buffers);
            buffers.give();
            if let Some(result) = reply.transpose() {
                if let Some(measure) = measure {
                    measure.end(result.is_err());
                }
                return result.map(Some);
            }
        } else {
            // What is released may run Python code, which may call.
            drop(lane);
        }
        let DirectState::Answered(result) = call.state else {
            return Ok(None);
        };
        if let Some(measure) = measured {
            measure.answered_in_place(call.times);
        }
        for release in call.releases.into_iter().flatten() {
            let gone = generation.released(release).map_err(errors::protocol)?;
            LentObject::release_all(py, gone);
        }
        let reply = replied(value(py, result)?);
        if let Some(measure) = measure {
            measure.end(false);
        }
        Ok(Some(reply))
    }

    /// Serves the callbacks of a direct call until it is answered in place, or by a frame that is read.
    #[inline(never)]
    fn await_direct<'py, C: TypedCall>(
        self: &Arc<Self>,
        py: Python<'py>,
        (open, generation): (OpenConversation, &Arc<HostGeneration>),
        made: &mut DirectCall,
        request: Request<'_>,
        buffers: &mut ExchangeBuffers,
    ) -> PyResult<Option<ReplyOf<C, ClientSide<'py>>>> {
        buffers.objects.deadline = open.deadline;
        let mut open = Some(open);
        let call = (made.request.target.kind(), request);
        let served = self.serve_direct(py, (&mut open, generation), made, call, buffers);
        drop(open);
        let Some(sent) = served.transpose() else {
            return Ok(None);
        };
        let sent = sent.map(|header| (Arc::clone(generation), header));
        let mut read = |decoder: &mut Decoder<'_, 'py>| C::Reply::read(decoder);
        self.conclude(py, call, sent, buffers, &mut read).map(Some)
    }

    /// Serves the callbacks of a direct call until it is answered in place, or by a frame whose header is
    /// returned.
    #[inline(never)]
    fn serve_direct(
        self: &Arc<Self>,
        py: Python<'_>,
        (open, generation): (&mut Option<OpenConversation>, &Arc<HostGeneration>),
        call: &mut DirectCall,
        (kind, request): (CallKind, Request<'_>),
        buffers: &mut ExchangeBuffers,
    ) -> PyResult<Option<Header>> {
        while buffers.callback.is_asked() {
            match self.serve_in_place(py, open, generation, request, &mut buffers.callback)? {
                Called::InPlace => {
                    let Some(busy) = open else {
                        return Err(errors::lost_lane(self.label()));
                    };
                    request.switch(Activity::Waiting);
                    let made = busy.lane.call_directly(call, &mut buffers.callback);
                    request.switch(Activity::Marshalling);
                    if let Err(error) = made {
                        let wait = CallWait::attached(&self.config, busy.deadline);
                        return Err(self.client_error(error, wait, request.export()));
                    }
                    if call.state != DirectState::Taken {
                        return Ok(None);
                    }
                }
                Called::ByFrame(replied) => {
                    let (served, asked) = ((&mut *open, generation), (kind, request));
                    let incoming = self.finish_callback(py, served, *replied, asked, buffers)?;
                    let served = (open, generation);
                    return self
                        .serve_until_reply(py, served, incoming, asked, buffers)
                        .map(Some);
                }
            }
        }
        let served = (open, generation);
        self.await_reply(py, served, (kind, request), buffers)
            .map(Some)
    }
}

/// A call that is not complete.
#[inline]
fn new_call(weight: u32) -> DirectCall {
    DirectCall {
        request: DirectRequest {
            lane: 0,
            count: 0,
            call: 0,
            weight,
            target: DirectTarget::Function(0, 0),
            arguments: [DirectArgument::Undefined; DIRECT_ARGUMENTS_MAX],
        },
        state: DirectState::Untaken,
        releases: DirectReleases::default(),
        times: HostTimes::default(),
    }
}

/// Puts arguments into a request; callables have no id yet. Whether there are callables, None if an argument
/// takes a frame.
#[inline]
fn pass(arguments: Option<CallArguments<'_, '_>>, request: &mut DirectRequest) -> Option<bool> {
    let mut has_callables = false;
    let Some((arguments, keywords)) = arguments else {
        return Some(has_callables);
    };
    if keywords.is_some() || arguments.len() > DIRECT_ARGUMENTS_MAX {
        return None;
    }
    for (place, argument) in request.arguments.iter_mut().zip(arguments.iter_borrowed()) {
        *place = if let Some(scalar) = scalar(&argument) {
            scalar.into()
        } else {
            has_callables = true;
            DirectArgument::Callable(0, callable_form(&argument)?.code())
        };
        request.count += 1;
    }
    Some(has_callables)
}

/// The callables among the arguments of a direct call, by the ids by which they are lent.
#[derive(Default)]
struct LentArguments {
    ids: [Option<SlotId>; DIRECT_ARGUMENTS_MAX],
}

impl LentArguments {
    /// Lends the callables. False if that fails; those before it are lent.
    fn lend(
        &mut self,
        generation: &HostGeneration,
        arguments: &Bound<'_, PyTuple>,
        values: &mut [DirectArgument; DIRECT_ARGUMENTS_MAX],
    ) -> bool {
        let places = values.iter_mut().zip(&mut self.ids);
        places
            .zip(arguments.iter_borrowed())
            .all(|((value, id), argument)| {
                let DirectArgument::Callable(lent, _) = value else {
                    return true;
                };
                let Ok(lending) = generation.lend(&argument, ClientKind::Callable) else {
                    return false;
                };
                *lent = lending.id.get();
                *id = Some(lending.id);
                true
            })
    }

    fn ids(&self) -> impl Iterator<Item = SlotId> {
        self.ids.into_iter().flatten()
    }

    /// Uncounts them: the call was not made.
    #[cold]
    fn take_back(&self, py: Python<'_>, generation: &HostGeneration) {
        let gone = self.ids().filter_map(|id| generation.unsend(id));
        LentObject::release_all(py, gone);
    }
}
