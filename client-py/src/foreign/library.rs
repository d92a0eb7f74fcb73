//! The library that runs sessions in this process, loaded once, with global symbols: addons find the
//! functions of Node-API there.
//!
//! Invariants:
//! L1. The file comes with this package: its functions have the types of `hostd_protocol::in_process`
//!     once its version was compared. It is never closed, because addons keep its addresses.
//! L2. A session is resumed only on the thread that opened it, by one call at a time, and freed once.
//! L3. The context of a waker is a box of the target, which `release` takes back.
//! L4. Of the memory of the process, only ranges are taken that a buffer of Python's exports, which is kept
//!     with the range.
#![expect(unsafe_code, reason = "a library that is loaded at run time")]

use std::ffi::{CStr, c_void};
use std::fs;
use std::io;
use std::os::fd::{IntoRawFd as _, OwnedFd};
use std::path::Path;
use std::ptr;
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use hostd_client::{
    Resumed, SessionEnd, SessionLibrary, SharedSession, WaitLimit, WakeTarget, lock,
};
use hostd_protocol::direct::{DirectCall, DirectCallback};
use hostd_protocol::in_process::{
    FREE_NAME, FreeFunction, OPEN_NAME, OpenFunction, RESUME_NAME, ResumeFunction, SERVE_NAME,
    ServeFunction, VERSION, VERSION_NAME, VersionFunction, Waker,
};
use hostd_protocol::memory::SharedMemory;
use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

/// A function that every provider of Node-API exports.
const NODE_API: &CStr = c"napi_create_function";

/// The library of this process, once it is loaded.
static LOADED: Mutex<Option<Arc<InProcessLibrary>>> = Mutex::new(None);

/// The functions of the library.
#[derive(Debug)]
pub(crate) struct InProcessLibrary {
    serve: ServeFunction,
    open: OpenFunction,
    resume: ResumeFunction,
    free: FreeFunction,
    memory: Arc<SharedMemory>,
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
    let open = |error| match error {
        // The words of the system, which begin with the path.
        libloading::Error::DlOpen { source } => format!("cannot load {source}"),
        other => format!("cannot load {}: {other}", path.display()),
    };
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
    let version: Option<VersionFunction> = unsafe { function(&library, VERSION_NAME) };
    let found = version.ok_or_else(|| missing(VERSION_NAME))?();
    if found != VERSION {
        return Err(format!(
            "{} has version {found} of the protocol, this package {VERSION}",
            path.display()
        ));
    }
    // SAFETY: L1; the version was compared.
    let serve: Option<ServeFunction> = unsafe { function(&library, SERVE_NAME) };
    // SAFETY: L1; as above.
    let open: Option<OpenFunction> = unsafe { function(&library, OPEN_NAME) };
    // SAFETY: L1; as above.
    let resume: Option<ResumeFunction> = unsafe { function(&library, RESUME_NAME) };
    // SAFETY: L1; as above.
    let free: Option<FreeFunction> = unsafe { function(&library, FREE_NAME) };
    let _never_closed = library.into_raw();
    let library = Arc::new(InProcessLibrary {
        serve: serve.ok_or_else(|| missing(SERVE_NAME))?,
        open: open.ok_or_else(|| missing(OPEN_NAME))?,
        resume: resume.ok_or_else(|| missing(RESUME_NAME))?,
        free: free.ok_or_else(|| missing(FREE_NAME))?,
        // SAFETY: L4.
        memory: unsafe { SharedMemory::of_process() },
        process: std::process::id(),
    });
    *loaded = Some(Arc::clone(&library));
    Ok(library)
}

/// A function of the library.
///
/// # Safety
///
/// L1: the function of this name has the type `F`.
unsafe fn function<F: Copy>(library: &Library, name: &CStr) -> Option<F> {
    // SAFETY: L1; the caller keeps the condition.
    let found = unsafe { library.get::<F>(name.to_bytes_with_nul()) };
    found.ok().map(|found| *found)
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

    fn open(
        &self,
        control: OwnedFd,
        stack_bytes: usize,
        target: Arc<dyn WakeTarget>,
    ) -> io::Result<Box<dyn SharedSession>> {
        let context = Box::into_raw(Box::new(target)).cast_const().cast();
        let waker = Waker {
            wake,
            release,
            context,
        };
        // SAFETY: L1; the descriptor is owned and handed over, and so is the context.
        let session = unsafe { (self.open)(control.into_raw_fd(), stack_bytes, waker) };
        if session.is_null() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        Ok(Box::new(LibrarySession {
            session,
            resume: self.resume,
            free: self.free,
            owner: this_thread(),
        }))
    }

    fn memory(&self) -> &Arc<SharedMemory> {
        &self.memory
    }

    fn process(&self) -> u32 {
        self.process
    }
}

/// A session that runs on the thread that opened it.
struct LibrarySession {
    session: *mut c_void,
    resume: ResumeFunction,
    free: FreeFunction,
    owner: ThreadId,
}

// SAFETY: L2; it is used on its own thread only, and freed on any.
unsafe impl Send for LibrarySession {}
// SAFETY: L2; as above.
unsafe impl Sync for LibrarySession {}

impl SharedSession for LibrarySession {
    #[inline]
    fn resume(
        &self,
        call: Option<&mut DirectCall>,
        callback: Option<&mut DirectCallback>,
    ) -> Resumed {
        if this_thread() != self.owner {
            return Resumed::Waiting(WaitLimit::Unchanged);
        }
        let call = call.map_or(ptr::null_mut(), ptr::from_mut);
        let callback = callback.map_or(ptr::null_mut(), ptr::from_mut);
        // SAFETY: L2; this is its thread, and it runs nothing: it would not be back here otherwise. Call
        // and callback live until this returns.
        Resumed::decode(unsafe { (self.resume)(self.session, call, callback) })
    }
}

impl Drop for LibrarySession {
    fn drop(&mut self) {
        // SAFETY: L2; nobody else has it.
        unsafe { (self.free)(self.session) };
    }
}

/// The calling thread, found without a count.
#[inline]
fn this_thread() -> ThreadId {
    thread_local! {
        static THREAD: ThreadId = thread::current().id();
    }
    THREAD.with(|thread| *thread)
}

extern "C" fn wake(context: *const c_void) {
    // SAFETY: L3; it was not released yet.
    unsafe { &*context.cast::<Arc<dyn WakeTarget>>() }.wake();
}

extern "C" fn release(context: *const c_void) {
    // SAFETY: L3; it is released once.
    drop(unsafe { Box::from_raw(context.cast_mut().cast::<Arc<dyn WakeTarget>>()) });
}
