//! Allocations that fail on demand, for tests. Built with the feature `faults` only, which no
//! shipped binary has.
//!
//! A [`Plan`] counts the allocations of one thread, the engine's and Rust's alike.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;

thread_local! {
    static PLAN: Cell<Option<Plan>> = const { Cell::new(None) };
}

/// Which allocations of a thread fail.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many succeed first.
    pub after: u64,
    /// The smallest allocation that counts, in bytes.
    pub least: usize,
    /// Whether all later ones fail, or only the next one.
    pub all: bool,
}

/// Sets which allocations of this thread fail from now on. Returns the former plan with what is
/// left of its `after`, or `None` if it has failed its only allocation.
pub fn plan(plan: Option<Plan>) -> Option<Plan> {
    PLAN.replace(plan)
}

/// Counts an allocation; returns whether it fails.
pub(crate) fn fails(size: usize) -> bool {
    PLAN.try_with(|cell| {
        let Some(plan) = cell.get().filter(|plan| size >= plan.least) else {
            return false;
        };
        if let Some(after) = plan.after.checked_sub(1) {
            cell.set(Some(Plan { after, ..plan }));
            return false;
        }
        if !plan.all {
            cell.set(None);
        }
        true
    })
    .unwrap_or(false)
}

/// The global allocator of a program whose allocations fail on demand.
#[derive(Debug)]
pub struct FailingAllocator;

// SAFETY: E14; it calls the system's allocator, or returns null.
unsafe impl GlobalAlloc for FailingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if fails(layout.size()) {
            return ptr::null_mut();
        }
        // SAFETY: E14; the caller upholds the contract of the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: E14; the caller upholds the contract of the system's allocator.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if size > layout.size() && fails(size) {
            return ptr::null_mut();
        }
        // SAFETY: E14; the caller upholds the contract of the system's allocator.
        unsafe { System.realloc(block, layout, size) }
    }
}
