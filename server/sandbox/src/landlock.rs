//! Files, and what else the kernel's Landlock governs: everything is denied but what is granted.
//!
//! Which rights are asked for follows from the version that was found, and the kernel must know
//! every one of them: nothing is left to "as far as possible".

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, PathBeneath,
    Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, Scope,
};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::granted::open_granted;
use crate::policy::{NETWORK_READ, PROGRAMS, Policy, SYSTEM_READ, SYSTEM_WRITE};
use crate::report::Failure;

/// What was granted of `/proc`. A file there that nobody uses is forgotten when memory is short, and is
/// another one next time, which nothing was granted for.
static USED: Mutex<Vec<OwnedFd>> = Mutex::new(Vec::new());

/// The newest version whose rights are known here.
const NEWEST: u32 = 7;

/// Asks for the kernel's version of Landlock, taken for no newer than `at_most`; 0 is none.
pub fn version(at_most: u32) -> Result<u32, Errno> {
    const ASK_VERSION: libc::c_ulong = 1;
    let nothing = std::ptr::null::<u8>();
    // SAFETY: C3; asked for its version, the call reads nothing through the pointer.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            nothing,
            0_usize,
            ASK_VERSION,
        )
    };
    if let Ok(version) = u32::try_from(answer) {
        return Ok(version.min(at_most).min(NEWEST));
    }
    let errno = std::io::Error::last_os_error().raw_os_error();
    Err(Errno::from_raw_os_error(errno.unwrap_or(libc::ENOSYS)))
}

/// The rights that a version knows.
struct Rights {
    abi: ABI,
    read: BitFlags<AccessFs>,
    write: BitFlags<AccessFs>,
}

impl Rights {
    fn of(version: u32, subprocess: bool) -> Self {
        let abi = match version {
            0 => ABI::Unsupported,
            1 => ABI::V1,
            2 => ABI::V2,
            3 => ABI::V3,
            4 => ABI::V4,
            5 => ABI::V5,
            6 => ABI::V6,
            _ => ABI::V7,
        };
        let mut read = AccessFs::ReadFile | AccessFs::ReadDir;
        if subprocess {
            read |= AccessFs::Execute;
        }
        let devices = AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev;
        let write = read | (AccessFs::from_write(abi) & !devices);
        Self { abi, read, write }
    }
}

/// Confines this process to the policy's files, for good, and returns what holds as text.
///
/// Where the version knows them, TCP, abstract sockets and signals to processes outside are denied
/// as well; none of that is relied upon, see the filter for system calls.
pub(crate) fn restrict(policy: &Policy, version: u32) -> Result<String, Failure> {
    let rights = Rights::of(version, policy.subprocess);
    let mut ruleset = create(policy, version, &rights).map_err(|error| failed(&error))?;
    let mut missing = Vec::new();
    let optional = |list: &'static [&'static str]| list.iter().map(Path::new);
    let mut system: Vec<&Path> = optional(SYSTEM_READ).collect();
    if policy.network {
        system.extend(optional(NETWORK_READ));
    }
    if policy.subprocess {
        system.extend(optional(PROGRAMS));
    }
    for path in system {
        ruleset = grant(ruleset, path, rights.read, &rights, Some(&mut missing))?;
    }
    for path in optional(SYSTEM_WRITE) {
        ruleset = grant(ruleset, path, rights.write, &rights, Some(&mut missing))?;
    }
    for path in &policy.read {
        ruleset = grant(ruleset, path, rights.read, &rights, None)?;
    }
    for path in policy.write.iter().chain(&policy.scratch) {
        ruleset = grant(ruleset, path, rights.write, &rights, None)?;
    }
    // The right to gain rights is given up in a step of its own.
    ruleset
        .no_new_privs(false)
        .restrict_self()
        .map_err(|error| failed(&error))?;
    let mut text = format!("version {version}");
    if !missing.is_empty() {
        let names: Vec<String> = missing
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        text = format!("{text}; not on this system: {}", names.join(", "));
    }
    Ok(text)
}

fn create(policy: &Policy, version: u32, rights: &Rights) -> Result<RulesetCreated, RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(rights.abi))?;
    if version >= 4 && !policy.network {
        ruleset = ruleset.handle_access(AccessNet::from_all(rights.abi))?;
    }
    if version >= 6 {
        ruleset = ruleset.scope(Scope::from_all(rights.abi))?;
    }
    ruleset.create()
}

/// Grants one path; one that is not there is an error, or noted in `missing`.
fn grant(
    ruleset: RulesetCreated,
    path: &Path,
    rights: BitFlags<AccessFs>,
    all: &Rights,
    missing: Option<&mut Vec<PathBuf>>,
) -> Result<RulesetCreated, Failure> {
    let opened = match missing {
        None => open_granted(path)?,
        Some(missing) => {
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            let Ok(opened) = rustix::fs::open(path, flags, Mode::empty()) else {
                missing.push(path.to_owned());
                return Ok(ruleset);
            };
            opened
        }
    };
    let kind = rustix::fs::fstat(&opened).map_err(Failure::of("fstat"))?;
    let is_folder = rustix::fs::FileType::from_raw_mode(kind.st_mode).is_dir();
    let rights = if is_folder {
        rights
    } else {
        rights & AccessFs::from_file(all.abi)
    };
    let granted = ruleset.add_rule(PathBeneath::new(&opened, rights));
    if path.starts_with("/proc") {
        USED.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(opened);
    }
    granted.map_err(|error| failed(&error))
}

fn failed(error: &RulesetError) -> Failure {
    Failure {
        errno: errno_of(error),
        detail: cause(error),
    }
}

/// The innermost reason of an error.
fn cause(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut inner = error.source();
    while let Some(source) = inner {
        text = source.to_string();
        inner = source.source();
    }
    text
}

fn errno_of(error: &dyn std::error::Error) -> Option<i32> {
    let mut inner = error.source();
    while let Some(source) = inner {
        if let Some(system) = source.downcast_ref::<std::io::Error>() {
            return system.raw_os_error();
        }
        inner = source.source();
    }
    None
}
