//! The state of Node-API: one [`Env`] per loaded addon, and the tables that ids are looked up in.
//!
//! The bodies in `api` and the host use it. Nothing here calls C: ids and statuses are types of
//! `abi`, values are the engine's. Environments live as long as their host, which lends them as
//! `&'static`; closing one ends what it owns and leaves an environment that refuses JavaScript.
#![forbid(unsafe_code)]

pub(crate) mod cleanup;
pub(crate) mod cx;
pub(crate) mod deferred;
pub(crate) mod finalizer;
pub(crate) mod handles;
mod id;
pub(crate) mod pins;
pub(crate) mod reference;
pub(crate) mod scopes;
pub(crate) mod slots;
pub(crate) mod teardown;
pub(crate) mod tsfn;
pub(crate) mod work;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::CString;
use std::path::{Path, PathBuf};

use hostd_engine::Thrown;

use crate::abi::address::{ENVS, INFOS, STEP};
use crate::abi::record::ErrorInfo;
use crate::abi::status::Status;
use crate::abi::types::{NAPI_VERSION_EXPERIMENTAL, napi_env, napi_extended_error_info};

pub(crate) use cx::Cx;
pub(crate) use deferred::Unsettled;
pub use id::EnvId;

use cleanup::Hooks;
use reference::Reference;
use slots::{IdKind, Slots};

/// What is unusual about an environment, in one byte: 0 is the common case.
pub(crate) mod flags {
    /// An exception is pending.
    pub(crate) const PENDING: u8 = 1;
    /// JavaScript cannot run: the environment is being or was closed.
    pub(crate) const NO_JS: u8 = 2;
    /// A finalizer runs that may only call basic functions.
    pub(crate) const BASIC_ONLY: u8 = 8;
    /// A Node-API function panicked in it; all functions fail.
    pub(crate) const POISONED: u8 = 4;
}

/// In place of an error number of libuv's: the message of the last failure is `Env::explanation`.
const EXPLAINED: u32 = 1 << 31;

/// One addon's environment.
#[derive(Debug)]
pub(crate) struct Env {
    pub(crate) id: EnvId,
    /// Its id in C.
    pub(crate) raw: napi_env,
    api_version: i32,
    /// The addon's file.
    pub(crate) path: PathBuf,
    /// The `file:` URL that the addon gets as its own; empty if a script gave none.
    pub(crate) file_url: CString,
    flags: Cell<u8>,
    unrecorded: Cell<bool>,
    last: Cell<(Status, u32)>,
    info: ErrorInfo,
    explanation: RefCell<CString>,
    exception: RefCell<Option<Thrown>>,
    pub(crate) references: RefCell<Slots<Reference>>,
    pub(crate) deferreds: RefCell<Slots<Unsettled>>,
    pub(crate) hooks: RefCell<Hooks>,
    pub(crate) instance: Cell<finalizer::Instance>,
    pub(crate) threadsafe: RefCell<HashMap<usize, tsfn::Local>>,
}

impl Env {
    /// Makes the environment for an addon's file.
    pub(crate) fn new(id: EnvId, path: &Path, filename: Option<&Path>, api_version: i32) -> Self {
        Self {
            id,
            raw: napi_env(ENVS + id.0 as usize * STEP),
            api_version,
            path: path.to_owned(),
            file_url: filename.map(file_url).unwrap_or_default(),
            flags: Cell::new(0),
            unrecorded: Cell::new(false),
            last: Cell::new((Status::Ok, 0)),
            info: ErrorInfo::new(),
            explanation: RefCell::default(),
            exception: RefCell::new(None),
            references: RefCell::new(Slots::new(IdKind::Reference)),
            deferreds: RefCell::new(Slots::new(IdKind::Deferred)),
            hooks: RefCell::new(Hooks::default()),
            instance: Cell::new(finalizer::Instance::NONE),
            threadsafe: RefCell::default(),
        }
    }

    /// Which index a `napi_env` names, if it is one.
    #[inline]
    pub(crate) fn index_of(raw: napi_env) -> Option<usize> {
        let offset = raw.0.wrapping_sub(ENVS);
        (offset < INFOS - ENVS && offset.is_multiple_of(STEP)).then_some(offset / STEP)
    }

    /// Whether the addon declared version 10 or is experimental.
    pub(crate) fn is_version_10(&self) -> bool {
        self.api_version >= 10
    }

    /// Whether the addon declared itself experimental.
    pub(crate) fn is_experimental(&self) -> bool {
        self.api_version == NAPI_VERSION_EXPERIMENTAL
    }

    /// Runs a finalizer that may call basic functions only.
    pub(crate) fn with_basic_only(&self, finalizer: impl FnOnce()) {
        let before = self.flags.get() & flags::BASIC_ONLY;
        self.flags.set(self.flags.get() | flags::BASIC_ONLY);
        finalizer();
        self.flags
            .set(self.flags.get() & !flags::BASIC_ONLY | before);
    }

    /// See [`flags`].
    #[inline]
    pub(crate) fn flags(&self) -> u8 {
        self.flags.get()
    }

    /// Refuses everything from now on, after a panic of ours.
    pub(crate) fn poison(&self) {
        self.flags.set(self.flags.get() | flags::POISONED);
    }

    /// Refuses JavaScript from now on.
    pub(crate) fn forbid_js(&self) {
        self.flags.set(self.flags.get() | flags::NO_JS);
    }

    /// How `js` functions refuse when JavaScript cannot run.
    pub(crate) fn cannot_run_js(&self) -> Status {
        if self.is_version_10() {
            Status::CannotRunJs
        } else {
            Status::PendingException
        }
    }

    /// Writes the last-error record.
    #[inline]
    pub(crate) fn record(&self, status: Status) {
        self.last.set((status, 0));
    }

    /// Writes the last-error record, with a number of libuv's.
    pub(crate) fn record_engine(&self, status: Status, code: u32) {
        self.last.set((status, code));
    }

    /// Writes the last-error record, with `why` behind the message of the status.
    pub(crate) fn record_explained(&self, status: Status, why: &str) {
        let message = status.message().unwrap_or_default().to_string_lossy();
        // A text with a NUL in it, which no caller makes, is left out.
        let text = CString::new(format!("{message}: {why}")).unwrap_or_default();
        self.explanation.replace(text);
        self.last.set((status, EXPLAINED));
    }

    /// Keeps the failure that is about to be returned out of the record.
    pub(crate) fn set_unrecorded(&self) {
        self.unrecorded.set(true);
    }

    /// Whether the failure that is being returned stays out of the record.
    pub(crate) fn take_unrecorded(&self) -> bool {
        self.unrecorded.take()
    }

    /// The last-error record, in the memory that C may read.
    pub(crate) fn last_error(&self) -> *const napi_extended_error_info {
        match self.last.get() {
            (status, EXPLAINED) => {
                let explanation = self.explanation.borrow();
                self.info.publish(status, Some(&explanation), 0)
            }
            (status, engine_code) => self.info.publish(status, status.message(), engine_code),
        }
    }

    /// Leaves an exception pending. A later one replaces it, as in a `finally`.
    pub(crate) fn set_exception(&self, thrown: Thrown) {
        self.flags.set(self.flags.get() | flags::PENDING);
        self.exception.replace(Some(thrown));
    }

    /// Takes the pending exception.
    #[inline]
    pub(crate) fn take_exception(&self) -> Option<Thrown> {
        if self.flags.get() & flags::PENDING == 0 {
            return None;
        }
        self.flags.set(self.flags.get() & !flags::PENDING);
        self.exception.take()
    }

    /// Whether an exception is pending.
    pub(crate) fn is_exception_pending(&self) -> bool {
        self.flags.get() & flags::PENDING != 0
    }
}

/// The `file:` URL of a path; empty for a path that has none.
fn file_url(path: &Path) -> CString {
    use std::fmt::Write as _;
    use std::os::unix::ffi::OsStrExt as _;

    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut url = "file://".to_owned();
    for &byte in absolute.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~!$&'()*+,;=:@".contains(&byte) {
            url.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
    CString::new(url).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_url_escapes_what_is_not_plain() {
        let url = file_url(Path::new("/a b/ü#.node"));
        assert_eq!(url.to_str().unwrap(), "file:///a%20b/%C3%BC%23.node");
    }

    #[test]
    fn env_ids_are_recognised_and_strays_are_not() {
        let env = Env::new(EnvId(3), Path::new("/x.node"), None, 8);
        assert_eq!(Env::index_of(env.raw), Some(3));
        for stray in [0, 1, usize::MAX, 0x7fff_0000_1234, env.raw.0 + 1, INFOS] {
            assert_eq!(Env::index_of(napi_env(stray)), None, "{stray:#x}");
        }
    }
}
