//! The libuv of this process: the functions with which the host runs a loop. They have to be those that
//! addons call.
//!
//! Where the executable exports libuv, as a host process does, they are the functions that are linked into
//! it. Elsewhere they are those of a library beside this one, loaded on first use. Its names are not
//! global, so that other libraries of the process that bring a libuv keep theirs: [`super::library`] opens
//! an addon together with it.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::library::{self, GlobalNames, SharedLibrary};

pub(super) type Raw = *mut c_void;
pub(super) type Callback = unsafe extern "C" fn(Raw);

/// Declares functions of libuv, and makes a table of them, which is of those that are linked in or of
/// those of a library.
macro_rules! functions {
    ($(fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        // As libuv's header declares them; loops and handles are pointers here.
        unsafe extern "C" {
            $(fn $name($($argument: $type),*) $(-> $result)?;)*
        }

        /// The functions that use a loop or a handle.
        #[derive(Debug)]
        pub(crate) struct Functions {
            $(pub(super) $name: unsafe extern "C" fn($($argument: $type),*) $(-> $result)?,)*
        }

        static LINKED: Functions = Functions { $($name,)* };

        impl Functions {
            /// Those of a library; `Err` is the name of one that it lacks.
            fn of(library: &SharedLibrary) -> Result<Self, &'static str> {
                $(let $name = {
                    type Function = unsafe extern "C" fn($($type),*) $(-> $result)?;
                    let name = concat!(stringify!($name), "\0");
                    // SAFETY: A11; the type is the header's for this name.
                    let found: Option<Function> = unsafe { library.function(name) };
                    found.ok_or(stringify!($name))?
                };)*
                Ok(Self { $($name,)* })
            }
        }
    };
}

functions! {
    fn uv_default_loop() -> Raw;
    fn uv_loop_init(of: Raw) -> c_int;
    fn uv_loop_close(of: Raw) -> c_int;
    fn uv_loop_alive(of: Raw) -> c_int;
    fn uv_run(of: Raw, mode: c_int) -> c_int;
    fn uv_stop(of: Raw);
    fn uv_update_time(of: Raw);
    fn uv_backend_fd(of: Raw) -> c_int;
    fn uv_backend_timeout(of: Raw) -> c_int;
    fn uv_walk(of: Raw, visit: unsafe extern "C" fn(Raw, Raw), argument: Raw);
    fn uv_close(handle: Raw, callback: Callback);
    fn uv_ref(handle: Raw);
    fn uv_unref(handle: Raw);
    fn uv_prepare_init(of: Raw, handle: Raw) -> c_int;
    fn uv_prepare_start(handle: Raw, callback: Callback) -> c_int;
    fn uv_check_init(of: Raw, handle: Raw) -> c_int;
    fn uv_check_start(handle: Raw, callback: Callback) -> c_int;
    fn uv_idle_init(of: Raw, handle: Raw) -> c_int;
    fn uv_idle_start(handle: Raw, callback: Callback) -> c_int;
    fn uv_idle_stop(handle: Raw) -> c_int;
}

// Functions without state: those that are linked in are as good as those of the library, which is of the
// same version.
unsafe extern "C" {
    fn uv_version_string() -> *const c_char;
    fn uv_err_name_r(error: c_int, into: *mut c_char, size: usize) -> *mut c_char;
    fn uv_strerror_r(error: c_int, into: *mut c_char, size: usize) -> *mut c_char;
    pub(super) fn uv_loop_size() -> usize;
    pub(super) fn uv_handle_size(kind: c_uint) -> usize;
    pub(super) fn uv_handle_get_data(handle: Raw) -> Raw;
    pub(super) fn uv_handle_set_data(handle: Raw, data: Raw);
}

type VersionString = unsafe extern "C" fn() -> *const c_char;

/// The version of libuv.
pub(crate) fn version() -> String {
    // SAFETY: A7; it takes nothing and has no state.
    text_of(unsafe { uv_version_string() })
}

fn text_of(literal: *const c_char) -> String {
    // SAFETY: A7; libuv returns a literal.
    let text = unsafe { CStr::from_ptr(literal) };
    text.to_string_lossy().into_owned()
}

/// Name and message of an error; `None` if libuv knows none of that number.
pub(crate) fn error(number: c_int) -> Option<(String, String)> {
    let text = |describe: unsafe extern "C" fn(c_int, *mut c_char, usize) -> *mut c_char| {
        let mut buffer = [0_u8; 128];
        // SAFETY: A7; it writes at most so many bytes, the last of which is NUL.
        unsafe { describe(number, buffer.as_mut_ptr().cast(), buffer.len()) };
        let text = CStr::from_bytes_until_nul(&buffer).ok()?.to_str().ok()?;
        (!text.starts_with("Unknown system error")).then(|| text.to_owned())
    };
    Some((text(uv_err_name_r)?, text(uv_strerror_r)?))
}

/// The libuv that addons of this process call.
#[derive(Debug)]
pub(crate) enum Libuv {
    /// The one that is linked in: addons find it in the executable.
    Linked,
    /// The one of a library.
    Library {
        /// Its file.
        file: PathBuf,
        functions: Functions,
    },
}

static LOADED: Mutex<Option<&'static Libuv>> = Mutex::new(None);

impl Libuv {
    /// The libuv of this process; loads its library on first use.
    ///
    /// # Errors
    /// Why the library cannot be used, in words.
    pub(crate) fn of_process() -> Result<&'static Self, String> {
        if library::is_found_by_name(c"uv_default_loop", uv_default_loop as *const ()) {
            return Ok(&Self::Linked);
        }
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(libuv) = *loaded {
            return Ok(libuv);
        }
        let libuv: &'static Self = Box::leak(Box::new(Self::load()?));
        *loaded = Some(libuv);
        Ok(libuv)
    }

    fn load() -> Result<Self, String> {
        let beside = library::file_of(Self::load as *const ());
        let folder = beside.as_deref().and_then(Path::parent);
        let folder = folder.ok_or("the folder of this library is unknown")?;
        let file = folder.join(hostd_libuv::LIBRARY);
        let cannot = |why: String| format!("cannot load {}: {why}", file.display());
        let file = file
            .canonicalize()
            .map_err(|error| cannot(error.to_string()))?;
        let library = SharedLibrary::open(&file).map_err(cannot)?;
        let lacks = |name: &str| cannot(format!("it has no {name}"));
        let functions = Functions::of(&library).map_err(lacks)?;
        // SAFETY: A11; the type is the header's for this name.
        let version: Option<VersionString> = unsafe { library.function("uv_version_string\0") };
        let version = version.ok_or_else(|| lacks("uv_version_string"))?;
        // SAFETY: A7; it takes nothing and has no state.
        let found = text_of(unsafe { version() });
        if found != self::version() {
            let needed = self::version();
            return Err(cannot(format!(
                "it has version {found} of libuv, this package {needed}"
            )));
        }
        library.keep();
        Ok(Self::Library { file, functions })
    }

    /// The functions that use a loop or a handle.
    pub(super) fn functions(&self) -> &Functions {
        match self {
            Self::Linked => &LINKED,
            Self::Library { functions, .. } => functions,
        }
    }

    /// The library that has it, where addons do not find it by themselves.
    pub(crate) fn library(&self) -> Option<&Path> {
        match self {
            Self::Linked => None,
            Self::Library { file, .. } => Some(file),
        }
    }

    /// A function of libuv's that other libraries of the process have as a global name, and the file that
    /// has it: an addon would find that one first.
    pub(crate) fn taken(&self) -> Option<(&'static str, PathBuf)> {
        self.library()?;
        let names = GlobalNames::of_process();
        hostd_libuv::NAMES.iter().find_map(|name| {
            let address = names.find(&CString::new(*name).ok()?)?;
            let file = library::file_of(address);
            Some((*name, file.unwrap_or_else(|| "an unknown file".into())))
        })
    }
}
