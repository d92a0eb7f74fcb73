//! The native stack of a denied call: captured in the signal handler, named later.

use std::collections::HashMap;
use std::ffi::CStr;
use std::fs::File;
use std::mem::MaybeUninit;
use std::path::Path;
use std::ptr;

use hostd_symbols::{Elf, Function, escape, functions_at};
use object::ReadCache;

/// Limit of the number of functions that are captured.
pub(crate) const FRAMES_MAX: usize = 24;

/// The captured addresses, from the frame at `from` outwards.
#[repr(C)]
struct Captured {
    from: u64,
    has_begun: bool,
    count: usize,
    frames: [u64; FRAMES_MAX],
}

unsafe extern "C" {
    /// Unwinds the stack of the calling thread; part of the unwinder that Rust links.
    fn _Unwind_Backtrace(
        each: extern "C" fn(*mut libc::c_void, *mut Captured) -> libc::c_int,
        captured: *mut Captured,
    ) -> libc::c_int;
    fn _Unwind_GetIP(context: *mut libc::c_void) -> usize;
}

/// Captures the return addresses of this thread, from the interrupted one outwards.
pub(crate) fn capture(interrupted: u64) -> [u64; FRAMES_MAX] {
    let mut captured = Captured {
        from: interrupted,
        has_begun: false,
        count: 0,
        frames: [0; FRAMES_MAX],
    };
    // SAFETY: C9; the structure outlives the call.
    unsafe { _Unwind_Backtrace(capture_frame, &raw mut captured) };
    captured.frames
}

/// Captures one frame; a result other than 0 ends the unwinding.
extern "C" fn capture_frame(context: *mut libc::c_void, captured: *mut Captured) -> libc::c_int {
    // SAFETY: C9; the unwinder passes on the pointer that `capture` gave it.
    let Some(captured) = (unsafe { captured.as_mut() }) else {
        return 1;
    };
    // SAFETY: C9; the context is valid during this call.
    let address = unsafe { _Unwind_GetIP(context) } as u64;
    captured.has_begun |= address == captured.from;
    if captured.has_begun {
        let Some(place) = captured.frames.get_mut(captured.count) else {
            return 1;
        };
        *place = address;
        captured.count = captured.count.wrapping_add(1);
    }
    0
}

/// Names addresses of this process, and keeps what it has read of files meanwhile.
#[derive(Default)]
pub(crate) struct Namer {
    files: HashMap<String, Option<ReadCache<File>>>,
}

impl Namer {
    /// Returns the functions at the addresses, down to the first of this program, which called the
    /// rest itself.
    pub(crate) fn names(&mut self, addresses: impl Iterator<Item = u64>) -> Vec<String> {
        let (_, own) = image(capture as *const libc::c_void);
        let mut named: Vec<String> = Vec::new();
        let mut program = None;
        for address in addresses {
            // The call is before the address to which it returns.
            let call = address.wrapping_sub(1);
            let place = usize::try_from(call).unwrap_or(0);
            let (path, base) = image(ptr::with_exposed_provenance(place));
            let file = Path::new(&path).file_name().unwrap_or_default();
            let file = escape(&file.to_string_lossy());
            if base == own {
                // Functions that this program exports are between the C library and its caller.
                let only_libc = named.iter().all(|frame| frame.starts_with("libc.so"));
                program = Some(file);
                if only_libc && !named.is_empty() {
                    continue;
                }
                break;
            }
            if program.is_some() && file.starts_with("libc.so") {
                // The caller of the program's own code.
                break;
            }
            named.push(self.function_at(path, base, call).map_or_else(
                || format!("{file}+{:#x}", address.wrapping_sub(base)),
                |function| {
                    format!(
                        "{file}!{}+{:#x}",
                        function.name,
                        function.offset.wrapping_add(1)
                    )
                },
            ));
        }
        named.extend(program);
        named
    }

    /// The function of a file, loaded at `base`, that contains the address; none without the file's
    /// tables of names.
    fn function_at(&mut self, path: String, base: u64, address: u64) -> Option<Function> {
        let open = |path: &String| File::open(path).ok().map(ReadCache::new);
        let file = self.files.entry(path).or_insert_with_key(open).as_ref()?;
        let elf = Elf::parse(file).ok()?;
        functions_at(&elf, base, &[address]).pop()?
    }
}

/// The file that is loaded at the address, and its base address.
fn image(place: *const libc::c_void) -> (String, u64) {
    let mut found = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: C3; the structure is written, or unchanged if the result is 0.
    let answer = unsafe { libc::dladdr(place, found.as_mut_ptr()) };
    // SAFETY: C3; all-zero is valid for a structure of pointers.
    let found = unsafe { found.assume_init() };
    if answer == 0 || found.dli_fname.is_null() {
        return (String::new(), 0);
    }
    // SAFETY: C9; the name ends with a zero, and its image is never unloaded.
    let name = unsafe { CStr::from_ptr(found.dli_fname) };
    let base = found.dli_fbase.addr() as u64;
    (name.to_string_lossy().into_owned(), base)
}
