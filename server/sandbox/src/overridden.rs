//! The names that this crate defines in place of the C library's. A build script includes this
//! file, too: a binary exports them only if the linker gets their list.

/// The names.
#[rustfmt::skip]
pub const OVERRIDDEN: [&str; 49] = [
    // Gives every thread a stack for the crash handler.
    "pthread_create",
    // The system-call filter allows the calling thread by the number 0 only.
    "pthread_setaffinity_np", "pthread_setschedparam", "sched_setaffinity", "sched_setparam",
    "sched_setscheduler", "setpriority",
    // Denials of the sandbox are recorded when these fail.
    "__open64_2", "__open_2", "__openat64_2", "__openat_2", "creat", "creat64", "fopen",
    "fopen64", "fork", "freopen", "freopen64", "getaddrinfo", "inotify_init", "inotify_init1",
    "link", "linkat", "mkdir", "mkdirat", "mkdtemp", "mkstemp", "mkstemp64", "open", "open64",
    "openat", "openat64", "opendir", "popen", "posix_spawn", "posix_spawnp", "remove", "rename",
    "renameat", "renameat2", "rmdir", "socket", "symlink", "symlinkat", "system", "truncate",
    "truncate64", "unlink", "unlinkat",
];
