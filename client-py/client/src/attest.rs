//! Verifies that a host is confined as its policy requires, from its own report and from `/proc`.
//!
//! No code of an addon has run in the host yet, so its report is trusted; `/proc` is read in case that
//! the host has a defect.

use std::fs;

use hostd_protocol::confinement::{
    Applied, Confinement, Mechanism, MechanismState, PROC, is_jailed,
};

use crate::error::SpawnError;
use crate::options::HostConfig;

/// Checks the report of a host and returns it.
///
/// # Errors
/// A mechanism is missing that the policy requires.
pub(crate) fn attest(
    options: &HostConfig,
    confinement: &Confinement,
    pid: u32,
    applied: Applied,
) -> Result<Applied, SpawnError> {
    let Some((mechanism, entry)) = missing(confinement, pid, &applied) else {
        return Ok(applied);
    };
    if confinement.can_do_without(&mechanism) {
        options.events.degraded(&mechanism, &applied);
        return Ok(applied);
    }
    Err(SpawnError::Sandbox { mechanism, entry })
}

/// The first required mechanism that is missing, and its entry in the report.
fn missing(
    confinement: &Confinement,
    pid: u32,
    applied: &Applied,
) -> Option<(String, Option<Box<Mechanism>>)> {
    if let Some((name, entry)) = confinement.missing(applied) {
        return Some((name, entry.cloned().map(Box::new)));
    }
    if !proc_shows_this_namespace() {
        let detail = "/proc shows another PID namespace than that of this process; mount it anew \
                      (unshare --mount-proc)";
        return Some(unavailable(PROC, detail));
    }
    let pid = host_of(pid, applied);
    // `/proc` shows the PID namespace of this process: the id is that of the host.
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    for (name, line) in [
        ("seccomp", "Seccomp:\t2"),
        ("no_new_privs", "NoNewPrivs:\t1"),
    ] {
        if !status.lines().any(|found| found == line) {
            let detail = "the host reports it as applied, the kernel does not";
            return Some(unavailable(name, detail));
        }
    }
    None
}

fn unavailable(name: &str, detail: &str) -> (String, Option<Box<Mechanism>>) {
    let entry = Mechanism {
        name: name.to_owned(),
        required: true,
        state: MechanismState::Unavailable,
        errno: None,
        detail: detail.to_owned(),
    };
    (name.to_owned(), Some(Box::new(entry)))
}

/// Whether `/proc` shows the PID namespace of this process. `NSpid` lists the ids of a process from the
/// namespace of `/proc` down to its own; outside of that namespace there is no such file.
fn proc_shows_this_namespace() -> bool {
    let Ok(status) = fs::read_to_string("/proc/self/status") else {
        return false;
    };
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    // A kernel without PID namespaces has no such line.
    numbers.is_none_or(|numbers| numbers.split_ascii_whitespace().count() == 1)
}

/// The process id of the host. In a jail the process that was spawned stays outside, and the host is the
/// only child of its only child.
pub(crate) fn host_of(pid: u32, applied: &[Mechanism]) -> u32 {
    let child = |pid: u32| -> Option<u32> {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        children.split_ascii_whitespace().next()?.parse().ok()
    };
    if is_jailed(applied) {
        child(pid).and_then(child).unwrap_or(pid)
    } else {
        pid
    }
}
