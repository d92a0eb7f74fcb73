//! A file system with only the granted paths, for a host in a mount namespace.

use std::collections::HashSet;
use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mkdirat, mknodat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
    mount_change, move_mount, open_tree, unmount,
};

use crate::SingleThreaded;
use crate::error::check;
use crate::granted::open_granted;
use crate::namespaces::{Network, enter_all, try_in_a_copy};
use crate::policy::{NETWORK_READ, PROGRAMS, Policy, SYSTEM_READ, SYSTEM_WRITE};
use crate::report::Failure;

/// Where the new root is mounted until `pivot_root`: a folder that every system has.
const STAGE: &str = "/proc";
/// Limit of the number of files in the scratch folder.
const SCRATCH_FILES_MAX: u32 = 1 << 16;

/// A part of the file system, detached from the old root.
struct Part {
    path: PathBuf,
    tree: OwnedFd,
}

/// Moves into a file system of the policy's paths, read-only but for those that may be written, and
/// into the network namespace. The working folder keeps its name, and is empty if it is not
/// granted.
pub(crate) fn enter(policy: &Policy, network: Network) -> Result<String, Failure> {
    let here = std::env::current_dir().unwrap_or_else(|_| "/".into());
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .map_err(Failure::of("mount(MS_PRIVATE)"))?;
    let parts = granted_parts(policy)?;
    let no_programs = MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let processes = make("proc", &[], no_programs)?;
    let root = make("tmpfs", &[("mode", "0755"), ("size", "1m")], no_programs)?;
    put(&root, Path::new(STAGE))?;
    let mut places = Places::default();
    for part in &parts {
        let place = staged(&part.path);
        places.make(&place, is_folder(&part.tree)?)?;
        put(&part.tree, &place)?;
    }
    if let Some(scratch) = own_scratch(policy) {
        let place = staged(scratch);
        places.make(&place, true)?;
        let size = policy.preset.scratch.to_string();
        let files = SCRATCH_FILES_MAX.to_string();
        let options = [("mode", "0700"), ("size", &size), ("nr_inodes", &files)];
        let attributes = if policy.preset.exec_memory {
            MountAttrFlags::empty()
        } else {
            no_programs
        };
        put(&make("tmpfs", &options, attributes)?, &place)?;
    }
    places.make(&staged(Path::new("/proc")), true)?;
    put(&processes, &staged(Path::new("/proc")))?;
    // Without it the host starts in the root folder.
    let _ = fs::create_dir_all(staged(&here));
    std::env::set_current_dir(STAGE).map_err(Failure::of("chdir"))?;
    rustix::process::pivot_root(".", ".").map_err(Failure::of("pivot_root"))?;
    // Before the next step, in which the kernel waits for all processors to leave it: init is in it
    // until the network is made.
    let entered = network.enter()?;
    unmount(".", UnmountFlags::DETACH).map_err(Failure::of("umount2"))?;
    tighten(&root, READ_ONLY, THIS)?;
    std::env::set_current_dir(&here)
        .or_else(|_| std::env::set_current_dir("/"))
        .map_err(Failure::of("chdir"))?;
    let parts = parts.len();
    Ok(format!("{entered}; {parts} parts of the file system"))
}

/// Tries in a child process whether [`enter_all`] and [`enter`] are available.
pub(crate) fn try_out(alone: &SingleThreaded, policy: &Policy) -> Result<(), Failure> {
    try_in_a_copy(alone, || {
        // The process of which this one is a fork.
        let parent = std::os::unix::process::parent_id();
        enter_all(alone, policy.network, parent).and_then(|network| enter(policy, network))
    })
}

/// Makes `/proc` read-only, for root too: the kernel's settings and the files about processes.
pub(crate) fn read_only_settings() -> Result<(), Failure> {
    let flags = OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, "/proc", flags).map_err(Failure::of("open_tree(/proc)"))?;
    tighten(&tree, READ_ONLY, THIS)
}

/// Limits the processes and threads of this process namespace, for all users, and returns the limit
/// of the host's threads.
pub(crate) fn limit_processes(threads: u64) -> Result<u64, Failure> {
    /// The least value that the kernel accepts.
    const PID_MAX_MIN: u64 = 301;
    // The ids of init and of the host count, too.
    let most = threads.saturating_add(3).max(PID_MAX_MIN);
    fs::write("/proc/sys/kernel/pid_max", most.to_string())
        .map_err(Failure::of("/proc/sys/kernel/pid_max"))?;
    Ok(most - 3)
}

/// The scratch folder, if it exists only as long as the jail.
fn own_scratch(policy: &Policy) -> Option<&Path> {
    let scratch = policy.scratch.as_deref();
    scratch.filter(|_| policy.scratch_is_temporary)
}

/// Detaches copies of the granted paths, which are unreachable after `pivot_root`.
fn granted_parts(policy: &Policy) -> Result<Vec<Part>, Failure> {
    let mut parts = Vec::new();
    let lists = [
        (SYSTEM_READ, true),
        (NETWORK_READ, policy.network),
        (PROGRAMS, policy.subprocess),
        (SYSTEM_WRITE, true),
    ];
    let system = lists.iter().filter(|(_, wanted)| *wanted);
    for path in system.flat_map(|(list, _)| list.iter()).map(Path::new) {
        // The jail mounts a `/proc` of its own.
        if path.starts_with("/proc") {
            continue;
        }
        let attributes = if SYSTEM_WRITE.iter().any(|device| path == Path::new(device)) {
            NO_SETUID
        } else if path.starts_with("/dev") {
            READ_ONLY & !NO_DEVICES
        } else {
            READ_ONLY
        };
        match part(path, None, attributes) {
            // A system need not have all of them.
            Err(failure) if failure.errno == Some(libc::ENOENT) => {}
            part => parts.push(part?),
        }
    }
    for path in &policy.read {
        let held = open_granted(path)?;
        parts.push(part(path, Some(&held), READ_ONLY)?);
    }
    let scratch = policy.scratch.iter();
    let kept_scratch = scratch.filter(|_| !policy.scratch_is_temporary);
    for path in policy.write.iter().chain(kept_scratch) {
        let mut attributes = NO_SETUID | NO_DEVICES;
        if !policy.preset.exec_memory {
            attributes |= NO_PROGRAMS;
        }
        let held = open_granted(path)?;
        parts.push(part(path, Some(&held), attributes)?);
    }
    // Folders before what they contain. For equal paths the writable one is last, and so on top.
    parts.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(parts)
}

/// Detaches a copy of the tree at a path, or of the tree that is open as `held`.
fn part(path: &Path, held: Option<&OwnedFd>, attributes: u64) -> Result<Part, Failure> {
    if path == Path::new("/") {
        return Err(Failure::because(
            "cannot grant the whole file system under the policy \"strict\"",
        ));
    }
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    let tree = match held {
        None => open_tree(CWD, path, flags),
        Some(held) => open_tree(held, "", flags | OpenTreeFlags::AT_EMPTY_PATH),
    };
    let tree = tree.map_err(Failure::of(&format!("open_tree({})", path.display())))?;
    tighten(&tree, attributes, ALL_BELOW)?;
    Ok(Part {
        path: path.to_owned(),
        tree,
    })
}

/// Makes a file system of that kind, which is not mounted yet.
fn make(
    kind: &str,
    options: &[(&str, &str)],
    attributes: MountAttrFlags,
) -> Result<OwnedFd, Failure> {
    let made = || -> Result<OwnedFd, Errno> {
        let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
        for (name, value) in options {
            fsconfig_set_string(context.as_fd(), *name, *value)?;
        }
        fsconfig_create(context.as_fd())?;
        let always = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
        fsmount(
            context.as_fd(),
            FsMountFlags::FSMOUNT_CLOEXEC,
            attributes | always,
        )
    };
    made().map_err(Failure::of(&format!("mounting {kind}")))
}

fn put(tree: &OwnedFd, place: &Path) -> Result<(), Failure> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(tree, "", CWD, place, flags)
        .map_err(Failure::of(&format!("move_mount({})", place.display())))
}

fn staged(path: &Path) -> PathBuf {
    let inner = path.strip_prefix("/").unwrap_or(path);
    Path::new(STAGE).join(inner)
}

#[derive(Default)]
struct Places(HashSet<PathBuf>);

impl Places {
    /// Makes a file or a folder, unless it exists in a part that is mounted there already.
    fn make(&mut self, place: &Path, folder: bool) -> Result<(), Failure> {
        if folder {
            return self.make_folder(place);
        }
        self.make_folder(place.parent().unwrap_or(place))?;
        let mode = Mode::from_raw_mode(0o444);
        let outcome = mknodat(CWD, place, FileType::RegularFile, mode, 0);
        Self::is_there(place, outcome)
    }

    fn make_folder(&mut self, place: &Path) -> Result<(), Failure> {
        if place == Path::new(STAGE) || self.0.contains(place) {
            return Ok(());
        }
        self.make_folder(place.parent().unwrap_or(Path::new(STAGE)))?;
        let made = mkdirat(CWD, place, Mode::from_raw_mode(0o755));
        Self::is_there(place, made)?;
        self.0.insert(place.to_owned());
        Ok(())
    }

    fn is_there(place: &Path, made: Result<(), Errno>) -> Result<(), Failure> {
        match made {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(Failure::of(&format!("making {}", place.display()))(errno)),
        }
    }
}

fn is_folder(tree: &OwnedFd) -> Result<bool, Failure> {
    let found = rustix::fs::fstat(tree).map_err(Failure::of("fstat"))?;
    Ok(FileType::from_raw_mode(found.st_mode).is_dir())
}

const NO_SETUID: u64 = libc::MOUNT_ATTR_NOSUID;
const NO_DEVICES: u64 = libc::MOUNT_ATTR_NODEV;
const NO_PROGRAMS: u64 = libc::MOUNT_ATTR_NOEXEC;
const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY | NO_SETUID | NO_DEVICES;

/// Which mounts of a tree are changed.
const THIS: libc::c_int = 0;
const ALL_BELOW: libc::c_int = libc::AT_RECURSIVE;

fn tighten(tree: &OwnedFd, attributes: u64, depth: libc::c_int) -> Result<(), Failure> {
    let wanted = libc::mount_attr {
        attr_set: attributes,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: C3; the path and the structure of the stated size outlive the call.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | depth,
            &raw const wanted,
            size_of::<libc::mount_attr>(),
        )
    };
    check(answer).map_err(Failure::of("mount_setattr"))
}
