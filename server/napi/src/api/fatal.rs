//! Fatal errors, which end the process, and fatal exceptions, which do not.

use std::io::Write as _;

use crate::abi::checked::Handle;
use crate::abi::status::NapiResult;
use crate::env::Cx;
use crate::host::Origin;

/// Prints the message as Node does and aborts.
pub(crate) fn napi_fatal_error(location: &[u8], message: &[u8]) -> ! {
    let (location, message) = (
        String::from_utf8_lossy(location),
        String::from_utf8_lossy(message),
    );
    end(&format!("{location} {message}"))
}

/// Ends the process because a basic finalizer called a function that is not basic. The text is
/// Node's, so that a search for it finds Node's documentation.
pub(crate) fn not_basic() -> ! {
    end(
        "Finalizer is calling a function that may affect GC state.\n\
         The finalizers are run directly from GC and must not affect GC state.\n\
         Use `node_api_post_finalizer` from inside of the finalizer to work around this issue.\n\
         It schedules the call as a new task in the event loop.",
    )
}

fn end(message: &str) -> ! {
    // A failure cannot be reported anywhere else.
    let _ = writeln!(std::io::stderr(), "FATAL ERROR: {message}");
    std::process::abort()
}

/// Reports a value as an uncaught exception. The process goes on.
pub(crate) fn napi_fatal_exception(cx: &Cx, error: Handle) -> NapiResult {
    let error = cx.value(error)?;
    cx.host
        .uncaught(&hostd_engine::Thrown(error), Origin::FatalException);
    Ok(())
}
