//! Whether a host is confined as its policy wants it: by what it says, and by what the kernel says.
//!
//! Nothing of an addon is in its memory yet, so its word counts; the kernel's is asked as well, so
//! that a mistake in the host is not believed.

use std::fs;

use hostd_protocol::confinement::{Applied, Confinement, Mechanism, MechanismState, is_jailed};

use crate::error::SpawnError;
use crate::options::HostOptions;

/// Checks the report of a host; returns it, or what is missing.
pub(crate) fn attest(
    options: &HostOptions,
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

fn missing(
    confinement: &Confinement,
    pid: u32,
    applied: &Applied,
) -> Option<(String, Option<Box<Mechanism>>)> {
    if let Some((name, entry)) = confinement.missing(applied) {
        return Some((name, entry.cloned().map(Box::new)));
    }
    let pid = host_of(pid, applied);
    // Elsewhere the number may be another process', or nobody's.
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    for (name, line) in [
        ("seccomp", "Seccomp:\t2"),
        ("no_new_privs", "NoNewPrivs:\t1"),
    ] {
        if !status.lines().any(|found| found == line) {
            let entry = Mechanism {
                name: name.to_owned(),
                required: true,
                state: MechanismState::Unavailable,
                errno: None,
                detail: "the host reports it as applied, the kernel does not".to_owned(),
            };
            return Some((name.to_owned(), Some(Box::new(entry))));
        }
    }
    None
}

/// The host itself, where the process that was started is only the one outside of its jail: then
/// it is the only child of its only child.
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
