//! Which option of a sandbox allows a denied operation, in Python's syntax.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::policy::Policy;
use crate::seccomp::{Allowed, Verdict, after_loading, answer};

/// The option for the policy with a jail.
pub(crate) const STRICT: &str = "policy=\"strict\"";

/// The answer of the system-call filter to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// It allows the call. If the call was denied, another layer denied the path.
    Allows,
    /// It allows the call with this option.
    AllowsWith(&'static str),
    /// It denies the call under every option.
    Denies,
}

/// Returns whether the filter allows a call, in a jail or outside of one, or which option does.
pub fn filter(number: u32, arguments: &[u64; 6], jailed: bool) -> Filter {
    let base = Allowed {
        pid: std::process::id(),
        truncate: true,
        jailed,
        ..Allowed::default()
    };
    let succeeds = |verdict| matches!(verdict, Verdict::Allow | Verdict::Errno(0));
    let passes = |allowed: &Allowed| succeeds(answer(allowed, number, arguments));
    if passes(&base) {
        // A second filter follows when the addon is loaded.
        let later = after_loading(false);
        let later = later.iter().find(|rule| rule.number == number);
        return if later.is_none_or(|rule| succeeds(rule.verdict(arguments))) {
            Filter::Allows
        } else {
            Filter::AllowsWith("exec_memory=True")
        };
    }
    let with = |option, allow: fn(&mut Allowed)| {
        let mut allowed = base;
        allow(&mut allowed);
        (option, allowed)
    };
    let options = [
        with("network=True", |allowed| allowed.network = true),
        with("unix=[...]", |allowed| allowed.unix = true),
        with("subprocess=True", |allowed| allowed.subprocess = true),
        with("watch=True", |allowed| allowed.watch = true),
        with(STRICT, |allowed| allowed.jailed = true),
    ];
    let found = options.into_iter().find(|(_, allowed)| passes(allowed));
    found.map_or(Filter::Denies, |(option, _)| Filter::AllowsWith(option))
}

/// What a call does with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Reads or lists it.
    Read,
    /// Changes or makes the file.
    Write,
    /// Makes, renames or removes an entry, which changes the folder that contains it.
    Entry,
}

/// The paths that were granted for writing, to find out which path of two was not.
static WRITE: OnceLock<Vec<PathBuf>> = OnceLock::new();

pub(crate) fn keep(policy: &Policy) {
    let granted = policy.write.iter().chain(&policy.scratch);
    // A process is confined once.
    let _ = WRITE.set(granted.cloned().collect());
}

/// The absolute form of a path that is relative to the folder with this descriptor, or to the
/// working folder.
pub fn absolute(path: &str, folder: Option<u64>) -> Option<PathBuf> {
    if path.starts_with('/') {
        return Some(path.into());
    }
    // The kernel reads 32 bits of the argument.
    let number = folder.and_then(|folder| u32::try_from(folder & u64::from(u32::MAX)).ok());
    let folder = match number.map(u32::cast_signed) {
        None | Some(libc::AT_FDCWD) => std::env::current_dir(),
        Some(number) => std::fs::read_link(format!("/proc/self/fd/{number}")),
    };
    folder.ok().map(|folder| folder.join(path))
}

/// The path to grant for a use of an absolute path: one that exists.
pub fn to_grant(use_of: Use, path: &Path) -> &Path {
    let exists = |path: &&Path| path.symlink_metadata().is_ok();
    let parents = || path.ancestors().skip(1);
    let wanted = match use_of {
        Use::Read => return path,
        Use::Write if exists(&path) => return path,
        Use::Write | Use::Entry => parents().find(exists),
    };
    // In a jail, folders that are not granted do not exist.
    let parent = parents().next().unwrap_or(path);
    wanted
        .filter(|wanted| *wanted != Path::new("/"))
        .unwrap_or(parent)
}

/// Whether a path may be changed.
pub fn is_granted(path: &Path) -> bool {
    let granted = WRITE.get().map_or(&[][..], Vec::as_slice);
    granted.iter().any(|granted| path.starts_with(granted))
}

/// The paths to grant for these uses of absolute paths.
pub fn grants(uses: &[(Use, PathBuf)]) -> Vec<&Path> {
    let mut paths: Vec<&Path> = Vec::new();
    for (use_of, path) in uses {
        let path = to_grant(*use_of, path);
        if !is_granted(path) && !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

/// The option that allows these uses of absolute paths; none if all are granted.
pub fn path_option(uses: &[(Use, PathBuf)]) -> Option<String> {
    let name = if uses.iter().any(|(use_of, _)| *use_of != Use::Read) {
        "write"
    } else {
        "read"
    };
    let paths = grants(uses);
    (!paths.is_empty()).then(|| format!("{name}={paths:?}"))
}
