//! How the host is to be confined, and the report of what was applied, as they travel.
//!
//! The policy is part of the setup; the host sends its report before it is ready. The host decides
//! which mechanisms a policy consists of. What its report must contain at least is listed here, so
//! that the client can check that it is complete.
//!
//! Upholds I-16.

use serde::{Deserialize, Serialize};

/// A policy by its name.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, Serialize, Deserialize)]
pub enum PolicyName {
    /// For every addon.
    Default,
    /// For an untrusted addon.
    Strict,
}

/// A named policy, and how it is changed.
#[derive(Clone, Debug, Hash, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub struct Confinement {
    /// What it starts from.
    pub policy: PolicyName,
    /// Files and folders that may be read, as the system writes paths.
    pub read: Vec<Vec<u8>>,
    /// Files and folders that may be changed.
    pub write: Vec<Vec<u8>>,
    /// The folder for the files that the addon creates.
    pub scratch: Option<Vec<u8>>,
    /// Whether that folder is removed with the host.
    pub scratch_is_temporary: bool,
    /// Whether the network may be used.
    pub network: bool,
    /// Whether programs may be started.
    pub subprocess: bool,
    /// Whether changes of files may be watched.
    pub watch: bool,
    /// Whether local sockets may be used, where files may be changed.
    pub unix: bool,
    /// Whether written memory may be executed, if not as the policy says.
    pub exec_memory: Option<bool>,
    /// Bytes of memory, if not the policy's own.
    pub memory: Option<u64>,
    /// Seconds of processor time.
    pub cpu: Option<u64>,
    /// Threads, if not the policy's own.
    pub threads: Option<u64>,
    /// Descriptors, if not the policy's own.
    pub files: Option<u64>,
    /// Bytes of one file, if not the policy's own.
    pub file_size: Option<u64>,
    /// The client's process.
    pub client: u32,
    /// Whether the host may serve although something that is required is missing.
    pub degrade: bool,
    /// Whether denied calls are noted.
    pub diagnose: bool,
}

impl Confinement {
    /// A named policy as it is, for hosts of this process.
    #[must_use]
    pub fn named(policy: PolicyName) -> Self {
        Self {
            policy,
            read: Vec::new(),
            write: Vec::new(),
            scratch: None,
            scratch_is_temporary: true,
            network: false,
            subprocess: false,
            watch: false,
            unix: false,
            exec_memory: None,
            memory: None,
            cpu: None,
            threads: None,
            files: None,
            file_size: None,
            client: std::process::id(),
            degrade: false,
            diagnose: false,
        }
    }
}

/// The state of a mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MechanismState {
    /// It holds.
    Applied,
    /// It holds in part.
    Partial,
    /// The system does not provide it.
    Unavailable,
    /// It was not tried.
    Skipped,
}

impl MechanismState {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Partial => "partial",
            Self::Unavailable => "unavailable",
            Self::Skipped => "skipped",
        }
    }
}

/// One mechanism of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mechanism {
    /// Its name.
    pub name: String,
    /// Whether the policy needs it.
    pub required: bool,
    /// Its state.
    pub state: MechanismState,
    /// What the kernel answered, if it refused.
    pub errno: Option<i32>,
    /// Details for messages.
    pub detail: String,
}

/// The resources that a confined host may use, according to its report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Bytes of memory of its own.
    pub memory: u64,
    /// Threads, whether the kernel or the client enforces that.
    pub threads: u64,
    /// Open descriptors.
    pub files: u64,
    /// Bytes of one file.
    pub file_size: u64,
    /// Seconds of processor time, if they are limited.
    pub cpu: Option<u64>,
}

/// What was applied, in the order in which it was.
pub type Applied = Vec<Mechanism>;

/// The mechanisms that must hold under every policy.
const REQUIRED: [&str; 4] = ["limits", "no_new_privs", "seccomp", "self_test"];
/// What keeps files away: under the default policy one of these does.
const JAIL: &str = "namespaces";
const LANDLOCK: &str = "landlock";
/// What was granted, which is in a report only if it is not there.
const GRANTS: &str = "granted_paths";
/// The client's own `/proc`, which is in a report only if it does not show the host. The client reads
/// there what the host is confined by and how much memory it has.
pub const PROC: &str = "proc";
/// What must hold under the strict policy as well.
const REQUIRED_STRICT: [&str; 3] = [JAIL, LANDLOCK, "threads"];
/// What must hold in a jail.
const REQUIRED_JAILED: &str = "kernel_settings";

/// Whether the report is that of a host in namespaces of its own.
pub fn is_jailed(applied: &[Mechanism]) -> bool {
    applied
        .iter()
        .any(|entry| entry.name == JAIL && entry.state == MechanismState::Applied)
}

impl Confinement {
    /// Whether a host may go on without this mechanism, which is missing: as far as its user lets it,
    /// and not where it got stuck halfway into its jail, what it was granted is not there, or the
    /// client cannot see it.
    pub fn can_do_without(&self, mechanism: &str) -> bool {
        self.degrade && ![JAIL, GRANTS, PROC].contains(&mechanism)
    }

    /// The names of what must hold, for a host that is in a jail or not.
    fn required(&self, jailed: bool) -> Vec<&'static str> {
        let mut required = Vec::new();
        match self.policy {
            PolicyName::Strict => required.extend(REQUIRED_STRICT),
            PolicyName::Default if self.unix => {
                required.push(JAIL);
                // Where its network is everybody's, abstract sockets are kept apart by this alone.
                required.extend(self.network.then_some(LANDLOCK));
            }
            PolicyName::Default => required.extend((!jailed).then_some(LANDLOCK)),
        }
        required.extend(jailed.then_some(REQUIRED_JAILED));
        required.extend(REQUIRED);
        required
    }

    /// What is missing of what must hold, after this report: its name, and its entry if it has one.
    pub fn missing<'a>(&self, applied: &'a [Mechanism]) -> Option<(String, Option<&'a Mechanism>)> {
        let holds = |entry: &Mechanism| entry.state == MechanismState::Applied;
        let failed = applied.iter().find(|entry| entry.required && !holds(entry));
        if let Some(entry) = failed {
            return Some((entry.name.clone(), Some(entry)));
        }
        let absent = |name: &&str| {
            !applied
                .iter()
                .any(|entry| entry.name == *name && holds(entry))
        };
        let name = self.required(is_jailed(applied)).into_iter().find(absent)?;
        let entry = applied.iter().find(|entry| entry.name == name);
        Some((name.to_owned(), entry))
    }
}
