//! Requests to the client within a call of the client: until the reply comes, the client's requests
//! on this lane are served.
//!
//! Upholds I-10.

use std::rc::Rc;
use std::time::Duration;

use hostd_engine::{ErrorConstructor, JsResult, Thrown, Value};
use hostd_napi::Activity;
use hostd_protocol::calls::{CallKind, ReplyOf, TypedCall};
use hostd_protocol::carrier::Wake;
use hostd_protocol::direct::{CallbackState, DirectCallback};
use hostd_protocol::error::{ProtocolError, RemoteError, Result as Carried};
use hostd_protocol::failure::Failure;
use hostd_protocol::frame::{Flags, FrameKind, Header};
use hostd_protocol::ids::{CallId, LaneNumber};
use hostd_protocol::parts::{AnyValue, Part};
use hostd_protocol::value::ValueReader;

use super::Session;
use super::direct::value;
use super::level::FrameBuffers;
use crate::marshal::{
    DecodeError, Decoder, EncodeError, Encoder, HostSide, Original, Writable, apply,
};

/// The error of a callback that outlives its call.
const OUTSIDE: &str = "the host calls Python only inside a call that Python made: this callback \
                       outlived its call; give it to Python again, or call it during the call";

/// While the client's reply is waited for, calls that other threads gave up are looked for at this
/// interval: far below the time after which the client kills a host that does not answer them.
const WITHDRAWN_POLL_INTERVAL: Duration = Duration::from_millis(100);

impl Session {
    /// Sends a request to the client and waits for the reply.
    pub(super) fn ask<C: TypedCall>(
        &self,
        request: &impl Writable<C::Request>,
    ) -> JsResult<ReplyOf<C, HostSide>> {
        let lane = self.begin_request()?;
        let mut buffers = self.take_buffers();
        let answer = self.measure(Activity::Marshalling, || {
            let exchange = || self.exchange(lane, C::KIND, &mut buffers, request);
            let answered = self.host.nest(exchange);
            answered.and_then(|(header, originals)| {
                self.take_answer::<C::Reply>(&header, &originals, &mut buffers)
            })
        });
        self.put_buffers(buffers);
        answer
    }

    /// Has the client make a callback in place. Returns its answer, None if the client does not take it so:
    /// then nothing of it was done.
    pub(super) fn ask_directly(&self, callback: DirectCallback) -> JsResult<Option<Value>> {
        let lane = self.begin_request()?;
        let call = self.next_call.get();
        let callback = DirectCallback {
            lane: lane.number(),
            call: call.0,
            ..callback
        };
        if let Some(level) = self.open.borrow().last() {
            level.compared.set(self.rt.mutations());
        }
        self.next_call.set(call.next());
        let none = &self.no_originals;
        let ask = || self.with_open_request(lane, none, || self.hooks.ask_direct(callback));
        match self.host.nest(ask) {
            CallbackState::Answered(scalar) => {
                self.note_answer(0);
                Ok(Some(value(scalar)))
            }
            CallbackState::Deferred => {
                let mut buffers = self.take_buffers();
                let call = (call, CallKind::Invoke);
                let wait = || self.await_answer(lane, call, &mut buffers.body);
                let reply = self.host.nest(|| self.with_open_request(lane, none, wait));
                let header = reply.map_err(|error| self.broken(error));
                let answer = header
                    .and_then(|header| self.take_answer::<AnyValue>(&header, none, &mut buffers));
                self.put_buffers(buffers);
                answer.map(Some)
            }
            _ => {
                self.asked.set(self.asked.get() - 1);
                Ok(None)
            }
        }
    }

    /// Checks that a request may be sent to the client now; counts it. Returns its lane.
    fn begin_request(&self) -> JsResult<LaneNumber> {
        let Some(lane) = self.lane.get() else {
            return Err(self.error(&OUTSIDE));
        };
        if self.is_lost() {
            return Err(self.gone());
        }
        if self.is_cancelled() {
            return Err(Thrown(self.tables.intrinsics.cancelled.clone()));
        }
        if self.nested.get() >= self.limits.nested_requests {
            let limit = self.limits.nested_requests;
            let text = format!("more than {limit} calls between Python and the addon are nested");
            return Err(self.rt.range_error(&text));
        }
        self.asked.set(self.asked.get() + 1);
        Ok(lane)
    }

    /// Sends the request and serves the lane until the reply is in `buffers.body`. Returns the
    /// reply's header and the compounds of the request.
    fn exchange<P>(
        &self,
        lane: LaneNumber,
        call: CallKind,
        buffers: &mut FrameBuffers,
        request: &impl Writable<P>,
    ) -> JsResult<(Header, Rc<Vec<Original>>)> {
        let level = self.open.borrow().last().cloned().unwrap_or_default();
        let changes = self
            .find_changes(&level)
            .map_err(|error| self.unsendable(error))?;
        self.begin(buffers, FrameKind::Request, call.number());
        buffers.seen.keep_originals();
        let id = self.next_call.get();
        self.next_call.set(id.next());
        let put = |out: &mut Encoder<'_, '_>| request.put(out);
        if let Err(error) = self.compose_body(buffers, id, &level, changes.as_ref(), put) {
            self.withdraw(buffers);
            return Err(self.unsendable(error));
        }
        if let Some(changes) = changes {
            changes.settle(&mut level.baseline.borrow_mut());
        }
        level.compared.set(self.rt.mutations());
        let frame = buffers.builder.finish(id, self.generation);
        let sent = frame.and_then(|frame| self.send_frame(lane, frame));
        sent.map_err(|error| self.broken(error))?;
        let originals = self.originals(buffers);
        let reply = self.with_open_request(lane, &originals, || {
            self.await_answer(lane, (id, call), &mut buffers.body)
        });
        let header = reply.map_err(|error| self.broken(error))?;
        Ok((header, originals))
    }

    /// Runs `wait` while a request to the client is open.
    fn with_open_request<R>(
        &self,
        lane: LaneNumber,
        originals: &Rc<Vec<Original>>,
        wait: impl FnOnce() -> R,
    ) -> R {
        self.open_requests
            .borrow_mut()
            .push((lane, Rc::clone(originals)));
        self.nested.set(self.nested.get() + 1);
        let waited = self.measure(Activity::Client, wait);
        self.nested.set(self.nested.get() - 1);
        self.open_requests.borrow_mut().pop();
        waited
    }

    /// Serves the lane until the answer to an open request is in `body`.
    fn await_answer(
        &self,
        lane: LaneNumber,
        (id, call): (CallId, CallKind),
        body: &mut Vec<u8>,
    ) -> Carried<Header> {
        loop {
            let header = self.receive_on(lane, body)?;
            match header.kind {
                FrameKind::Request => self.serve(lane, &header, body),
                FrameKind::Reply | FrameKind::Failure
                    if header.call == id && header.number == call.number() =>
                {
                    return Ok(header);
                }
                _ => {
                    return Err(ProtocolError::violation(
                        "a reply that does not belong to the innermost open request",
                    ));
                }
            }
            if self.is_lost() {
                return Err(ProtocolError::Disconnected);
            }
        }
    }

    /// The compounds of the request in `buffers`.
    fn originals(&self, buffers: &mut FrameBuffers) -> Rc<Vec<Original>> {
        let originals = buffers.seen.take_originals();
        if originals.is_empty() {
            // Shared, since most callbacks have plain arguments: no allocation.
            return Rc::clone(&self.no_originals);
        }
        Rc::new(originals)
    }

    /// The compounds of the innermost request to the client on the lane that is being served.
    pub(super) fn originals_of_lane(&self) -> Result<Rc<Vec<Original>>, ProtocolError> {
        let open_requests = self.open_requests.borrow();
        let innermost = open_requests
            .iter()
            .rev()
            .find(|ask| Some(ask.0) == self.lane.get());
        let outside = ProtocolError::violation("a write-back outside of a callback");
        Ok(Rc::clone(&innermost.ok_or(outside)?.1))
    }

    /// Receives the next frame of this lane. Meanwhile other lanes are served on top, if the client
    /// allows nested threads.
    fn receive_on(&self, lane: LaneNumber, body: &mut Vec<u8>) -> Carried<Header> {
        if !self.nested_threads {
            return self.receive_alone(lane, body);
        }
        loop {
            let out_of_order = self.out_of_order.borrow_mut().remove(&lane);
            if let Some((header, bytes)) = out_of_order {
                *body = bytes;
                return Ok(header);
            }
            // The other half of the depth is left to the calls that are open already.
            if self.nested.get() >= self.limits.nested_requests / 2 {
                return self.receive_alone(lane, body);
            }
            let woken = self.end.borrow_mut().wait(None)?;
            match woken {
                Wake::Lane(ready) if ready == lane => {
                    return self.receive_frame(lane, body);
                }
                Wake::Lane(other) => self.serve_on_top(other)?,
                // Turn requests are taken when the JS thread is at its top.
                Wake::Woken | Wake::TimedOut => {}
            }
        }
    }

    /// Receives from this lane alone. Calls of other lanes that their clients have given up
    /// meanwhile are answered, since nothing else would ever end them but what is waited for here.
    fn receive_alone(&self, lane: LaneNumber, body: &mut Vec<u8>) -> Carried<Header> {
        while !self
            .end
            .borrow_mut()
            .wait_for(lane, WITHDRAWN_POLL_INTERVAL)?
        {
            loop {
                let withdrawn = self.end.borrow_mut().withdrawn(lane)?;
                let Some(other) = withdrawn else { break };
                self.serve_on_top(other)?;
            }
        }
        self.receive_frame(lane, body)
    }

    /// Serves a lane while another one waits for its client. A call that was given up is refused
    /// before anything of it runs. A reply to a request that is open further down is kept for it.
    fn serve_on_top(&self, lane: LaneNumber) -> Carried<()> {
        let mut body = Vec::new();
        let header = self.receive_frame(lane, &mut body)?;
        if header.kind != FrameKind::Request {
            self.out_of_order.borrow_mut().insert(lane, (header, body));
            return Ok(());
        }
        self.serve_lane(lane, || self.serve(lane, &header, &mut body));
        if self.is_lost() {
            return Err(ProtocolError::Disconnected);
        }
        Ok(())
    }

    fn take_answer<P: Part>(
        &self,
        header: &Header,
        originals: &[Original],
        buffers: &mut FrameBuffers,
    ) -> JsResult<P::Read<HostSide>> {
        let before = self.rt.mutations();
        let mut changes = Vec::new();
        let FrameBuffers { body, objects, .. } = buffers;
        if header.flags.contains(Flags::MEASURED) {
            let error = ProtocolError::violation("a measured answer of the client");
            return Err(self.broken(error));
        }
        let mut reader = ValueReader::new(body, &self.limits);
        let answer = self
            .take_releases(header.flags, &mut reader)
            .map_err(DecodeError::from)
            .and_then(|()| {
                let mut decoder = Decoder::new(&self.tables, reader, objects);
                if header.flags.contains(Flags::WRITE_BACK) {
                    changes = decoder.write_back(originals)?;
                }
                let answer = if header.kind == FrameKind::Failure {
                    Err(match Failure::read(decoder.fields())? {
                        Failure::Thrown => Thrown(decoder.value()?),
                        Failure::Remote(error) => self.error(&error),
                    })
                } else {
                    Ok(P::read(&mut decoder)?)
                };
                decoder.finish()?;
                Ok(answer)
            });
        self.note_answer(self.rt.mutations().wrapping_sub(before));
        // Not before the answer is read to its end. This counts as a change of the running call's
        // own arguments, which the originals may be.
        let applied = if answer.is_ok() && !changes.is_empty() {
            apply(&self.tables, changes, || self.is_cancelled())
        } else {
            Ok(())
        };
        match answer {
            Ok(answer) => answer.and_then(|answer| applied.map(|()| answer)),
            Err(DecodeError::Thrown(thrown)) => Err(thrown),
            Err(DecodeError::Remote(RemoteError::Stale(id))) => {
                let text = format!("Python answered with object {id}, which it has released");
                Err(self.error(&text))
            }
            Err(DecodeError::Remote(error)) => Err(self.error(&error)),
            Err(DecodeError::Protocol(error)) if error.is_fatal() => Err(self.broken(error)),
            Err(DecodeError::Protocol(error)) => Err(self.rt.range_error(&error.to_string())),
        }
    }

    /// Notes that the client has answered and may have changed what the open call brought. What was `built`
    /// for its answer is new: nothing that the call brought.
    fn note_answer(&self, built: u64) {
        if let Some(level) = self.open.borrow().last() {
            let compared = if self.rt.has_foreign_code() {
                // A script may go on and change what it likes without being counted again.
                self.rt.mutations().wrapping_sub(1)
            } else {
                level.compared.get().wrapping_add(built)
            };
            level.compared.set(compared);
        }
    }

    fn error(&self, text: &dyn ToString) -> Thrown {
        self.rt.throw(ErrorConstructor::Error, &text.to_string())
    }

    fn unsendable(&self, error: EncodeError) -> Thrown {
        match error {
            EncodeError::Protocol(error) => self.rt.range_error(&error.to_string()),
            EncodeError::Thrown(thrown) => thrown,
        }
    }

    /// Ends the session, and what waits for the client.
    fn broken(&self, error: ProtocolError) -> Thrown {
        self.lose(error);
        self.gone()
    }

    /// Made at the start: making an error runs JavaScript for its stack, and an interrupt there would
    /// be lost.
    fn gone(&self) -> Thrown {
        Thrown(self.tables.intrinsics.gone.clone())
    }
}
