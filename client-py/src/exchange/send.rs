//! The conversation of an exchange: leases a lane, sends the request, serves callbacks until the
//! reply.

use std::sync::Arc;

use hostd_client::{ClientError, Conversation, Incoming};
use hostd_protocol::calls::CallKind;
use hostd_protocol::carrier::TurnClaim;
use hostd_protocol::frame::{Flags, FrameKind, Header};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;

use super::buffers::ExchangeBuffers;
use super::encode::unsend;
use super::in_place::Called;
use super::serve::{self, Replied, Served};
use super::spec::Request;
use super::suspended::{self, OpenConversation};
use crate::addon::LoadedAddon;
use crate::blocked::InCallback;
use crate::deadline::nearer;
use crate::errors;
use crate::flood;
use crate::generation::HostGeneration;
use crate::profile::Activity;
use crate::turns::TurnCondition;
use crate::wait::CallWait;

pub(super) enum Sent {
    Answered(Header),
    /// Nothing was sent: another host runs than the one that the message was written for.
    Replaced,
    /// Nothing was sent: the JS thread is running something.
    Declined,
}

/// How a request began.
enum Begun {
    Sent(Incoming),
    Replaced,
    Declined,
}

/// Something has come from the host.
#[inline]
fn arrived(request: Request<'_>, incoming: &Incoming, buffers: &ExchangeBuffers) {
    let Some(measure) = request.measure else {
        return;
    };
    match incoming {
        Incoming::Frame(header) => measure.arrived(*header, &buffers.body),
        Incoming::Callback => measure.switch(Activity::Marshalling),
    }
}

impl LoadedAddon {
    /// Sends the frame in `buffers` and serves callbacks until its reply comes. Leaves the
    /// conversation in `open`, leased if there was none, unless it has failed.
    pub(super) fn send(
        self: &Arc<Self>,
        py: Python<'_>,
        open: &mut Option<OpenConversation>,
        generation: &Arc<HostGeneration>,
        (call, request): (CallKind, Request<'_>),
        buffers: &mut ExchangeBuffers,
    ) -> PyResult<Sent> {
        request.switch(Activity::Waiting);
        let client = self.client()?;
        let outer = open.as_ref().and_then(|open| open.deadline);
        let is_turn = request.declined.is_some();
        let deadline = match call {
            // It waits in the host for other calls to end; a deadline must not kill the host for
            // that.
            CallKind::Settle => outer,
            // The code that runs in a turn is not the caller's, and has no deadline of the caller's.
            _ if is_turn => self.own_deadline(),
            // The time of a call with a long message has begun while it was encoded.
            _ => nearer(self.deadline(py, outer)?, buffers.objects.deadline),
        };
        let deadline = nearer(deadline, request.deadline);
        let mut wait = CallWait::attached(&self.config, deadline);
        if deadline.is_some() && wait.is_late() {
            return Err(self.client_error(ClientError::Interrupted, wait, request.export()));
        }
        let mut send = || {
            let open = match &mut *open {
                Some(open) => open,
                none => {
                    let lane = match request.home {
                        None => client.conversation_with(&generation.host, &mut wait)?,
                        Some(_) => generation.host.conversation(&mut wait)?,
                    };
                    let Some(lane) = lane else {
                        return Ok(Begun::Replaced);
                    };
                    none.insert(OpenConversation {
                        lane,
                        deadline: None,
                    })
                }
            };
            if is_turn && !self.announce_turn(&open.lane, request.condition) {
                return Ok(Begun::Declined);
            }
            open.deadline = deadline;
            // The reply of a turn is read to its end.
            buffers.objects.deadline = deadline.filter(|_| !is_turn);
            if let Some(export) = request.export {
                open.lane.set_export(Arc::clone(export));
            }
            if let Some(measure) = request.measure {
                measure.sent(buffers.builder.len());
            }
            open.lane.send_while(&mut buffers.builder, &mut wait)?;
            buffers.releases.clear();
            buffers.objects.was_sent(py);
            open.lane
                .next_or_callback(&mut buffers.body, &mut buffers.callback, &mut wait)
                .map(Begun::Sent)
        };
        let incoming = match send() {
            Ok(Begun::Sent(incoming)) => incoming,
            Ok(Begun::Replaced) => return Ok(Sent::Replaced),
            Ok(Begun::Declined) => return Ok(Sent::Declined),
            Err(error) => {
                let open = (open, generation);
                return Err(self.interrupted(py, open, request, (error, wait), buffers));
            }
        };
        let is_unread =
            matches!(&incoming, Incoming::Frame(header) if header.flags.contains(Flags::UNREAD));
        arrived(request, &incoming, buffers);
        if !buffers.objects.awaitables.is_empty() && !is_unread {
            let awaitables = &mut buffers.objects.awaitables;
            serve::settle_awaitables(py, self, generation, call, awaitables);
        }
        let served = (open, generation);
        self.serve_until_reply(py, served, incoming, (call, request), buffers)
            .map(Sent::Answered)
    }

    /// Serves what the host asks for until its reply comes.
    pub(super) fn serve_until_reply(
        self: &Arc<Self>,
        py: Python<'_>,
        (open, generation): (&mut Option<OpenConversation>, &Arc<HostGeneration>),
        mut incoming: Incoming,
        (call, request): (CallKind, Request<'_>),
        buffers: &mut ExchangeBuffers,
    ) -> PyResult<Header> {
        loop {
            incoming = match incoming {
                Incoming::Frame(header) if header.kind == FrameKind::Request => {
                    let served = (&mut *open, generation);
                    self.serve_one(py, served, header, (call, request), buffers)?
                }
                Incoming::Frame(header) => return Ok(header),
                Incoming::Callback => {
                    let callback = &mut buffers.callback;
                    match self.serve_in_place(py, open, generation, request, callback)? {
                        Called::InPlace => {
                            let waiting = (&mut *open, generation);
                            self.receive(py, waiting, request, buffers)?
                        }
                        Called::ByFrame(replied) => {
                            let (served, asked) = ((&mut *open, generation), (call, request));
                            self.finish_callback(py, served, *replied, asked, buffers)?
                        }
                    }
                }
            }
        }
    }

    /// Waits for what the host does next.
    fn receive(
        self: &Arc<Self>,
        py: Python<'_>,
        (open, generation): (&mut Option<OpenConversation>, &Arc<HostGeneration>),
        request: Request<'_>,
        buffers: &mut ExchangeBuffers,
    ) -> PyResult<Incoming> {
        let Some(busy) = open else {
            return Err(errors::lost_lane(self.label()));
        };
        request.switch(Activity::Waiting);
        let mut wait = CallWait::attached(&self.config, busy.deadline);
        let next = busy
            .lane
            .next_or_callback(&mut buffers.body, &mut buffers.callback, &mut wait);
        let incoming = next.map_err(|error| {
            self.interrupted(py, (open, generation), request, (error, wait), buffers)
        })?;
        arrived(request, &incoming, buffers);
        Ok(incoming)
    }

    /// Serves callbacks until the reply to a call comes that the host has taken without a frame.
    #[cold]
    pub(super) fn await_reply(
        self: &Arc<Self>,
        py: Python<'_>,
        (open, generation): (&mut Option<OpenConversation>, &Arc<HostGeneration>),
        (call, request): (CallKind, Request<'_>),
        buffers: &mut ExchangeBuffers,
    ) -> PyResult<Header> {
        let incoming = self.receive(py, (&mut *open, generation), request, buffers)?;
        let served = (open, generation);
        self.serve_until_reply(py, served, incoming, (call, request), buffers)
    }

    /// Announces a turn, or another request that needs an idle JS thread. Whether it may be sent.
    fn announce_turn(&self, lane: &Conversation, condition: TurnCondition) -> bool {
        if condition == TurnCondition::None {
            return lane.try_take_top();
        }
        match self.background.turns.claim(|| lane.try_take_top()) {
            TurnClaim::Announced => true,
            TurnClaim::Declined => false,
            TurnClaim::Owned => {
                self.background.turns.request_turn();
                false
            }
        }
    }

    /// Serves one request of the host and waits for what it does next.
    fn serve_one(
        self: &Arc<Self>,
        py: Python<'_>,
        (open, generation): (&mut Option<OpenConversation>, &Arc<HostGeneration>),
        header: Header,
        (call, request): (CallKind, Request<'_>),
        buffers: &mut ExchangeBuffers,
    ) -> PyResult<Incoming> {
        let Some(busy) = open.take() else {
            return Err(errors::lost_lane(self.label()));
        };
        let mut reply = ExchangeBuffers::take(&self.config.limits);
        let deadline = busy.deadline;
        suspended::suspend(self, generation, busy);
        let in_callback = InCallback::enter(py, &self.config);
        let measure = request.measure;
        let served = serve::serve(py, (self, measure), generation, header, buffers, &mut reply);
        drop(in_callback);
        *open = suspended::resume();
        match &served {
            Ok(served) if served.is_known => {
                request.served.into_iter().for_each(|it| it.set(true));
            }
            Ok(_) => self.charge(generation.number, flood::STALE_REQUEST),
            Err(_) => {
                errors::take_breach();
            }
        }
        let wait = CallWait::attached(&self.config, deadline);
        let replied = Replied {
            served,
            reply,
            wait,
        };
        self.finish_callback(py, (open, generation), replied, (call, request), buffers)
    }

    /// Sends the reply of a callback that has run, and waits for what the host does next.
    #[inline]
    pub(super) fn finish_callback(
        self: &Arc<Self>,
        py: Python<'_>,
        (open, generation): (&mut Option<OpenConversation>, &Arc<HostGeneration>),
        replied: Replied<'_>,
        (call, request): (CallKind, Request<'_>),
        buffers: &mut ExchangeBuffers,
    ) -> PyResult<Incoming> {
        let Replied {
            served,
            mut reply,
            mut wait,
        } = replied;
        if served.is_err() {
            // This kills the host.
            *open = None;
        }
        let result = served.and_then(|Served { raised, .. }| {
            let Some(resumed) = open else {
                return Err(errors::lost_lane(self.label()));
            };
            if let Some(export) = request.export {
                // A call inside of the callback has set its own name.
                resumed.lane.set_export(Arc::clone(export));
            }
            let gone = resumed.lane.is_over();
            // An exception that ended a call inside of the callback, or the callback, ends this call.
            let raised = raised.filter(|raised| {
                if gone {
                    errors::ends_calls(py, raised)
                } else {
                    raised.is_instance_of::<PyKeyboardInterrupt>(py)
                }
            });
            // The host gets its reply even if the call is interrupted; it ends the call then.
            match raised {
                Some(raised) if gone => return Err(raised),
                Some(_) => resumed.lane.interrupt(),
                None if wait.ended_by.is_some() || wait.is_over(py) => resumed.lane.interrupt(),
                None => {}
            }
            request.switch(Activity::Waiting);
            let mut next = || -> Result<Incoming, ClientError> {
                if !gone {
                    if let Some(measure) = request.measure {
                        measure.sent(reply.builder.len());
                    }
                    resumed.lane.send_while(&mut reply.builder, &mut wait)?;
                    reply.releases.clear();
                    reply.objects.was_sent(py);
                }
                // If the host died while the callback ran, the lane reports how.
                resumed
                    .lane
                    .next_or_callback(&mut buffers.body, &mut buffers.callback, &mut wait)
            };
            next().map_err(|error| {
                let open = (open, generation);
                let error = self.interrupted(py, open, request, (error, wait), buffers);
                raised.unwrap_or(error)
            })
        });
        if let Ok(incoming) = &result {
            arrived(request, incoming, buffers);
        }
        if result.is_err() {
            unsend(py, generation, &mut reply);
        } else if !reply.objects.awaitables.is_empty() {
            let awaitables = &mut reply.objects.awaitables;
            serve::settle_awaitables(py, self, generation, call, awaitables);
        }
        reply.give();
        result
    }

    /// The error to raise when a wait ended with an error. Uncounts the objects of callbacks that
    /// were refused; a reply that came after all is left in `buffers`.
    #[cold]
    fn interrupted(
        self: &Arc<Self>,
        py: Python<'_>,
        (open, generation): (&mut Option<OpenConversation>, &Arc<HostGeneration>),
        request: Request<'_>,
        (error, wait): (ClientError, CallWait<'_>),
        buffers: &mut ExchangeBuffers,
    ) -> PyErr {
        if let Some(open) = open {
            for (header, body) in open.lane.take_discarded() {
                buffers.body = body;
                if header.kind == FrameKind::Request {
                    // The interruption is the error to report.
                    if serve::count(py, self, generation, header, buffers, None).is_err() {
                        self.end_if_broken(generation);
                    }
                } else {
                    buffers.unwanted = Some((Arc::clone(generation), header));
                }
            }
        }
        self.client_error(error, wait, request.export())
    }
}
