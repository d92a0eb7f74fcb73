//! Compiles QuickJS-ng from the sources that a crate of the registry carries, with the changes of
//! `changes.rs`, and takes over that crate's bindings.

#[path = "src/changes.rs"]
mod changes;

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

const CARRIER: &str = "rquickjs-sys";

/// The sources of the engine, as the carrier's own build lists them, without the one that is changed.
const SOURCES: [&str; 3] = ["libregexp.c", "libunicode.c", "dtoa.c"];
/// The source that is changed.
const CHANGED: &str = "quickjs.c";
/// The bindings for 64-bit targets, and the inline functions of the header in Rust.
const INLINES: [&str; 2] = ["inlines/ptr_64.rs", "inlines/common.rs"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    // There the version of the sources is pinned.
    println!("cargo::rerun-if-changed=../../Cargo.lock");
    println!("cargo::rerun-if-changed=src/changes.rs");
    if env::var("CARGO_CFG_TARGET_POINTER_WIDTH")? != "64" {
        return Err(
            "the engine is built for 64-bit targets only: values are laid out otherwise elsewhere"
                .into(),
        );
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let carrier = hostd_carrier::folder(CARRIER)?;
    write_bindings(&carrier.join("src"), &out)?;
    let source = fs::read_to_string(carrier.join("quickjs").join(CHANGED))?;
    let changed = out.join(CHANGED);
    fs::write(&changed, changes::apply(&source)?)?;
    compile(&carrier.join("quickjs"), &changed);
    Ok(())
}

/// Writes the bindings of this target and the inline functions into one file.
fn write_bindings(sources: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let target = env::var("TARGET")?;
    let bindings = sources.join("bindings").join(&target).with_extension("rs");
    let mut all = fs::read_to_string(&bindings)
        .map_err(|error| format!("{CARRIER} has no bindings for {target}: {error}"))?;
    for file in INLINES {
        all.push_str(&fs::read_to_string(sources.join(file))?);
    }
    fs::write(out.join("bindings.rs"), all)?;
    Ok(())
}

fn compile(sources: &Path, changed: &Path) {
    let mut build = cc::Build::new();
    build
        .flags(hostd_carrier::sanitizer_flags())
        .include(sources)
        .define("_GNU_SOURCE", None)
        .define("NDEBUG", None)
        .extra_warnings(false)
        .flag_if_supported("-Wno-implicit-const-int-float-conversion")
        .file(changed);
    for source in SOURCES {
        build.file(sources.join(source));
    }
    build.compile("quickjs");
}
