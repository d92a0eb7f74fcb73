//! Several engines on one thread, one at a time: an engine is taken off the thread while another one
//! runs there.

use std::ffi::c_void;
use std::ptr;

use crate::allocator;
use crate::state::{self, State};

/// The engine that is off the thread; none at first.
#[derive(Debug)]
pub struct ParkedEngine {
    allocator: *mut c_void,
    state: *const State,
}

impl Default for ParkedEngine {
    fn default() -> Self {
        Self {
            allocator: ptr::null_mut(),
            state: ptr::null(),
        }
    }
}

impl ParkedEngine {
    /// Takes the engine of this thread off it, and puts the one that was parked here in its place.
    ///
    /// # Safety
    ///
    /// E18: what is parked here was taken off this thread, and is not dropped while it is off.
    pub unsafe fn swap(&mut self) {
        self.allocator = allocator::replace_current(self.allocator);
        // SAFETY: E18; the state is null, or that of an engine that lives.
        self.state = unsafe { state::replace_current(self.state) };
    }
}
