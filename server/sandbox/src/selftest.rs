//! Tries operations that must fail once the host is confined, before any code of an addon is in
//! memory: finds layers that are reported as applied but are not in force.

use std::ffi::CString;
use std::path::Path;

use crate::policy::Policy;
use crate::report::Failure;

/// One attempt; its result is negative if it failed, as it must.
type Attempt = (&'static str, libc::c_long);

/// Tries the known ways out of the sandbox, and fails if one of them succeeds. `hides_root` tells
/// whether listing the root folder must fail.
pub(crate) fn self_test(policy: &Policy, hides_root: bool) -> Result<String, Failure> {
    // In a process namespace this process may have the client's number, which the client has
    // outside.
    let is_this = policy.client == std::process::id();
    let client = if is_this { u32::MAX } else { policy.client };
    let client = libc::pid_t::try_from(client).unwrap_or(libc::pid_t::MAX);
    let mut attempts: Vec<Attempt> = vec![
        ("reading the client's memory", open_of(client, "mem")),
        (
            "reading the client's environment",
            open_of(client, "environ"),
        ),
        ("sending the client a signal", signal(client)),
        ("looking into the client by ptrace", peek(client)),
        ("starting a process", start_process(policy)),
        ("making a user namespace", make_namespace()),
        (
            "opening a raw socket",
            socket(libc::AF_PACKET, libc::SOCK_RAW),
        ),
    ];
    if !policy.unix {
        let local = socket(libc::AF_UNIX, libc::SOCK_STREAM);
        attempts.push(("opening a unix socket", local));
    }
    if !policy.network {
        let internet = socket(libc::AF_INET, libc::SOCK_STREAM);
        attempts.push(("opening an internet socket", internet));
    }
    let grants_all = |paths: &[std::path::PathBuf]| paths.iter().any(|path| path == Path::new("/"));
    if hides_root && !grants_all(&policy.read) && !grants_all(&policy.write) {
        let flags = libc::O_RDONLY | libc::O_DIRECTORY;
        attempts.push(("listing the root folder", open("/", flags)));
    }
    if !grants_all(&policy.write) {
        // A file without a name: if it can be made, no file remains.
        let flags = libc::O_TMPFILE | libc::O_RDWR;
        attempts.push(("writing to the root folder", open("/", flags)));
    }
    let open: Vec<&str> = attempts
        .iter()
        .filter(|(_, answer)| *answer >= 0)
        .map(|(name, _)| *name)
        .collect();
    if open.is_empty() {
        Ok(format!(
            "{} forbidden operations were denied",
            attempts.len()
        ))
    } else {
        Err(Failure::because(format!("possible: {}", open.join(", "))))
    }
}

fn open_of(process: libc::pid_t, file: &str) -> libc::c_long {
    open(&format!("/proc/{process}/{file}"), libc::O_RDONLY)
}

fn open(path: &str, flags: libc::c_int) -> libc::c_long {
    let Ok(path) = CString::new(path) else {
        return -1;
    };
    // SAFETY: C3; the path ends in a zero and outlives the call.
    let opened = unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC, 0o600) };
    close(opened)
}

/// Checks whether a signal could be sent, without sending one.
fn signal(process: libc::pid_t) -> libc::c_long {
    // SAFETY: C3; takes numbers and no pointer.
    unsafe { libc::kill(process, 0) }.into()
}

fn make_namespace() -> libc::c_long {
    // SAFETY: C3; takes a number and no pointer.
    unsafe { libc::unshare(libc::CLONE_NEWUSER) }.into()
}

fn socket(family: libc::c_int, kind: libc::c_int) -> libc::c_long {
    // SAFETY: C3; takes numbers and no pointer.
    close(unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, 0) })
}

fn close(descriptor: libc::c_int) -> libc::c_long {
    if descriptor >= 0 {
        // SAFETY: C1; it was opened just now, and no other code has the number.
        unsafe { libc::close(descriptor) };
    }
    descriptor.into()
}

/// Reads a word of another process' memory by `ptrace`, which must fail with `EPERM`. It would fail
/// for a process that is not traced as well, but with another error. It stops no process.
fn peek(process: libc::pid_t) -> libc::c_long {
    let nothing = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: C3; the address is another process', and nothing is read through it here.
    let answer = unsafe { libc::ptrace(libc::PTRACE_PEEKDATA, process, nothing, nothing) };
    let errno = std::io::Error::last_os_error().raw_os_error();
    if answer < 0 && errno == Some(libc::EPERM) {
        -1
    } else {
        0
    }
}

fn start_process(policy: &Policy) -> libc::c_long {
    if policy.subprocess {
        return -1;
    }
    // SAFETY: C3; a copy of this process, if there is one, ends in the next statement.
    let child = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    if child == 0 {
        // SAFETY: C3; takes a number and does not return.
        unsafe { libc::_exit(0) };
    }
    child
}
