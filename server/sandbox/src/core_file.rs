//! Whether, and where, the kernel leaves a core file when this process crashes.

use std::ffi::CString;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use rustix::io::Errno;
use rustix::process::{self, Resource, Rlimit};

use crate::StepError;

/// The folder of the core file, for the handler of a crash.
static FOLDER: AtomicPtr<libc::c_char> = AtomicPtr::new(ptr::null_mut());

/// Sets the limit of core files to 0, until [`allow`] or [`forbid`] is called.
///
/// The client reports crashes; a core file would leave the client's data in the working directory.
/// Where the system pipes core files to a program (`core_pattern` with `|`), the kernel ignores the
/// limit, and the program decides.
///
/// # Errors
/// The system refused it.
pub fn suspend() -> Result<(), StepError> {
    limit("core_file::suspend", Some(0), most())
}

/// Sets the limit of core files to 0 irrevocably.
///
/// # Errors
/// The system refused it.
pub fn forbid() -> Result<(), StepError> {
    limit("core_file::forbid", Some(0), Some(0))
}

/// Has the kernel write a core file into a folder when the process crashes. The path is that in the
/// sandbox, which must permit to create files there.
///
/// # Errors
/// The system refused it, or the path contains a zero.
pub fn allow(folder: Vec<u8>) -> Result<(), StepError> {
    const STEP: &str = "core_file::allow";
    limit(STEP, most(), most())?;
    let folder =
        CString::new(folder).map_err(|_| StepError::refused(STEP, "chdir")(Errno::INVAL))?;
    // It is never freed: a crash can come at any time.
    FOLDER.store(folder.into_raw(), Ordering::Release);
    Ok(())
}

/// Whether a core file was allowed.
pub(crate) fn is_allowed() -> bool {
    !FOLDER.load(Ordering::Acquire).is_null()
}

/// Makes the folder of the core file the working directory, for the handler of a crash.
pub(crate) fn enter_folder() {
    let folder = FOLDER.load(Ordering::Acquire);
    if folder.is_null() {
        return;
    }
    // SAFETY: C3 and C5; `allow` stored a text that ends with a zero and is never freed.
    if unsafe { libc::chdir(folder) } != 0 {
        // Elsewhere it would take the place of a file of the user.
        let nothing = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: C3 and C5; the structure outlives the call.
        unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const nothing) };
    }
}

fn most() -> Option<u64> {
    process::getrlimit(Resource::Core).maximum
}

fn limit(step: &'static str, current: Option<u64>, maximum: Option<u64>) -> Result<(), StepError> {
    process::setrlimit(Resource::Core, Rlimit { current, maximum })
        .map_err(StepError::refused(step, "setrlimit(RLIMIT_CORE)"))
}
