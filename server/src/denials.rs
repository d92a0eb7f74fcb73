//! What a diagnosed host was denied, told to the client's log soon after.

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use hostd_sandbox::diagnose;

/// How soon.
const PACE: Duration = Duration::from_millis(20);

/// How many were told.
static TOLD: Mutex<usize> = Mutex::new(0);

/// Starts a thread that tells, also while the addon hangs.
///
/// # Errors
/// The system has no thread left, or no handler.
pub(crate) fn watch() -> anyhow::Result<()> {
    thread::Builder::new()
        .name("hostd-denials".to_owned())
        .spawn(|| {
            loop {
                tell();
                thread::sleep(PACE);
            }
        })
        .context("there is no thread to tell of denied calls")?;
    Ok(())
}

/// Tells what was not told yet.
pub(crate) fn tell() {
    let mut told = TOLD
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    for denied in diagnose::denied(*told) {
        *told += 1;
        let stack = denied.stack.join(" < ");
        tracing::warn!(target: "napi_hostd::sandbox", "denied: {denied}; in {stack}");
    }
}
