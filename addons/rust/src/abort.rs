//! Tasks that an `AbortSignal` calls off while they wait for a thread.

use std::sync::{Condvar, Mutex, PoisonError};

use napi::bindgen_prelude::{AbortSignal, AsyncTask, Env, Result, Task};
use napi_derive::napi;

static GATE: Mutex<bool> = Mutex::new(false);
static OPENED: Condvar = Condvar::new();

/// A task that waits until the gate is opened.
#[derive(Debug)]
pub struct Blocked {
    number: f64,
}

impl Task for Blocked {
    type Output = f64;
    type JsValue = f64;

    fn compute(&mut self) -> Result<f64> {
        let open = GATE.lock().unwrap_or_else(PoisonError::into_inner);
        let open = OPENED.wait_while(open, |open| !*open);
        drop(open.unwrap_or_else(PoisonError::into_inner));
        Ok(self.number)
    }

    fn resolve(&mut self, _: Env, number: f64) -> Result<f64> {
        Ok(number)
    }
}

/// Returns a promise of the number, once the gate is open; a signal can call it off before.
#[napi(ts_return_type = "Promise<number>")]
pub fn behind_gate(number: f64, signal: Option<AbortSignal>) -> AsyncTask<Blocked> {
    AsyncTask::with_optional_signal(Blocked { number }, signal)
}

/// Opens or shuts the gate.
#[napi]
pub fn set_gate(open: bool) {
    *GATE.lock().unwrap_or_else(PoisonError::into_inner) = open;
    OPENED.notify_all();
}
