//! Rights that a confined host gives up: gaining new ones, the capabilities of root, being
//! inspected, and executing memory that it wrote.

use rustix::io::Errno;
use rustix::thread;

use crate::report::Failure;

/// Prevents that executing a file grants more rights. The other layers require it.
pub(crate) fn no_new_privileges() -> Result<String, Failure> {
    thread::set_no_new_privs(true).map_err(Failure::of("prctl(PR_SET_NO_NEW_PRIVS)"))?;
    Ok(String::new())
}

/// Makes the kernel refuse to map memory executable that was or is writable.
pub(crate) fn no_written_code() -> Result<String, Failure> {
    const SET_MDWE: libc::c_int = 65;
    const REFUSE_EXEC_GAIN: libc::c_ulong = 1;
    // SAFETY: C3; takes numbers and no pointer.
    let answer = unsafe { libc::prctl(SET_MDWE, REFUSE_EXEC_GAIN, 0_u64, 0_u64, 0_u64) };
    check(answer.into()).map_err(Failure::of("prctl(PR_SET_MDWE)"))?;
    Ok(String::new())
}

/// Prevents that other processes of this user inspect this one.
pub(crate) fn not_inspectable() -> Result<String, Failure> {
    // SAFETY: C3; takes numbers and no pointer.
    let answer = unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0_u64, 0_u64, 0_u64, 0_u64) };
    check(answer.into()).map_err(Failure::of("prctl(PR_SET_DUMPABLE)"))?;
    Ok(String::new())
}

/// Gives up the capabilities of root, if this is root, but `CAP_DAC_OVERRIDE`: root's access to
/// files does not depend on their modes, and another layer restricts which files it reaches.
pub(crate) fn drop_capabilities() -> Result<String, Failure> {
    const VERSION_3: u32 = 0x2008_0522;
    const DAC_OVERRIDE: u32 = 1 << 1;
    /// The header of `capset`: version and process.
    #[repr(C)]
    struct Header {
        version: u32,
        process: i32,
    }
    /// 32 of the capabilities, in three sets.
    #[repr(C)]
    #[derive(Clone, Copy, Default)]
    struct Sets {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    let header = Header {
        version: VERSION_3,
        process: 0,
    };
    let mut held = [Sets::default(); 2];
    // SAFETY: C3; version 3 reads one header and writes two of the structures.
    let answer = unsafe { libc::syscall(libc::SYS_capget, &raw const header, held.as_mut_ptr()) };
    check(answer).map_err(Failure::of("capget"))?;
    let is_root = rustix::process::geteuid().is_root();
    let kept = held[0].permitted & if is_root { DAC_OVERRIDE } else { 0 };
    let wanted = [
        Sets {
            effective: kept,
            permitted: kept,
            inheritable: 0,
        },
        Sets::default(),
    ];
    // SAFETY: C3; version 3 reads one header and two of the structures.
    let answer = unsafe { libc::syscall(libc::SYS_capset, &raw const header, wanted.as_ptr()) };
    check(answer).map_err(Failure::of("capset"))?;
    Ok(if kept == 0 {
        String::new()
    } else {
        "all but CAP_DAC_OVERRIDE".to_owned()
    })
}

/// Makes the kernel end this process first when memory runs out.
pub(crate) fn die_first() -> Result<String, Failure> {
    std::fs::write("/proc/self/oom_score_adj", "1000").map_err(|error| Failure {
        errno: error.raw_os_error(),
        detail: "/proc/self/oom_score_adj".to_owned(),
    })?;
    Ok(String::new())
}

fn check(answer: libc::c_long) -> Result<(), Errno> {
    if answer >= 0 {
        return Ok(());
    }
    let errno = std::io::Error::last_os_error().raw_os_error();
    Err(Errno::from_raw_os_error(errno.unwrap_or(libc::EINVAL)))
}
