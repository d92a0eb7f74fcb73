//! One request and everything that happens until its reply: sending, waiting without the
//! interpreter, callbacks in between, changes to what was brought, the result.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use hostd_client::{ClientError, Conversation};
use hostd_protocol::calls::CallKind;
use hostd_protocol::carrier::TurnClaim;
use hostd_protocol::error::Failure;
use hostd_protocol::frame::{Flags, FrameKind, Header, read_denials, read_releases};
use hostd_protocol::value::ValueReader;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::call::call;
use crate::convert::{Decoder, Encoder, Received, apply, read_changes};
use crate::errors;
use crate::idle::Waiting;
use crate::names::Names;
use crate::proxy::JSClass;
use crate::queue::InCallback;
use crate::serve;
use crate::session::Session;
use crate::talk::{self, Scratch, Talk};
use crate::turns::TurnCondition;
use crate::world::{LentObject, World};

/// How often a request is written anew because its host was replaced before it was sent.
const ATTEMPTS: usize = 4;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) call: CallKind,
    /// The only world in which it makes sense, if there is one.
    pub(crate) home: Option<&'a Arc<World>>,
    /// The name of what runs, for messages.
    pub(crate) export: Option<&'a Arc<str>>,
    /// Only if the JS thread is at its top: here it is noted if it was not, and nothing was asked.
    pub(crate) declined: Option<&'a Cell<bool>>,
    /// On which condition a turn is taken; without effect on other calls.
    pub(crate) condition: TurnCondition,
}

impl<'a> Ask<'a> {
    /// A question to whichever host runs.
    pub(crate) const fn of(call: CallKind) -> Self {
        Self {
            call,
            home: None,
            export: None,
            declined: None,
            condition: TurnCondition::None,
        }
    }

    /// A turn for the host of this world, if it is free for one and the condition is met.
    pub(crate) const fn turn(
        home: &'a Arc<World>,
        declined: &'a Cell<bool>,
        condition: TurnCondition,
    ) -> Self {
        Self {
            call: CallKind::Turn,
            home: Some(home),
            export: None,
            declined: Some(declined),
            condition,
        }
    }

    /// Whether an answer shows that the addon works: not what this package asks on its own account.
    const fn proves(&self) -> bool {
        !matches!(
            self.call,
            CallKind::Turn
                | CallKind::Release
                | CallKind::Stats
                | CallKind::Settle
                | CallKind::Collect
        )
    }

    /// A question to the host of this world.
    pub(crate) const fn at(call: CallKind, home: &'a Arc<World>) -> Self {
        Self {
            call,
            home: Some(home),
            export: None,
            declined: None,
            condition: TurnCondition::None,
        }
    }
}

/// A frame to write: its kind, its number, and the containers of the callback in which it is sent.
type Frame<'a> = (FrameKind, u16, Option<&'a Rc<Received>>);

/// What came of sending.
enum Sent {
    Answered(Header),
    /// Nothing was sent: the host that runs is not the one the message was written for.
    Replaced,
    /// Nothing was sent: the JS thread is not at its top.
    Declined,
}

impl Session {
    /// Makes a request. `write` may run twice.
    #[inline]
    pub(crate) fn request<'py, R>(
        self: &Arc<Self>,
        py: Python<'py>,
        ask: Ask<'_>,
        mut write: impl FnMut(&mut Encoder<'_, 'py>) -> PyResult<()>,
        read: impl FnOnce(&mut Decoder<'_, 'py>) -> PyResult<R>,
    ) -> PyResult<R> {
        if let Some(home) = ask.home
            && !self.is_current(home)
        {
            return Err(self.not_current(home));
        }
        let mut scratch = Scratch::take(&self.limits);
        let result = self.exchange(py, ask, &mut scratch, &mut write);
        let result = match result {
            Ok((world, header)) => {
                if world.is_unproven() && ask.proves() {
                    self.prove(&world);
                }
                match self.finish(py, &world, header, &scratch, read) {
                    Ok(found) if self.denials.is_pending() && ask.proves() => {
                        let export = ask.export.map(|export| &**export);
                        self.warn_of_denials(py, export, false).map(|()| found)
                    }
                    Ok(found) => Ok(found),
                    Err(error) => {
                        self.end_if_broken(&world);
                        Err(error)
                    }
                }
            }
            Err(error) => {
                if let Some((world, header)) = scratch.unwanted.take() {
                    // The interruption is what is to be told.
                    let _ = self.count(py, &world, header, &scratch, read);
                    self.end_if_broken(&world);
                }
                Err(error)
            }
        };
        scratch.give();
        result
    }

    /// After an error: ends the host of this world, and no later one, if it broke the protocol.
    #[cold]
    pub(crate) fn end_if_broken(&self, world: &World) {
        if errors::take_breach()
            && let Ok(client) = self.client()
        {
            client.kill(world.generation, "killed: protocol violation by the host");
            drop(world.die());
        }
    }

    #[cold]
    fn not_current(&self, home: &World) -> PyErr {
        match self.client() {
            Ok(client) => self.stale(home, client.generation()),
            Err(closed) => closed,
        }
    }

    fn exchange<'py>(
        self: &Arc<Self>,
        py: Python<'py>,
        ask: Ask<'_>,
        scratch: &mut Scratch,
        write: &mut dyn FnMut(&mut Encoder<'_, 'py>) -> PyResult<()>,
    ) -> PyResult<(Arc<World>, Header)> {
        for _ in 0..ATTEMPTS {
            let nested = talk::parked_world(self);
            let is_nested = nested.is_some();
            let world = match (nested, ask.home) {
                (Some(world), _) => world,
                (None, Some(home)) if self.is_current(home) => Arc::clone(home),
                (None, Some(home)) => return Err(self.not_current(home)),
                (None, None) => self.running_world(py)?,
            };
            // What takes no place in the callback's course has no part in its arguments.
            let received = if is_nested && ask.declined.is_none() {
                talk::received(self)
            } else {
                None
            };
            self.write(
                py,
                &world,
                (FrameKind::Request, ask.call.number(), received.as_ref()),
                scratch,
                write,
            )?;
            let mut talk = if is_nested { talk::take(self) } else { None };
            let outer = talk.as_ref().and_then(|talk| talk.until);
            let sent = self.send(py, &mut talk, &world, ask, scratch);
            match talk {
                // Whatever came of it, the calls around this one go on, until when they could.
                Some(mut talk) if is_nested => {
                    talk.until = outer;
                    talk::put_back(self, talk);
                }
                other => drop(other),
            }
            match sent {
                Ok(Sent::Answered(header)) => return Ok((world, header)),
                Ok(Sent::Replaced) => unsend(py, &world, scratch),
                Ok(Sent::Declined) => {
                    unsend(py, &world, scratch);
                    if let Some(declined) = ask.declined {
                        declined.set(true);
                    }
                    return Err(errors::busy(&self.label));
                }
                Err(error) => {
                    unsend(py, &world, scratch);
                    return Err(error);
                }
            }
        }
        Err(errors::replaced(&self.label, self.generation()))
    }

    /// Builds a frame: what is to be released, then what `write` writes. Classes that are first sent
    /// in it are defined in the host before.
    pub(crate) fn write<'py>(
        self: &Arc<Self>,
        py: Python<'py>,
        world: &Arc<World>,
        frame: Frame<'_>,
        scratch: &mut Scratch,
        write: &mut dyn FnMut(&mut Encoder<'_, 'py>) -> PyResult<()>,
    ) -> PyResult<()> {
        let written = self.write_once(py, world, frame, scratch, write);
        if written.is_err() && scratch.brought.missing.is_some() {
            return self.write_with_classes(py, world, frame, scratch, write);
        }
        written
    }

    /// Defines the classes of a message and writes it.
    #[cold]
    fn write_with_classes<'py>(
        self: &Arc<Self>,
        py: Python<'py>,
        world: &Arc<World>,
        frame: Frame<'_>,
        scratch: &mut Scratch,
        write: &mut dyn FnMut(&mut Encoder<'_, 'py>) -> PyResult<()>,
    ) -> PyResult<()> {
        loop {
            if let Some(class) = scratch.brought.missing.take() {
                self.define(py, world, class.bind(py))?;
            }
            let written = self.write_once(py, world, frame, scratch, write);
            if scratch.brought.missing.is_none() {
                return written;
            }
        }
    }

    /// Makes a class of the host of what `js_class` returned.
    fn define<'py>(
        self: &Arc<Self>,
        py: Python<'py>,
        world: &Arc<World>,
        class: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        let names = Names::get(py)?;
        let ask = Ask {
            home: Some(world),
            ..Ask::of(CallKind::RunScript)
        };
        let write = |encoder: &mut Encoder<'_, 'py>| encoder.string(names.class_factory.bind(py));
        let factory = self.request(py, ask, write, value)?;
        let description = call(names.describe_class.bind(py), (class,))?;
        let made = call(&factory, description.cast_into::<PyTuple>()?)?;
        let made = made.cast::<JSClass>()?;
        if world.js_class(class).is_none()
            && let Some(handle) = made.get().handle()
        {
            world.set_js_class(class, handle.id_in(self, world)?);
            handle.keep();
        }
        Ok(())
    }

    fn write_once<'py>(
        self: &Arc<Self>,
        py: Python<'py>,
        world: &Arc<World>,
        (kind, number, received): Frame<'_>,
        scratch: &mut Scratch,
        write: &mut dyn FnMut(&mut Encoder<'_, 'py>) -> PyResult<()>,
    ) -> PyResult<()> {
        scratch.brought.clear();
        scratch.releases.clear();
        scratch.builder.start(kind, number);
        if world.has_releases() {
            world.take_releases(py, &mut scratch.releases);
            scratch.builder.releases(scratch.releases.iter().copied());
        }
        let mut written = match received {
            Some(received) => self.write_back(py, world, (kind, received), scratch),
            None => Ok(()),
        };
        if written.is_ok() {
            let body = scratch.builder.body();
            written = Encoder::new(py, self, world, body, &mut scratch.brought)
                .and_then(|mut encoder| write(&mut encoder).map_err(|error| encoder.locate(error)));
        }
        if let Err(error) = written {
            unsend(py, world, scratch);
            return Err(error);
        }
        Ok(())
    }

    /// Writes what Python changed in the arguments of a callback, if it changed anything. A request
    /// keeps the changes: its reply may say that they were not read.
    #[inline(never)]
    fn write_back(
        self: &Arc<Self>,
        py: Python<'_>,
        world: &Arc<World>,
        (kind, received): (FrameKind, &Rc<Received>),
        scratch: &mut Scratch,
    ) -> PyResult<()> {
        let changes = received.changes(py)?;
        if changes.is_empty() {
            return Ok(());
        }
        scratch.builder.write_back();
        let by_address = received.by_address();
        let body = scratch.builder.body();
        let encoder = Encoder::new(py, self, world, body, &mut scratch.brought)?;
        let mut encoder = encoder.with_received(&by_address);
        received
            .write(&mut encoder, &changes)
            .map_err(|error| encoder.locate(error))?;
        // The next block of the frame numbers its own compounds.
        let brought = &mut scratch.brought;
        brought.proxies.append(&mut brought.compounds);
        if kind == FrameKind::Request {
            brought.written_back = Some((Rc::clone(received), changes));
        }
        Ok(())
    }

    /// Sends the frame in `scratch` and serves callbacks until its answer comes. Leaves the
    /// conversation in `talk`, leased if it was none, unless it can't go on.
    fn send(
        self: &Arc<Self>,
        py: Python<'_>,
        talk: &mut Option<Talk>,
        world: &Arc<World>,
        ask: Ask<'_>,
        scratch: &mut Scratch,
    ) -> PyResult<Sent> {
        let client = self.client()?;
        let outer = talk.as_ref().and_then(|talk| talk.until);
        let is_turn = ask.declined.is_some();
        let until = match ask.call {
            // It only waits for its turn, and costs no process for that.
            CallKind::Settle => outer,
            // What runs in a turn has nothing to do with the deadlines of who takes it.
            _ if is_turn => self.own_timeout(),
            _ => self.until(py, outer)?,
        };
        let mut waiting = Waiting::of(self, until);
        if until.is_some() && waiting.is_late() {
            return Err(self.error(
                ClientError::Interrupted,
                waiting,
                ask.export.map(|name| &**name),
            ));
        }
        let mut send = || {
            let talk = match &mut *talk {
                Some(talk) => talk,
                none => {
                    let conversation = match ask.home {
                        None => client.conversation(&mut waiting)?,
                        Some(_) => match client.conversation_of(world.generation, &mut waiting)? {
                            Some(conversation) => conversation,
                            None => return Ok(Sent::Replaced),
                        },
                    };
                    if conversation.generation() != world.generation {
                        return Ok(Sent::Replaced);
                    }
                    none.insert(Talk {
                        conversation,
                        world: Arc::clone(world),
                        until: None,
                    })
                }
            };
            if is_turn && !self.announce_turn(&talk.conversation, ask.condition) {
                return Ok(Sent::Declined);
            }
            talk.until = until;
            if let Some(export) = ask.export {
                talk.conversation.set_export(Arc::clone(export));
            }
            talk.conversation
                .send_while(&mut scratch.builder, &mut waiting)?;
            scratch.releases.clear();
            scratch.brought.was_sent(py);
            talk.conversation
                .next(&mut scratch.body, &mut waiting)
                .map(Sent::Answered)
        };
        let mut header = match send() {
            Ok(Sent::Answered(header)) => header,
            Ok(nothing) => return Ok(nothing),
            Err(error) => return Err(self.interrupted(py, talk, ask, (error, waiting), scratch)),
        };
        if !scratch.brought.awaitables.is_empty() && !header.flags.contains(Flags::UNREAD) {
            let awaitables = &mut scratch.brought.awaitables;
            serve::watch_awaitables(py, self, world, ask.call, awaitables);
        }
        while header.kind == FrameKind::Request {
            header = self.serve_one(py, talk, world, (header, ask), scratch)?;
        }
        Ok(Sent::Answered(header))
    }

    /// Announces that a turn, or another request for a free host, follows. Whether it may be sent.
    fn announce_turn(&self, conversation: &Conversation, condition: TurnCondition) -> bool {
        if condition == TurnCondition::None {
            return conversation.try_take_top();
        }
        let turns = self.owner.turns();
        match turns.claim(|| conversation.try_take_top()) {
            TurnClaim::Announced => true,
            TurnClaim::Declined => false,
            TurnClaim::Owned => {
                self.owner.pass_on();
                false
            }
        }
    }

    /// Serves one request of the host and waits for what comes next.
    fn serve_one(
        self: &Arc<Self>,
        py: Python<'_>,
        talk: &mut Option<Talk>,
        world: &Arc<World>,
        (header, ask): (Header, Ask<'_>),
        scratch: &mut Scratch,
    ) -> PyResult<Header> {
        let Some(busy) = talk.take() else {
            return Err(errors::lost_lane(&self.label));
        };
        let mut answer = Scratch::take(&self.limits);
        let until = busy.until;
        talk::park(self, busy);
        let in_callback = InCallback::enter(py, self);
        let served = serve::serve(py, self, world, header, scratch, &mut answer);
        drop(in_callback);
        let back = talk::unpark();
        if served.is_err() {
            // The conversation is given up, which ends the host.
            errors::take_breach();
        }
        let result = served.and_then(|raised| {
            let Some(back) = back else {
                return Err(errors::lost_lane(&self.label));
            };
            let back = talk.insert(back);
            if let Some(export) = ask.export {
                // A call that was nested in the callback had named itself.
                back.conversation.set_export(Arc::clone(export));
            }
            let mut waiting = Waiting::of(self, until);
            // One that is to end is owed its answer all the same: it ends when the call has.
            let gone = back.conversation.is_over();
            // What ended a call inside of the callback, or the callback, ends this call too.
            let raised = raised.filter(|raised| {
                if gone {
                    errors::ends_calls(py, raised)
                } else {
                    raised.is_instance_of::<PyKeyboardInterrupt>(py)
                }
            });
            match raised {
                Some(raised) if gone => return Err(raised),
                Some(_) => back.conversation.interrupt(),
                None if waiting.is_over(py) => back.conversation.interrupt(),
                None => {}
            }
            let mut next = || -> Result<Header, ClientError> {
                if !gone {
                    back.conversation
                        .send_while(&mut answer.builder, &mut waiting)?;
                    answer.releases.clear();
                    answer.brought.was_sent(py);
                }
                // If the host died while the callback ran, the lane says how.
                back.conversation.next(&mut scratch.body, &mut waiting)
            };
            next().map_err(|error| {
                let error = self.interrupted(py, talk, ask, (error, waiting), scratch);
                raised.unwrap_or(error)
            })
        });
        if result.is_err() {
            unsend(py, world, &mut answer);
        } else if !answer.brought.awaitables.is_empty() {
            let awaitables = &mut answer.brought.awaitables;
            serve::watch_awaitables(py, self, world, ask.call, awaitables);
        }
        answer.give();
        result
    }

    /// What to raise when a wait ended with an error. What came in callbacks that were refused is
    /// given back; an answer that nobody wants any more is left in `scratch`.
    #[cold]
    fn interrupted(
        self: &Arc<Self>,
        py: Python<'_>,
        talk: &mut Option<Talk>,
        ask: Ask<'_>,
        (error, waiting): (ClientError, Waiting<'_>),
        scratch: &mut Scratch,
    ) -> PyErr {
        if let Some(talk) = talk {
            for (header, body) in talk.conversation.take_discarded() {
                scratch.body = body;
                if header.kind == FrameKind::Request {
                    // The interruption is what is to be told.
                    if serve::count(py, self, &talk.world, header, scratch).is_err() {
                        self.end_if_broken(&talk.world);
                    }
                } else {
                    scratch.unwanted = Some((Arc::clone(&talk.world), header));
                }
            }
        }
        self.error(error, waiting, ask.export.map(|name| &**name))
    }

    /// Reads an answer that nobody wants any more, for the objects in it.
    #[cold]
    fn count<'py, R>(
        self: &Arc<Self>,
        py: Python<'py>,
        world: &Arc<World>,
        header: Header,
        scratch: &Scratch,
        read: impl FnOnce(&mut Decoder<'_, 'py>) -> PyResult<R>,
    ) -> PyResult<()> {
        let mut reader = ValueReader::new(&scratch.body, &self.limits);
        take_back(py, self, world, header.flags, &mut reader)?;
        let mut decoder = Decoder::new(py, self, world, reader, &scratch.brought.compounds)?;
        if header.flags.contains(Flags::WRITE_BACK) {
            read_changes(&mut decoder)?;
        }
        if header.kind == FrameKind::Failure {
            take_in(world, header, scratch);
            drop(failure(decoder));
            return Ok(());
        }
        read(&mut decoder).map(drop)
    }

    /// Reads the answer.
    #[inline]
    fn finish<'py, R>(
        self: &Arc<Self>,
        py: Python<'py>,
        world: &Arc<World>,
        header: Header,
        scratch: &Scratch,
        read: impl FnOnce(&mut Decoder<'_, 'py>) -> PyResult<R>,
    ) -> PyResult<R> {
        let mut reader = ValueReader::new(&scratch.body, &self.limits);
        if header.flags.contains(Flags::RELEASES) || header.flags.contains(Flags::DENIALS) {
            take_back(py, self, world, header.flags, &mut reader)?;
        }
        let mut decoder = Decoder::new(py, self, world, reader, &scratch.brought.compounds)?;
        if header.flags.contains(Flags::WRITE_BACK) {
            let changes = read_changes(&mut decoder)?;
            apply(py, changes)?;
        }
        if header.kind == FrameKind::Failure {
            take_in(world, header, scratch);
            return Err(failure(decoder));
        }
        let result = read(&mut decoder)?;
        decoder.finish()?;
        Ok(result)
    }
}

/// Takes back what a request lent that the host has not read.
#[cold]
fn take_in(world: &World, header: Header, scratch: &Scratch) {
    if header.flags.contains(Flags::UNREAD) {
        drop(world.unsend(&scratch.brought.sent));
        if let Some((received, _)) = &scratch.brought.written_back {
            received.unsettle();
        }
    }
}

#[cold]
fn failure(mut decoder: Decoder<'_, '_>) -> PyErr {
    match Failure::read(&mut decoder.reader) {
        Ok(Failure::Thrown) => decoder.thrown().unwrap_or_else(|error| error),
        Ok(Failure::Remote(error)) => errors::remote(error, None),
        Err(error) => errors::protocol(error),
    }
}

/// Reads an answer that is one value.
#[inline]
pub(crate) fn value<'py>(decoder: &mut Decoder<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
    decoder.value()
}

/// Reads the blocks before a body: Python objects that the host gives back, which are dropped here,
/// where no lock is held, and what the addon was denied.
pub(crate) fn take_back(
    py: Python<'_>,
    session: &Session,
    world: &World,
    flags: Flags,
    reader: &mut ValueReader<'_>,
) -> PyResult<()> {
    let mut gone = Vec::new();
    let read = read_releases(flags, reader, |release| {
        gone.extend(world.released(release)?);
        Ok(())
    });
    LentObject::release_all(py, gone);
    read.map_err(errors::protocol)?;
    if flags.contains(Flags::DENIALS) {
        let denials = read_denials(flags, reader).map_err(errors::protocol)?;
        session.denied(py, &denials);
    }
    Ok(())
}

/// The frame in `scratch` was not sent: takes back what it counted.
#[cold]
pub(crate) fn unsend(py: Python<'_>, world: &World, scratch: &mut Scratch) {
    LentObject::release_all(py, world.unsend(&scratch.brought.lent));
    scratch.brought.lent.clear();
    for release in scratch.releases.drain(..) {
        world.release(release);
    }
}
