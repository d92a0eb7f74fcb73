//! The facts that a handler of SIGSYS gets about a filtered call: for `gate`, `diagnose` and the crash
//! record. It runs in signal handlers (C5).

use crate::seccomp;

/// The kernel's number of the architecture of 32-bit programs.
const I386: u32 = 0x4000_0003;
/// Set in numbers of x32.
const X32: u32 = 0x4000_0000;

/// The kernel's `siginfo_t` for SIGSYS of a filter.
#[repr(C)]
pub(crate) struct FilteredCall {
    signal: i32,
    /// The error in the filter's verdict, or 0.
    pub(crate) errno: i32,
    code: i32,
    padding: i32,
    address: *mut libc::c_void,
    number: i32,
    /// The architecture whose number it is.
    pub(crate) architecture: u32,
}

impl FilteredCall {
    /// Reads the structure, if a filter raised the signal and not `kill` or the like.
    pub(crate) fn of<'a>(info: *mut libc::siginfo_t) -> Option<&'a Self> {
        const FILTERED: i32 = 1;
        // SAFETY: C6; the kernel fills the structure as laid out above if the code is this one, and
        // the structure is at least as long for other codes.
        let call = unsafe { info.cast::<Self>().as_ref() };
        call.filter(|call| call.code == FILTERED)
    }

    pub(crate) fn number(&self) -> u32 {
        self.number.cast_unsigned()
    }

    /// Whether the number is one of another architecture than this program's.
    pub(crate) fn is_foreign(&self) -> bool {
        self.architecture == I386 || self.number() & X32 != 0
    }

    /// The index of the argument that is a path, for the known calls.
    pub(crate) fn path_argument(&self) -> Option<usize> {
        if self.architecture == I386 {
            // open, creat, link, unlink, execve, chdir, rename, mkdir, rmdir; openat.
            return match self.number() {
                5 | 8..=12 | 38..=40 => Some(0),
                295 => Some(1),
                _ => None,
            };
        }
        seccomp::path_of(self.number() & !X32).map(|paths| paths.first.into())
    }

    /// The index of the argument that is a second path.
    pub(crate) fn second_path_argument(&self) -> Option<usize> {
        let paths = seccomp::path_of(self.number()).filter(|_| !self.is_foreign())?;
        paths.second.map(usize::from)
    }

    pub(crate) fn arguments(&self, context: &libc::ucontext_t) -> [u64; 6] {
        use libc::{REG_R8, REG_R9, REG_R10, REG_RBP, REG_RBX, REG_RCX, REG_RDI, REG_RDX, REG_RSI};
        let places = if self.architecture == I386 {
            [REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RBP]
        } else {
            [REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9]
        };
        places.map(|place| {
            let place = usize::try_from(place).unwrap_or(usize::MAX);
            let word = context.uc_mcontext.gregs.get(place);
            word.map_or(0, |word| word.cast_unsigned())
        })
    }
}
