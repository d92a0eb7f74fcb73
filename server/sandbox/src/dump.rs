//! No memory images on disk.

use rustix::process::{self, Resource, Rlimit};

use crate::StepError;

/// Sets the limit for core files to nothing, for good.
///
/// A crash of the host is an ordinary event that the client reports; a memory image of the client's
/// data in the working directory is not wanted. Where the system pipes crashes to a program
/// (`core_pattern` with `|`), the kernel ignores the limit and it is up to that program to heed it.
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
