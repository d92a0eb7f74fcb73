//! Rights that a confined host gives up: gaining new ones, the capabilities of root, being
//! inspected, and executing memory that it wrote.

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{self, CapabilitySet, CapabilitySets};

use crate::error::check;
use crate::report::Failure;

/// Prevents that executing a file grants more rights. The other layers require it.
pub(crate) fn no_new_privileges() -> Result<(), Failure> {
    thread::set_no_new_privs(true).map_err(Failure::of("prctl(PR_SET_NO_NEW_PRIVS)"))
}

/// Makes the kernel refuse to map memory executable that was or is writable.
pub(crate) fn no_written_code() -> Result<(), Failure> {
    const REFUSE_EXEC_GAIN: libc::c_ulong = 1;
    // SAFETY: C3; takes numbers and no pointer.
    let answer = unsafe { libc::prctl(libc::PR_SET_MDWE, REFUSE_EXEC_GAIN, 0_u64, 0_u64, 0_u64) };
    check(answer).map_err(Failure::of("prctl(PR_SET_MDWE)"))
}

/// Prevents that other processes of this user inspect this one. The kernel then writes no core file
/// either.
pub(crate) fn not_inspectable() -> Result<(), Failure> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(Failure::of("prctl(PR_SET_DUMPABLE)"))
}

/// Permits the kernel to write a core file, also after this process has changed its credentials.
pub(crate) fn inspectable() -> Result<(), Failure> {
    set_dumpable_behavior(DumpableBehavior::Dumpable).map_err(Failure::of("prctl(PR_SET_DUMPABLE)"))
}

/// Gives up the capabilities of root, if this is root, but `CAP_DAC_OVERRIDE`: root's access to
/// files does not depend on their modes, and another layer restricts which files it reaches.
pub(crate) fn drop_capabilities() -> Result<String, Failure> {
    let held = thread::capabilities(None).map_err(Failure::of("capget"))?;
    let is_root = rustix::process::geteuid().is_root();
    let none = CapabilitySet::empty();
    let kept = if is_root {
        held.permitted & CapabilitySet::DAC_OVERRIDE
    } else {
        none
    };
    let wanted = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: none,
    };
    thread::set_capabilities(None, wanted).map_err(Failure::of("capset"))?;
    Ok(if kept.is_empty() {
        String::new()
    } else {
        "all but CAP_DAC_OVERRIDE".to_owned()
    })
}

/// Makes the kernel end this process first when memory runs out.
pub(crate) fn die_first() -> Result<(), Failure> {
    const FILE: &str = "/proc/self/oom_score_adj";
    std::fs::write(FILE, "1000").map_err(Failure::of(FILE))
}
