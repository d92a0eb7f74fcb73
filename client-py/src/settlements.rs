//! Reads which promises were settled, from notices and the replies of turns, and settles them.

use hostd_protocol::ids::SlotId;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

use crate::convert::Decoder;
use crate::denials::Denials;
use crate::errors;
use crate::fallible::push;
use crate::generation::HostGeneration;
use crate::proxy::Promise;
use crate::proxy::promise::Outcome;

/// A notice of the host about a promise with a settlement subscription.
#[derive(Debug)]
pub(crate) struct Settlement {
    id: SlotId,
    subscription: u32,
    /// None if it is too large for a notice: it is to be requested.
    outcome: Option<Outcome>,
}

/// Reads settlements into `settled`. An exception from converting one value rejects that promise
/// alone; an interruption is raised when all are read, and the value is requested again.
pub(crate) fn read(decoder: &mut Decoder<'_, '_>, settled: &mut Vec<Settlement>) -> PyResult<()> {
    let count = decoder.reader.take_count(9).map_err(errors::protocol)?;
    let mut result = Ok(());
    for _ in 0..count {
        decoder.restart();
        let id = decoder.reader.take_id().map_err(errors::protocol)?;
        let subscription = decoder.reader.take_u32().map_err(errors::protocol)?;
        let before = decoder.reader.clone();
        let outcome = match read_outcome(decoder) {
            Ok(outcome) => outcome,
            Err(error) if errors::is_breach() => return Err(error),
            Err(error) => {
                decoder.reader = before;
                skip_outcome(decoder)?;
                if error.is_instance_of::<PyException>(decoder.py()) {
                    Some(Outcome::rejected(decoder.py(), error))
                } else {
                    result = Err(error);
                    None
                }
            }
        };
        let settlement = Settlement {
            id,
            subscription,
            outcome,
        };
        push(settled, settlement)?;
    }
    result
}

/// Settles the promises that still have a proxy; those whose outcome was not sent are given to
/// `request`. A promise that has none yet requests its outcome later. Returns whether any was pending.
pub(crate) fn settle(
    py: Python<'_>,
    denials: &Denials,
    generation: &HostGeneration,
    settled: Vec<Settlement>,
    request: impl Fn(&Promise) -> PyResult<()>,
) -> PyResult<bool> {
    let mut result = Ok(());
    let mut is_any = false;
    for settlement in settled {
        let Settlement {
            id,
            subscription,
            outcome,
        } = settlement;
        result = generation.note_settled(id, subscription).and(result);
        let proxy = generation.proxy(py, id);
        let promise = proxy
            .as_ref()
            .and_then(|proxy| proxy.cast::<Promise>().ok());
        // An id can be that of a later object, and an old promise can have another subscription.
        let subscribed =
            promise.and_then(|it| Some((it.get(), it.get().subscribed_by(subscription)?)));
        let Some((promise, is_pending)) = subscribed else {
            if let Some(Outcome::Rejected(error)) = outcome {
                result = denials.put_back(py, &error).and(result);
            }
            continue;
        };
        is_any |= is_pending;
        match outcome {
            Some(outcome) => promise.settle(py, outcome),
            None if promise.unsubscribe() => result = request(promise).and(result),
            None => {}
        }
    }
    result.map(|()| is_any)
}

/// Reads the state of a promise and, if it is settled, its value.
pub(crate) fn read_outcome(decoder: &mut Decoder<'_, '_>) -> PyResult<Option<Outcome>> {
    match decoder.reader.take_u8().map_err(errors::protocol)? {
        0 => Ok(None),
        1 => Ok(Some(Outcome::Fulfilled(decoder.value()?.unbind()))),
        2 => decoder
            .thrown()
            .map(|error| Some(Outcome::rejected(decoder.py(), error))),
        _ => Err(errors::violation("an unknown state of a promise")),
    }
}

#[cold]
fn skip_outcome(decoder: &mut Decoder<'_, '_>) -> PyResult<()> {
    let reader = &mut decoder.reader;
    let skipped = reader.take_u8().and_then(|state| match state {
        0 => Ok(()),
        _ => reader.skip(),
    });
    skipped.map_err(errors::protocol)
}
