//! A policy as it came over the wire, made the sandbox's own, and its report made the wire's.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use hostd_protocol::confinement::{Bounds, Confinement, Mechanism, MechanismState, PolicyName};
use hostd_sandbox::policy::{Name, Policy, Preset};
use hostd_sandbox::report::{Applied, Requested, State};
use hostd_sandbox::{SingleThreaded, Tightening};

/// Takes the kernel's Landlock for no newer than this: for tests, which can only lower it.
const LANDLOCK_VARIABLE: &str = "NAPI_HOSTD_TEST_LANDLOCK_ABI";
/// Takes the system for one without user namespaces: for tests.
const NAMESPACES_VARIABLE: &str = "NAPI_HOSTD_TEST_NO_NAMESPACES";

/// Confines this process; returns what was applied, what it may use up, and what is to be applied
/// once the addon is loaded.
pub(crate) fn confine(
    alone: &SingleThreaded,
    asked: &Confinement,
    parent: u32,
) -> (Vec<Mechanism>, Option<Bounds>, Option<Tightening>) {
    let policy = policy(asked, parent);
    let report = hostd_sandbox::confine(alone, &policy);
    let bounds = report.bounds.map(|bounds| Bounds {
        memory: bounds.memory,
        threads: bounds.threads,
        files: bounds.files,
        file_size: bounds.file_size,
        cpu: bounds.cpu,
    });
    let applied = report.entries.into_iter().map(mechanism).collect();
    (applied, bounds, Tightening::of(&policy))
}

fn policy(asked: &Confinement, parent: u32) -> Policy {
    let mut preset = Preset::named(match asked.policy {
        PolicyName::Default => Name::Default,
        PolicyName::Strict => Name::Strict,
    });
    preset.exec_memory = asked.exec_memory.unwrap_or(preset.exec_memory);
    preset.memory = asked.memory.unwrap_or(preset.memory);
    preset.threads = asked.threads.unwrap_or(preset.threads);
    preset.files = asked
        .files
        .unwrap_or_else(|| preset.files.min(hostd_sandbox::files_within(preset.memory)));
    preset.file_size = asked.file_size.unwrap_or(preset.file_size);
    let mut read: Vec<PathBuf> = asked.read.iter().map(|bytes| path(bytes)).collect();
    // Where a native stack leads through the host itself, its own file tells how.
    read.extend(std::env::current_exe());
    let at_most = std::env::var(LANDLOCK_VARIABLE).ok();
    Policy {
        preset,
        read,
        write: asked.write.iter().map(|bytes| path(bytes)).collect(),
        scratch: asked.scratch.as_deref().map(path),
        scratch_is_temporary: asked.scratch_is_temporary,
        limit_threads: asked.threads.is_some(),
        network: asked.network,
        subprocess: asked.subprocess,
        watch: asked.watch,
        unix: asked.unix,
        cpu: asked.cpu,
        client: asked.client,
        parent,
        degrade: asked.degrade,
        diagnose: asked.diagnose,
        landlock_at_most: at_most.map_or(u32::MAX, |text| text.parse().unwrap_or(0)),
        namespaces_exist: std::env::var_os(NAMESPACES_VARIABLE).is_none(),
    }
}

fn path(bytes: &[u8]) -> PathBuf {
    OsString::from_vec(bytes.to_vec()).into()
}

fn mechanism(entry: Applied) -> Mechanism {
    Mechanism {
        name: entry.mechanism.to_owned(),
        required: entry.requested == Requested::Required,
        state: match entry.state {
            State::Applied => MechanismState::Applied,
            State::Partial => MechanismState::Partial,
            State::Unavailable => MechanismState::Unavailable,
            State::Skipped => MechanismState::Skipped,
        },
        errno: entry.errno,
        detail: entry.detail,
    }
}
