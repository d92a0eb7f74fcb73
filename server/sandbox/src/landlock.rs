//! Landlock: denies access to files, and to what else it governs, unless granted. `confine` calls it.
//!
//! The rights follow from the version that was found, and the kernel must support every one of
//! them: Landlock's best-effort mode is not used.

use std::error::Error as _;
use std::io;
use std::iter::successors;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, PathBeneath,
    Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, Scope,
};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::error::last_error;
use crate::granted::open_granted;
use crate::policy::{NETWORK_READ, PROGRAMS, Policy, SYSTEM_READ, SYSTEM_WRITE};
use crate::report::Failure;

/// The granted files of `/proc`, kept open: the kernel drops unused ones when memory is short, and
/// the rule does not apply to the file that it makes instead.
static KEPT_OPEN: Mutex<Vec<OwnedFd>> = Mutex::new(Vec::new());

/// The newest version whose rights this module supports.
const VERSION_MAX: u32 = 7;

/// The first version whose log can be turned off.
const LOG_FLAGS_VERSION: u32 = 7;

/// Returns the kernel's version of Landlock, at most `at_most`; 0 is none.
pub fn version(at_most: u32) -> Result<u32, Errno> {
    const ASK_VERSION: libc::c_ulong = 1;
    let nothing = std::ptr::null::<u8>();
    // SAFETY: C3; with this flag the call reads nothing through the pointer.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            nothing,
            0_usize,
            ASK_VERSION,
        )
    };
    if let Ok(version) = u32::try_from(answer) {
        return Ok(version.min(at_most).min(VERSION_MAX));
    }
    Err(last_error())
}

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

/// Confines this process to the policy's files irrevocably, and returns what is in force as text.
///
/// TCP, abstract sockets and signals to processes outside are denied as well where the version
/// supports that; the system-call filter denies them on any version.
pub(crate) fn restrict(policy: &Policy, version: u32) -> Result<String, Failure> {
    let rights = Rights::of(version, policy.subprocess);
    let mut ruleset = create(policy, version, &rights)?;
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
    if version >= LOG_FLAGS_VERSION {
        // By default the kernel logs what it denies. Host and client report it already, and an
        // addon could fill the audit log of the system.
        ruleset = ruleset.log_same_exec(false)?;
    }
    // A step of its own sets no_new_privs.
    ruleset.no_new_privs(false).restrict_self()?;
    let mut text = format!("version {version}");
    if !missing.is_empty() {
        let names = missing.iter().map(|path| path.display().to_string());
        let names: Vec<String> = names.collect();
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

/// Grants a path; one that does not exist is an error, or is added to `missing`.
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
        KEPT_OPEN
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(opened);
    }
    Ok(granted?)
}

impl From<RulesetError> for Failure {
    fn from(error: RulesetError) -> Self {
        let reasons = successors(error.source(), |&reason| reason.source());
        let mut errors = reasons
            .clone()
            .filter_map(|reason| reason.downcast_ref::<io::Error>());
        Self {
            errno: errors.next().and_then(io::Error::raw_os_error),
            // The innermost reason.
            detail: reasons
                .last()
                .map_or_else(|| error.to_string(), ToString::to_string),
        }
    }
}
