//! A whole request: the frame is written for the generation that runs, sent, and its reply is read.

use std::sync::Arc;

use hostd_client::Client;
use hostd_protocol::calls::{CallKind, ReplyOf, TypedCall};
use hostd_protocol::frame::{Flags, FrameKind, Header};
use hostd_protocol::parts::Part;
use hostd_protocol::value::ValueReader;
use pyo3::prelude::*;

use super::buffers::ExchangeBuffers;
use super::decode::{counting_decoder, failure, read_preamble, uncount_unread};
use super::encode::{Write, unsend};
use super::send::Sent;
use super::spec::{Request, ends_wait_for_exception, proves};
use super::suspended;
use crate::addon::LoadedAddon;
use crate::adopt::adopt_running;
use crate::convert::{ClientSide, Decoder, Writable, apply, read_changes};
use crate::deadline;
use crate::errors;
use crate::generation::HostGeneration;
use crate::threads;
use crate::wait::CallWait;

/// How often a request is written again because its host was replaced before it was sent.
const REQUEST_ATTEMPTS_MAX: usize = 4;

/// Reads the body of a reply.
type Read<'a, 'py, R> = dyn FnMut(&mut Decoder<'_, 'py>) -> PyResult<R> + 'a;

impl LoadedAddon {
    /// Makes a request. `body` can be written more than once.
    #[inline]
    pub(crate) fn request<'py, C: TypedCall>(
        self: &Arc<Self>,
        py: Python<'py>,
        call: C,
        request: Request<'_>,
        body: &impl Writable<'py, C::Request>,
    ) -> PyResult<ReplyOf<C, ClientSide<'py>>> {
        self.request_and(py, call, request, body, |_, reply| Ok(reply))
    }

    /// Makes a request; `check` gets its reply, and reads what follows it.
    #[inline]
    pub(crate) fn request_and<'py, C: TypedCall, R>(
        self: &Arc<Self>,
        py: Python<'py>,
        _: C,
        request: Request<'_>,
        body: &impl Writable<'py, C::Request>,
        mut check: impl FnMut(&mut Decoder<'_, 'py>, ReplyOf<C, ClientSide<'py>>) -> PyResult<R>,
    ) -> PyResult<R> {
        let mut read = |decoder: &mut Decoder<'_, 'py>| {
            let reply = C::Reply::read(decoder)?;
            check(decoder, reply)
        };
        if let Some(home) = request.home
            && !self.is_current(home)
        {
            return Err(self.not_current(home));
        }
        let profiler = self.profiler.as_deref();
        let measure = profiler.map(|profiler| profiler.begin(C::KIND, request.export));
        let request = Request {
            measure: measure.as_ref(),
            ..request
        };
        let mut buffers = ExchangeBuffers::take(&self.config.limits);
        if let Some(measure) = &measure {
            buffers.weight = measure.weight();
        }
        let result = self.exchange(py, (C::KIND, request), &mut buffers, &mut |encoder| {
            body.put(encoder)
        });
        let result = self.conclude(py, (C::KIND, request), result, &mut buffers, &mut read);
        buffers.give();
        if let Some(measure) = measure {
            measure.end(result.is_err());
        }
        result
    }

    /// Reads the reply of a request, or gives the error that ended it.
    #[inline]
    pub(super) fn conclude<'py, R>(
        self: &Arc<Self>,
        py: Python<'py>,
        (call, request): (CallKind, Request<'_>),
        result: PyResult<(Arc<HostGeneration>, Header)>,
        buffers: &mut ExchangeBuffers,
        read: &mut impl FnMut(&mut Decoder<'_, 'py>) -> PyResult<R>,
    ) -> PyResult<R> {
        match result {
            Ok((generation, header)) => {
                if generation.is_unproven() && proves(call) {
                    self.prove(&generation);
                }
                match self.read_reply(py, &generation, header, buffers, read) {
                    Ok(found) if self.denials.is_pending() && ends_wait_for_exception(call) => self
                        .warn_of_denials(py, request.export(), false)
                        .map(|()| found),
                    Ok(found) => Ok(found),
                    Err(error) => {
                        self.end_if_broken(&generation);
                        if proves(call) {
                            threads::hold_at_end(py);
                        }
                        Err(error)
                    }
                }
            }
            Err(error) => {
                if let Some((generation, header)) = buffers.unwanted.take() {
                    // The interruption is the error to report.
                    let _ = self.count(py, &generation, header, buffers, (None, read));
                    self.end_if_broken(&generation);
                }
                if proves(call) {
                    threads::hold_at_end(py);
                }
                Err(error)
            }
        }
    }

    #[cold]
    fn not_current(&self, home: &HostGeneration) -> PyErr {
        match self.client() {
            Ok(client) => self.stale(home, client.generation()),
            Err(closed) => closed,
        }
    }

    /// The tables of the generation that runs, which is started if there is none.
    #[inline]
    pub(crate) fn running(self: &Arc<Self>, py: Python<'_>) -> PyResult<Arc<HostGeneration>> {
        let client = self.client()?;
        if let Some(generation) = self.current()
            && generation.number.0 == client.generation()
            && !client.is_dead()
        {
            return Ok(generation);
        }
        self.start(py, client)
    }

    #[cold]
    pub(crate) fn start(&self, py: Python<'_>, client: &Client) -> PyResult<Arc<HostGeneration>> {
        let mut wait = CallWait::attached(&self.config, deadline::of_blocks(py)?);
        let started = client.conversation(&mut wait).map(drop);
        if let Err(error) = started {
            return Err(self.client_error(error, wait, None));
        }
        self.current()
            .ok_or_else(|| errors::replaced(self.label(), client.generation()))
    }

    fn exchange<'py>(
        self: &Arc<Self>,
        py: Python<'py>,
        (call, request): (CallKind, Request<'_>),
        buffers: &mut ExchangeBuffers,
        write: &mut Write<'_, 'py>,
    ) -> PyResult<(Arc<HostGeneration>, Header)> {
        if self.background.owner.is_some() {
            // Nothing but a loop of this thread runs what this call leaves for later.
            adopt_running(self, py)?;
        }
        for _ in 0..REQUEST_ATTEMPTS_MAX {
            let nested = suspended::generation(self);
            let is_nested = nested.is_some();
            let generation = match (nested, request.home) {
                (Some(generation), _) => generation,
                (None, Some(home)) if self.is_current(home) => Arc::clone(home),
                (None, Some(home)) => return Err(self.not_current(home)),
                (None, None) => self.running(py)?,
            };
            // A request that can be declined is no part of the callback, and carries no changes.
            let received = if is_nested && request.declined.is_none() {
                suspended::received(self)
            } else {
                None
            };
            let head = (FrameKind::Request, call.number(), received.as_ref());
            self.encode(py, &generation, head, buffers, write)?;
            let mut open = if is_nested {
                suspended::take(self)
            } else {
                None
            };
            let outer = open.as_ref().and_then(|open| open.deadline);
            let sent = self.send(py, &mut open, &generation, (call, request), buffers);
            if is_nested && let Some(mut open) = open.take() {
                // The calls around this one go on, with their own deadline.
                open.deadline = outer;
                suspended::put_back(self, open);
            }
            drop(open);
            match sent {
                Ok(Sent::Answered(header)) => return Ok((generation, header)),
                Ok(Sent::Replaced) => unsend(py, &generation, buffers),
                Ok(Sent::Declined) => {
                    unsend(py, &generation, buffers);
                    if let Some(declined) = request.declined {
                        declined.set(true);
                    }
                    return Err(errors::busy(self.label()));
                }
                Err(error) => {
                    unsend(py, &generation, buffers);
                    return Err(error);
                }
            }
        }
        Err(errors::replaced(self.label(), self.generation()))
    }

    /// Counts the objects in a reply that is not wanted any more, of which some may have been
    /// counted.
    #[cold]
    fn count<'py, R>(
        self: &Arc<Self>,
        py: Python<'py>,
        generation: &Arc<HostGeneration>,
        header: Header,
        buffers: &ExchangeBuffers,
        (counted, read): (Option<u32>, &mut Read<'_, 'py, R>),
    ) -> PyResult<()> {
        let mut decoder = counting_decoder(py, self, generation, header, buffers, counted)?;
        if header.kind == FrameKind::Failure {
            if counted.is_none() {
                uncount_unread(generation, header, buffers);
            }
            drop(failure(&mut decoder));
            return Ok(());
        }
        read(&mut decoder).map(drop)
    }

    #[inline]
    fn read_reply<'py, R>(
        self: &Arc<Self>,
        py: Python<'py>,
        generation: &Arc<HostGeneration>,
        header: Header,
        buffers: &ExchangeBuffers,
        read: &mut impl FnMut(&mut Decoder<'_, 'py>) -> PyResult<R>,
    ) -> PyResult<R> {
        let mut reader = ValueReader::new(&buffers.body, &self.config.limits);
        if header.flags.has_notes() {
            read_preamble(py, self, generation, header.flags, &mut reader)?;
        }
        let mut decoder = Decoder::new(py, self, generation, reader, Some(&buffers.objects))?;
        let reply = Self::read_body(&mut decoder, generation, header, buffers, read);
        if reply.is_err()
            && let Some(counted) = decoder.unread_after()
        {
            // This drops the objects that were read, to have memory for the rest.
            drop(decoder);
            // The unread rest contains objects as well; the first error is the one to report.
            let _ = self.count(py, generation, header, buffers, (Some(counted), read));
        }
        reply
    }

    #[inline]
    fn read_body<'py, R>(
        decoder: &mut Decoder<'_, 'py>,
        generation: &HostGeneration,
        header: Header,
        buffers: &ExchangeBuffers,
        read: &mut impl FnMut(&mut Decoder<'_, 'py>) -> PyResult<R>,
    ) -> PyResult<R> {
        decoder.take_back()?;
        if header.flags.contains(Flags::WRITE_BACK) {
            let changes = read_changes(decoder)?;
            apply(decoder, changes)?;
        }
        if header.kind == FrameKind::Failure {
            uncount_unread(generation, header, buffers);
            return Err(failure(decoder));
        }
        let result = read(decoder)?;
        decoder.finish()?;
        Ok(result)
    }
}
