//! What a host may still do once it is confined: the named policies, as data.

use std::path::PathBuf;

/// A policy by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// For every addon, unless its user says otherwise.
    Default,
    /// For an addon that nobody trusts.
    Strict,
}

/// What separates a process from the rest of the system beyond its rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// A user namespace, if threads are to be counted.
    IfAsked,
    /// One of every kind, in which nothing exists but what is granted.
    Jail,
}

/// What makes a named policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Its name.
    pub name: Name,
    /// Its separation.
    pub namespaces: Namespaces,
    /// The least version of Landlock that will do.
    pub landlock: u32,
    /// Whether memory that was written may be run.
    pub exec_memory: bool,
    /// Bytes of private memory.
    pub memory: u64,
    /// Open descriptors.
    pub files: u64,
    /// Bytes of one file.
    pub file_size: u64,
    /// Threads. The kernel keeps to it in a jail, and in a user namespace if it was asked for.
    pub threads: u64,
    /// Bytes of the scratch folder, where it is a file system of its own.
    pub scratch: u64,
}

/// The named policies.
pub const PRESETS: [Preset; 2] = [
    Preset {
        name: Name::Default,
        namespaces: Namespaces::IfAsked,
        landlock: 1,
        exec_memory: true,
        memory: 2 << 30,
        files: 512,
        file_size: 1 << 30,
        threads: 1024,
        scratch: 1 << 30,
    },
    Preset {
        name: Name::Strict,
        namespaces: Namespaces::Jail,
        landlock: 6,
        exec_memory: false,
        memory: 1 << 30,
        files: 256,
        file_size: 256 << 20,
        threads: 64,
        scratch: 512 << 20,
    },
];

/// What every confined host may read: libraries, time zones, fonts, certificates, and what the
/// processor and the memory are like. What is missing on a system is left out.
pub const SYSTEM_READ: &[&str] = &[
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/nix/store",
    "/etc/ld.so.cache",
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
    "/dev/zero",
    "/dev/urandom",
    "/dev/random",
];

/// What every confined host may write besides its own folders.
pub const SYSTEM_WRITE: &[&str] = &["/dev/null"];

/// What finding names and services in the network takes.
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

/// Where the programs of the system are.
pub const PROGRAMS: &[&str] = &["/bin", "/usr/bin"];

/// How one host is to be confined.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub struct Policy {
    /// What it starts from.
    pub preset: Preset,
    /// Files and folders that may be read.
    pub read: Vec<PathBuf>,
    /// Files and folders that may be read and changed.
    pub write: Vec<PathBuf>,
    /// Its own folder for what it leaves behind, if it has one.
    pub scratch: Option<PathBuf>,
    /// Whether that folder goes with the process.
    pub scratch_is_temporary: bool,
    /// Whether threads are to be limited by the kernel even if the preset can do without.
    pub limit_threads: bool,
    /// Whether it may use the network.
    pub network: bool,
    /// Whether it may start programs.
    pub subprocess: bool,
    /// Whether it may be told of changed files.
    pub watch: bool,
    /// Whether it may use local sockets: where it may write, and of its own.
    pub unix: bool,
    /// Seconds of processor time, if they are limited.
    pub cpu: Option<u64>,
    /// The process it is to be kept away from first of all.
    pub client: u32,
    /// The process it is to end with.
    pub parent: u32,
    /// Whether it may run although something that is required could not be had.
    pub degrade: bool,
    /// Whether denied calls are noted.
    pub diagnose: bool,
    /// Takes the kernel's Landlock for no newer than this; for tests.
    pub landlock_at_most: u32,
    /// Whether namespaces are tried at all; tests say no.
    pub namespaces_exist: bool,
}

impl Preset {
    /// The policy of this name.
    pub fn named(name: Name) -> Self {
        match name {
            Name::Default => PRESETS[0],
            Name::Strict => PRESETS[1],
        }
    }
}
