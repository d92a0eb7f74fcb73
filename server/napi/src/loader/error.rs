//! [`LoadError`]: why an addon could not be loaded, with what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::abi::types::SUPPORTED_VERSION;

/// Why an addon could not be loaded.
#[derive(Debug)]
pub struct LoadError {
    /// The file, or the path as it was given if there is none.
    pub path: PathBuf,
    /// The reason.
    pub kind: LoadErrorKind,
}

/// The reasons why an addon could not be loaded.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadErrorKind {
    /// There is nothing at the path.
    NotFound,
    /// The path cannot be read.
    Unreadable(io::Error),
    /// The file is not a shared library, but this, with its article.
    NotAnAddon(&'static str),
    /// The file is a shared library whose inside contradicts itself: what is wrong with it.
    Damaged(&'static str),
    /// The file was built for another operating system or processor, this one.
    OtherPlatform(Platform),
    /// The file was built for another C library.
    OtherLibc {
        /// The C library that the file needs.
        file: &'static str,
        /// The C library of the host.
        host: &'static str,
    },
    /// A library of the system is older than the file needs.
    SystemTooOld {
        /// The library.
        library: String,
        /// The version name that is missing, such as `GLIBC_2.38`.
        needed: String,
        /// The newest of that series that the library has.
        found: Option<String>,
    },
    /// A library that the file is linked against is nowhere to be found.
    MissingLibrary {
        /// The library that is missing.
        library: String,
        /// The library that needs it, if it is not the file itself.
        needed_by: Option<String>,
    },
    /// The file uses V8 or Node's C++ interface: one of the symbols.
    NeedsV8(String),
    /// The file uses a function that libuv does not have here.
    UnknownLibuv(String),
    /// The file uses libuv, which it cannot have in this process.
    NoLibuv {
        /// One of the functions that it imports.
        function: String,
        /// Why it cannot.
        reason: String,
    },
    /// The file uses a Node-API function that does not exist here.
    UnknownFunction(String),
    /// The addon declares this version of Node-API, which is newer than the one here.
    UnsupportedVersion(i32),
    /// The system's loader refused the file, for a reason that the checks before did not foresee:
    /// what it said.
    Open(String),
    /// The file is a library and no addon.
    NotRegistered,
    /// The addon registered itself without a function to call.
    NoEntryPoint,
    /// The addon's own initialisation threw: the JavaScript error as text.
    Init(String),
}

impl LoadErrorKind {
    /// The error of this kind for a file.
    pub(super) fn of(self, path: &Path) -> LoadError {
        let path = path.to_owned();
        LoadError { path, kind: self }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use LoadErrorKind as Kind;

        let path = self.path.display();
        match &self.kind {
            Kind::NotFound => write!(
                f,
                "the file {path} does not exist; check the path, and that the addon's package was \
                 installed or built"
            ),
            Kind::Unreadable(source) => write!(f, "cannot read {path}: {source}"),
            Kind::NotAnAddon(what) => write!(
                f,
                "{path} is {what}, not a Node-API addon; give the path of the .node file itself"
            ),
            Kind::Damaged(what) => {
                write!(f, "{path} is damaged: {what}; download or build it again")
            }
            Kind::OtherPlatform(file) => {
                let host = Platform::host();
                write!(
                    f,
                    "{path} was built for {file}, and this is {host}; install the addon's build for \
                     {host}"
                )
            }
            Kind::OtherLibc { file, host } => write!(
                f,
                "{path} was built for {file}, and this host runs on {host}; install the addon's \
                 build for {host}"
            ),
            Kind::SystemTooOld {
                library,
                needed,
                found,
            } => {
                write!(
                    f,
                    "{path} needs {needed} of {library}, and this system's is too old"
                )?;
                if let Some(found) = found {
                    write!(f, " (its newest is {found})")?;
                }
                f.write_str("; use a newer system or an older build of the addon")
            }
            Kind::MissingLibrary { library, needed_by } => {
                write!(f, "{path} needs the library {library}")?;
                if let Some(library) = needed_by {
                    write!(f, " (through {library})")?;
                }
                f.write_str(
                    ", which was not found; install the package that contains it, or put it beside \
                     the addon",
                )
            }
            Kind::NeedsV8(symbol) => write!(
                f,
                "{path} calls V8 or Node's C++ interface directly ({symbol}), which exists only \
                 inside Node; only addons that use Node-API alone can be loaded; look for a version \
                 of the package that does"
            ),
            Kind::UnknownLibuv(symbol) => write!(
                f,
                "{path} uses {symbol}, which is not in the libuv of this host; the addon was built \
                 for another system or a newer libuv: use an older build of it, or a newer \
                 napi-hostd"
            ),
            Kind::NoLibuv { function, reason } => write!(
                f,
                "{path} uses libuv ({function}), which it cannot have in this process: {reason}; \
                 load it with isolated=True"
            ),
            Kind::UnknownFunction(symbol) => write!(
                f,
                "{path} uses {symbol}, which is not a Node-API function of this host; the addon was \
                 built for a newer Node-API: use an older build of it, or a newer napi-hostd"
            ),
            Kind::UnsupportedVersion(declared) => write!(
                f,
                "{path} requires Node-API version {declared}, but this host only supports version \
                 {SUPPORTED_VERSION} add-ons"
            ),
            Kind::Open(message) => write!(f, "cannot open {path}: {message}"),
            Kind::NotRegistered => write!(
                f,
                "Module did not self-register: '{path}'; it is a shared library, but not a Node-API \
                 addon"
            ),
            Kind::NoEntryPoint => write!(f, "Module has no declared entry point: '{path}'"),
            Kind::Init(message) => write!(f, "the addon {path} failed to initialise: {message}"),
        }
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            LoadErrorKind::Unreadable(source) => Some(source),
            _ => None,
        }
    }
}

/// An operating system and a processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// The operating system.
    pub system: &'static str,
    /// The processor.
    pub machine: String,
}

impl Platform {
    /// What this host was built for.
    pub fn host() -> Self {
        Self {
            system: "Linux",
            machine: std::env::consts::ARCH.into(),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.system, self.machine)
    }
}
