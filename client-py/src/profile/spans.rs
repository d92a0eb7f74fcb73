//! The last pieces of time of measured calls, for a trace.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hostd_protocol::profile::{HostSpan, span};

/// The most spans of each side that are kept; older ones are forgotten.
const SPANS_MAX: usize = 32 << 10;

/// What a span of this side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpanKind {
    Call,
    Callback,
}

/// A piece of time of a thread of Python, in nanoseconds of the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientSpan {
    pub(crate) kind: SpanKind,
    /// The number of the row of the call.
    pub(crate) row: usize,
    pub(crate) began: u64,
    pub(crate) ended: u64,
    /// The number of the thread.
    pub(crate) thread: u64,
}

/// Spans of the JS thread: what each is, its begin and its end.
pub(crate) type HostSpans = VecDeque<(Arc<str>, u64, u64)>;

/// The spans of both sides, by their ends.
#[derive(Clone, Default)]
pub(crate) struct Spans {
    pub(crate) client: VecDeque<ClientSpan>,
    pub(crate) host: HostSpans,
}

thread_local! {
    static THREAD: Cell<u64> = const { Cell::new(0) };
}

/// The number of this thread, from one.
pub(super) fn thread() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    THREAD.with(|thread| {
        if thread.get() == 0 {
            thread.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        thread.get()
    })
}

impl Spans {
    pub(super) fn add(&mut self, span: ClientSpan) {
        if self.client.len() >= SPANS_MAX {
            self.client.pop_front();
        }
        self.client.push_back(span);
    }

    /// Adds spans of a host; those that name no function of it are left out.
    pub(super) fn add_host(&mut self, functions: &[Arc<str>], spans: Vec<HostSpan>) {
        let fixed = [
            (span::CALL, "call"),
            (span::ADDON, "addon"),
            (span::CLIENT, "callback in Python"),
            (span::COLLECTION, "garbage collection, finalizers"),
        ]
        .map(|(code, name)| (code, Arc::<str>::from(name)));
        for (what, began, ended) in spans {
            let function = what.checked_sub(span::FUNCTION);
            let name = match function {
                Some(number) => functions.get(number as usize),
                None => fixed.iter().find(|it| it.0 == what).map(|it| &it.1),
            };
            let Some(name) = name.filter(|_| began <= ended) else {
                continue;
            };
            if self.host.len() >= SPANS_MAX {
                self.host.pop_front();
            }
            self.host.push_back((Arc::clone(name), began, ended));
        }
    }
}
