//! `napi_status`: the only error inside `api/`.

use std::ffi::CStr;

/// Declares the statuses, in the header's order, each with its message.
macro_rules! statuses {
    ($($status:ident $message:literal;)*) => {
        /// What a Node-API function returns.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        #[expect(missing_docs, reason = "the names are the header's, without napi_")]
        pub enum Status {
            Ok = 0,
            $($status,)*
        }

        impl Status {
            /// The text that `napi_get_last_error_info` gives, none for success.
            pub fn message(self) -> Option<&'static CStr> {
                Some(match self {
                    Self::Ok => return None,
                    $(Self::$status => $message,)*
                })
            }
        }
    };
}

statuses! {
    InvalidArg c"Invalid argument";
    ObjectExpected c"An object was expected";
    StringExpected c"A string was expected";
    NameExpected c"A string or symbol was expected";
    FunctionExpected c"A function was expected";
    NumberExpected c"A number was expected";
    BooleanExpected c"A boolean was expected";
    ArrayExpected c"An array was expected";
    GenericFailure c"Unknown failure";
    PendingException c"An exception is pending";
    Cancelled c"The async work item was cancelled";
    EscapeCalledTwice c"napi_escape_handle already called on scope";
    HandleScopeMismatch c"Invalid handle scope usage";
    CallbackScopeMismatch c"Invalid callback scope usage";
    QueueFull c"Thread-safe function queue is full";
    Closing c"Thread-safe function handle is closing";
    BigintExpected c"A bigint was expected";
    DateExpected c"A date was expected";
    ArraybufferExpected c"An arraybuffer was expected";
    DetachableArraybufferExpected c"A detachable arraybuffer was expected";
    WouldDeadlock c"Main thread would deadlock";
    NoExternalBuffersAllowed c"External buffers are not allowed";
    CannotRunJs c"Cannot run JavaScript";
}

/// The outcome of an API body: a value, or the status C gets to see.
pub type NapiResult<T = ()> = Result<T, Status>;

impl Status {
    /// Whether the status is written to the last-error record. Node returns these two bare.
    pub(crate) fn is_recorded(self) -> bool {
        !matches!(
            self,
            Self::HandleScopeMismatch | Self::CallbackScopeMismatch
        )
    }
}
