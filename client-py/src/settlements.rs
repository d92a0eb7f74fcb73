//! Reads which promises were settled, from notices and the replies of turns, and settles them.

use hostd_protocol::calls::{SettledId, SettledOutcome};
use hostd_protocol::ids::SlotId;
use hostd_protocol::parts::{Part, PromiseOutcome};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

use crate::convert::Decoder;
use crate::denials::Denials;
use crate::errors;
use crate::fallible::push;
use crate::generation::HostGeneration;
use crate::proxy::Promise;
use crate::proxy::promise::Outcome;

/// A promise, its settlement subscription, and its outcome: None if that is too large for a notice and
/// is to be requested.
pub(crate) type Settlement = (SlotId, u32, Option<Outcome>);

/// Reads `count` settlements into `settled`. An exception from converting one value rejects that
/// promise alone; an interruption is raised when all are read, and the value is requested again.
pub(crate) fn read(
    decoder: &mut Decoder<'_, '_>,
    count: u32,
    settled: &mut Vec<Settlement>,
) -> PyResult<()> {
    let mut result = Ok(());
    for _ in 0..count {
        decoder.restart();
        let (id, subscription) = SettledId::read(decoder)?;
        let before = decoder.reader.clone();
        let outcome = SettledOutcome::read(decoder)
            .and_then(|outcome| Ok(outcome_of(decoder, outcome)?.ok()));
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) if errors::is_breach() => return Err(error),
            Err(error) => {
                decoder.reader = before;
                skip_outcome(decoder)?;
                if error.is_instance_of::<PyException>(decoder.py) {
                    Some(Outcome::rejected(decoder.py, error))
                } else {
                    result = Err(error);
                    None
                }
            }
        };
        push(settled, (id, subscription, outcome))?;
    }
    result
}

/// Settles the promises that still have a proxy, and requests the outcomes that were not sent. A
/// promise that has no proxy yet requests its outcome later. Returns whether any was pending.
pub(crate) fn settle(
    py: Python<'_>,
    denials: &Denials,
    generation: &HostGeneration,
    settled: Vec<Settlement>,
) -> PyResult<bool> {
    let mut result = Ok(());
    let mut is_any = false;
    for (id, subscription, outcome) in settled {
        result = generation.note_settled(id, subscription).and(result);
        let proxy = generation.proxy(py, id);
        let promise = proxy
            .as_ref()
            .and_then(|proxy| proxy.cast::<Promise>().ok());
        // An id can be that of a later object, and an old promise can have another subscription.
        let subscribed = promise.and_then(|it| Some((it, it.get().subscribed_by(subscription)?)));
        let Some((promise, is_pending)) = subscribed else {
            if let Some(Outcome::Rejected(error)) = outcome {
                result = denials.put_back(py, &error).and(result);
            }
            continue;
        };
        is_any |= is_pending;
        match outcome {
            Some(outcome) => Promise::settle(promise, outcome),
            None if promise.get().unsubscribe() => {
                result = Promise::request_outcome(promise).and(result);
            }
            None => {}
        }
    }
    result.map(|()| is_any)
}

/// The outcome of a promise, or what the host sent because it is pending.
pub(crate) fn outcome_of<'py, P>(
    decoder: &Decoder<'_, 'py>,
    outcome: PromiseOutcome<P, Bound<'py, PyAny>>,
) -> PyResult<Result<Outcome, P>> {
    Ok(match outcome {
        PromiseOutcome::Pending(pending) => Err(pending),
        PromiseOutcome::Fulfilled(value) => Ok(Outcome::Fulfilled(value.unbind())),
        PromiseOutcome::Rejected(reason) => {
            Ok(Outcome::rejected(decoder.py, decoder.thrown(reason)?))
        }
    })
}

#[cold]
fn skip_outcome(decoder: &mut Decoder<'_, '_>) -> PyResult<()> {
    let reader = &mut decoder.reader;
    let skipped = reader.take_u8().and_then(|state| match state {
        0 => Ok(()),
        _ => reader.walk(|_| ()),
    });
    skipped.map_err(errors::protocol)
}
