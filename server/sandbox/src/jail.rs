//! A file system in which nothing exists but what is granted. For a host in a mount namespace.

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

use crate::granted::open_granted;
use crate::namespaces::Network;
use crate::policy::{NETWORK_READ, Namespaces, PROGRAMS, Policy, SYSTEM_READ, SYSTEM_WRITE};
use crate::report::Failure;

/// Where the new root is put until it is one: a folder that every system has.
const STAGE: &str = "/proc";
/// How many files may be made in the scratch folder.
const SCRATCH_FILES: u32 = 1 << 16;

/// A part of the file system, taken along.
struct Part {
    path: PathBuf,
    tree: OwnedFd,
}

/// Moves into a file system of only what the policy grants, all of it read-only but what may be
/// written, and into the network that goes with it. The working folder keeps its name; it is empty
/// if it is not granted.
pub(crate) fn enter(policy: &Policy, network: Network) -> Result<String, Failure> {
    let here = std::env::current_dir().unwrap_or_else(|_| "/".into());
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .map_err(Failure::of("mount(MS_PRIVATE)"))?;
    let parts = take_along(policy)?;
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
        let files = SCRATCH_FILES.to_string();
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
    std::env::set_current_dir(STAGE).map_err(|error| failed("chdir", &error))?;
    rustix::process::pivot_root(".", ".").map_err(Failure::of("pivot_root"))?;
    // Before the next step, in which the kernel waits for all processors to leave it: init is in it
    // until the network is made.
    let entered = network.enter()?;
    unmount(".", UnmountFlags::DETACH).map_err(Failure::of("umount2"))?;
    tighten(&root, READ_ONLY, Depth::This)?;
    std::env::set_current_dir(&here)
        .or_else(|_| std::env::set_current_dir("/"))
        .map_err(|error| failed("chdir", &error))?;
    let parts = parts.len();
    Ok(format!("{entered}; {parts} parts of the file system"))
}

/// Lets nobody change the kernel's settings any more, root included, nor files about processes.
pub(crate) fn read_only_settings() -> Result<String, Failure> {
    let flags = OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, "/proc", flags).map_err(Failure::of("open_tree(/proc)"))?;
    tighten(&tree, READ_ONLY, Depth::This)?;
    Ok(String::new())
}

/// Sets how many processes and threads there may be in this process namespace, whoever they run as,
/// and returns how many threads the host may have.
pub(crate) fn limit_processes(threads: u64) -> Result<u64, Failure> {
    /// What the kernel takes at least.
    const LEAST: u64 = 301;
    // The numbers of init and of the host are among them.
    let most = threads.saturating_add(3).max(LEAST);
    fs::write("/proc/sys/kernel/pid_max", most.to_string())
        .map_err(|error| failed("/proc/sys/kernel/pid_max", &error))?;
    Ok(most - 3)
}

/// The folder that exists only in the jail, and only as long as it.
fn own_scratch(policy: &Policy) -> Option<&Path> {
    policy
        .scratch
        .as_deref()
        .filter(|_| policy.scratch_is_temporary)
}

/// Takes hold of everything that is granted, before it is out of sight.
fn take_along(policy: &Policy) -> Result<Vec<Part>, Failure> {
    let mut parts = Vec::new();
    let lists = [
        (SYSTEM_READ, true),
        (NETWORK_READ, policy.network),
        (PROGRAMS, policy.subprocess),
        (SYSTEM_WRITE, true),
    ];
    let system = lists.iter().filter(|(_, wanted)| *wanted);
    for path in system.flat_map(|(list, _)| list.iter()).map(Path::new) {
        // The jail has processes of its own to show.
        if path.starts_with("/proc") {
            continue;
        }
        // Memory that is shared through it counts for no limit. Only Landlock keeps it from being
        // opened for writing, and is not always there.
        if path == Path::new("/dev/zero") && policy.preset.namespaces == Namespaces::IfAsked {
            continue;
        }
        let attributes = if SYSTEM_WRITE.iter().any(|device| path == Path::new(device))
            || path.starts_with("/dev")
        {
            NO_SETUID
        } else {
            READ_ONLY
        };
        match part(path, None, attributes) {
            // Not every system has all of it.
            Err(failure) if failure.errno == Some(libc::ENOENT) => {}
            part => parts.push(part?),
        }
    }
    for path in &policy.read {
        let held = open_granted(path)?;
        parts.push(part(path, Some(&held), READ_ONLY)?);
    }
    let kept_scratch = policy
        .scratch
        .iter()
        .filter(|_| !policy.scratch_is_temporary);
    for path in policy.write.iter().chain(kept_scratch) {
        let running = if policy.preset.exec_memory {
            0
        } else {
            NO_PROGRAMS
        };
        let held = open_granted(path)?;
        parts.push(part(path, Some(&held), NO_SETUID | NO_DEVICES | running)?);
    }
    // Folders before what lies in them; of the same place, the last, which may be written, on top.
    parts.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(parts)
}

/// Takes what lies at a path along, or what is held of it.
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
    let tree =
        tree.map_err(|errno| Failure::of(&format!("open_tree({})", path.display()))(errno))?;
    tighten(&tree, attributes, Depth::AllBelow)?;
    Ok(Part {
        path: path.to_owned(),
        tree,
    })
}

/// Makes a file system of that kind, not to be seen anywhere yet.
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
    made().map_err(|errno| Failure::of(&format!("mounting {kind}"))(errno))
}

fn put(tree: &OwnedFd, place: &Path) -> Result<(), Failure> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(tree, "", CWD, place, flags)
        .map_err(|errno| Failure::of(&format!("move_mount({})", place.display()))(errno))
}

fn staged(path: &Path) -> PathBuf {
    let inner = path.strip_prefix("/").unwrap_or(path);
    Path::new(STAGE).join(inner)
}

/// What parts are put on.
#[derive(Default)]
struct Places(HashSet<PathBuf>);

impl Places {
    /// Makes a file or a folder, unless a part that lies there already has it.
    fn make(&mut self, place: &Path, folder: bool) -> Result<(), Failure> {
        if folder {
            return self.make_folder(place);
        }
        self.make_folder(place.parent().unwrap_or(place))?;
        let mode = Mode::from_raw_mode(0o444);
        let outcome = mknodat(CWD, place, FileType::RegularFile, mode, 0);
        Self::is_there(place, outcome)
    }

    /// Makes a folder, and what it lies in.
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
    Ok(rustix::fs::FileType::from_raw_mode(found.st_mode).is_dir())
}

fn failed(what: &str, error: &std::io::Error) -> Failure {
    Failure {
        errno: error.raw_os_error(),
        detail: what.to_owned(),
    }
}

const NO_SETUID: u64 = 2;
const NO_DEVICES: u64 = 4;
const NO_PROGRAMS: u64 = 8;
const READ_ONLY: u64 = 1 | NO_SETUID | NO_DEVICES;

/// Which mounts are meant.
#[derive(Clone, Copy)]
enum Depth {
    This,
    AllBelow,
}

/// Takes rights from a mounted tree.
fn tighten(tree: &OwnedFd, attributes: u64, depth: Depth) -> Result<(), Failure> {
    /// What `mount_setattr` is told.
    #[repr(C)]
    struct Attributes {
        set: u64,
        clear: u64,
        propagation: u64,
        user_namespace: u64,
    }
    let wanted = Attributes {
        set: attributes,
        clear: 0,
        propagation: 0,
        user_namespace: 0,
    };
    let recursive = match depth {
        Depth::This => 0,
        Depth::AllBelow => 0x8000,
    };
    // SAFETY: C3; the path and the structure of the stated size outlive the call.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | recursive,
            &raw const wanted,
            size_of::<Attributes>(),
        )
    };
    if answer == 0 {
        return Ok(());
    }
    Err(failed("mount_setattr", &std::io::Error::last_os_error()))
}
