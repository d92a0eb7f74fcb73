//! For build scripts: finds the published crate that carries the C sources that they compile, and the flags
//! of a sanitizer.
//!
//! Such a crate is an optional dependency, of the feature `sources`, that nothing turns on: so it is
//! pinned in `Cargo.lock` with its checksum but never built, and cargo fetches it when it is asked where
//! the crate is.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The flags with which C is compiled where Rust is for `AddressSanitizer`. Build scripts are not, nor is what
/// is linked into them.
pub fn sanitizer_flags() -> &'static [&'static str] {
    let flags = std::env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    if flags
        .split('\x1f')
        .any(|flag| flag == "-Zsanitizer=address")
    {
        &["-fsanitize=address", "-fno-omit-frame-pointer", "-g"]
    } else {
        &[]
    }
}

/// The folder of the crate of this name, which the crate that is being built has as an optional
/// dependency; cargo fetches it where it is missing.
///
/// # Errors
/// It cannot be fetched.
pub fn folder(carrier: &str) -> Result<PathBuf, Box<dyn Error>> {
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
        .find(|path| is_of(path, carrier));
    let folder = manifest.and_then(Path::parent).ok_or_else(|| {
        let reason = String::from_utf8_lossy(&metadata.stderr);
        format!("cargo does not say where {carrier} is, which carries the sources: {reason}")
    })?;
    Ok(folder.to_path_buf())
}

/// Whether a manifest is that of the carrier: its folder's name may end with a version.
fn is_of(manifest: &Path, carrier: &str) -> bool {
    let folder = manifest.parent().and_then(Path::file_name);
    folder.is_some_and(|name| name.to_string_lossy().starts_with(carrier))
}
