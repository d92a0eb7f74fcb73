//! A module of the engine's, as far as this crate reads it.

use hostd_quickjs as q;

/// E17: the address of a module that the engine has not freed.
#[derive(Clone, Copy)]
pub(crate) struct Module(pub(crate) *mut q::JSModuleDef);

/// Where a module has the byte that says whether its imports are resolved, and that of its status.
const RESOLVED: usize = 145;
const STATUS: usize = 147;
pub(crate) const UNLINKED: u8 = 0;
pub(crate) const LINKING: u8 = 1;
pub(crate) const EVALUATING: u8 = 3;
pub(crate) const EVALUATED: u8 = 5;

impl Module {
    fn byte(self, at: usize) -> *mut u8 {
        self.0.cast::<u8>().wrapping_add(at)
    }

    pub(crate) fn status(self) -> u8 {
        // SAFETY: E17; the byte is inside of the module.
        unsafe { self.byte(STATUS).read() }
    }

    /// Has its imports resolved again, or the module freed.
    pub(crate) fn forget_imports(self) {
        // SAFETY: E17; the byte is inside of the module.
        unsafe { self.byte(RESOLVED).write(0) }
    }
}
