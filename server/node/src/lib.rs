//! What Node puts around Node-API: its globals (`Buffer`, `process`, `console`, timers, abort signals,
//! `structuredClone`, text encoding) and the order of its event loop.
//!
//! [`start`] makes a host of `hostd-napi` that has them. The globals are JavaScript (`js/`) over the
//! functions in `native`; the event loop implements [`hostd_napi::NodeRuntime`].
#![forbid(unsafe_code)]

mod decoders;
mod event_loop;
mod globals;
mod native;
mod rejections;
mod state;
mod timers;

use hostd_napi::{Host, HostOptions, OwnedHost, StartError};

use state::NodeState;

/// Makes this thread's engine and host, with Node's globals and event loop.
///
/// # Errors
/// The engine cannot start, this thread has a host already, or the globals cannot be made.
pub fn start(options: HostOptions) -> Result<OwnedHost, StartError> {
    let host = Host::new(options, Box::<NodeState>::default())?;
    let rt = host.runtime();
    event_loop::install(rt);
    globals::install(*host).map_err(|thrown| {
        let text = rt.utf8(&thrown.0);
        StartError::Bootstrap(text.map_or_else(
            |_| "an error without text".to_owned(),
            |text| text.as_str().to_owned(),
        ))
    })?;
    Ok(host)
}
