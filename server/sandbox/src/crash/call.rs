//! The part of the crash record about a system call that the filter denied by ending the process.

use std::sync::atomic::Ordering;

use super::memory::read_text;
use super::page::{PATH_BYTES, Page, store};
use crate::trap::FilteredCall;

/// Records the call: its number, its arguments and its path.
pub(super) fn write(page: &Page, call: &FilteredCall, context: *mut libc::c_void) {
    // SAFETY: C6; the third argument of such a handler is a `ucontext_t`.
    let Some(context) = (unsafe { context.cast::<libc::ucontext_t>().as_ref() }) else {
        return;
    };
    let arguments = call.arguments(context);
    page.call_number.store(call.number(), Ordering::Relaxed);
    for (to, from) in page.call_arguments.iter().zip(arguments) {
        to.store(from, Ordering::Relaxed);
    }
    let path = call.path_argument();
    if let Some(address) = path.and_then(|place| arguments.get(place)) {
        let mut text = [0_u8; PATH_BYTES];
        read_text(*address, &mut text);
        store(&page.call_path, &text);
    }
    // Stored last: it marks the other fields as set.
    page.call_table.store(call.architecture, Ordering::Relaxed);
}
