//! Opens an addon's image: the only `dlopen` of the crate.
//!
//! The loader calls it, after the checks of the file. Images are opened lazily and locally, as in
//! Node, unless a script passes other flags to `process.dlopen`. They are never closed, so an
//! addon's function pointers stay callable (A4).

use std::ffi::{CStr, c_int};
use std::path::Path;

use libloading::os::unix::{Library, RTLD_LAZY, RTLD_LOCAL, Symbol};

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

/// Opens the image at `path`, which runs its constructors. The flags are those of `dlopen`.
pub(crate) fn open(path: &Path, flags: c_int) -> Result<Image, libloading::Error> {
    let mut images = registered::begin();
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

/// Whether what is opened finds this function by this name, and no other one.
pub(crate) fn is_found_by_name(name: &CStr, function: *const ()) -> bool {
    let library = Library::this();
    // SAFETY: A4; the address is compared and never called.
    let found: Result<Symbol<*const ()>, _> = unsafe { library.get(name.to_bytes_with_nul()) };
    found.is_ok_and(|found| found.into_raw().cast_const().cast() == function)
}
