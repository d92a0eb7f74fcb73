//! Where in native code a thread is, for the diagnosis of what it was denied: taken down in a handler,
//! given names later.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::path::Path;
use std::ptr;

/// How many functions are taken down.
pub(crate) const MOST: usize = 24;

/// Takes down the return addresses of this thread from the one at which a signal came.
pub(crate) fn capture(interrupted: u64) -> [u64; MOST] {
    let mut frames = [0; MOST];
    let mut free = frames.iter_mut();
    let mut is_outside = false;
    // SAFETY: C9.
    unsafe {
        backtrace::trace_unsynchronized(|frame| {
            let address = frame.ip().addr() as u64;
            is_outside |= address == interrupted;
            if !is_outside {
                return true;
            }
            free.next().map(|place| *place = address).is_some()
        });
    }
    frames
}

/// Names them, down to the first that is of this program: what called that was its own doing.
pub(crate) fn describe(addresses: impl Iterator<Item = u64>) -> Vec<String> {
    let (_, own) = image((refresh as fn()) as *const libc::c_void);
    let mut named = Vec::new();
    for address in addresses {
        // The call is before the address to which it returns.
        let before = usize::try_from(address).unwrap_or(0).wrapping_sub(1);
        let place = ptr::with_exposed_provenance_mut::<libc::c_void>(before);
        let (file, base) = image(place);
        let file = file.unwrap_or_default();
        if base == own {
            named.push(file);
            break;
        }
        let function = function(place);
        named.push(function.map_or_else(
            || format!("{file}+{:#x}", address.wrapping_sub(base)),
            |name| format!("{file}!{name}"),
        ));
    }
    named
}

/// Has images that were loaded meanwhile found.
pub(crate) fn refresh() {
    backtrace::clear_symbol_cache();
}

/// The innermost function there, if its file names it.
fn function(place: *mut libc::c_void) -> Option<String> {
    let mut function = None;
    backtrace::resolve(place, |symbol| {
        let name = symbol.name().map(|name| format!("{name:#}"));
        function = function.take().or(name);
    });
    function
}

/// The name of the file that the code there is from, and where that begins.
fn image(place: *const libc::c_void) -> (Option<String>, u64) {
    let mut found = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: C3; the structure is written whole, or left alone where the answer is 0.
    let answer = unsafe { libc::dladdr(place, found.as_mut_ptr()) };
    // SAFETY: C3; all-zero is valid for a structure of pointers.
    let found = unsafe { found.assume_init() };
    if answer == 0 || found.dli_fname.is_null() {
        return (None, 0);
    }
    // SAFETY: C9; the name ends with a zero and stays as long as its image, which is never unloaded.
    let name = unsafe { CStr::from_ptr(found.dli_fname) }.to_string_lossy();
    let file = Path::new(name.as_ref()).file_name();
    let file = file.map(|file| file.to_string_lossy().into_owned());
    (file, found.dli_fbase.addr() as u64)
}
