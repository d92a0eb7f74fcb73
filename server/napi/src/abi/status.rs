//! `napi_status`: the only error inside `api/`.

use std::ffi::CStr;

/// What a Node-API function returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[expect(missing_docs, reason = "the names are the header's, without napi_")]
pub enum Status {
    Ok = 0,
    InvalidArg,
    ObjectExpected,
    StringExpected,
    NameExpected,
    FunctionExpected,
    NumberExpected,
    BooleanExpected,
    ArrayExpected,
    GenericFailure,
    PendingException,
    Cancelled,
    EscapeCalledTwice,
    HandleScopeMismatch,
    CallbackScopeMismatch,
    QueueFull,
    Closing,
    BigintExpected,
    DateExpected,
    ArraybufferExpected,
    DetachableArraybufferExpected,
    WouldDeadlock,
    NoExternalBuffersAllowed,
    CannotRunJs,
}

/// The outcome of an API body: a value, or the status C gets to see.
pub type NapiResult<T = ()> = Result<T, Status>;

impl Status {
    /// The text that `napi_get_last_error_info` gives, none for success.
    pub fn message(self) -> Option<&'static CStr> {
        Some(match self {
            Self::Ok => return None,
            Self::InvalidArg => c"Invalid argument",
            Self::ObjectExpected => c"An object was expected",
            Self::StringExpected => c"A string was expected",
            Self::NameExpected => c"A string or symbol was expected",
            Self::FunctionExpected => c"A function was expected",
            Self::NumberExpected => c"A number was expected",
            Self::BooleanExpected => c"A boolean was expected",
            Self::ArrayExpected => c"An array was expected",
            Self::GenericFailure => c"Unknown failure",
            Self::PendingException => c"An exception is pending",
            Self::Cancelled => c"The async work item was cancelled",
            Self::EscapeCalledTwice => c"napi_escape_handle already called on scope",
            Self::HandleScopeMismatch => c"Invalid handle scope usage",
            Self::CallbackScopeMismatch => c"Invalid callback scope usage",
            Self::QueueFull => c"Thread-safe function queue is full",
            Self::Closing => c"Thread-safe function handle is closing",
            Self::BigintExpected => c"A bigint was expected",
            Self::DateExpected => c"A date was expected",
            Self::ArraybufferExpected => c"An arraybuffer was expected",
            Self::DetachableArraybufferExpected => c"A detachable arraybuffer was expected",
            Self::WouldDeadlock => c"Main thread would deadlock",
            Self::NoExternalBuffersAllowed => c"External buffers are not allowed",
            Self::CannotRunJs => c"Cannot run JavaScript",
        })
    }

    /// Whether the status is written to the last-error record. Node returns these two bare.
    pub(crate) fn is_recorded(self) -> bool {
        !matches!(
            self,
            Self::HandleScopeMismatch | Self::CallbackScopeMismatch
        )
    }
}
