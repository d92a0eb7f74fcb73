//! The second step of a confinement: removes the rights that only loading needs.
//!
//! It is a further filter on all threads, those of the addon included. From then on no memory can
//! be made executable, neither written memory nor a file. A hostile addon has run code by then, and
//! could fake the success of this step; the layers before this one confine it.

use crate::StepError;
use crate::policy::Policy;
use crate::seccomp;

/// The rights that are removed once the addon is loaded.
#[derive(Clone, Copy, Debug)]
pub struct Tightening {
    diagnose: bool,
}

impl Tightening {
    /// What this policy removes: nothing where written memory may be executed, or where programs
    /// may be started, whose loaders run under the same filters.
    pub fn of(policy: &Policy) -> Option<Self> {
        let wanted = !policy.preset.exec_memory && !policy.subprocess;
        wanted.then_some(Self {
            diagnose: policy.diagnose,
        })
    }

    /// Removes them irrevocably.
    ///
    /// # Errors
    /// The kernel refuses, for instance because a thread has installed a filter of its own.
    pub fn apply(self) -> Result<(), StepError> {
        let program = seccomp::emit_over(&seccomp::after_loading(self.diagnose));
        seccomp::install_everywhere(&program).map_err(StepError::refused("tighten", "seccomp"))
    }
}
