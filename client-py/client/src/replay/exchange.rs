//! One call of a replay: its request, the answers to what the host requests meanwhile, its reply.

use std::sync::Arc;
use std::time::Duration;

use hostd_protocol::calls::CallKind;
use hostd_protocol::error::RemoteError;
use hostd_protocol::failure::Failure;
use hostd_protocol::frame::{Flags, FrameBuilder, FrameKind};

use super::host::Until;
use super::play::{Key, Over, Player, note, target};
use super::shapes;
use super::story::{Call, Frame, Parsed, parse_body};
use super::walk::Sender;
use crate::{ClientError, Conversation};

/// The class of a failure that says that a call was cancelled.
const CANCELLED: u8 = 3;
/// How long a call that was cancelled in the record runs at least, before it is cancelled here.
const CANCEL_AFTER: Duration = Duration::from_millis(100);

impl Player<'_> {
    /// Sends a request, and answers what the host requests until its reply comes.
    pub(super) fn exchange(
        &mut self,
        conversation: &mut Conversation,
        number: u64,
        call: &Call,
    ) -> Result<(), Over> {
        if !call.name.is_empty() {
            conversation.set_export(call.name.as_str().into());
        }
        let reply = call.reply.as_ref();
        let took = reply.map(|reply| reply.time.saturating_sub(call.request.time));
        let took = took.unwrap_or_default();
        let mut until = if was_cancelled(call) {
            Until::after(took.max(CANCEL_AFTER), None, self.options.is_interrupted)
        } else {
            self.until(took)
        };
        self.send(conversation, &call.request, &mut until)?;
        let mut body = Vec::new();
        loop {
            let header = match conversation.next(&mut body, &mut until) {
                Ok(header) => header,
                Err(ClientError::Interrupted) if !conversation.is_over() => {
                    return self.interrupted(conversation, number, call);
                }
                // It was killed, and the lane says so.
                Err(ClientError::Interrupted) => continue,
                Err(error) => return Err(error.into()),
            };
            let limits = self.story.head.limits;
            let parsed = parse_body(header, &body, Sender::Host, &limits)?;
            self.objects.receive(&parsed)?;
            if header.kind == FrameKind::Request {
                self.answer(conversation, number, call, &parsed)?;
                continue;
            }
            self.concluded(number, call, &parsed);
            return Ok(());
        }
    }

    /// A call was interrupted, as perhaps in the record, and the host goes on.
    fn interrupted(
        &mut self,
        conversation: &mut Conversation,
        number: u64,
        call: &Call,
    ) -> Result<(), Over> {
        for (header, body) in conversation.take_discarded() {
            let parsed = parse_body(header, &body, Sender::Host, &self.story.head.limits)?;
            self.objects.receive(&parsed)?;
        }
        if !was_cancelled(call) {
            let name = shapes::call(call, &self.story.head.limits);
            note(&mut self.outcome, || {
                format!("call {number}, {name}, had to be interrupted")
            });
        }
        Ok(())
    }

    /// The reply of a call has come.
    fn concluded(&mut self, number: u64, call: &Call, parsed: &Parsed<'_>) {
        if parsed.header.flags.contains(Flags::UNREAD) {
            self.objects.unsend(&call.request);
        }
        if let [settled] = parsed.found.settled.as_slice()
            && settled.promise.is_none()
            && let Some(promise) = call.request.host_target()
            && let Some((id, _)) = self.objects.promise(promise)
        {
            let ids = parsed.found.ids.get(settled.ids.clone());
            self.objects.settle(id, ids.unwrap_or_default());
        }
        let Some(recorded) = &call.reply else {
            return;
        };
        if recorded.kind != parsed.header.kind {
            let name = shapes::call(call, &self.story.head.limits);
            note(&mut self.outcome, || {
                if recorded.kind == FrameKind::Failure {
                    return format!("call {number}, {name}, returned; in the record it failed");
                }
                let why = shapes::failure(parsed.body, &self.story.head.limits);
                format!("call {number}, {name}, failed: {why}; in the record it returned")
            });
            return;
        }
        if call.kind() == Some(CallKind::Load) {
            let names = |body: &[u8]| {
                shapes::export_names(body, &self.story.head.limits).unwrap_or_default()
            };
            let (then, now) = (names(&recorded.body), names(parsed.body));
            let (recorded, actual) = (&recorded.ids, &parsed.found.ids);
            return self
                .objects
                .match_exports((&then, recorded), (&now, actual));
        }
        if call.kind() != Some(CallKind::Turn) && call.kind() != Some(CallKind::Watch) {
            self.objects.match_ids(&recorded.ids, &parsed.found.ids);
        }
    }

    /// Answers a request of the host.
    fn answer(
        &mut self,
        conversation: &mut Conversation,
        number: u64,
        call: &Call,
        parsed: &Parsed<'_>,
    ) -> Result<(), Over> {
        let first = parsed.found.ids.first();
        let object = first.and_then(|id| self.objects.number_of(id.number));
        let key = (parsed.header.number, object);
        let Some((callback, is_next)) = self.find(call, key) else {
            let what = CallKind::from_number(key.0).map_or("request", CallKind::name);
            // A record without an end stops in the middle of its last calls.
            if call.reply.is_some() || self.story.end.is_some() {
                note(&mut self.outcome, || {
                    format!(
                        "call {number}: the host made a request ({what}) that is not in the record"
                    )
                });
            }
            return self.refuse(conversation, key.0);
        };
        let callback = Arc::clone(&self.story.callbacks[callback]);
        if is_next {
            let ids = callback.request.ids.clone();
            self.objects.match_ids(&ids, &parsed.found.ids);
            for nested in &callback.calls {
                let nested = Arc::clone(&self.story.calls[*nested]);
                if self.cannot_make(&nested) {
                    continue;
                }
                if nested.lane == call.lane {
                    self.exchange(conversation, number, &nested)?;
                } else {
                    let mut other = self.lease()?;
                    self.exchange(&mut other, number, &nested)?;
                }
            }
        }
        match &callback.answer {
            Some(answer) if self.objects.unknown(answer).is_none() => {
                let mut until = self.until(Duration::ZERO);
                self.send(conversation, answer, &mut until)
            }
            _ => self.refuse(conversation, key.0),
        }
    }

    /// The callback of the record that a request is, and whether it was not answered before.
    fn find(&mut self, call: &Call, key: Key) -> Option<(usize, bool)> {
        let is_it = |number: &&usize| {
            let request = &self.story.callbacks[**number].request;
            !self.used[**number] && (request.number, target(request)) == key
        };
        let found = call.callbacks.iter().find(is_it).copied();
        let found = found.or_else(|| {
            let waiting = self.unanswered.get_mut(&key)?;
            while let Some(number) = waiting.pop_front() {
                if !self.used[number] {
                    return Some(number);
                }
            }
            None
        });
        match found {
            Some(number) => {
                self.used[number] = true;
                self.answered.insert(key, number);
                Some((number, true))
            }
            None => self.answered.get(&key).map(|number| (*number, false)),
        }
    }

    fn refuse(&mut self, conversation: &mut Conversation, number: u16) -> Result<(), Over> {
        let mut builder = FrameBuilder::new(self.story.head.limits);
        builder.start(FrameKind::Failure, number);
        let text = "the record has no answer to this".to_owned();
        Failure::write(&mut builder.body(), &RemoteError::Host(text))?;
        let mut until = self.until(Duration::ZERO);
        Ok(conversation.send_while(&mut builder, &mut until)?)
    }

    /// Sends a frame of the record, with the ids of this replay and the releases that are due.
    fn send(
        &mut self,
        conversation: &mut Conversation,
        frame: &Frame,
        until: &mut Until,
    ) -> Result<(), Over> {
        let mut builder = FrameBuilder::new(self.story.head.limits);
        builder.start(frame.kind, frame.number);
        let body = self.objects.body(frame)?;
        for number in &frame.releases {
            self.objects.release(*number);
        }
        builder.releases(&self.objects.take_releases())?;
        builder.body_bytes().extend_from_slice(&body);
        if frame.writes_back {
            builder.write_back();
        }
        Ok(conversation.send_while(&mut builder, until)?)
    }
}

/// Whether a call was cancelled in the record.
fn was_cancelled(call: &Call) -> bool {
    let reply = call.reply.as_ref();
    reply.is_some_and(|it| it.kind == FrameKind::Failure && it.body.first() == Some(&CANCELLED))
}
