//! What Node puts around Node-API: its globals (`Buffer`, `process`, `console`, timers, abort signals,
//! `structuredClone`, text encoding) and the order of its event loop.
//!
//! [`start`] makes a host of `hostd-napi` that has them. The globals are JavaScript (`js/`) over the
//! functions in `native`; the event loop implements [`hostd_napi::NodeRuntime`].
#![forbid(unsafe_code)]

mod compression;
mod decoders;
mod digests;
mod event_loop;
mod files;
mod globals;
#[cfg(test)]
mod hostile;
mod native;
mod pipe;
mod rejections;
mod state;
mod subprocess;
mod timers;
mod watches;

pub use hostd_builtins::free_pages as free_code;
use hostd_engine::{JsResult, Value};
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

/// Sets the folder from which scripts that are no modules import; without one it is the working folder.
///
/// # Errors
/// This thread has no host.
pub fn set_root(host: Host, folder: &str) -> JsResult<()> {
    // A host is opened with one folder: what is set later is passed over.
    let _ = NodeState::of(host.runtime())?.root.set(folder.to_owned());
    Ok(())
}

/// What `require` came to.
#[derive(Debug)]
pub enum Required {
    /// The exports.
    Loaded(Value),
    /// A promise of the exports, of an ES module that waits for something.
    Loading(Value),
}

/// What `require(specifier)` returns in a module of that folder; of what can be imported only, its
/// namespace.
///
/// # Errors
/// What it throws.
pub fn require(host: Host, specifier: &str, folder: &str) -> JsResult<Required> {
    let rt = host.runtime();
    let Some(load) = NodeState::of(rt)?.load.get() else {
        return Err(rt.type_error("this host has no globals"));
    };
    let realm = rt.call(load, &Value::UNDEFINED, &[rt.string_utf8(b"realm")?])?;
    let require = rt.get_named(&realm, "requireFrom")?;
    let args = [specifier, folder].map(|text| rt.string_utf8(text.as_bytes()));
    let [specifier, folder] = args;
    let found = rt.call(&require, &realm, &[specifier?, folder?])?;
    let value = rt.get_index(&found, 1)?;
    Ok(if rt.to_bool(&rt.get_index(&found, 0)?) {
        Required::Loading(value)
    } else {
        Required::Loaded(value)
    })
}
