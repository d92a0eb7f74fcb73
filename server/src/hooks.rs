//! What the session needs of this process: its exit, its sandbox, its record of crashes.

use std::cell::Cell;

use hostd_protocol::frame::{Denial, Denied};
use hostd_sandbox::denied::{self, What};
use hostd_sandbox::{Tightening, crash};
use hostd_session::SessionHooks;

/// This process, as the session sees it.
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
        tightening.map_or(Ok(()), |tightening| {
            tightening.apply().map_err(|error| error.to_string())
        })
    }

    fn swap_lane(&self, lane: u32) -> u32 {
        crash::swap_lane(lane)
    }

    fn take_denials(&self) -> Vec<Denial> {
        if !denied::is_pending() {
            return Vec::new();
        }
        denied::take().into_iter().map(to_wire).collect()
    }
}

fn to_wire(denial: denied::Denial) -> Denial {
    Denial {
        what: match denial.what {
            What::Read => Denied::Read,
            What::Write => Denied::Write,
            What::Network => Denied::Network,
            What::LocalSocket => Denied::LocalSocket,
            What::Program => Denied::Program,
            What::Watch => Denied::Watch,
        },
        js_thread: denial.js_thread,
        is_guess: denial.is_guess,
        subject: denial.subject,
        grants: denial.grants,
    }
}
