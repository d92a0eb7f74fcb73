//! Reads an addon's file before it is opened, and refuses one that cannot work, with the reason.
//!
//! [`inspect`] is the first step of every load. Opening a library runs its code, and a missing function
//! ends the process at its first call, so both are checked by reading alone.
//!
//! Upholds I-15.
#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::elf::{self, Fault, Image};
use super::file;
use super::libraries::Places;
use super::{LoadError, LoadErrorKind};
use crate::abi::exports::{self, Symbol};

/// The facts that an addon's file shows.
#[derive(Debug)]
pub struct Facts {
    /// The real path: without symbolic links, as the addon's run paths are understood.
    pub path: PathBuf,
    /// A function of libuv that it imports, if it imports any.
    pub of_libuv: Option<String>,
    pub(super) image: Image,
}

/// Reads the file at `path` and refuses what certainly does not work.
///
/// # Errors
/// The file is no shared library for this platform, or one that cannot be loaded here.
pub fn inspect(path: &Path) -> Result<Facts, LoadError> {
    let facts = read(path)?;
    match facts.refusal(path) {
        Some(error) => Err(error),
        None => Ok(facts),
    }
}

/// Reads the file at `path`.
///
/// # Errors
/// The file is no shared library for this platform.
pub fn read(path: &Path) -> Result<Facts, LoadError> {
    let file = file::open(path)?;
    let image = elf::read(&file).map_err(|fault| match fault {
        Fault::Other(what) => LoadErrorKind::NotAnAddon(what).of(path),
        Fault::Damaged(what) => LoadErrorKind::Damaged(what).of(path),
        Fault::Platform(file) => LoadErrorKind::OtherPlatform(file).of(path),
    })?;
    let of_libuv = image.imports().find(|symbol| hostd_libuv::has(symbol));
    let of_libuv = of_libuv.map(str::to_owned);
    Ok(Facts {
        path: file.path,
        of_libuv,
        image,
    })
}

impl Facts {
    /// Why it certainly cannot be loaded here; `path` is how it was named.
    pub fn refusal(&self, path: &Path) -> Option<LoadError> {
        let checked = check_libc(path, &self.image)
            .and_then(|()| check_imports(path, &self.image, &self.path));
        checked.err()
    }

    /// Explains why the system's loader could not open the file, if a library is the reason.
    ///
    /// The search for libraries may miss a place that the system's loader knows, so the error
    /// ([`LoadErrorKind::MissingLibrary`], [`LoadErrorKind::SystemTooOld`]) is very likely but not
    /// certain. All others are.
    pub fn unmet(&self) -> Option<LoadError> {
        Places::of_system().first_unmet(&self.image, &self.path)
    }
}

fn check_libc(path: &Path, image: &Image) -> Result<(), LoadError> {
    const GLIBC: &str = "glibc";
    const MUSL: &str = "musl";
    let host = if cfg!(target_env = "musl") {
        MUSL
    } else {
        GLIBC
    };
    let needs = |library: &str| match library {
        "libc.so.6" => Some(GLIBC),
        "libc.so" => Some(MUSL),
        _ if library.starts_with("libc.musl-") => Some(MUSL),
        _ => None,
    };
    match image.needed.iter().find_map(|library| needs(library)) {
        Some(file) if file != host => Err(LoadErrorKind::OtherLibc { file, host }.of(path)),
        _ => Ok(()),
    }
}

fn check_imports(path: &Path, image: &Image, real: &Path) -> Result<(), LoadError> {
    // The addon's companion libraries are read for a suspicious name only.
    let known: HashSet<&str> = exports::symbols().map(Symbol::name).collect();
    let mut places = None;
    let mut companion_defines = |symbol: &str| {
        let places = places.get_or_insert_with(Places::of_system);
        places.companion_defines(image, real, symbol)
    };
    for symbol in image.imports() {
        let refused = if is_v8(symbol) {
            LoadErrorKind::NeedsV8
        } else if symbol.starts_with("uv_") && !hostd_libuv::has(symbol) {
            LoadErrorKind::UnknownLibuv
        } else if is_node_api(symbol) && !known.contains(symbol) {
            LoadErrorKind::UnknownFunction
        } else {
            continue;
        };
        if !companion_defines(symbol) {
            return Err(refused(symbol.into()).of(path));
        }
    }
    Ok(())
}

pub(super) fn is_node_api(symbol: &str) -> bool {
    symbol.starts_with("napi_") || symbol.starts_with("node_api_")
}

/// Names in the namespaces `v8` and `node`, whatever they are of (functions, their tables, types).
fn is_v8(symbol: &str) -> bool {
    if symbol == "node_module_register" {
        return true;
    }
    let Some(mangled) = symbol.strip_prefix("_Z") else {
        return false;
    };
    let nested = mangled.trim_start_matches(|c| "TVISK".contains(c));
    let Some(name) = nested.strip_prefix('N') else {
        return false;
    };
    let name = name.trim_start_matches(['K', 'R', 'O', 'V']);
    name.starts_with("2v8") || name.starts_with("4node")
}
