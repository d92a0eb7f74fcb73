//! What a diagnosed host was denied, told to the client's log soon after.

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use hostd_protocol::carrier::socket::Outbox;
use hostd_sandbox::diagnose;

/// How soon.
const PACE: Duration = Duration::from_millis(20);

/// How many were told.
static TOLD: Mutex<usize> = Mutex::new(0);

/// How often it is looked whether what was told is on its way.
const GLANCE: Duration = Duration::from_millis(1);
/// How many times at most.
const GLANCES: u32 = 1000;

/// Starts a thread that tells, also while the addon hangs or the process ends.
///
/// # Errors
/// The system has no thread left, or no handler.
pub(crate) fn watch(outbox: &Outbox) -> anyhow::Result<()> {
    let outbox = outbox.clone();
    // An end that comes before that thread has begun waits for it, too.
    diagnose::mark_reported(0);
    thread::Builder::new()
        .name("hostd-denials".to_owned())
        .spawn(move || {
            loop {
                let told = tell();
                // Nobody may read on the other side.
                for _ in 0..GLANCES {
                    if outbox.is_written() {
                        break;
                    }
                    thread::sleep(GLANCE);
                }
                diagnose::mark_reported(told);
                thread::sleep(PACE);
            }
        })
        .context("there is no thread to tell of denied calls")?;
    Ok(())
}

/// Tells what was not told yet, and returns how many were told in all.
pub(crate) fn tell() -> usize {
    let mut told = TOLD
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    for denied in diagnose::denied(*told) {
        *told += 1;
        let stack = denied.stack.join(" < ");
        tracing::warn!(target: "napi_hostd::sandbox", "denied: {denied}; in {stack}");
    }
    *told
}
