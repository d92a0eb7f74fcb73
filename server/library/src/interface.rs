//! The functions that the client calls, by condition N1.
//!
//! N1: the caller is `napi_python` of the same version, which keeps what the types in
//! [`hostd_protocol::in_process`] ask for.

#![expect(unsafe_code, reason = "functions that are looked up by name")]

use std::ffi::{c_int, c_void};
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;

use hostd_protocol::direct::{DirectCall, DirectCallback};
use hostd_protocol::in_process::{Resumed, SessionEnd, VERSION, Waker};
use hostd_protocol::memory::SharedMemory;
use hostd_session::WakeHook;

use crate::coroutine::SharedThread;
use crate::serve::serve;

/// See [`hostd_protocol::in_process::VersionFunction`].
#[unsafe(no_mangle)]
extern "C" fn napi_python_library_version() -> u32 {
    VERSION
}

/// The address space that the client shares with its sessions.
fn memory() -> Arc<SharedMemory> {
    // SAFETY: N1; the client keeps the memory that a region names while that is lent.
    unsafe { SharedMemory::of_process() }
}

/// See [`hostd_protocol::in_process::ServeFunction`].
#[unsafe(no_mangle)]
unsafe extern "C" fn napi_python_library_serve(control: c_int, stack_bytes: usize) -> u32 {
    // SAFETY: N1; the caller passes a descriptor that it owns.
    let control = unsafe { OwnedFd::from_raw_fd(control) };
    let memory = memory();
    let served = catch_unwind(|| serve(control, (stack_bytes, memory), None));
    served.unwrap_or(SessionEnd::Lost).encode()
}

/// The client's waker, released when the session has no use for it any more.
struct OwnedWaker(Waker);

// SAFETY: N1; the client's functions may be called from any thread.
unsafe impl Send for OwnedWaker {}
// SAFETY: N1; as above, at the same time.
unsafe impl Sync for OwnedWaker {}

impl OwnedWaker {
    fn wake(&self) {
        (self.0.wake)(self.0.context);
    }
}

impl Drop for OwnedWaker {
    fn drop(&mut self) {
        (self.0.release)(self.0.context);
    }
}

/// See [`hostd_protocol::in_process::OpenFunction`].
#[unsafe(no_mangle)]
unsafe extern "C" fn napi_python_library_open(
    control: c_int,
    stack_bytes: usize,
    waker: Waker,
) -> *mut c_void {
    // SAFETY: N1; the caller passes a descriptor that it owns.
    let control = unsafe { OwnedFd::from_raw_fd(control) };
    let waker = OwnedWaker(waker);
    let on_wake = Arc::new(WakeHook(Box::new(move || waker.wake())));
    let session = SharedThread::new(control, (stack_bytes, memory()), on_wake);
    session.map_or(ptr::null_mut(), |session| {
        Box::into_raw(Box::new(session)).cast()
    })
}

/// See [`hostd_protocol::in_process::ResumeFunction`].
#[unsafe(no_mangle)]
unsafe extern "C" fn napi_python_library_resume(
    session: *mut c_void,
    call: *mut DirectCall,
    callback: *mut DirectCallback,
) -> u64 {
    // SAFETY: N1; the pointer is of `napi_python_library_open`, and no other call uses it.
    let session = unsafe { &mut *session.cast::<SharedThread>() };
    let resumed = catch_unwind(AssertUnwindSafe(|| session.resume(call, callback)));
    let resumed = resumed.unwrap_or(Resumed::Ended(SessionEnd::Lost));
    resumed.encode()
}

/// See [`hostd_protocol::in_process::FreeFunction`].
#[unsafe(no_mangle)]
unsafe extern "C" fn napi_python_library_free(session: *mut c_void) {
    // SAFETY: N1; the pointer is of `napi_python_library_open` and not used any more.
    drop(unsafe { Box::from_raw(session.cast::<SharedThread>()) });
}
