//! The functions that the client calls: the only `unsafe` code of the library, by condition N1.
//!
//! N1: the caller is `napi_python` of the same version, which keeps what the types in
//! [`hostd_protocol::in_process`] ask for.

#![expect(unsafe_code, reason = "functions that are looked up by name")]

use std::ffi::c_int;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::panic::catch_unwind;

use hostd_protocol::in_process::{SessionEnd, VERSION};

use crate::serve::serve;

/// See [`hostd_protocol::in_process::VersionFunction`].
#[unsafe(no_mangle)]
extern "C" fn napi_python_library_version() -> u32 {
    VERSION
}

/// See [`hostd_protocol::in_process::ServeFunction`].
#[unsafe(no_mangle)]
unsafe extern "C" fn napi_python_library_serve(control: c_int, stack_bytes: usize) -> u32 {
    // SAFETY: N1; the caller passes a descriptor that it owns.
    let control = unsafe { OwnedFd::from_raw_fd(control) };
    let served = catch_unwind(|| serve(control, stack_bytes));
    served.unwrap_or(SessionEnd::Lost).encode()
}
