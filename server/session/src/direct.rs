//! Calls that take no frame, where the session runs on the client's thread: those of the client, and the
//! callbacks in them.

use hostd_engine::{JsResult, Key, Value};
use hostd_napi::Activity;
use hostd_protocol::calls;
use hostd_protocol::direct::{
    CallbackState, DIRECT_ARGUMENTS_MAX, DirectArgument, DirectCallback, DirectName, DirectRequest,
    DirectTarget, Scalar,
};
use hostd_protocol::error::{ProtocolError, RemoteError, Result};
use hostd_protocol::frame::{Flags, FrameKind, Header};
use hostd_protocol::ids::{CallId, LaneNumber, SlotId};

use super::Session;
use super::answer::{Answer, Refusal};
use crate::marshal::callable;

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
        let is_begun = request.weight != 0 || self.is_measured.get();
        let measured = is_begun && self.begin_direct(request.weight);
        self.serve_lane(lane, || {
            self.serve_at(&level, (lane, &header), || {
                let answer = self.host.enter(|_| self.call_directly(request));
                let scalar = match &answer {
                    Ok(Answer::Value(value) | Answer::Flagged((true, value))) => scalar(value),
                    _ => None,
                };
                if scalar.is_some_and(|scalar| self.answer_directly(request, scalar)) {
                    self.tables.fresh.set(None);
                } else {
                    self.reply(lane, &header, &level, answer);
                }
            });
        });
        if measured {
            self.end_measured();
        }
        self.levels.borrow_mut().push(level);
        Ok(self.finish_outermost())
    }

    fn call_directly(&self, request: &DirectRequest) -> Result<Answer, Refusal> {
        self.refuse(request.target.kind())?;
        let mut arguments = [const { Value::UNDEFINED }; DIRECT_ARGUMENTS_MAX];
        let count = usize::from(request.count).min(DIRECT_ARGUMENTS_MAX);
        for (place, argument) in arguments[..count].iter_mut().zip(&request.arguments) {
            *place = match *argument {
                DirectArgument::Undefined => Value::UNDEFINED,
                DirectArgument::Null => Value::NULL,
                DirectArgument::Bool(flag) => Value::from(flag),
                DirectArgument::Number(number) => Value::from(number),
                DirectArgument::Callable(lent, form) => callable(&self.tables, id(lent)?, form)?,
            };
        }
        let arguments = &arguments[..count];
        self.switch(Activity::Engine);
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

    /// Answers the client's call in place, if the client looks there and nothing else is due to be sent.
    fn answer_directly(&self, request: &DirectRequest, scalar: Scalar) -> bool {
        self.switch(Activity::Marshalling);
        if passes_callable(request) {
            // One that is not used any more is released with the answer.
            self.host.report_unused();
        }
        !self.has_left()
            && (!self.tables.remotes.borrow().has_released() || self.release_directly())
            && self.answer_in_place(scalar)
    }

    /// Releases objects of the client with the answer that follows in place, if it has room for all.
    fn release_directly(&self) -> bool {
        let mut remotes = self.tables.remotes.borrow_mut();
        let Some(releases) = remotes.take_few_released() else {
            return false;
        };
        let is_possible = self.hooks.release_direct(releases);
        if !is_possible {
            remotes.put_back(releases.into_iter().flatten());
        }
        is_possible
    }

    /// Calls a callable of the client: in place with scalars, where the client looks there, otherwise by a
    /// frame.
    pub(super) fn call_client(&self, target: u32, arguments: &[Value]) -> JsResult {
        let mut callback = DirectCallback {
            state: CallbackState::Asked,
            target,
            ..DirectCallback::default()
        };
        let is_direct = self.hooks.asks_directly()
            && self.may_ask_directly()
            && arguments.len() <= DIRECT_ARGUMENTS_MAX
            && arguments
                .iter()
                .zip(&mut callback.arguments)
                .all(|(argument, place)| {
                    scalar(argument).is_some_and(|scalar| {
                        *place = scalar;
                        callback.count += 1;
                        true
                    })
                });
        let answer = if is_direct {
            self.ask_directly(callback)?
        } else {
            None
        };
        match answer {
            Some(answer) => Ok(answer),
            None => self.ask::<calls::Invoke>(&(target, arguments)),
        }
    }

    /// Whether a request to the client needs no more than the call that is being served has: no changes of
    /// its arguments are to be sent before it.
    fn may_ask_directly(&self) -> bool {
        let open = self.open.borrow();
        open.last().is_some_and(|level| {
            level.compared.get() == self.rt.mutations() || level.objects.borrow().is_empty()
        })
    }

    fn key(&self, name: &DirectName) -> Result<Key, Refusal> {
        Ok(self.rt.key_utf8(name.as_bytes())?)
    }
}

fn id(number: u32) -> Result<SlotId, Refusal> {
    SlotId::new(number).ok_or_else(|| RemoteError::Stale(number).into())
}

/// Whether a callable is among its arguments.
fn passes_callable(request: &DirectRequest) -> bool {
    let arguments = request.arguments.iter().take(request.count.into());
    arguments
        .into_iter()
        .any(|argument| matches!(argument, DirectArgument::Callable(..)))
}

/// The value that a scalar stands for.
pub(super) fn value(scalar: Scalar) -> Value {
    match scalar {
        Scalar::Undefined => Value::UNDEFINED,
        Scalar::Null => Value::NULL,
        Scalar::Bool(flag) => Value::from(flag),
        Scalar::Number(number) => Value::from(number),
    }
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
