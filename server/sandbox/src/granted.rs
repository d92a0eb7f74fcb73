//! Opens granted paths without following links.
//!
//! Links in the paths of a policy are resolved once, when the policy is made; each restart applies
//! it again. A process with write access to the folder of a granted path could replace the path by
//! a link meanwhile, which would grant the link's target.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, open, openat2, readlink};
use rustix::io::Errno;

use crate::policy::Policy;
use crate::report::Failure;

const FLAGS: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// Checks that every granted path exists and has no link in it. A failure here concerns the policy,
/// not a mechanism, so it is no reason to degrade.
pub(crate) fn check(policy: &Policy) -> Result<(), Failure> {
    let granted = policy.read.iter().chain(&policy.write);
    for path in granted.chain(&policy.scratch) {
        open_granted(path)?;
    }
    Ok(())
}

/// Opens a path, no component of which may be a link.
pub(crate) fn open_granted(path: &Path) -> Result<OwnedFd, Failure> {
    let opened = match openat2(CWD, path, FLAGS, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        // A filter outside of this process may lack the call.
        Err(Errno::NOSYS | Errno::PERM) => open_and_compare(path),
        opened => opened,
    };
    opened.map_err(|errno| Failure {
        errno: Some(errno.raw_os_error()),
        detail: if errno == Errno::LOOP {
            format!(
                "cannot grant {}: it is a link now, or behind one",
                path.display()
            )
        } else {
            format!("cannot grant {}", path.display())
        },
    })
}

fn open_and_compare(path: &Path) -> Result<OwnedFd, Errno> {
    let opened = open(path, FLAGS, Mode::empty())?;
    let name = readlink(format!("/proc/self/fd/{}", opened.as_raw_fd()), Vec::new())?;
    if name.as_bytes() == path.as_os_str().as_encoded_bytes() {
        Ok(opened)
    } else {
        Err(Errno::LOOP)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_not_followed_wherever_they_stand() {
        let folder = std::env::temp_dir().canonicalize().unwrap();
        let folder = folder.join(format!("hostd-granted-{}", std::process::id()));
        fs::create_dir_all(folder.join("real/inner")).unwrap();
        symlink(folder.join("real"), folder.join("link")).unwrap();
        for open in [
            |path: &Path| open_granted(path).map_err(|failure| failure.errno),
            |path: &Path| open_and_compare(path).map_err(|errno| Some(errno.raw_os_error())),
        ] {
            assert!(open(&folder.join("real/inner")).is_ok());
            for path in ["link", "link/inner"] {
                assert_eq!(open(&folder.join(path)).err(), Some(Some(libc::ELOOP)));
            }
            let missing = open(&folder.join("nothing")).err();
            assert_eq!(missing, Some(Some(libc::ENOENT)));
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
