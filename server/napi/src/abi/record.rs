//! The structure that `napi_get_last_error_info` returns: one per environment, at a fixed address.

use std::cell::UnsafeCell;
use std::ffi::CStr;
use std::ptr;

use super::status::Status;
use super::types::napi_extended_error_info;

/// The structure that C reads after asking for it.
#[derive(Debug)]
pub(crate) struct ErrorInfo(UnsafeCell<napi_extended_error_info>);

impl ErrorInfo {
    /// The record of a success.
    pub(crate) fn new() -> Self {
        Self(UnsafeCell::new(napi_extended_error_info {
            error_message: ptr::null(),
            engine_reserved: ptr::null_mut(),
            engine_error_code: 0,
            error_code: Status::Ok,
        }))
    }

    /// Fills the structure and returns its address. The message must stay in place until the
    /// addon's next call.
    pub(crate) fn publish(
        &self,
        status: Status,
        message: Option<&CStr>,
        engine_error_code: u32,
    ) -> *const napi_extended_error_info {
        let info = napi_extended_error_info {
            error_message: message.map_or(ptr::null(), CStr::as_ptr),
            engine_reserved: ptr::null_mut(),
            engine_error_code,
            error_code: status,
        };
        // SAFETY: A5; only this thread writes (the type is not Sync), and no Rust reference into
        // the cell exists.
        unsafe { self.0.get().write(info) };
        self.0.get()
    }
}
