//! Loads addons: reads the file first, opens it, finds its entry point, and runs it.
//!
//! [`load`] is the way in. A file that cannot work is refused before the system's loader runs its
//! code. Loading a file again makes a new environment and calls its `init` again, on the same
//! image.
#![forbid(unsafe_code)]

mod describe;
mod elf;
mod error;
mod file;
mod libraries;
mod link_file;
pub mod preflight;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use hostd_engine::{JsResult, Runtime, Thrown, Value};

use crate::abi::callback::Init;
use crate::abi::library::{self, Image};
use crate::abi::libuv::Libuv;
use crate::abi::registered::Registered;
use crate::abi::types::{NAPI_VERSION_EXPERIMENTAL, SUPPORTED_VERSION};
use crate::env::EnvId;
use crate::host::Host;

pub use describe::{ApiVersion, Library};
pub use error::{LoadError, LoadErrorKind, Platform};
use link_file::LinkFile;
use preflight::Facts;

/// The addons that were opened through a link file, which stays open as they do.
static LINKED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// The version of an addon that declares none, or an older one.
const OLDEST_VERSION: i32 = 8;

/// A loaded addon.
#[derive(Debug)]
pub struct Loaded {
    /// Its environment.
    pub env: EnvId,
    /// What it exports: the object its `init` filled, or whatever it returned instead.
    pub exports: Value,
    /// The Node-API version it runs under.
    pub api_version: i32,
    /// The real path of its file.
    pub path: PathBuf,
}

impl Host {
    /// Loads an addon and runs its `init`, inside [`Host::enter`].
    pub fn load(&self, path: &Path) -> Result<Loaded, LoadError> {
        self.enter(|rt| {
            let facts = preflight::inspect(path)?;
            let loaded = load(*self, &facts, library::FLAGS, Some(&facts.path), None)?;
            loaded.map_err(|thrown| init_threw(rt, &thrown, &facts.path))
        })
    }

    /// `process.dlopen`: loads an addon in an environment of its own, which fills `exports`; returns
    /// its exports, or what its `init` threw. `filename` is what the addon takes for its own file.
    ///
    /// # Errors
    /// The file cannot be loaded.
    pub fn dlopen(
        self,
        path: &Path,
        exports: Value,
        flags: Option<i32>,
        filename: Option<&Path>,
    ) -> Result<JsResult, LoadError> {
        let facts = preflight::inspect(path)?;
        let flags = flags.unwrap_or(library::FLAGS);
        let loaded = load(self, &facts, flags, filename, Some(exports))?;
        Ok(loaded.map(|loaded| loaded.exports))
    }
}

/// Opens an addon's file, with these flags of `dlopen`, and runs its `init`; the inner result is what
/// that threw. `filename` is what the addon takes for its own file, `exports` what `init` fills.
fn load(
    host: Host,
    facts: &Facts,
    flags: i32,
    filename: Option<&Path>,
    exports: Option<Value>,
) -> Result<JsResult<Loaded>, LoadError> {
    let through = match &facts.of_libuv {
        Some(function) => prepare_libuv(host, facts, function)?,
        None => None,
    };
    let through = through.as_ref().map(LinkFile::path);
    let image =
        library::open(&facts.path, flags, through).map_err(|error| cannot_open(facts, &error))?;
    if through.is_some() {
        let mut linked = LINKED.lock().unwrap_or_else(PoisonError::into_inner);
        linked.insert(facts.path.clone());
    }
    let (init, declared) = entry_point(&image, &facts.path)?;
    let api_version = effective_version(declared, &facts.path)?;
    let env = host.create_env(&facts.path, filename, api_version);
    let exports = host.state().run_init(env, init, exports);
    Ok(exports.map(|exports| Loaded {
        env: env.id,
        exports,
        api_version,
        path: facts.path.clone(),
    }))
}

/// Makes the loop in which the handles of an addon run that imports this function of libuv. Returns the
/// file to open it through, if it would not find that libuv by itself.
fn prepare_libuv(host: Host, facts: &Facts, function: &str) -> Result<Option<LinkFile>, LoadError> {
    let refuse = |reason| {
        let function = function.to_owned();
        LoadErrorKind::NoLibuv { function, reason }.of(&facts.path)
    };
    let libuv = Libuv::of_process().map_err(refuse)?;
    if let Some((name, file)) = libuv.taken() {
        let file = file.display();
        return Err(refuse(format!("{name} is there already, from {file}")));
    }
    if let Err(error) = host.state().uv_loop() {
        tracing::error!(%error, "cannot create a libuv loop for the addon");
    }
    let is_linked = || {
        let linked = LINKED.lock().unwrap_or_else(PoisonError::into_inner);
        linked.contains(&facts.path)
    };
    let Some(library) = libuv.library().filter(|_| !is_linked()) else {
        return Ok(None);
    };
    let file = LinkFile::of(&[&facts.path, library]);
    let cannot = |error| LoadErrorKind::Open(format!("cannot write a link file: {error}"));
    file.map(Some)
        .map_err(|error| cannot(error).of(&facts.path))
}

/// Explains why the system's loader refused the file: by a library, if one is the reason.
fn cannot_open(facts: &Facts, error: &libloading::Error) -> LoadError {
    let open = || LoadErrorKind::Open(library::message_of(error)).of(&facts.path);
    facts.unmet().unwrap_or_else(open)
}

/// Finds the function that makes the exports, and the version its addon declares.
///
/// A module that registered itself while it was opened comes first; it declares no version.
fn entry_point(image: &Image, path: &Path) -> Result<(Init, Option<i32>), LoadError> {
    match (image.registered, image.init) {
        (Some(Registered::Module(Some(init))), _) => Ok((init, None)),
        (Some(Registered::Module(None)), _) => Err(LoadErrorKind::NoEntryPoint.of(path)),
        (Some(Registered::Foreign), _) => {
            Err(LoadErrorKind::NeedsV8("node_module_register".into()).of(path))
        }
        (None, Some(init)) => Ok((init, image.api_version)),
        (None, None) => Err(LoadErrorKind::NotRegistered.of(path)),
    }
}

/// The version an addon runs under.
fn effective_version(declared: Option<i32>, path: &Path) -> Result<i32, LoadError> {
    match declared {
        None | Some(..OLDEST_VERSION) => Ok(OLDEST_VERSION),
        Some(version @ (OLDEST_VERSION..=SUPPORTED_VERSION | NAPI_VERSION_EXPERIMENTAL)) => {
            Ok(version)
        }
        Some(declared) => Err(LoadErrorKind::UnsupportedVersion(declared).of(path)),
    }
}

/// The error for an exception of `init`.
fn init_threw(rt: Runtime, thrown: &Thrown, path: &Path) -> LoadError {
    let message = match rt.utf8(&thrown.0) {
        Ok(text) => text.as_str().to_owned(),
        Err(_) => "it threw something without text".to_owned(),
    };
    LoadErrorKind::Init(message).of(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effective_version_follows_nodes_rules() {
        let version = |declared| effective_version(declared, Path::new("x.node"));
        assert_eq!(version(None).ok(), Some(8));
        assert_eq!(version(Some(3)).ok(), Some(8));
        assert_eq!(version(Some(-1)).ok(), Some(8));
        assert_eq!(version(Some(9)).ok(), Some(9));
        assert_eq!(version(Some(10)).ok(), Some(10));
        assert_eq!(version(Some(i32::MAX)).ok(), Some(i32::MAX));
        let error = version(Some(11))
            .expect_err("11 is not supported")
            .to_string();
        assert_eq!(
            error,
            "x.node requires Node-API version 11, but this host only supports version 10 add-ons"
        );
    }
}
