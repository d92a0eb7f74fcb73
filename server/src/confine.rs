//! Converts the policy of a setup message to the sandbox's, and the sandbox's report to that of the
//! protocol. `process` calls [`confine`] in phase A.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use hostd_protocol::confinement::{Bounds, Confinement, Mechanism, MechanismState, PolicyName};
use hostd_sandbox::policy::{Name, Policy, Preset};
use hostd_sandbox::report::{MechanismReport, Requested, State};
use hostd_sandbox::{SingleThreaded, Tightening};

/// The highest version of Landlock to use: for tests, which can only lower it.
const LANDLOCK_VARIABLE: &str = "NAPI_HOSTD_TEST_LANDLOCK_ABI";
/// Set to act as on a system without user namespaces: for tests.
const NAMESPACES_VARIABLE: &str = "NAPI_HOSTD_TEST_NO_NAMESPACES";

/// Confines this process. Returns what was applied, its resource limits, and what is to be applied
/// after the addon is loaded.
pub(crate) fn confine(
    alone: &SingleThreaded,
    requested: &Confinement,
    parent: u32,
) -> (Vec<Mechanism>, Option<Bounds>, Option<Tightening>) {
    let policy = policy(requested, parent);
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

fn policy(requested: &Confinement, parent: u32) -> Policy {
    let mut preset = Preset::named(match requested.policy {
        PolicyName::Default => Name::Default,
        PolicyName::Strict => Name::Strict,
    });
    preset.exec_memory = requested.exec_memory.unwrap_or(preset.exec_memory);
    preset.memory = requested.memory.unwrap_or(preset.memory);
    preset.threads = requested.threads.unwrap_or(preset.threads);
    preset.files = requested
        .files
        .unwrap_or_else(|| preset.files.min(hostd_sandbox::files_within(preset.memory)));
    preset.file_size = requested.file_size.unwrap_or(preset.file_size);
    let mut read: Vec<PathBuf> = requested.read.iter().map(|bytes| path(bytes)).collect();
    // Native stacks through the host are unwound by the tables in its file.
    read.extend(std::env::current_exe());
    let at_most = std::env::var(LANDLOCK_VARIABLE).ok();
    Policy {
        preset,
        read,
        write: requested.write.iter().map(|bytes| path(bytes)).collect(),
        scratch: requested.scratch.as_deref().map(path),
        scratch_is_temporary: requested.scratch_is_temporary,
        limit_threads: requested.threads.is_some(),
        network: requested.network,
        subprocess: requested.subprocess,
        watch: requested.watch,
        unix: requested.unix,
        cpu: requested.cpu,
        client: requested.client,
        parent,
        degrade: requested.degrade,
        diagnose: requested.diagnose,
        landlock_at_most: at_most.map_or(u32::MAX, |text| text.parse().unwrap_or(0)),
        namespaces_exist: std::env::var_os(NAMESPACES_VARIABLE).is_none(),
    }
}

fn path(bytes: &[u8]) -> PathBuf {
    OsString::from_vec(bytes.to_vec()).into()
}

fn mechanism(entry: MechanismReport) -> Mechanism {
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
