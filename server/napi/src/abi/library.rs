//! Opens an addon's image, and the library of libuv: the only `dlopen` of the crate.
//!
//! The loader calls it, after the checks of the file. Images are opened lazily and locally, as in
//! Node, unless a script passes other flags to `process.dlopen`. They are never closed, so an
//! addon's function pointers stay callable (A4).
//!
//! An addon that needs a library which the process does not have as a global one is opened through a
//! file that lists both as what it needs. The system's loader looks names up in the global libraries
//! first, then in all that were opened together.

use std::ffi::{CStr, OsStr, c_int};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use libloading::os::unix::{Library, RTLD_LAZY, RTLD_LOCAL, RTLD_NOW, Symbol};

use super::callback::{ApiVersion, Function, Init};
use super::registered::{self, Registered};
use super::types::{napi_addon_register_func, node_api_addon_get_api_version_func};

/// What an opened image offers.
#[derive(Debug)]
pub(crate) struct Image {
    /// What its constructors registered.
    pub(crate) registered: Option<Registered>,
    /// `napi_register_module_v1`.
    pub(crate) init: Option<Init>,
    /// What `node_api_module_get_api_version_v1` returned, where it is exported.
    pub(crate) api_version: Option<i32>,
}

/// The usual flags of `dlopen`.
pub(crate) const FLAGS: c_int = RTLD_LAZY | RTLD_LOCAL;

/// Opens the image at `path`, which runs its constructors. The flags are those of `dlopen`. `through`
/// is a file that needs the image, and other libraries whose names it finds then.
pub(crate) fn open(
    path: &Path,
    flags: c_int,
    through: Option<&Path>,
) -> Result<Image, libloading::Error> {
    let mut images = registered::begin();
    if let Some(through) = through {
        // At once, so that no library which becomes global later takes the place of those. An addon
        // with a name that nothing has works until it calls that one.
        // SAFETY: A4; the constructors of the addon run, as loading it requires.
        let library = unsafe { Library::open(Some(through), RTLD_NOW | RTLD_LOCAL) }
            // SAFETY: A4; as above: the first attempt has run nothing if it failed.
            .or_else(|_| unsafe { Library::open(Some(through), FLAGS) })?;
        let _never_closed = library.into_raw();
    }
    // SAFETY: A4; the constructors of the addon run, as loading it requires.
    let library = unsafe { Library::open(Some(path), flags) }?;
    // SAFETY: A4; the type is the header's for this name.
    let init: Option<Symbol<napi_addon_register_func>> =
        unsafe { library.get(b"napi_register_module_v1\0") }.ok();
    // SAFETY: A4; the type is the header's for this name.
    let version: Option<Symbol<node_api_addon_get_api_version_func>> =
        unsafe { library.get(b"node_api_module_get_api_version_v1\0") }.ok();
    let api_version = version
        .and_then(|version| ApiVersion::new(*version))
        .map(ApiVersion::call);
    let init = init.and_then(|init| Init::new(*init));
    let handle = library.into_raw();
    Ok(Image {
        registered: images.registered_by(handle),
        init,
        api_version,
    })
}

/// A library that is never closed, with names for those alone that are opened together with it.
pub(super) struct SharedLibrary(Library);

impl SharedLibrary {
    /// Opens it; the error is the system's message.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        // SAFETY: A11; it comes with this package and has no constructors.
        let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
        library.map(Self).map_err(|error| message_of(&error))
    }

    /// One of its functions. The name ends with NUL.
    ///
    /// # Safety
    ///
    /// The function of this name has the type `F`.
    pub(super) unsafe fn function<F: Copy>(&self, name: &str) -> Option<F> {
        // SAFETY: A11; the caller keeps the condition.
        let found = unsafe { self.0.get::<F>(name.as_bytes()) };
        found.ok().map(|found| *found)
    }

    /// Keeps it open for as long as the process lives.
    pub(super) fn keep(self) {
        let _never_closed = self.0.into_raw();
    }
}

/// The names that everything in the process finds.
pub(super) struct GlobalNames(Library);

impl GlobalNames {
    /// Those of the process.
    pub(super) fn of_process() -> Self {
        Self(Library::this())
    }

    /// The address of a name.
    pub(super) fn find(&self, name: &CStr) -> Option<*const ()> {
        // SAFETY: A11; the address is compared and never called.
        let found: Result<Symbol<*const ()>, _> = unsafe { self.0.get(name.to_bytes_with_nul()) };
        found.ok().map(|found| found.into_raw().cast_const().cast())
    }
}

/// The message of the system's loader, which is the innermost cause.
pub(crate) fn message_of(error: &libloading::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

/// The file that has this address.
pub(super) fn file_of(address: *const ()) -> Option<PathBuf> {
    let mut found = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: A11; it only writes the structure.
    let is_found = unsafe { libc::dladdr(address.cast(), found.as_mut_ptr()) } != 0;
    // SAFETY: A11; all of it is zero, or was written.
    let name = unsafe { found.assume_init() }.dli_fname;
    if !is_found || name.is_null() {
        return None;
    }
    // SAFETY: A11; the name of a library ends with NUL, and stays as long as the library.
    let name = unsafe { CStr::from_ptr(name) };
    Some(OsStr::from_bytes(name.to_bytes()).into())
}

/// Whether what is opened finds this function by this name, and no other one.
pub(crate) fn is_found_by_name(name: &CStr, function: *const ()) -> bool {
    GlobalNames::of_process().find(name) == Some(function)
}
