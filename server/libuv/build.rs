//! Compiles libuv from the sources that a crate of the registry carries, lists its functions, and links
//! it as a library of its own, for the package of Python.

use std::collections::BTreeSet;
use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

const CARRIER: &str = "libuv-sys2";
/// As `hostd_libuv::LIBRARY`.
const LIBRARY: &str = "libhostd_uv.so";

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
    let libuv = hostd_carrier::folder(CARRIER)?.join("libuv");
    let build = compile(&libuv);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    link(&build, &out)?;
    let header = fs::read_to_string(libuv.join("include/uv.h"))?;
    let names = declared(&header);
    fs::write(out.join("names.rs"), format!("&{names:?}"))?;
    Ok(())
}

fn compile(libuv: &Path) -> cc::Build {
    let mut build = cc::Build::new();
    build
        .flags(hostd_carrier::sanitizer_flags())
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
    build
}

/// Links the library that exports the functions of the header; all others are hidden.
fn link(build: &cc::Build, out: &Path) -> Result<(), Box<dyn Error>> {
    let status = build
        .try_get_compiler()?
        .to_command()
        .args(["-shared", "-s", "-o"])
        .arg(out.join(LIBRARY))
        .arg(format!("-Wl,-soname,{LIBRARY}"))
        // Its functions call each other, whatever else has functions of their names.
        .args(["-Wl,-Bsymbolic-functions", "-Wl,-z,relro,-z,now"])
        .arg("-Wl,--whole-archive")
        .arg(out.join("libhostd_uv.a"))
        .args(["-Wl,--no-whole-archive", "-Wl,--as-needed"])
        .args(["-lpthread", "-ldl", "-lrt"])
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("cannot link {LIBRARY}: the compiler ended with {status}").into())
    }
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
