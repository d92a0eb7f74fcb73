//! The library that runs sessions in this process, loaded once, with global symbols: addons find the
//! functions of Node-API there.
//!
//! Invariants:
//! L1. The file comes with this package: its functions have the types of `hostd_protocol::in_process`
//!     once its version was compared. It is never closed, because addons keep its addresses.
#![expect(unsafe_code, reason = "a library that is loaded at run time")]

use std::ffi::CStr;
use std::fs;
use std::os::fd::{IntoRawFd as _, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex};

use hostd_client::{SessionEnd, SessionLibrary, lock};
use hostd_protocol::in_process::{
    SERVE_NAME, ServeFunction, VERSION, VERSION_NAME, VersionFunction,
};
use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

/// A function that every provider of Node-API exports.
const NODE_API: &CStr = c"napi_create_function";

/// The library of this process, once it is loaded.
static LOADED: Mutex<Option<Arc<InProcessLibrary>>> = Mutex::new(None);

/// The functions of the library.
#[derive(Debug)]
pub(crate) struct InProcessLibrary {
    serve: ServeFunction,
    /// The process that loaded it.
    process: u32,
}

/// Loads the library, if this process has not done so.
///
/// # Errors
/// Why it cannot be used here, in words.
pub(crate) fn load(path: &Path) -> Result<Arc<InProcessLibrary>, String> {
    let mut loaded = lock(&LOADED);
    if let Some(library) = &*loaded {
        return Ok(Arc::clone(library));
    }
    if let Some(provider) = provider_of_node_api() {
        return Err(format!(
            "the functions of Node-API are in this process already, from {provider}: an addon would \
             find those instead of the ones of this package"
        ));
    }
    let open = |error: libloading::Error| format!("cannot load {}: {error}", path.display());
    // SAFETY: L1; the constructors of the file are those that the toolchain adds.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) }.map_err(open)?;
    let missing = |name: &CStr| {
        format!(
            "{} lacks {}: it is of another version of this package",
            path.display(),
            name.to_string_lossy()
        )
    };
    // SAFETY: L1; the function takes nothing, whatever its version.
    let version: VersionFunction = unsafe { library.get(VERSION_NAME.to_bytes_with_nul()) }
        .map(|found| *found)
        .map_err(|_| missing(VERSION_NAME))?;
    let found = version();
    if found != VERSION {
        return Err(format!(
            "{} has version {found} of the protocol, this package {VERSION}",
            path.display()
        ));
    }
    // SAFETY: L1; the version was compared.
    let serve: ServeFunction = unsafe { library.get(SERVE_NAME.to_bytes_with_nul()) }
        .map(|found| *found)
        .map_err(|_| missing(SERVE_NAME))?;
    let _never_closed = library.into_raw();
    let library = Arc::new(InProcessLibrary {
        serve,
        process: std::process::id(),
    });
    *loaded = Some(Arc::clone(&library));
    Ok(library)
}

/// The file from which this process has the functions of Node-API, if it has them.
fn provider_of_node_api() -> Option<String> {
    // SAFETY: L1; the address is compared and never called.
    let found = unsafe { Library::this().get::<*const ()>(NODE_API.to_bytes_with_nul()) };
    let address = found.ok()?.into_raw() as usize;
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let file = maps.lines().find_map(|line| file_at(line, address));
    Some(file.unwrap_or_else(|| "an unknown file".to_owned()))
}

/// The file of a line of `/proc/self/maps`, if the address is in its range.
fn file_at(line: &str, address: usize) -> Option<String> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    let path = rest.find('/').map(|at| rest[at..].to_owned());
    path.filter(|_| (start..end).contains(&address))
}

impl SessionLibrary for InProcessLibrary {
    fn serve(&self, control: OwnedFd, stack_bytes: usize) -> SessionEnd {
        // SAFETY: L1; the descriptor is owned and handed over.
        SessionEnd::decode(unsafe { (self.serve)(control.into_raw_fd(), stack_bytes) })
    }

    fn process(&self) -> u32 {
        self.process
    }
}
