//! The named policies: what a confined host may do, as data.

use std::path::PathBuf;

/// A policy by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// For every addon, unless its user chooses another one.
    Default,
    /// For an untrusted addon.
    Strict,
}

/// The namespaces of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// A user namespace, if the kernel is to limit threads.
    IfAsked,
    /// One of every kind, with only the granted files in them.
    Jail,
}

/// The settings of a named policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Its namespaces.
    pub namespaces: Namespaces,
    /// The least version of Landlock that it accepts.
    pub landlock: u32,
    /// Whether memory that was written may be executed.
    pub exec_memory: bool,
    /// Limit of private memory, in bytes.
    pub memory: u64,
    /// Limit of open descriptors.
    pub files: u64,
    /// Limit of the size of a file, in bytes.
    pub file_size: u64,
    /// Limit of threads. The kernel enforces it in a jail, or in a user namespace if requested.
    pub threads: u64,
    /// Limit of the scratch folder where it is a file system of its own, in bytes.
    pub scratch: u64,
}

/// What every confined host may read: libraries, time zones, fonts, certificates, and facts about
/// processor and memory. A path that the system lacks is left out.
pub const SYSTEM_READ: &[&str] = &[
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/nix/store",
    "/etc/ld.so.cache",
    // Packages read there which C library the system has.
    "/usr/bin/ldd",
    "/usr/share/zoneinfo",
    "/usr/share/locale",
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "/usr/share/fontconfig",
    "/var/cache/fontconfig",
    "/etc/fonts",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/usr/share/ca-certificates",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/kernel/overflowuid",
    "/proc/sys/kernel/overflowgid",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
    "/sys/fs/cgroup",
    "/sys/kernel/mm/transparent_hugepage",
    "/dev/urandom",
    "/dev/random",
];

/// What every confined host may write besides its own folders.
pub const SYSTEM_WRITE: &[&str] = &["/dev/null"];

/// What the resolver of the C library reads.
pub const NETWORK_READ: &[&str] = &[
    "/etc/resolv.conf",
    "/run/systemd/resolve",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/nsswitch.conf",
    "/etc/services",
    "/etc/protocols",
];

/// The folders with the programs of the system.
pub const PROGRAMS: &[&str] = &["/bin", "/usr/bin"];

/// How a host is confined.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub struct Policy {
    /// The named policy that it extends.
    pub preset: Preset,
    /// Files and folders that may be read.
    pub read: Vec<PathBuf>,
    /// Files and folders that may be read and changed.
    pub write: Vec<PathBuf>,
    /// Its folder for temporary files, if it has one.
    pub scratch: Option<PathBuf>,
    /// Whether that folder is removed with the process.
    pub scratch_is_temporary: bool,
    /// Whether the kernel must limit threads even where the preset leaves that to the client.
    pub limit_threads: bool,
    /// Whether it may use the network.
    pub network: bool,
    /// Whether it may start programs.
    pub subprocess: bool,
    /// Whether it may watch files for changes.
    pub watch: bool,
    /// Whether it may use local sockets: below the paths that it may write, and its own pairs.
    pub unix: bool,
    /// Limit of processor time, in seconds, if there is one.
    pub cpu: Option<u64>,
    /// The client's process, which the self-test tries to reach.
    pub client: u32,
    /// The process whose end ends the host.
    pub parent: u32,
    /// Whether it may run although a required mechanism is unavailable.
    pub degrade: bool,
    /// Whether denied calls are noted.
    pub diagnose: bool,
    /// Upper bound of the version of Landlock that is used; for tests.
    pub landlock_at_most: u32,
    /// Whether namespaces are tried; tests turn it off.
    pub namespaces_exist: bool,
}

impl Preset {
    /// The policy of this name.
    pub fn named(name: Name) -> Self {
        match name {
            Name::Default => Self {
                namespaces: Namespaces::IfAsked,
                landlock: 1,
                exec_memory: true,
                memory: 2 << 30,
                files: 512,
                file_size: 1 << 30,
                threads: 1024,
                scratch: 1 << 30,
            },
            Name::Strict => Self {
                namespaces: Namespaces::Jail,
                landlock: 6,
                exec_memory: false,
                memory: 1 << 30,
                files: 256,
                file_size: 256 << 20,
                threads: 64,
                scratch: 512 << 20,
            },
        }
    }
}
