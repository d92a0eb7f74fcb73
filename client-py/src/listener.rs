//! The events of an addon's hosts, which the threads of `hostd_client` report to its worker: output,
//! logs, deaths, notices.

use std::sync::{Arc, Weak};
use std::time::Instant;

use hostd_client::{ExitReport, HostEvents, Kill, OutputStream};
use hostd_protocol::calls::CallKind;
use hostd_protocol::confinement::Applied;
use hostd_protocol::control::LogLevel;
use hostd_protocol::frame::Header;

use crate::fallible;
use crate::flood::{self, FloodLevel};
use crate::flooding::limit_of;
use crate::jobs::Job;
use crate::output;
use crate::reserve;
use crate::threads;
use crate::worker::{Worker, do_job};

impl Worker {
    /// Whether output and logs exceed their share; then these bytes are dropped, and counted.
    fn is_flooded(&self, bytes: usize) -> bool {
        let background = &*self.background;
        let verdict = background.prints.level();
        if verdict == FloodLevel::Beyond {
            background.add_dropped(bytes as u64);
        } else if verdict == FloodLevel::Warn {
            let message = format!(
                "the addon {} prints or logs more than this process can show; what exceeds its limit \
                 is dropped: {}",
                self.label,
                limit_of(background.prints.share())
            );
            output::log(LogLevel::Warn, "flood", &message, None);
        }
        verdict == FloodLevel::Beyond
    }

    #[cold]
    fn kill(&self, header: Header, reason: Kill) {
        if let Some(addon) = self.addon.upgrade() {
            addon.kill(header.generation, reason);
        }
    }
}

impl HostEvents for Worker {
    fn output(&self, stream: OutputStream, bytes: &[u8]) {
        // An empty slice is the end of the stream.
        if !bytes.is_empty() && self.is_flooded(bytes.len()) {
            return;
        }
        let meter = Arc::clone(&self.background.prints);
        output::output(&self.label, stream, bytes, meter);
    }

    fn dropped(&self, stream: OutputStream, bytes: u64) {
        self.background.add_dropped(bytes);
        let stream = match stream {
            OutputStream::Stdout => "stdout",
            OutputStream::Stderr => "stderr",
        };
        let message = format!(
            "dropped {bytes} bytes of {stream} of the addon {}: it prints more than 8 MiB at once or \
             4 MiB per second",
            self.label
        );
        output::log(LogLevel::Warn, "output", &message, None);
    }

    fn log(&self, level: LogLevel, target: &str, message: &str) {
        if !self.is_flooded(message.len()) {
            let meter = Arc::clone(&self.background.prints);
            output::log(level, target, message, Some(meter));
        }
    }

    fn died(&self, report: &ExitReport) {
        // A thread of its own: the supervisor must not wait for Python, and the thread that does the
        // jobs may be in a callback that waits for the host that died.
        let (addon, died) = (Weak::clone(&self.addon), Box::new(report.clone()));
        let finalize = move || {
            do_job(&addon, Job::Died(died));
        };
        if threads::start("napi-python-death", finalize).is_err() {
            let queue = &self.background.queue;
            queue.push(Job::Died(Box::new(report.clone())));
            queue.wake();
        }
    }

    fn degraded(&self, missing: &str, _: &Applied) {
        let message = format!(
            "the addon {} runs without {missing}, which its sandbox policy asks for, because of \
             degrade=\"allow\"; host(addon).sandbox is the full report",
            self.label
        );
        output::log(LogLevel::Warn, "sandbox", &message, None);
    }

    /// Reads the notice in this thread, unless another thread does the jobs.
    fn notice(&self, header: Header, body: &[u8]) {
        let background = &*self.background;
        let is_turn_request = header.number == CallKind::WakeUp.number() && body.is_empty();
        if is_turn_request {
            background.note_refundable(flood::NOTICE);
        }
        let verdict = background.notices.charge(flood::NOTICE);
        if verdict != FloodLevel::Within
            && let Some(addon) = self.addon.upgrade()
        {
            addon.answer_flood(header.generation, verdict);
        }
        let job = if is_turn_request {
            if !background.turns.request_turn_from_worker() {
                return;
            }
            Job::Turn
        } else {
            let Some(body) = fallible::copied(body) else {
                // Without the notice a promise may never be settled.
                let reason = Kill::ClientResources(
                    "out of memory: the client has none for a notice of the host".to_owned(),
                );
                return self.kill(header, reason);
            };
            Job::Notice(header, body)
        };
        if !background.queue.push(job) {
            let reason = Kill::Flood("it sent more notices than can be kept (8 MiB)".to_owned());
            return self.kill(header, reason);
        }
        if !reserve::has_thread_state() {
            return background.queue.wake();
        }
        let _visit = threads::visit();
        self.work();
    }

    fn attend(&self) -> Option<Instant> {
        self.do_what_is_due()
    }
}
