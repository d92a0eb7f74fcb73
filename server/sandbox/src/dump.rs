//! No core files.

use rustix::process::{self, Resource, Rlimit};

use crate::StepError;

/// Sets the limit of core files to 0 irrevocably.
///
/// The client reports crashes; a core file would leave the client's data in the working directory.
/// Where the system pipes core files to a program (`core_pattern` with `|`), the kernel ignores the
/// limit, and the program decides.
pub fn no_core_dumps() -> Result<(), StepError> {
    let nothing = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    process::setrlimit(Resource::Core, nothing).map_err(StepError::refused(
        "no_core_dumps",
        "setrlimit(RLIMIT_CORE)",
    ))
}
