//! Serving one request: dispatch, then reply, with what the call changed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use hostd_napi::Activity;
use hostd_protocol::calls::CallKind;
use hostd_protocol::error::{ProtocolError, RemoteError};
use hostd_protocol::frame::{Flags, FrameKind, Header, read_releases};
use hostd_protocol::ids::{CallId, LaneNumber};
use hostd_protocol::value::ValueReader;

use super::Session;
use super::answer::{Answer, Refusal};
use super::level::{FrameBuffers, Level};
use crate::marshal::{Changes, Encoded, Encoder, Sent};

impl Session {
    /// Serves a request whose body is `body`; the memory of `body` is returned for the next one.
    pub(super) fn serve(&self, lane: LaneNumber, header: &Header, body: &mut Vec<u8>) {
        let may_be_measured = header.flags.contains(Flags::MEASURED) || self.is_measured.get();
        let measured = may_be_measured && self.begin_measured(header, body);
        let level = self.levels.borrow_mut().pop().unwrap_or_default();
        level.body.replace(std::mem::take(body));
        self.serve_at(&level, (lane, header), || {
            let answer = self.host.enter(|_| self.dispatch(header, &level));
            self.reply(lane, header, &level, answer);
        });
        if measured {
            self.end_measured();
        }
        std::mem::swap(body, &mut level.body.borrow_mut());
        self.levels.borrow_mut().push(level);
    }

    /// Runs what serves a request; if it panics, the host replies that.
    pub(super) fn serve_at(
        &self,
        level: &Rc<Level>,
        (lane, header): (LaneNumber, &Header),
        act: impl FnOnce(),
    ) {
        self.open.borrow_mut().push(Rc::clone(level));
        self.nested.set(self.nested.get() + 1);
        self.served.set(self.served.get() + 1);
        let served = catch_unwind(AssertUnwindSafe(act));
        if served.is_err() {
            self.panicked(lane, header, level);
        }
        self.nested.set(self.nested.get() - 1);
        self.open.borrow_mut().pop();
        level.clear();
    }

    fn dispatch(&self, header: &Header, level: &Level) -> Result<Answer, Refusal> {
        level.flags.set(header.flags);
        let body = level.body.borrow();
        let mut reader = ValueReader::new(&body, &self.limits);
        if header.flags.contains(Flags::MEASURED) {
            Self::skip_weight(header.flags, &mut reader)?;
        }
        self.take_releases(header.flags, &mut reader)?;
        let Some(call) = CallKind::from_number(header.number) else {
            let text = format!("unknown call number {}", header.number);
            return Err(Refusal::Unread(RemoteError::Unsupported(text)));
        };
        self.refuse(call)?;
        self.run_call(call, reader, level)
    }

    /// Why no call may run, if so.
    pub(super) fn refuse(&self, call: CallKind) -> Result<(), Refusal> {
        if self.nested.get() > self.limits.nested_requests {
            let limit = self.limits.nested_requests;
            let text = format!("more than {limit} nested calls");
            return Err(Refusal::Unread(RemoteError::Limit(text)));
        }
        if self.is_cancelled() {
            return Err(Refusal::Unread(RemoteError::Cancelled));
        }
        if self.poisoned.get() && call != CallKind::Release {
            let text = "the host failed in an earlier call (a defect of the host); restart it";
            return Err(Refusal::Unread(RemoteError::Host(text.to_owned())));
        }
        Ok(())
    }

    pub(super) fn take_releases(
        &self,
        flags: Flags,
        reader: &mut ValueReader<'_>,
    ) -> Result<(), ProtocolError> {
        read_releases(flags, reader, |release| {
            let released = self.tables.objects.borrow_mut().release(release)?;
            if let Some(object) = released {
                self.released(object);
            }
            Ok(())
        })?;
        if flags.contains(Flags::DENIALS) {
            return Err(ProtocolError::violation("a block that only a host sends"));
        }
        Ok(())
    }

    /// Sends the reply. What cannot be sent becomes a failure that says so.
    pub(super) fn reply(
        &self,
        lane: LaneNumber,
        header: &Header,
        level: &Level,
        mut answer: Result<Answer, Refusal>,
    ) {
        if self.has_left() {
            return;
        }
        self.switch(Activity::Marshalling);
        let mut buffers = self.take_buffers();
        let changes = self.find_changes(level).unwrap_or_else(|error| {
            answer = Err(error.into());
            None
        });
        if changes.is_none() && self.tables.remotes.borrow().uses_memory() {
            // Memory that the arguments were in is released with this reply, so that the next call can
            // use it while the processor still has it in its caches.
            level.objects.borrow_mut().clear();
            self.host.report_unused();
        }
        let mut written = self.compose(&mut buffers, header, level, changes.as_ref(), &answer);
        if let Err(error) = written {
            answer = Err(error.into());
            written = self.compose(&mut buffers, header, level, changes.as_ref(), &answer);
        }
        if written.is_ok() {
            if let Some(changes) = changes {
                changes.settle(&mut level.baseline.borrow_mut());
            }
        } else if let Err(error) = self.compose(&mut buffers, header, level, None, &answer) {
            answer = Err(error.into());
            let text = "the error that the call ended with cannot be sent: it is too large";
            let last = Err(RemoteError::Limit(text.to_owned()).into());
            let _ = self.compose(&mut buffers, header, level, None, &last);
        }
        self.tables.fresh.set(None);
        self.transmit(lane, header, &mut buffers);
        self.put_buffers(buffers);
        if let Err(Refusal::Fatal(error)) = answer {
            self.lose(error);
        }
    }

    fn transmit(&self, lane: LaneNumber, header: &Header, buffers: &mut FrameBuffers) {
        if self.is_measured() {
            self.put_times(buffers);
        }
        let frame = buffers.builder.finish(header.call, self.generation);
        let sent = frame.and_then(|frame| self.send_frame(lane, frame));
        if let Err(error) = sent {
            self.lose(error);
        }
    }

    fn compose(
        &self,
        buffers: &mut FrameBuffers,
        header: &Header,
        level: &Level,
        changes: Option<&Changes>,
        answer: &Result<Answer, Refusal>,
    ) -> Encoded {
        let kind = if answer.is_ok() {
            FrameKind::Reply
        } else {
            FrameKind::Failure
        };
        self.begin(buffers, kind, header.number);
        if let Err(Refusal::Unread(_)) = answer {
            buffers.builder.unread();
        }
        let written = self.compose_body(buffers, header.call, level, changes, |out| match answer {
            Ok(answer) => answer.write(out),
            Err(refusal) => refusal.write(self, out),
        });
        if written.is_err() {
            self.unsend(buffers);
        }
        written
    }

    /// Begins a frame with the releases that are due.
    pub(super) fn begin(&self, buffers: &mut FrameBuffers, kind: FrameKind, number: u16) {
        buffers.builder.start(kind, number);
        if self.is_measured() && matches!(kind, FrameKind::Reply | FrameKind::Failure) {
            self.put_times(buffers);
        }
        buffers.sent.clear();
        let mut remotes = self.tables.remotes.borrow_mut();
        if remotes.has_released() {
            buffers.releases.extend(remotes.take_released());
        }
        if !buffers.releases.is_empty() {
            let written = buffers.builder.releases(&buffers.releases);
            if written.is_err() {
                // Without memory they wait for another frame.
                remotes.put_back(buffers.releases.drain(..));
            }
        }
        let denials = self.hooks.take_denials();
        if !denials.is_empty() {
            buffers.builder.denials(&denials);
        }
    }

    /// Writes a body: the write-back, then the rest. Checks that the frame can be sent.
    pub(super) fn compose_body(
        &self,
        buffers: &mut FrameBuffers,
        call: CallId,
        level: &Level,
        changes: Option<&Changes>,
        write: impl FnOnce(&mut Encoder<'_, '_>) -> Encoded,
    ) -> Encoded {
        if let Some(changes) = changes {
            let objects = level.objects.borrow();
            let by_identity = objects.by_identity(self.rt)?;
            buffers.builder.write_back();
            let out = self.encoder(buffers);
            changes.write(&mut out.with_request_objects(&by_identity))?;
        }
        write(&mut self.encoder(buffers))?;
        buffers.builder.finish(call, self.generation)?;
        Ok(())
    }

    pub(super) fn encoder<'e>(&'e self, buffers: &'e mut FrameBuffers) -> Encoder<'e, 'e> {
        let out = buffers.builder.body();
        Encoder::new(&self.tables, out, &mut buffers.seen, &mut buffers.sent)
    }

    /// Takes back what a frame that is not sent has counted, and its releases.
    pub(super) fn withdraw(&self, buffers: &mut FrameBuffers) {
        self.unsend(buffers);
        let mut remotes = self.tables.remotes.borrow_mut();
        remotes.put_back(buffers.releases.drain(..));
    }

    fn unsend(&self, buffers: &mut FrameBuffers) {
        for sent in buffers.sent.drain(..) {
            match sent {
                Sent::Ours(id) => self.tables.objects.borrow_mut().unsend(id),
                Sent::Theirs(id) => self.tables.remotes.borrow_mut().unsend_back(id),
            }
        }
    }

    /// What the call changed in the data of its request, since changes were last sent.
    pub(super) fn find_changes(&self, level: &Level) -> Encoded<Option<Changes>> {
        if level.compared.get() == self.rt.mutations() || level.objects.borrow().is_empty() {
            return Ok(None);
        }
        // Reading may run an accessor, which may call the client, which looks for changes again.
        let baseline = level.baseline.take();
        let changes = Changes::find(
            &self.tables,
            &self.limits,
            &level.body.borrow(),
            &level.objects.borrow(),
            &baseline,
        );
        level.baseline.replace(baseline);
        level.compared.set(self.rt.mutations());
        Ok(Some(changes?).filter(|changes| !changes.is_empty()))
    }

    pub(super) fn take_buffers(&self) -> Box<FrameBuffers> {
        let used = self.buffers.borrow_mut().pop();
        used.unwrap_or_else(|| Box::new(FrameBuffers::new(self.limits)))
    }

    pub(super) fn put_buffers(&self, mut buffers: Box<FrameBuffers>) {
        buffers.releases.clear();
        buffers.objects.clear();
        buffers.seen.clear();
        buffers.seen.take_originals();
        self.buffers.borrow_mut().push(buffers);
    }

    #[cold]
    fn panicked(&self, lane: LaneNumber, header: &Header, level: &Level) {
        let call = CallKind::from_number(header.number).map_or("unknown call", CallKind::name);
        tracing::error!(target: "napi_hostd", call, "the host panicked while it served a call");
        self.poisoned.set(true);
        let text = "the host failed while it served this call (a defect of the host)";
        let refusal = Err(RemoteError::Host(text.to_owned()).into());
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            self.reply(lane, header, level, refusal);
        }));
        if outcome.is_err() {
            self.lose(ProtocolError::Disconnected);
        }
    }
}
