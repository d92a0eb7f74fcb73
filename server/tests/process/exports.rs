//! What the program exports to the addons that it opens.

use std::collections::BTreeSet;

use hostd_napi::abi::exports::{Symbol, symbols};
use object::{Object as _, ObjectSymbol as _};

/// What `hostd-sandbox` defines in place of the C library's.
const OF_THE_C_LIBRARY: [&str; 49] = [
    "pthread_create",
    "pthread_setaffinity_np",
    "pthread_setschedparam",
    "sched_setaffinity",
    "sched_setparam",
    "sched_setscheduler",
    "setpriority",
    "__open64_2",
    "__open_2",
    "__openat64_2",
    "__openat_2",
    "creat",
    "creat64",
    "fopen",
    "fopen64",
    "fork",
    "freopen",
    "freopen64",
    "getaddrinfo",
    "inotify_init",
    "inotify_init1",
    "link",
    "linkat",
    "mkdir",
    "mkdirat",
    "mkdtemp",
    "mkstemp",
    "mkstemp64",
    "open",
    "open64",
    "openat",
    "openat64",
    "opendir",
    "popen",
    "posix_spawn",
    "posix_spawnp",
    "remove",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "socket",
    "symlink",
    "symlinkat",
    "system",
    "truncate",
    "truncate64",
    "unlink",
    "unlinkat",
];

#[test]
fn program_exports_these_names_and_no_other() {
    let mut expected: BTreeSet<&str> = symbols().map(Symbol::name).collect();
    expected.extend(hostd_libuv::NAMES);
    expected.extend(OF_THE_C_LIBRARY);
    let bytes = std::fs::read(env!("CARGO_BIN_EXE_napi-hostd")).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let exported: BTreeSet<String> = file
        .dynamic_symbols()
        .filter(|symbol| symbol.is_definition() && symbol.is_global())
        .filter_map(|symbol| symbol.name().ok().map(str::to_owned))
        .collect();
    let exported: BTreeSet<&str> = exported.iter().map(String::as_str).collect();
    assert_eq!(exported, expected);
}
