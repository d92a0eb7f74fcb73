//! One event-loop turn of the host: it runs what is due in JavaScript, and the settled promises are
//! settled here.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use hostd_client::lock;
use hostd_protocol::calls;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

use crate::addon::LoadedAddon;
use crate::call::{call, unraisable};
use crate::exchange::Request;
use crate::flood;
use crate::generation::HostGeneration;
use crate::jobs::Job;
use crate::notices;
use crate::output;
use crate::settlements;
use crate::turns::TurnCondition;

/// A reply of a turn with more bytes than this contains more than a few settlements, so that the time
/// to read it is measured.
const LONG_REPLY_BYTES: usize = 256;

/// The loop was notified: takes one turn, and leaves further ones for the loop's next iteration.
pub(crate) fn give_from_loop(addon: &Arc<LoadedAddon>, py: Python<'_>) -> PyResult<()> {
    let _in_turn = addon.background.turns.in_turn();
    match give(addon, py, TurnCondition::None) {
        Ok(()) => Ok(()),
        // As asyncio does with exceptions of callbacks.
        Err(error) if error.is_instance_of::<PyException>(py) => {
            output::trouble(py, addon.label(), error);
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Gives the host a turn, if its JS thread runs nothing; else the host requests it again. Requests
/// another one if more is left. If the condition is not met, the owner of the turns is notified.
pub(crate) fn give(
    addon: &Arc<LoadedAddon>,
    py: Python<'_>,
    condition: TurnCondition,
) -> PyResult<()> {
    addon.background.turns.begin();
    do_jobs_of_owner(addon, py);
    let current = || addon.current().filter(|current| addon.is_current(current));
    let generation = current().or_else(|| {
        addon.background.preload.request_turn();
        // The load may have ended before the line above, and then has not seen the request.
        current()
    });
    let Some(generation) = generation else {
        return Ok(());
    };
    if take(py, addon, &generation, condition)? {
        addon.background.turns.request_turn();
    }
    Ok(())
}

/// Does what the worker would do, where the session runs on this thread.
fn do_jobs_of_owner(addon: &Arc<LoadedAddon>, py: Python<'_>) {
    let background = &addon.background;
    if background.owner.is_none() || background.is_owned_elsewhere() {
        return;
    }
    while let Some(job) = background.queue.pop() {
        let done = match job {
            Job::Died(report) => {
                addon.finalize_generation(&report);
                Ok(())
            }
            Job::Notice(header, body) => notices::read(py, addon, header, &body),
            // This is one.
            Job::Turn => Ok(()),
        };
        if let Err(error) = done {
            output::trouble(py, addon.label(), error);
        }
    }
    loop {
        let next = lock(&background.deferred).pop_front();
        let Some(function) = next else {
            return;
        };
        if let Err(error) = call(function.bind(py), ()) {
            unraisable(py, error);
        }
    }
}

/// Takes a turn. Returns whether more is left. If the JS thread was running something, the host
/// requests the turn again; if the condition was not met, the owner of the turns was notified.
fn take(
    py: Python<'_>,
    addon: &Arc<LoadedAddon>,
    generation: &Arc<HostGeneration>,
    condition: TurnCondition,
) -> PyResult<bool> {
    let (declined, served) = (Cell::new(false), Cell::new(false));
    // Kept even if the turn was interrupted: the host does not send settlements again.
    let (left, settled) = (Cell::new(false), RefCell::new(Vec::new()));
    let reading = Cell::new(Duration::ZERO);
    let request = Request {
        declined: Some(&declined),
        served: Some(&served),
        condition,
        ..Request::to(Some(generation))
    };
    let taken = addon.request_and(py, calls::Turn, request, &(), |decoder, (more, count)| {
        left.set(more);
        // To read a short reply takes less time than to read the clock.
        let is_long = decoder.reader.remaining() > LONG_REPLY_BYTES;
        let begun = is_long.then(flood::thread_time);
        let read = settlements::read(decoder, count, &mut settled.borrow_mut());
        if let Some(begun) = begun {
            reading.set(flood::thread_time().saturating_sub(begun));
        }
        read
    });
    if declined.get() {
        addon.background.note_refundable(flood::DECLINED_TURN);
        addon.charge(generation.number, flood::DECLINED_TURN);
        return Ok(false);
    }
    let more = left.get();
    let settled = settlements::settle(py, &addon.denials, generation, settled.into_inner());
    if served.get() || matches!(settled, Ok(true) | Err(_)) {
        addon.background.refund_turn();
    } else {
        addon.charge(generation.number, flood::EMPTY_TURN + reading.get());
    }
    settled?;
    if more && taken.is_err() {
        addon.background.turns.request_turn();
    }
    taken.map(|()| more)
}
