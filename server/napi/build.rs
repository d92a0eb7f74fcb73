//! Exports the names of Node-API and libuv from the binaries of this package and, where the package
//! `hostd-sandbox` is linked in, the names of the C library's that it defines as well. What libuv
//! has for itself alone (`uv__*`) is hidden when it is compiled.
//!
//! Addons find the functions in the executable that opens them, when they are opened or by name at
//! run time. The same file serves each package with such binaries, because link arguments reach no
//! further than their own package.

use std::env;
use std::fs;
use std::path::Path;

const NAMES: [&str; 53] = [
    "napi_*",
    "node_api_*",
    "node_module_register",
    "uv_*",
    // The crash record reaches every thread.
    "pthread_create",
    // The filter for system calls knows the calling thread as 0.
    "pthread_setaffinity_np",
    "pthread_setschedparam",
    "sched_setaffinity",
    "sched_setparam",
    "sched_setscheduler",
    "setpriority",
    // What the sandbox denies is noted where these report it.
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
const TARGETS: [(&str, &str); 4] = [
    ("bins", "src/main.rs"),
    ("tests", "tests"),
    ("examples", "examples"),
    ("benches", "benches"),
];

fn main() {
    for place in ["build.rs", "tests", "examples", "benches"] {
        if Path::new(place).exists() {
            println!("cargo::rerun-if-changed={place}");
        }
    }
    let macos = env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "macos");
    for (kind, place) in TARGETS {
        if !has_target(Path::new(place)) {
            continue;
        }
        for name in NAMES {
            let argument = if macos {
                format!("-Wl,-exported_symbol,_{name}")
            } else {
                format!("-Wl,--export-dynamic-symbol={name}")
            };
            println!("cargo::rustc-link-arg-{kind}={argument}");
        }
    }
}

/// Whether cargo finds a target there: it refuses arguments for a kind that has none.
fn has_target(place: &Path) -> bool {
    let is_target = |path: &Path| {
        path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").exists()
    };
    place.is_file()
        || fs::read_dir(place)
            .is_ok_and(|entries| entries.flatten().any(|entry| is_target(&entry.path())))
}
