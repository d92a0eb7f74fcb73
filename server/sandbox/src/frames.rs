//! Where in native code a thread is, for the diagnosis of what it was denied: taken down in a handler,
//! given names later.

use std::collections::HashMap;
use std::ffi::CStr;
use std::fs::File;
use std::mem::MaybeUninit;
use std::path::Path;
use std::ptr;

use object::{Object as _, ObjectSymbol as _, ReadCache, SymbolKind};

/// How many functions are taken down.
pub(crate) const MOST: usize = 24;

/// What is taken down, from where, and how much of it there is.
#[repr(C)]
struct Taken {
    from: u64,
    is_there: bool,
    count: usize,
    frames: [u64; MOST],
}

unsafe extern "C" {
    /// Follows the stack of the calling thread: the unwinder that every program of this kind has.
    fn _Unwind_Backtrace(
        each: extern "C" fn(*mut libc::c_void, *mut Taken) -> libc::c_int,
        taken: *mut Taken,
    ) -> libc::c_int;
    fn _Unwind_GetIP(context: *mut libc::c_void) -> usize;
}

/// Takes down the return addresses of this thread from the one at which a signal came.
pub(crate) fn capture(interrupted: u64) -> [u64; MOST] {
    let mut taken = Taken {
        from: interrupted,
        is_there: false,
        count: 0,
        frames: [0; MOST],
    };
    // SAFETY: C9; what is passed along outlives the call.
    unsafe { _Unwind_Backtrace(take, &raw mut taken) };
    taken.frames
}

/// Takes one down; another answer than 0 ends it.
extern "C" fn take(context: *mut libc::c_void, taken: *mut Taken) -> libc::c_int {
    // SAFETY: C9; the unwinder hands on what `capture` gave it.
    let Some(taken) = (unsafe { taken.as_mut() }) else {
        return 1;
    };
    // SAFETY: C9; the unwinder's own context, during its call.
    let address = unsafe { _Unwind_GetIP(context) } as u64;
    taken.is_there |= address == taken.from;
    if taken.is_there {
        let Some(place) = taken.frames.get_mut(taken.count) else {
            return 1;
        };
        *place = address;
        taken.count = taken.count.wrapping_add(1);
    }
    0
}

/// The functions of a file: where each begins within it, how long it is, and its name.
type Functions = Vec<(u64, u64, String)>;

/// The functions of the files that were looked into.
#[derive(Default)]
pub(crate) struct Names {
    files: HashMap<String, Functions>,
}

impl Names {
    /// Names addresses, down to the first that is of this program: what called that was its own
    /// doing.
    pub(crate) fn of(&mut self, addresses: impl Iterator<Item = u64>) -> Vec<String> {
        let (_, own) = image(capture as *const libc::c_void);
        let mut named: Vec<String> = Vec::new();
        let mut program = None;
        for address in addresses {
            // The call is before the address to which it returns.
            let before = usize::try_from(address).unwrap_or(0).wrapping_sub(1);
            let (path, base) = image(ptr::with_exposed_provenance(before));
            let file = Path::new(&path).file_name().unwrap_or_default();
            let file = file.to_string_lossy().into_owned();
            if base == own {
                // The functions that this program exports stand between the C library and its caller.
                let only_libc = named.iter().all(|frame| frame.starts_with("libc.so"));
                program = Some(file);
                if only_libc && !named.is_empty() {
                    continue;
                }
                break;
            }
            if program.is_some() && file.starts_with("libc.so") {
                // What called the program's own code.
                break;
            }
            let offset = address.wrapping_sub(base);
            let functions = self
                .files
                .entry(path)
                .or_insert_with_key(|path| functions(path));
            let around = functions.iter().find(|(begin, length, _)| {
                offset.wrapping_sub(1).wrapping_sub(*begin) < (*length).max(1)
            });
            named.push(around.map_or_else(
                || format!("{file}+{offset:#x}"),
                |(begin, _, name)| format!("{file}!{name}+{:#x}", offset.wrapping_sub(*begin)),
            ));
        }
        named.extend(program);
        named
    }
}

/// Reads the tables of names of a file; without them nothing is named.
fn functions(path: &str) -> Functions {
    let Ok(file) = File::open(path) else {
        return Vec::new();
    };
    let cache = ReadCache::new(file);
    let Ok(object) = object::File::parse(&cache) else {
        return Vec::new();
    };
    let symbols = object.symbols().chain(object.dynamic_symbols());
    symbols
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.is_definition())
        .filter_map(|symbol| {
            let name = format!("{:#}", rustc_demangle::demangle(symbol.name().ok()?));
            Some((symbol.address(), symbol.size(), name))
        })
        .collect()
}

/// The file that the code there is from, and where that begins.
fn image(place: *const libc::c_void) -> (String, u64) {
    let mut found = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: C3; the structure is written whole, or left alone where the answer is 0.
    let answer = unsafe { libc::dladdr(place, found.as_mut_ptr()) };
    // SAFETY: C3; all-zero is valid for a structure of pointers.
    let found = unsafe { found.assume_init() };
    if answer == 0 || found.dli_fname.is_null() {
        return (String::new(), 0);
    }
    // SAFETY: C9; the name ends with a zero and stays as long as its image, which is never unloaded.
    let name = unsafe { CStr::from_ptr(found.dli_fname) };
    let base = found.dli_fbase.addr() as u64;
    (name.to_string_lossy().into_owned(), base)
}
