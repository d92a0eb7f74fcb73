//! The result of a request, and how it is written.

use hostd_engine::{Runtime, Thrown, Value};
use hostd_protocol::bulk::RowFailure;
use hostd_protocol::calls::{NamedExport, SettledPromise};
use hostd_protocol::error::{ProtocolError, RemoteError};
use hostd_protocol::failure::Failure;
use hostd_protocol::message::{Description, HostStats};
use hostd_protocol::parts::{AnyValue, List, PromiseOutcome, Put, Record};
use hostd_protocol::profile::HostProfile;

use super::Session;
use super::settled::{Batch, OutcomeOf};
use crate::marshal::{DecodeError, EncodeError, Encoded, Encoder, Lent};

/// A result that is written as the part `P`.
pub(super) trait Answers<P> {
    fn answer(self) -> Answer;
}

macro_rules! answers {
    ($($(#[$doc:meta])* $name:ident($result:ty) as $part:ty;)*) => {
        /// The result of a request.
        #[derive(Debug)]
        pub(super) enum Answer {
            $($(#[$doc])* $name($result),)*
        }

        $(impl Answers<$part> for $result {
            #[inline]
            fn answer(self) -> Answer {
                Answer::$name(self)
            }
        })*

        impl Answer {
            pub(super) fn write(&self, out: &mut Encoder<'_, '_>) -> Encoded {
                match self {
                    $(Self::$name(result) => Put::<$part, _>::put(result, out),)*
                }
            }
        }
    };
}

answers! {
    Nothing(()) as ();
    Flag(bool) as bool;
    /// Whether it is a constructor, the other is one, and it extends that.
    Extends((bool, bool, bool)) as (bool, bool, bool);
    /// A value, by the contract.
    Value(Value) as AnyValue;
    /// An object of any kind, by reference.
    Lent(Lent) as AnyValue;
    /// A property or an item, and whether it is there.
    Flagged((bool, Value)) as (bool, AnyValue);
    /// The outcome of a promise, or the number of a settlement subscription.
    Outcome(OutcomeOf<u32>) as PromiseOutcome<u32>;
    /// A turn was taken: whether more is left, and the promises that were settled.
    Turn((bool, Batch)) as (bool, List<SettledPromise>);
    Description(Box<Record<Description>>) as Record<Description>;
    Stats(Box<Record<HostStats>>) as Record<HostStats>;
    Profile(Box<Record<HostProfile>>) as Record<HostProfile>;
    /// The results of rows, and the rows that have none.
    Bulk(BulkAnswer) as (AnyValue, List<RowFailure>);
    /// What an addon exports, with the functions and classes among them.
    Exports(Box<Exports>) as (AnyValue, List<NamedExport>);
}

/// The results of rows, and the rows that have none.
pub(super) type BulkAnswer = Box<(Value, Vec<(u32, bool, Value)>)>;

/// The exports of an addon, and those that are functions or classes by name.
pub(super) type Exports = (Lent, Vec<(Value, Lent)>);

/// Why a request has no answer.
#[derive(Debug)]
pub(super) enum Refusal {
    Thrown(Thrown),
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

impl Refusal {
    pub(super) fn write(&self, session: &Session, out: &mut Encoder<'_, '_>) -> Encoded {
        let error = match self {
            Self::Thrown(_) if session.is_cancelled() => RemoteError::Cancelled,
            Self::Thrown(thrown) if thrown.is_uncatchable() => {
                RemoteError::Host("the script was interrupted".to_owned())
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
