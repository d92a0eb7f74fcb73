//! Exports the names of Node-API and libuv from the binaries of this package and, where the package
//! `hostd-sandbox` is linked in, the names of the C library's that it defines as well. What libuv
//! has for itself alone (`uv__*`) is hidden when it is compiled.
//!
//! Addons find the functions in the executable that opens them, when they are opened or by name at
//! run time. The same file serves each package with such binaries, because link arguments reach no
//! further than their own package. The program gets its layout here as well.

#[path = "../sandbox/src/overridden.rs"]
#[expect(
    unreachable_pub,
    reason = "it is public in the package that it is part of"
)]
mod overridden;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use overridden::OVERRIDDEN;

const NAMES: [&str; 4] = ["napi_*", "node_api_*", "node_module_register", "uv_*"];
const TARGETS: [(&str, &str); 4] = [
    ("bins", "src/main.rs"),
    ("tests", "tests"),
    ("examples", "examples"),
    ("benches", "benches"),
];
/// The order of the code in the program, in the folder of its package.
const ORDER: &str = "start.ld";
/// Names a version of glibc, such as `2.28`, that is older than that of this machine.
const GLIBC: &str = "NAPI_HOSTD_GLIBC";
/// The first version of glibc that reads packed relative relocations.
const PACKED_SINCE: (u32, u32) = (2, 36);

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
        for name in NAMES.iter().chain(&OVERRIDDEN) {
            let argument = if macos {
                format!("-Wl,-exported_symbol,_{name}")
            } else {
                format!("-Wl,--export-dynamic-symbol={name}")
            };
            println!("cargo::rustc-link-arg-{kind}={argument}");
        }
    }
    if !macos && Path::new(ORDER).exists() {
        lay_out();
    }
}

/// Adds the arguments by which less of the program is resident while it is idle.
fn lay_out() {
    println!("cargo::rerun-if-changed={ORDER}");
    let folder = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let order = folder.unwrap_or_default().join(ORDER);
    println!("cargo::rustc-link-arg-bins=-T");
    println!("cargo::rustc-link-arg-bins={}", order.display());
    // The table of relocations, 250 KB, is read whole at the start; packed, it has 2 KB. Only newer
    // versions of glibc read a packed one, so it is packed only if that is built for.
    if glibc().is_some_and(|version| version >= PACKED_SINCE) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// The oldest version of glibc that the program has to run on, if it is known: the one that a variable
/// names, or that of this machine.
fn glibc() -> Option<(u32, u32)> {
    println!("cargo::rerun-if-env-changed={GLIBC}");
    if let Ok(version) = env::var(GLIBC) {
        return parsed(&version);
    }
    if env::var_os("HOST") != env::var_os("TARGET") {
        return None;
    }
    let answer = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let text = String::from_utf8(answer.ok()?.stdout).ok()?;
    parsed(text.trim().strip_prefix("glibc ")?)
}

fn parsed(version: &str) -> Option<(u32, u32)> {
    let (major, minor) = version.split_once('.')?;
    let minor = minor.split('.').next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
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
