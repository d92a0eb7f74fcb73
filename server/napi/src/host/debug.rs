//! Debug mode: which function of which addon was given an id that is not alive, from where, where the
//! id was made, and what an addon never gave back.
//!
//! It costs a walk of the stack for every id that is made, so nothing of it runs unless
//! [`HostOptions::debug`](super::HostOptions::debug) is set.

use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::abi::row::Row;
use crate::env::Env;

/// How many of the handles made last can still be told where they were made.
const HANDLES: usize = 1 << 14;
/// The same for references, deferreds and scopes, which live longer.
const IDS: usize = 1 << 16;
/// The longest stack that is shown, in frames.
const FRAMES: usize = 16;
/// How many reports a host writes before it falls silent.
const REPORTS: u32 = 1000;

/// What debug mode remembers.
#[derive(Debug)]
pub(crate) struct Debug {
    handles: RefCell<Made>,
    ids: RefCell<Made>,
    reports: std::cell::Cell<u32>,
}

/// Where ids were made; the oldest are forgotten.
#[derive(Debug)]
struct Made {
    stacks: HashMap<usize, Backtrace>,
    order: VecDeque<usize>,
    limit: usize,
}

impl Made {
    fn new(limit: usize) -> RefCell<Self> {
        RefCell::new(Self {
            stacks: HashMap::new(),
            order: VecDeque::new(),
            limit,
        })
    }

    fn add(&mut self, id: usize) {
        self.stacks.insert(id, Backtrace::force_capture());
        self.order.push_back(id);
        if self.order.len() > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.stacks.remove(&oldest);
        }
    }

    fn stack(&self, id: usize) -> String {
        self.stacks
            .get(&id)
            .map_or_else(|| "an unknown place".to_owned(), frames)
    }
}

impl Debug {
    /// Nothing was made yet.
    pub(super) fn new() -> Self {
        ON.store(true, Ordering::Relaxed);
        Self {
            handles: Made::new(HANDLES),
            ids: Made::new(IDS),
            reports: std::cell::Cell::new(0),
        }
    }

    /// Notes where a handle was made.
    pub(crate) fn handle_made(&self, id: usize) {
        self.handles.borrow_mut().add(id);
    }

    /// Notes where an id of another kind was made.
    pub(crate) fn id_made(&self, id: usize) {
        self.ids.borrow_mut().add(id);
    }

    fn may_report(&self) -> bool {
        self.reports.set(self.reports.get().saturating_add(1));
        self.reports.get() <= REPORTS
    }

    /// Reports an id that is not alive.
    pub(crate) fn misused(&self, row: &Row, env: &Env, what: &str, id: usize) {
        if !self.may_report() {
            return;
        }
        let made = if what.contains("napi_value") {
            self.handles.borrow().stack(id)
        } else {
            self.ids.borrow().stack(id)
        };
        tracing::warn!(
            addon = %env.path.display(),
            "misuse: {} was given a {what} ({id:#x}) that is not alive: freed, out of its scope, or \
             made up; called from {}; made at {made}",
            row.name,
            frames(&Backtrace::force_capture()),
        );
    }

    /// Reports one thing that was never given back.
    pub(crate) fn leak(&self, env: &Env, id: usize, what: &str) {
        if self.may_report() {
            tracing::warn!(
                addon = %env.path.display(),
                "leak: a {what} was never given back; made at {}",
                self.ids.borrow().stack(id),
            );
        }
    }
}

/// Whether a host of this process is in debug mode: for threads that have no host to ask.
static ON: AtomicBool = AtomicBool::new(false);

/// Reports, in debug mode, that a function that any thread may call was given an id that is not alive,
/// or no longer held. Without debug mode the status says enough: node-addon-api's
/// `AsyncProgressWorker` releases its threadsafe function once more in the finalizer.
#[cold]
pub(crate) fn refused_anywhere(row: &'static Row) {
    static REPORTED: AtomicU32 = AtomicU32::new(0);
    if ON.load(Ordering::Relaxed) && REPORTED.fetch_add(1, Ordering::Relaxed) < REPORTS {
        let from = frames(&Backtrace::force_capture());
        tracing::warn!(
            "misuse: {} was given an id that is not alive, or that its holders released already; \
             called from {from}",
            row.name,
        );
    }
}

/// The frames of an addon in a stack: from the Node-API function outwards to our own again.
fn frames(stack: &Backtrace) -> String {
    let text = stack.to_string();
    let mut shown = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        let line = line.trim();
        let Some((number, name)) = line.split_once(": ") else {
            continue;
        };
        if number.parse::<u32>().is_err() {
            continue;
        }
        let exported = name.starts_with("napi_") || name.starts_with("node_api_");
        if exported {
            inside = true;
            shown.clear();
        } else if inside && name.contains("hostd_") {
            if shown.len() > 1 {
                break;
            }
            // Node-API has entered the same function once more: the addon is further out.
            inside = false;
        }
        if inside && shown.len() < FRAMES {
            shown.push(name);
        }
    }
    if shown.is_empty() {
        "an unknown place".to_owned()
    } else {
        shown.join(" < ")
    }
}
