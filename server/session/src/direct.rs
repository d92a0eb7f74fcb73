//! Calls of the client that take no frame: with scalars, from the thread that the session runs on.

use hostd_engine::{Key, Value};
use hostd_protocol::error::{ProtocolError, RemoteError, Result};
use hostd_protocol::frame::{Flags, FrameKind, Header};
use hostd_protocol::ids::{CallId, LaneNumber, SlotId};
use hostd_protocol::in_process::{
    DIRECT_ARGUMENTS_MAX, DirectName, DirectRequest, DirectTarget, Scalar,
};

use super::Session;
use super::answer::{Answer, Refusal};

impl Session {
    /// Serves the call that the client makes in place, if it makes one, and those that follow until there
    /// is something else to do. The client resumes this session at the latest when the time that the wait
    /// before it was limited to is over, if it `has_limit`.
    pub(super) fn serve_direct_calls(&self, has_limit: bool) -> Result {
        while let Some(request) = self.hooks.take_direct() {
            let is_turn_due = self.serve_direct(&request)?;
            if is_turn_due
                || !self.is_quiet(has_limit)
                || self.end.borrow_mut().wait_for_direct() != Some(true)
            {
                break;
            }
        }
        Ok(())
    }

    /// Whether nothing is due now, and nothing is to be sent. What is due later is the aging of objects,
    /// which any limit is good enough for.
    fn is_quiet(&self, has_limit: bool) -> bool {
        !self.is_ending()
            && !self.turn_requests.is_pending()
            && !self.has_notices()
            && !self.tables.remotes.borrow().has_released()
            && (has_limit || self.host.age_timeout().is_none())
            && self.host.next_deadline().is_none()
    }

    /// Makes the call. The result is passed in place if it is a scalar and nothing else is due to be sent;
    /// otherwise a frame replies. Returns whether a turn is due.
    fn serve_direct(&self, request: &DirectRequest) -> Result<bool> {
        let Some(lane) = LaneNumber::new(request.lane.into()) else {
            return Err(ProtocolError::violation(
                "a call on a lane that does not exist",
            ));
        };
        let header = Header {
            body_len: 0,
            kind: FrameKind::Request,
            flags: Flags::NONE,
            number: request.target.kind().number(),
            call: CallId(request.call),
            generation: self.generation,
        };
        let level = self.levels.borrow_mut().pop().unwrap_or_default();
        level.flags.set(Flags::NONE);
        level.compared.set(self.rt.mutations());
        self.serve_lane(lane, || {
            self.serve_at(&level, (lane, &header), || {
                let answer = self.host.enter(|_| self.call_directly(request));
                let scalar = match &answer {
                    Ok(Answer::Value(value) | Answer::Flagged((true, value))) => scalar(value),
                    _ => None,
                };
                let is_answered = scalar.is_some_and(|scalar| {
                    !self.tables.remotes.borrow().has_released()
                        && !self.has_left()
                        && self.hooks.answer_direct(scalar)
                });
                if is_answered {
                    self.tables.fresh.set(None);
                } else {
                    self.reply(lane, &header, &level, answer);
                }
            });
        });
        self.levels.borrow_mut().push(level);
        Ok(self.finish_outermost())
    }

    fn call_directly(&self, request: &DirectRequest) -> Result<Answer, Refusal> {
        self.refuse(request.target.kind())?;
        let mut arguments = [const { Value::UNDEFINED }; DIRECT_ARGUMENTS_MAX];
        let count = usize::from(request.count).min(DIRECT_ARGUMENTS_MAX);
        for (place, argument) in arguments[..count].iter_mut().zip(&request.arguments) {
            *place = match *argument {
                Scalar::Undefined => Value::UNDEFINED,
                Scalar::Null => Value::NULL,
                Scalar::Bool(flag) => Value::from(flag),
                Scalar::Number(number) => Value::from(number),
            };
        }
        let arguments = &arguments[..count];
        match &request.target {
            DirectTarget::Function(function, this) => {
                let function = self.tables.held(id(*function)?)?;
                let this = match SlotId::new(*this) {
                    Some(id) => self.tables.held(id)?,
                    None => Value::UNDEFINED,
                };
                let result = self.rt.call(&function, &this, arguments);
                self.result(result).map(Answer::Value)
            }
            DirectTarget::Method(object, name) => {
                let (object, key) = (self.tables.held(id(*object)?)?, self.key(name)?);
                self.invoke(&object, &key, arguments).map(Answer::Value)
            }
            DirectTarget::Property(object, name) => {
                let (object, key) = (self.tables.held(id(*object)?)?, self.key(name)?);
                self.get((object, key)).map(Answer::Flagged)
            }
        }
    }

    fn key(&self, name: &DirectName) -> Result<Key, Refusal> {
        Ok(self.rt.key_utf8(name.as_bytes())?)
    }
}

fn id(number: u32) -> Result<SlotId, Refusal> {
    SlotId::new(number).ok_or_else(|| RemoteError::Stale(number).into())
}

fn scalar(value: &Value) -> Option<Scalar> {
    if let Some(number) = value.as_f64() {
        return Some(Scalar::Number(number));
    }
    if let Some(flag) = value.as_bool() {
        return Some(Scalar::Bool(flag));
    }
    if value.is_undefined() {
        return Some(Scalar::Undefined);
    }
    value.is_null().then_some(Scalar::Null)
}
