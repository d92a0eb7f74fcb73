//! Promises that were rejected without a handler: reported when ticks and microtasks are done. One
//! that gets a handler after it was reported is reported once more.

use std::collections::VecDeque;

use hostd_engine::Value;

#[derive(Debug, Default)]
pub(crate) struct Rejections {
    /// With the reason, or without if a handler came later.
    noted: VecDeque<(Value, Option<Value>)>,
    /// Those that are being reported.
    due: VecDeque<(Value, Option<Value>)>,
}

impl Rejections {
    pub(crate) fn is_empty(&self) -> bool {
        self.noted.is_empty()
    }

    /// Notes a promise that was rejected without a handler, or got one later.
    pub(crate) fn note(&mut self, promise: &Value, reason: &Value, handled: bool) {
        let reason = (!handled).then(|| reason.clone());
        let before = self.noted.len() + self.due.len();
        if handled {
            for list in [&mut self.noted, &mut self.due] {
                list.retain(|(other, _)| other.identity() != promise.identity());
            }
        }
        // One with a handler that was in neither list was reported already.
        if self.noted.len() + self.due.len() == before {
            self.noted.push_back((promise.clone(), reason));
        }
    }

    /// What is noted from now on waits for the next report.
    pub(crate) fn begin(&mut self) {
        self.due.append(&mut self.noted);
    }

    pub(crate) fn next_due(&mut self) -> Option<(Value, Option<Value>)> {
        self.due.pop_front()
    }
}
