//! Sends the log of the host to the client, by a `tracing` layer that never blocks.
//!
//! Lines are queued in the bounded outbox of the control thread. What does not fit is counted, and the
//! next line that fits names the count. Nothing here prints: stdout and stderr are the addon's.

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};

use hostd_protocol::carrier::socket::Outbox;
use hostd_protocol::control::{HostMessage, LogLevel, Setup};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

/// Bytes of a line; the rest is cut.
const LINE_BYTES_MAX: usize = 8 << 10;

/// The levels of `tracing`, and those of the protocol.
const LEVELS: [(Level, LogLevel); 5] = [
    (Level::ERROR, LogLevel::Error),
    (Level::WARN, LogLevel::Warn),
    (Level::INFO, LogLevel::Info),
    (Level::DEBUG, LogLevel::Debug),
    (Level::TRACE, LogLevel::Trace),
];

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its severity.
    pub level: Level,
    /// The part of the host that logs it.
    pub target: String,
    /// The message, followed by the fields.
    pub message: String,
}

/// The layer: passes each event to a sink, which may refuse it but never waits.
pub struct LogLayer<F> {
    sink: F,
    lost: AtomicU64,
}

impl<F: Fn(Line) -> bool> LogLayer<F> {
    /// A layer over this sink, which returns whether it accepted the line.
    pub fn new(sink: F) -> Self {
        Self {
            sink,
            lost: AtomicU64::new(0),
        }
    }
}

impl<F> fmt::Debug for LogLayer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogLayer")
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}

/// Sends the log of this process to the client, at the level that the client requested.
pub fn install(setup: &Setup, outbox: &Outbox) {
    // This fails only if a test has set a subscriber.
    let _ = tracing::subscriber::set_global_default(subscriber(setup, outbox));
}

/// As [`install`], the log of this thread, until the result is dropped.
pub fn install_on_thread(setup: &Setup, outbox: &Outbox) -> DefaultGuard {
    tracing::subscriber::set_default(subscriber(setup, outbox))
}

fn subscriber(setup: &Setup, outbox: &Outbox) -> impl Subscriber + Send + Sync + 'static {
    let wanted = LEVELS.iter().find(|(_, requested)| *requested == setup.log);
    let wanted = wanted.map_or(LevelFilter::OFF, |(level, _)| (*level).into());
    let outbox = outbox.clone();
    let layer = LogLayer::new(move |line: Line| {
        let level = LEVELS.iter().find(|(level, _)| *level == line.level);
        outbox.send_or_drop(&HostMessage::Log {
            level: level.map_or(LogLevel::Error, |(_, sent)| *sent),
            target: line.target,
            message: line.message,
        })
    });
    tracing_subscriber::registry().with(layer.with_filter(wanted))
}

impl<S, F> Layer<S> for LogLayer<F>
where
    S: Subscriber,
    F: Fn(Line) -> bool + 'static,
{
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let lost = self.lost.swap(0, Ordering::Relaxed);
        let mut message = text.finish();
        if lost > 0 {
            let _ = write!(message, " ({lost} lines before this one were lost)");
        }
        let line = Line {
            level: *event.metadata().level(),
            target: event.metadata().target().to_owned(),
            message,
        };
        if !(self.sink)(line) {
            self.lost.fetch_add(lost + 1, Ordering::Relaxed);
        }
    }
}

/// Collects the message and the fields of one event.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn finish(mut self) -> String {
        self.message.push_str(&self.fields);
        if self.message.len() > LINE_BYTES_MAX {
            let cut = (0..=LINE_BYTES_MAX).rfind(|&at| self.message.is_char_boundary(at));
            self.message.truncate(cut.unwrap_or(0));
            self.message.push_str(" [cut]");
        }
        self.message
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            let _ = write!(self.fields, " {}={value}", field.name());
        }
    }
}
