//! Ends the host with its client.
//!
//! Upholds I-18.

use rustix::process::{self, Signal};

use crate::StepError;

/// Has the kernel kill this process when the thread that spawned it ends.
///
/// The signal belongs to the parent *thread*: the client spawns hosts from a thread that lives as
/// long as the process. A parent that ended before this call never sends the signal, so the
/// parent is compared with `expected_parent` afterwards; on a mismatch the caller must exit.
/// Changing credentials or executing a set-uid binary clears the setting.
pub fn die_with_parent(expected_parent: u32) -> Result<(), StepError> {
    process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(StepError::refused(
        "die_with_parent",
        "prctl(PR_SET_PDEATHSIG)",
    ))?;
    let found = process::getppid().map_or(0, |parent| parent.as_raw_nonzero().get().unsigned_abs());
    if found == expected_parent {
        Ok(())
    } else {
        Err(StepError::Orphaned {
            expected: expected_parent,
            found,
        })
    }
}
