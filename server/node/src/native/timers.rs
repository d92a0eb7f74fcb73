//! The native functions under timers.

use hostd_engine::{Invocation, JsResult, Runtime, Value};

use super::bytes::argument;
use crate::state::NodeState;

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the number came from here; another one names no timer and no time"
)]
fn count(number: f64) -> u64 {
    number as u64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a process starts fewer than 2^53 timers and runs for fewer milliseconds"
)]
fn number(count: u64) -> Value {
    Value::from(count as f64)
}

/// The serial number in an argument.
fn serial(call: &Invocation<'_>) -> u64 {
    count(argument(call, 0).as_f64().unwrap_or_default())
}

/// `timerNow()`: the time that timers count.
pub(crate) fn now(rt: Runtime, _: &Invocation<'_>) -> JsResult {
    let now = NodeState::of(rt)?.timers.borrow().now();
    Ok(number(now))
}

/// `startTimer(timer, milliseconds, referenced, start or undefined)`: what stops it.
pub(crate) fn start(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let after = argument(call, 1).as_i32().unwrap_or(1);
    let after = u32::try_from(after).unwrap_or(1);
    let referenced = argument(call, 2).as_bool().unwrap_or(true);
    let timer = argument(call, 0).clone();
    let mut timers = NodeState::of(rt)?.timers.borrow_mut();
    let start = argument(call, 3)
        .as_f64()
        .map_or_else(|| timers.now(), count);
    Ok(number(timers.start(timer, start, after, referenced)))
}

/// `stopTimer(serial)`.
pub(crate) fn stop(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let stopped = NodeState::of(rt)?.timers.borrow_mut().stop(serial(call));
    drop(stopped);
    Ok(Value::UNDEFINED)
}

/// `referenceTimer(serial, referenced)`.
pub(crate) fn reference(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let referenced = argument(call, 1).as_bool().unwrap_or(true);
    let timers = &NodeState::of(rt)?.timers;
    timers.borrow_mut().set_referenced(serial(call), referenced);
    Ok(Value::UNDEFINED)
}

/// `addImmediate(immediate)`.
pub(crate) fn add_immediate(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let timers = &NodeState::of(rt)?.timers;
    timers.borrow_mut().add_immediate(argument(call, 0).clone());
    Ok(Value::UNDEFINED)
}

/// `setTimerCalls(runTimer, runImmediate)`: by `timers`, once it exists.
pub(crate) fn set_calls(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    // The script that calls this is evaluated once: the cell is empty.
    let calls = (argument(call, 0).clone(), argument(call, 1).clone());
    let _ = NodeState::of(rt)?.timer_calls.set(calls);
    Ok(Value::UNDEFINED)
}
