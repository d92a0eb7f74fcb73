//! [`LoadError`]: why an addon could not be loaded, with what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why an addon could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// There is nothing at the path.
    #[error("the file {} does not exist; check the path, and that the addon's package was installed or built", path.display())]
    NotFound {
        /// The path as it was given.
        path: PathBuf,
    },
    /// The path cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The path as it was given.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is not a shared library.
    #[error("{} is {what}, not a Node-API addon; give the path of the .node file itself", path.display())]
    NotAnAddon {
        /// The file.
        path: PathBuf,
        /// What it is instead, with its article.
        what: &'static str,
    },
    /// The file is a shared library whose inside contradicts itself.
    #[error("{} is damaged: {what}; download or build it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The file was built for another operating system or processor.
    #[error("{} was built for {file}, and this is {host}; install the addon's build for {host}", path.display())]
    OtherPlatform {
        /// The file.
        path: PathBuf,
        /// What it was built for.
        file: Platform,
        /// What the host is.
        host: Platform,
    },
    /// The file was built for another C library.
    #[error("{} was built for {file}, and this host runs on {host}; install the addon's build for {host}", path.display())]
    OtherLibc {
        /// The file.
        path: PathBuf,
        /// The C library that the file needs.
        file: &'static str,
        /// The C library of the host.
        host: &'static str,
    },
    /// A library of the system is older than the file needs.
    #[error(
        "{} needs {needed} of {library}, and this system's is too old{}; use a newer system or an older build of the addon",
        path.display(), Newest(found.as_deref())
    )]
    SystemTooOld {
        /// The file.
        path: PathBuf,
        /// The library.
        library: String,
        /// The version name that is missing, such as `GLIBC_2.38`.
        needed: String,
        /// The newest of that series that the library has.
        found: Option<String>,
    },
    /// A library that the file is linked against is nowhere to be found.
    #[error(
        "{} needs the library {library}{}, which was not found; install the package that contains it, or put it beside the addon",
        path.display(), Through(needed_by.as_deref())
    )]
    MissingLibrary {
        /// The file.
        path: PathBuf,
        /// The library that is missing.
        library: String,
        /// The library that needs it, if it is not the file itself.
        needed_by: Option<String>,
    },
    /// The file uses V8 or Node's C++ interface.
    #[error(
        "{} calls V8 or Node's C++ interface directly ({symbol}), which exists only inside Node; \
         only addons that use Node-API alone can be loaded; look for a version of the package that does",
        path.display()
    )]
    NeedsV8 {
        /// The file.
        path: PathBuf,
        /// One of the symbols.
        symbol: String,
    },
    /// The file uses a function that libuv does not have here.
    #[error(
        "{} uses {symbol}, which is not in the libuv of this host; \
         the addon was built for another system or a newer libuv: use an older build of it, or a newer napi-hostd",
        path.display()
    )]
    UnknownLibuv {
        /// The file.
        path: PathBuf,
        /// The function.
        symbol: String,
    },
    /// The file uses a Node-API function that does not exist here.
    #[error(
        "{} uses {symbol}, which is not a Node-API function of this host; \
         the addon was built for a newer Node-API: use an older build of it, or a newer napi-hostd",
        path.display()
    )]
    UnknownFunction {
        /// The file.
        path: PathBuf,
        /// The function.
        symbol: String,
    },
    /// The addon declares a version of Node-API that is newer than this one.
    #[error("{} requires Node-API version {declared}, but this host only supports version {supported} add-ons", path.display())]
    UnsupportedVersion {
        /// The file.
        path: PathBuf,
        /// The version that the addon declares.
        declared: i32,
        /// The newest version supported.
        supported: i32,
    },
    /// The system's loader refused the file, for a reason that the checks before did not foresee.
    #[error("cannot open {}: {message}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system's loader said.
        message: String,
    },
    /// The file is a library and no addon.
    #[error("Module did not self-register: '{}'; it is a shared library, but not a Node-API addon", path.display())]
    NotRegistered {
        /// The file.
        path: PathBuf,
    },
    /// The addon registered itself without a function to call.
    #[error("Module has no declared entry point: '{}'", path.display())]
    NoEntryPoint {
        /// The file.
        path: PathBuf,
    },
    /// The addon's own initialisation threw.
    #[error("the addon {} failed to initialise: {message}", path.display())]
    Init {
        /// The file.
        path: PathBuf,
        /// The JavaScript error as text: name and message.
        message: String,
        /// Its stack, if it has one.
        stack: Option<String>,
    },
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
        let system = if cfg!(target_os = "linux") {
            "Linux"
        } else {
            std::env::consts::OS
        };
        Self {
            system,
            machine: std::env::consts::ARCH.into(),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.system, self.machine)
    }
}

/// The end of a sentence about the newest version found.
struct Newest<'a>(Option<&'a str>);

impl fmt::Display for Newest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .map_or(Ok(()), |found| write!(f, " (its newest is {found})"))
    }
}

/// The middle of a sentence about an indirect need.
struct Through<'a>(Option<&'a str>);

impl fmt::Display for Through<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .map_or(Ok(()), |library| write!(f, " (through {library})"))
    }
}
