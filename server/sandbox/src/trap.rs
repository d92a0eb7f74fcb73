//! What the kernel tells a handler of SIGSYS about a call that the filter did not let through.

use crate::seccomp;

/// The kernel's own name of the table of numbers for programs of 32 bits.
const I386: u32 = 0x4000_0003;
/// Set in numbers of the x32 table.
const X32: u32 = 0x4000_0000;

/// The structure that comes with the signal, as it is laid out for this one.
#[repr(C)]
pub(crate) struct Told {
    signal: i32,
    /// The error that the filter names, 0 if it names none.
    pub(crate) errno: i32,
    code: i32,
    padding: i32,
    address: *mut libc::c_void,
    number: i32,
    /// Which table of numbers the number is from.
    pub(crate) architecture: u32,
}

impl Told {
    /// Reads what came with the signal, unless somebody just sent it.
    pub(crate) fn of<'a>(info: *mut libc::siginfo_t) -> Option<&'a Self> {
        const FILTERED: i32 = 1;
        // SAFETY: C6; the kernel fills the structure as laid out above if the code is this one, and
        // it does not end before it whatever the code is.
        let told = unsafe { info.cast::<Self>().as_ref() };
        told.filter(|told| told.code == FILTERED)
    }

    /// The number of the call in its table.
    pub(crate) fn number(&self) -> u32 {
        self.number.cast_unsigned()
    }

    /// Whether the number is from another table than that of this program.
    pub(crate) fn is_foreign(&self) -> bool {
        self.architecture == I386 || self.number() & X32 != 0
    }

    /// Which argument of the call is a path, if one is known to be.
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

    /// Which argument of the call is a second path.
    pub(crate) fn second_path_argument(&self) -> Option<usize> {
        let paths = seccomp::path_of(self.number()).filter(|_| !self.is_foreign())?;
        paths.second.map(usize::from)
    }

    /// The arguments of the call that the interrupted code made.
    #[cfg(target_arch = "x86_64")]
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

    /// The arguments of the call, which no other processor's filter sends.
    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) fn arguments(&self, _: &libc::ucontext_t) -> [u64; 6] {
        [0; 6]
    }
}
