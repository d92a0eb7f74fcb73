//! Compiles libuv from the sources that a crate of the registry carries, and lists its functions.
//!
//! The crate is an optional dependency that nothing turns on, so it is pinned in `Cargo.lock` with
//! its checksum but never built; cargo fetches it when it is asked where the crate is.

use std::collections::BTreeSet;
use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const CARRIER: &str = "libuv-sys2";

/// The sources of libuv for Linux, as its own build lists them.
#[rustfmt::skip]
const SOURCES: [&str; 35] = [
    "fs-poll", "idna", "inet", "random", "strscpy", "strtok", "thread-common", "threadpool",
    "timer", "uv-common", "uv-data-getter-setters", "version", "unix/async", "unix/core",
    "unix/dl", "unix/fs", "unix/getaddrinfo", "unix/getnameinfo", "unix/linux", "unix/loop",
    "unix/loop-watcher", "unix/pipe", "unix/poll", "unix/process", "unix/procfs-exepath",
    "unix/proctitle", "unix/random-devurandom", "unix/random-getrandom",
    "unix/random-sysctl-linux", "unix/signal", "unix/stream", "unix/tcp", "unix/thread",
    "unix/tty", "unix/udp",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    // There the version of the sources is pinned.
    println!("cargo::rerun-if-changed=../../Cargo.lock");
    if env::var("CARGO_CFG_TARGET_OS")? != "linux" {
        return Err(
            "libuv is built for Linux only: its list of sources is another elsewhere".into(),
        );
    }
    let libuv = carrier()?.join("libuv");
    compile(&libuv);
    let header = fs::read_to_string(libuv.join("include/uv.h"))?;
    let names = declared(&header);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("names.rs"), format!("&{names:?}"))?;
    Ok(())
}

/// The folder of the crate that carries the sources; cargo fetches it where it is missing.
fn carrier() -> Result<PathBuf, Box<dyn Error>> {
    let metadata = Command::new(env::var("CARGO")?)
        .args(["metadata", "--format-version=1", "--locked"])
        .args(["--features=sources", "--filter-platform"])
        .arg(env::var("TARGET")?)
        .arg("--manifest-path")
        .arg(Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("Cargo.toml"))
        .output()?;
    let text = String::from_utf8(metadata.stdout)?;
    let manifest = text
        .split("\"manifest_path\":\"")
        .filter_map(|rest| rest.split('"').next())
        .map(Path::new)
        .find(|path| is_carrier(path));
    let folder = manifest.and_then(Path::parent).ok_or_else(|| {
        let reason = String::from_utf8_lossy(&metadata.stderr);
        format!("cargo does not say where {CARRIER} is, which carries libuv's sources: {reason}")
    })?;
    Ok(folder.to_path_buf())
}

/// Whether a manifest is that of the carrier: its folder's name may end with a version.
fn is_carrier(manifest: &Path) -> bool {
    let folder = manifest.parent().and_then(Path::file_name);
    folder.is_some_and(|name| name.to_string_lossy().starts_with(CARRIER))
}

fn compile(libuv: &Path) {
    let mut build = cc::Build::new();
    build
        .include(libuv.join("include"))
        .include(libuv.join("src"))
        .define("_GNU_SOURCE", None)
        .define("_FILE_OFFSET_BITS", "64")
        .define("_LARGEFILE_SOURCE", None)
        // When the process ends, libuv would wait for the work of its threads, however long that
        // takes, from a destructor: `__attribute__((destructor))`. The host does not.
        .define("destructor", "unused")
        .flag("-fvisibility=hidden")
        .flag("-fno-strict-aliasing")
        // An exception that an addon throws out of a callback is to be seen passing through.
        .flag("-fexceptions")
        .warnings(false)
        // Optimised in development builds too, as the engine is.
        .opt_level(2)
        // Linked whole, so that functions are exported that nobody here calls.
        .link_lib_modifier("+whole-archive");
    for source in SOURCES {
        build.file(libuv.join("src").join(source).with_extension("c"));
    }
    build.compile("hostd_uv");
}

/// The functions that the header declares, in alphabetic order.
fn declared(header: &str) -> Vec<&str> {
    let declarations = header.split("UV_EXTERN ").skip(1);
    let names: BTreeSet<&str> = declarations
        .filter_map(|rest| rest.split_once('('))
        .filter_map(|(before, _)| before.rsplit(|c: char| !is_of_name(c)).next())
        .filter(|name| name.starts_with("uv_"))
        .collect();
    names.into_iter().collect()
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
