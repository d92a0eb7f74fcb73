//! Reports what a host under diagnosis was denied to the client's log. `process` starts it for a
//! session whose policy says `diagnose`, and calls it once more at the end of the session.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use hostd_protocol::carrier::socket::Outbox;
use hostd_sandbox::diagnose;

/// The interval at which new denials are polled.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How long the outbox is waited for, and the interval at which it is polled.
const OUTBOX_TIMEOUT: Duration = Duration::from_secs(1);
const OUTBOX_INTERVAL: Duration = Duration::from_millis(1);

static REPORTED: Mutex<usize> = Mutex::new(0);

/// Starts a thread that reports, even while the addon hangs or the process ends.
///
/// # Errors
/// The system has no thread or handler left.
pub(crate) fn report_in_background(outbox: &Outbox) -> anyhow::Result<()> {
    let outbox = outbox.clone();
    // From now on, the end of the process waits for the thread.
    diagnose::mark_reported(0);
    thread::Builder::new()
        .name("hostd-denials".to_owned())
        .spawn(move || {
            loop {
                let reported = report();
                let mut waited = Duration::ZERO;
                // The client may not read.
                while !outbox.is_written() && waited < OUTBOX_TIMEOUT {
                    thread::sleep(OUTBOX_INTERVAL);
                    waited += OUTBOX_INTERVAL;
                }
                diagnose::mark_reported(reported);
                thread::sleep(POLL_INTERVAL);
            }
        })
        .context("cannot start a thread that reports denied calls")?;
    Ok(())
}

/// Logs the denials since the last call, and returns how many were logged in all.
pub(crate) fn report() -> usize {
    let mut reported = REPORTED.lock().unwrap_or_else(PoisonError::into_inner);
    for denied in diagnose::denied(*reported) {
        *reported += 1;
        let stack = denied.stack.join(" < ");
        tracing::warn!(target: "napi_hostd::sandbox", "denied: {denied}; in {stack}");
    }
    *reported
}
