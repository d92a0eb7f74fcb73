//! The native functions under timers: what is to run when.
#![forbid(unsafe_code)]
#![expect(
    clippy::unnecessary_wraps,
    reason = "the engine calls every native function by one signature"
)]

use hostd_engine::{ErrorClass, Invocation, JsResult, Runtime, Value};

use super::bytes::argument;
use crate::host::{Host, HostState};

fn state(rt: Runtime) -> JsResult<&'static HostState> {
    let host = Host::current();
    let host =
        host.ok_or_else(|| rt.throw(ErrorClass::InternalError, "this thread has no host"))?;
    Ok(host.state())
}

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
    reason = "nobody starts 2^53 timers in a process, or lets it run for so many milliseconds"
)]
fn number(rt: Runtime, count: u64) -> Value {
    rt.number(count as f64)
}

/// The serial number in an argument.
fn serial(call: &Invocation<'_>) -> u64 {
    count(argument(call, 0).as_f64().unwrap_or_default())
}

/// `timerNow()`: the time that timers count.
pub(super) fn now(rt: Runtime, _: &Invocation<'_>) -> JsResult {
    let now = state(rt)?.timers.borrow().now();
    Ok(number(rt, now))
}

/// `startTimer(timer, milliseconds, referenced, start or undefined)`: what stops it.
pub(super) fn start(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let after = argument(call, 1).as_i32().unwrap_or(1);
    let after = u32::try_from(after).unwrap_or(1);
    let referenced = argument(call, 2).as_bool().unwrap_or(true);
    let timer = argument(call, 0).clone();
    let mut timers = state(rt)?.timers.borrow_mut();
    let start = argument(call, 3)
        .as_f64()
        .map_or_else(|| timers.now(), count);
    Ok(number(rt, timers.start(timer, start, after, referenced)))
}

/// `stopTimer(serial)`.
pub(super) fn stop(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let stopped = state(rt)?.timers.borrow_mut().stop(serial(call));
    drop(stopped);
    Ok(Value::UNDEFINED)
}

/// `referenceTimer(serial, referenced)`.
pub(super) fn reference(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let referenced = argument(call, 1).as_bool().unwrap_or(true);
    let timers = &state(rt)?.timers;
    timers.borrow_mut().set_referenced(serial(call), referenced);
    Ok(Value::UNDEFINED)
}

/// `addImmediate(immediate)`.
pub(super) fn add_immediate(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let immediate = argument(call, 0).clone();
    state(rt)?.timers.borrow_mut().add_immediate(immediate);
    Ok(Value::UNDEFINED)
}

/// `setTimerCalls(runTimer, runImmediate)`: by `timers`, once it exists.
pub(super) fn set_calls(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    if let Some(host) = Host::current() {
        host.set_timer_calls(argument(call, 0).clone(), argument(call, 1).clone());
    }
    let _ = rt;
    Ok(Value::UNDEFINED)
}
