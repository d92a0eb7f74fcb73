//! Exports the names of Node-API and libuv from the binaries of this package and, where the package
//! `hostd-sandbox` is linked in, the names of the C library's that it defines as well. What libuv
//! has for itself alone (`uv__*`) is hidden when it is compiled.
//!
//! Addons find the functions in the executable that opens them, when they are opened or by name at
//! run time. The same file serves each package with such binaries, because link arguments reach no
//! further than their own package.

#[path = "../sandbox/src/overridden.rs"]
#[expect(
    unreachable_pub,
    reason = "it is public in the package that it is part of"
)]
mod overridden;

use std::env;
use std::fs;
use std::path::Path;

use overridden::OVERRIDDEN;

const NAMES: [&str; 4] = ["napi_*", "node_api_*", "node_module_register", "uv_*"];
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
        for name in NAMES.iter().chain(&OVERRIDDEN) {
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
