//! How the host is to be confined, and what became of it, as they travel.
//!
//! The policy is part of the setup; the host answers with a report before it says that it is
//! ready. What a policy consists of is known to the host; what its report must contain at least is
//! known here, so that the client need not take the host's word for the completeness of it.

use serde::{Deserialize, Serialize};

/// A policy by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PolicyName {
    /// For every addon.
    Default,
    /// For an addon that nobody trusts.
    Strict,
}

/// A named policy, and how it is changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The folder for what the addon leaves behind.
    pub scratch: Option<Vec<u8>>,
    /// Whether that folder goes with the host.
    pub scratch_is_temporary: bool,
    /// Whether the network may be used.
    pub network: bool,
    /// Whether programs may be started.
    pub subprocess: bool,
    /// Whether changes of files may be watched.
    pub watch: bool,
    /// Whether written memory may be run, if the policy's own answer is not wanted.
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

/// What became of a mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MechanismState {
    /// It holds.
    Applied,
    /// It holds in part.
    Partial,
    /// It could not be had.
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
    /// What became of it.
    pub state: MechanismState,
    /// What the kernel answered, if it refused.
    pub errno: Option<i32>,
    /// What else there is to know.
    pub detail: String,
}

/// What a confined host may use up, as its report says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Bytes of memory of its own.
    pub memory: u64,
    /// Threads, whether the kernel keeps to that or the client.
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
const REQUIRED: [&str; 5] = ["limits", "no_new_privs", "landlock", "seccomp", "self_test"];
/// Those that must hold under the strict one as well.
const REQUIRED_STRICT: [&str; 2] = ["namespaces", "threads"];

impl Confinement {
    /// The names of what must hold.
    pub fn required(&self) -> Vec<&'static str> {
        let mut required = Vec::new();
        if self.policy == PolicyName::Strict {
            required.extend(REQUIRED_STRICT);
        }
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
        let name = self.required().into_iter().find(absent)?;
        let entry = applied.iter().find(|entry| entry.name == name);
        Some((name.to_owned(), entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, required: bool, state: MechanismState) -> Mechanism {
        Mechanism {
            name: name.to_owned(),
            required,
            state,
            errno: None,
            detail: String::new(),
        }
    }

    fn confinement(policy: PolicyName) -> Confinement {
        Confinement {
            policy,
            read: vec![],
            write: vec![],
            scratch: None,
            scratch_is_temporary: false,
            network: false,
            subprocess: false,
            watch: false,
            exec_memory: None,
            memory: None,
            cpu: None,
            threads: None,
            files: None,
            file_size: None,
            client: 1,
            degrade: false,
            diagnose: false,
        }
    }

    #[test]
    fn report_that_leaves_something_out_is_not_enough() {
        let policy = confinement(PolicyName::Default);
        let whole: Applied = REQUIRED
            .iter()
            .map(|name| entry(name, true, MechanismState::Applied))
            .collect();
        assert_eq!(policy.missing(&whole), None);
        for left_out in 0..whole.len() {
            let mut cut = whole.clone();
            let gone = cut.remove(left_out);
            assert_eq!(policy.missing(&cut), Some((gone.name, None)));
        }
        let strict = confinement(PolicyName::Strict);
        assert_eq!(strict.missing(&whole), Some(("namespaces".into(), None)));
    }

    #[test]
    fn entry_that_is_said_to_be_required_counts() {
        let policy = confinement(PolicyName::Default);
        let mut report: Applied = REQUIRED
            .iter()
            .map(|name| entry(name, false, MechanismState::Applied))
            .collect();
        report.push(entry("moat", true, MechanismState::Partial));
        let (name, found) = policy.missing(&report).unwrap();
        assert_eq!((name.as_str(), found.is_some()), ("moat", true));
    }
}
