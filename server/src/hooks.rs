//! What the session needs of this process: its exit, its sandbox, its record of crashes. The session
//! calls it on the JS thread.

use std::cell::Cell;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use hostd_protocol::frame::{Denial, Denied};
use hostd_sandbox::advice::{self, Filter, Use};
use hostd_sandbox::denied::{self, Attempt, Operation};
use hostd_sandbox::{Tightening, crash};
use hostd_session::SessionHooks;
use rustix::fs::{Access, AtFlags, CWD, accessat};

/// Folders in which programs look for optional settings.
const PROBED: [&str; 4] = ["/proc", "/sys", "/dev", "/etc"];

#[derive(Debug)]
pub(crate) struct ProcessHooks {
    /// What is applied once the addon is loaded.
    tightening: Cell<Option<Tightening>>,
}

impl ProcessHooks {
    pub(crate) fn new(tightening: Option<Tightening>) -> Self {
        let tightening = Cell::new(tightening);
        Self { tightening }
    }
}

impl SessionHooks for ProcessHooks {
    #[expect(
        clippy::disallowed_methods,
        reason = "it must not return to the addon, and the client reports the exit code"
    )]
    fn exit(&self, code: i32) {
        std::process::exit(code);
    }

    fn addon_loaded(&self) -> Result<(), String> {
        let tightening = self.tightening.take();
        let applied = tightening.map_or(Ok(()), Tightening::apply);
        applied.map_err(|error| error.to_string())
    }

    fn swap_lane(&self, lane: u32) -> u32 {
        crash::swap_lane(lane)
    }

    fn take_denials(&self) -> Vec<Denial> {
        if !denied::is_pending() {
            return Vec::new();
        }
        denied::take().iter().filter_map(denial).collect()
    }
}

/// The denial, if an option allows the attempt, and if it would not fail without a sandbox as well.
fn denial(attempt: &Attempt) -> Option<Denial> {
    let (what, subject) = match attempt.operation {
        Operation::Path(use_of) => return path_denial(attempt, use_of),
        Operation::Socket(family, kind, protocol) => {
            match denied::socket_filter(family, kind, protocol) {
                Filter::AllowsWith("network=True") => (Denied::Network, &b"a socket"[..]),
                Filter::AllowsWith(_) => (Denied::LocalSocket, &b"a local socket"[..]),
                _ => return None,
            }
        }
        Operation::Resolve => (Denied::Network, attempt.text()),
        Operation::Program => (Denied::Program, attempt.text()),
        Operation::Watch => (Denied::Watch, attempt.text()),
    };
    Some(Denial {
        what,
        js_thread: attempt.js_thread,
        is_guess: attempt.may_be_missing,
        subject: subject.to_vec(),
        grants: Vec::new(),
    })
}

fn path_denial(attempt: &Attempt, use_of: Use) -> Option<Denial> {
    let uses = attempt.paths().map(|path| (use_of, path.to_owned()));
    let uses: Vec<(Use, PathBuf)> = uses.collect();
    let grants = advice::grants(&uses);
    let is_permitted = |(_, path): &(Use, PathBuf)| modes_permit(use_of, path);
    if grants.is_empty() || !attempt.may_be_missing && !uses.iter().all(is_permitted) {
        return None;
    }
    let subject = uses.iter().find(|(_, path)| !advice::is_granted(path));
    let (_, subject) = subject.or(uses.first())?;
    let is_probed = PROBED.iter().any(|folder| subject.starts_with(folder));
    let bytes = |path: &Path| path.as_os_str().as_bytes().to_vec();
    Some(Denial {
        what: if use_of == Use::Read {
            Denied::Read
        } else {
            Denied::Write
        },
        js_thread: attempt.js_thread,
        is_guess: attempt.may_be_missing || is_probed,
        subject: bytes(subject),
        grants: grants.into_iter().map(bytes).collect(),
    })
}

/// Whether the modes of files permit the use of a path: Landlock does not affect `access`.
fn modes_permit(use_of: Use, path: &Path) -> bool {
    let ask = |path: &Path, rights| accessat(CWD, path, rights, AtFlags::EACCESS).is_ok();
    let folder = || advice::to_grant(Use::Entry, path);
    match use_of {
        Use::Read => ask(path, Access::READ_OK),
        Use::Write if path.exists() => ask(path, Access::WRITE_OK),
        Use::Write | Use::Entry => ask(folder(), Access::WRITE_OK | Access::EXEC_OK),
    }
}
