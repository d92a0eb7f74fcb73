//! The result of a request, and how it is written.

use hostd_engine::{PromiseState, Runtime, Thrown, Value};
use hostd_protocol::error::{ProtocolError, RemoteError};
use hostd_protocol::failure::Failure;
use hostd_protocol::message::{self, Description, HostStats};

use super::Session;
use super::pending::Settled;
use super::settled::write_state;
use crate::marshal::{DecodeError, EncodeError, Encoded, Encoder};

/// The reply to a request.
#[derive(Debug)]
pub(super) enum Answer {
    /// Nothing.
    Nothing,
    /// Yes or no.
    Flag(bool),
    /// A value, by the contract.
    Value(Value),
    /// An object, by reference whatever it is.
    Lent(Value),
    /// A property, if it is there.
    Property(Option<Value>),
    /// How far a promise is.
    Promise(PromiseState),
    /// A pending promise is watched under this number.
    Watched(u32),
    /// A turn was taken: whether more is left, and the promises that ended.
    Turn(bool, Vec<Settled>),
    /// What an iterator gave: nothing at its end.
    Step(Option<Value>),
    /// What an object is.
    Description(Box<Description>),
    /// Figures.
    Stats(Box<HostStats>),
    /// What an addon exports.
    Exports(Box<Exports>),
}

/// The exports of an addon, with the functions and classes among them.
#[derive(Debug)]
pub(super) struct Exports {
    pub(super) object: Value,
    /// By name; those without a value are read when they are needed.
    pub(super) names: Vec<(Value, Option<Value>)>,
    pub(super) callable: bool,
}

/// Why a request has no answer.
#[derive(Debug)]
pub(super) enum Refusal {
    /// JavaScript threw.
    Thrown(Thrown),
    /// The host refuses.
    Remote(RemoteError),
    /// The host refuses, and has read nothing of the request.
    Unread(RemoteError),
    /// The client broke the protocol: the session ends after this.
    Fatal(ProtocolError),
}

impl From<Thrown> for Refusal {
    fn from(thrown: Thrown) -> Self {
        Self::Thrown(thrown)
    }
}

impl From<RemoteError> for Refusal {
    fn from(error: RemoteError) -> Self {
        Self::Remote(error)
    }
}

impl From<ProtocolError> for Refusal {
    fn from(error: ProtocolError) -> Self {
        if error.is_fatal() {
            Self::Fatal(error)
        } else {
            limit(&error)
        }
    }
}

/// A message that is too large, for its limit or for the memory there is.
fn limit(error: &ProtocolError) -> Refusal {
    match (error, Runtime::current()) {
        (ProtocolError::Memory { .. }, Some(rt)) => rt.out_of_memory().into(),
        _ => RemoteError::Limit(error.to_string()).into(),
    }
}

impl From<DecodeError> for Refusal {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Protocol(error) => error.into(),
            DecodeError::Thrown(thrown) => thrown.into(),
            DecodeError::Remote(error) => error.into(),
        }
    }
}

impl From<EncodeError> for Refusal {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::Protocol(error) => limit(&error),
            EncodeError::Thrown(thrown) => thrown.into(),
        }
    }
}

impl Answer {
    /// Writes the body of the reply.
    pub(super) fn write(&self, session: &Session, out: &mut Encoder<'_, '_>) -> Encoded {
        match self {
            Self::Nothing => Ok(()),
            Self::Flag(flag) => {
                out.fields().put_u8(u8::from(*flag));
                Ok(())
            }
            Self::Value(value) => out.value(value),
            Self::Lent(value) => out.lend(value),
            Self::Property(property) => {
                out.fields().put_u8(u8::from(property.is_some()));
                out.value(property.as_ref().unwrap_or(&Value::UNDEFINED))
            }
            Self::Promise(state) => write_state(out, state),
            Self::Watched(serial) => {
                write_state(out, &PromiseState::Pending)?;
                out.fields().put_u32(*serial);
                Ok(())
            }
            Self::Turn(more, settled) => {
                out.fields().put_u8(u8::from(*more));
                session.write_settled(out, settled.iter(), usize::MAX)?;
                Ok(())
            }
            Self::Step(step) => {
                out.fields().put_u8(u8::from(step.is_none()));
                out.value(step.as_ref().unwrap_or(&Value::UNDEFINED))
            }
            Self::Description(description) => {
                message::write(out.fields(), &**description)?;
                Ok(())
            }
            Self::Stats(stats) => {
                message::write(out.fields(), &**stats)?;
                Ok(())
            }
            Self::Exports(exports) => exports.write(out),
        }
    }
}

impl Exports {
    fn write(&self, out: &mut Encoder<'_, '_>) -> Encoded {
        out.lend(&self.object)?;
        out.fields()
            .put_u32(u32::try_from(self.names.len()).unwrap_or(u32::MAX));
        for (name, value) in &self.names {
            out.value(name)?;
            out.fields().put_u8(u8::from(value.is_some()));
            if let Some(value) = value {
                out.lend(value)?;
            }
        }
        out.fields().put_u8(u8::from(self.callable));
        Ok(())
    }
}

impl Refusal {
    /// Writes the body of the failure.
    pub(super) fn write(&self, session: &Session, out: &mut Encoder<'_, '_>) -> Encoded {
        let error = match self {
            Self::Thrown(thrown) if thrown.is_uncatchable() || session.is_cancelled() => {
                if session.is_cancelled() {
                    RemoteError::Cancelled
                } else {
                    RemoteError::Host("the script was interrupted".to_owned())
                }
            }
            Self::Thrown(thrown) => {
                Failure::write_thrown(out.fields());
                return out.value(&thrown.0);
            }
            Self::Remote(error) | Self::Unread(error) => error.clone(),
            Self::Fatal(error) => RemoteError::Host(format!("{error}; this session ends")),
        };
        Failure::write(out.fields(), &error)?;
        Ok(())
    }
}
