//! Promises that were rejected while nobody handled that: told when ticks and microtasks are through.
//! One that is handled after it was told of is told of again.

use std::collections::VecDeque;

use hostd_engine::{Thrown, Value};

use super::{HostState, Origin};
use crate::bootstrap;

/// What is to be told of promises.
#[derive(Debug, Default)]
pub(crate) struct Rejections {
    /// With the reason, or without if it was handled after all.
    noted: VecDeque<(Value, Option<Value>)>,
    /// Those that are being told of.
    due: VecDeque<(Value, Option<Value>)>,
}

impl Rejections {
    /// Whether there is something to tell.
    pub(crate) fn is_empty(&self) -> bool {
        self.noted.is_empty()
    }

    /// A promise was rejected without handler.
    pub(crate) fn rejected(&mut self, promise: &Value, reason: &Value) {
        self.noted
            .push_back((promise.clone(), Some(reason.clone())));
    }

    /// A rejected promise got a handler. If it is not to be told of any more, it was.
    pub(crate) fn handled(&mut self, promise: &Value) {
        let before = self.noted.len() + self.due.len();
        for list in [&mut self.noted, &mut self.due] {
            list.retain(|(other, _)| other.identity() != promise.identity());
        }
        if self.noted.len() + self.due.len() == before {
            self.noted.push_back((promise.clone(), None));
        }
    }

    /// What is noted from now on waits for the next time.
    fn begin(&mut self) {
        self.due.append(&mut self.noted);
    }
}

impl HostState {
    /// Emits `unhandledRejection` and `rejectionHandled`. What a listener throws is an uncaught error.
    pub(super) fn report_rejections(&self) {
        self.rejections.borrow_mut().begin();
        loop {
            let next = self.rejections.borrow_mut().due.pop_front();
            let told = match next {
                None => return,
                Some((promise, None)) => {
                    bootstrap::emit(self.rt, "rejectionHandled", &[&promise]).map(drop)
                }
                Some((promise, Some(reason))) => {
                    bootstrap::emit(self.rt, "unhandledRejection", &[&reason, &promise]).map(
                        |heard| {
                            if !heard {
                                self.uncaught(&Thrown(reason), Origin::UnhandledRejection);
                            }
                        },
                    )
                }
            };
            if let Err(thrown) = told {
                self.uncaught(&thrown, Origin::Microtask);
            }
        }
    }

    /// Notes a promise that was rejected without handler, or got one after all.
    pub(super) fn note_rejection(&self, promise: &Value, reason: &Value, handled: bool) {
        let mut rejections = self.rejections.borrow_mut();
        if handled {
            rejections.handled(promise);
        } else {
            rejections.rejected(promise, reason);
        }
    }
}
