//! What a host may use up: limits that the kernel keeps for each process.

use rustix::process::{self, Resource, Rlimit};

use crate::policy::Policy;
use crate::report::Failure;

/// What a host may use up, as it was set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of memory of its own.
    pub memory: u64,
    /// Threads, whoever keeps to that.
    pub threads: u64,
    /// Open descriptors.
    pub files: u64,
    /// Bytes of one file.
    pub file_size: u64,
    /// Seconds of processor time, if they are limited.
    pub cpu: Option<u64>,
}

/// Limits memory, descriptors, the size of files and, if the policy says so, processor time, and
/// returns them, as text too.
///
/// A file that gets too long is an error for who writes it, and no signal.
///
/// Memory is what the process has for itself, stacks of threads included. What several processes
/// can share is bounded by the filter for system calls, which allows none to be made.
pub(crate) fn set_limits(policy: &Policy, bounds: &mut Bounds) -> Result<String, Failure> {
    let preset = &policy.preset;
    bounds.memory = limit(Resource::Data, preset.memory, "setrlimit(RLIMIT_DATA)")?;
    bounds.files = limit(Resource::Nofile, preset.files, "setrlimit(RLIMIT_NOFILE)")?;
    bounds.file_size = limit(Resource::Fsize, preset.file_size, "setrlimit(RLIMIT_FSIZE)")?;
    // The filter for system calls lets a thread change its own priority: it can't raise it.
    limit(Resource::Nice, 0, "setrlimit(RLIMIT_NICE)")?;
    limit(Resource::Rtprio, 0, "setrlimit(RLIMIT_RTPRIO)")?;
    crate::signal::ignore(libc::SIGXFSZ).map_err(|error| Failure::because(error.to_string()))?;
    let mut text = format!(
        "memory {} MiB, files {}, file size {} MiB",
        bounds.memory >> 20,
        bounds.files,
        bounds.file_size >> 20
    );
    if let Some(seconds) = policy.cpu {
        let seconds = limit(Resource::Cpu, seconds, "setrlimit(RLIMIT_CPU)")?;
        bounds.cpu = Some(seconds);
        text = format!("{text}, processor time {seconds} s");
    }
    Ok(text)
}

/// Limits the threads and processes of this user in this user namespace: in one of its own, those
/// of the host. The kernel makes an exception for root.
pub(crate) fn set_thread_limit(threads: u64) -> Result<u64, Failure> {
    limit(Resource::Nproc, threads, "setrlimit(RLIMIT_NPROC)")
}

/// Lowers a limit for good, and returns it; one that is lower already stays.
fn limit(resource: Resource, wanted: u64, call: &'static str) -> Result<u64, Failure> {
    let hard = process::getrlimit(resource).maximum;
    let limit = hard.map_or(wanted, |hard| hard.min(wanted));
    // Processor time: the soft limit ends the process with a signal that says so.
    let maximum = if resource == Resource::Cpu {
        hard.map_or(limit.saturating_add(1), |hard| {
            hard.min(limit.saturating_add(1))
        })
    } else {
        limit
    };
    let wanted = Rlimit {
        current: Some(limit),
        maximum: Some(maximum),
    };
    process::setrlimit(resource, wanted).map_err(Failure::of(call))?;
    Ok(limit)
}
