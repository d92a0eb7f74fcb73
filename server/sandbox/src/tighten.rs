//! The second step of a confinement: what only loading needs is taken away when it is done.
//!
//! It is a further filter on every thread, those that the addon has started included. From then on
//! no memory becomes code: neither memory that was written nor a file. Code that was hostile from
//! its first instruction has run by then, and could pretend that the filter came about; what holds
//! it are the layers before.

use rustix::io::Errno;

use crate::StepError;
use crate::policy::Policy;
use crate::seccomp;

/// What is to be taken away once the addon is loaded.
#[derive(Clone, Copy, Debug)]
pub struct Tightening {
    diagnose: bool,
}

impl Tightening {
    /// What this policy takes away: nothing where code may be made, or where programs are started,
    /// which load themselves under the same filters.
    pub fn of(policy: &Policy) -> Option<Self> {
        let wanted = !policy.preset.exec_memory && !policy.subprocess;
        wanted.then_some(Self {
            diagnose: policy.diagnose,
        })
    }

    /// Takes it away, for good.
    ///
    /// # Errors
    /// The kernel refuses, for instance because a thread has made itself another filter.
    pub fn apply(self) -> Result<(), StepError> {
        if cfg!(not(target_arch = "x86_64")) {
            return Err(StepError::refused("tighten", "seccomp")(Errno::NOSYS));
        }
        let program = seccomp::emit_over(&seccomp::after_loading(self.diagnose));
        seccomp::install_everywhere(&program).map_err(StepError::refused("tighten", "seccomp"))
    }
}
