//! Resource limits that the kernel enforces for each process.

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use rustix::process::{self, Resource, Rlimit};

use crate::policy::Policy;
use crate::report::{Failure, ResourceLimits};

/// Address space in bytes beyond what the memory limit yields: the range of handles (128 GiB), and
/// the reservations of libraries such as engines of WebAssembly.
const EXTRA_ADDRESS_SPACE: u64 = 256 << 30;
/// Bytes of address space that one byte of page tables maps.
const ADDRESSES_PER_TABLE_BYTE: u64 = 512;

/// Sockets per descriptor: an open one, one in flight in a message, and one in the last message,
/// which may exceed the limit of those in flight.
const SOCKETS_PER_DESCRIPTOR: u64 = 3;
/// The size of a socket's buffer where it is unknown, in bytes: the default of Linux.
const SOCKET_BUFFER_DEFAULT: usize = 212_992;
/// The descriptors that a host gets whatever its memory limit is.
const FILES_MIN: u64 = 32;

/// Returns the number of descriptors whose socket buffers take at most half of this memory.
///
/// The buffers are memory of the kernel, which no limit counts. One holds its size, plus up to half
/// of it once. Those of pipes are smaller.
pub fn files_within(memory: u64) -> u64 {
    let buffer = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .and_then(|(socket, _)| sockopt::socket_send_buffer_size(socket));
    let buffer = buffer.unwrap_or(SOCKET_BUFFER_DEFAULT).max(1) as u64;
    let of_descriptor = buffer.saturating_mul(3 * SOCKETS_PER_DESCRIPTOR) / 2;
    FILES_MIN.max(memory / 2 / of_descriptor)
}

/// Limits memory, descriptors, the size of files and, if the policy says so, processor time, and
/// returns them, as text too.
///
/// Writing beyond the limit of a file fails, without a signal.
///
/// The memory limit covers private memory, stacks of threads included. The system-call filter
/// denies to make shared memory.
pub(crate) fn set_limits(policy: &Policy, bounds: &mut ResourceLimits) -> Result<String, Failure> {
    let preset = &policy.preset;
    bounds.memory = limit(Resource::Data, preset.memory, "setrlimit(RLIMIT_DATA)")?;
    // Programs that the host starts may reserve much more, as browsers do, so they get no limit.
    if !policy.subprocess {
        // A limit that the client has set for itself (ulimit -v) is not raised.
        let inherited = process::getrlimit(Resource::As).current;
        let space = address_space(preset.memory).min(inherited.unwrap_or(u64::MAX));
        limit(Resource::As, space, "setrlimit(RLIMIT_AS)")?;
    }
    bounds.files = limit(Resource::Nofile, preset.files, "setrlimit(RLIMIT_NOFILE)")?;
    bounds.file_size = limit(Resource::Fsize, preset.file_size, "setrlimit(RLIMIT_FSIZE)")?;
    // The filter lets a thread change its own priority: these limits keep it from raising it.
    limit(Resource::Nice, 0, "setrlimit(RLIMIT_NICE)")?;
    limit(Resource::Rtprio, 0, "setrlimit(RLIMIT_RTPRIO)")?;
    crate::signal::ignore(libc::SIGXFSZ).map_err(Failure::of("sigaction"))?;
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

/// The limit of the address space: what the host has now, plus as much as keeps its page tables
/// about as large as its memory limit.
fn address_space(memory: u64) -> u64 {
    let pages: Option<u64> = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse().ok());
    let now = pages
        .unwrap_or(0)
        .saturating_mul(rustix::param::page_size() as u64);
    memory
        .saturating_mul(ADDRESSES_PER_TABLE_BYTE)
        .saturating_add(EXTRA_ADDRESS_SPACE)
        .saturating_add(now)
}

/// Limits the threads and processes of this user in this user namespace: in a namespace of its own,
/// those of the host. The kernel exempts root.
pub(crate) fn set_thread_limit(threads: u64) -> Result<u64, Failure> {
    limit(Resource::Nproc, threads, "setrlimit(RLIMIT_NPROC)")
}

/// Lowers a limit irrevocably, and returns it; a lower one is kept.
fn limit(resource: Resource, wanted: u64, call: &'static str) -> Result<u64, Failure> {
    let hard = process::getrlimit(resource).maximum;
    let limit = hard.map_or(wanted, |hard| hard.min(wanted));
    // Processor time: the soft limit ends the process with a signal of its own.
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
