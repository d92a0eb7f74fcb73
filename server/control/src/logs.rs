//! Sends the log of the host to the client, by a `tracing` layer that never blocks.
//!
//! Lines are queued in the bounded outbox of the control thread. What does not fit is counted, and the
//! next line that fits names the count. Nothing here prints: stdout and stderr are the addon's.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};

use hostd_protocol::carrier::socket::Outbox;
use hostd_protocol::control::{HostMessage, LogLevel, Setup};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
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
    let log = SessionLog::new(setup, outbox);
    let wanted = log.level.map_or(LevelFilter::OFF, LevelFilter::from);
    let layer = LogLayer::new(move |line| log.send(line));
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(wanted));
    // This fails only if a test has set a subscriber.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Where the log of a session goes, and from which level on.
#[derive(Clone, Debug)]
pub struct SessionLog {
    level: Option<Level>,
    outbox: Outbox,
}

thread_local! {
    /// The log of the session that this thread runs.
    static OF_THREAD: RefCell<Option<SessionLog>> = const { RefCell::new(None) };
}

impl SessionLog {
    /// The log that the client asks for in its settings.
    pub fn new(setup: &Setup, outbox: &Outbox) -> Self {
        let wanted = LEVELS.iter().find(|(_, requested)| *requested == setup.log);
        Self {
            level: wanted.map(|(level, _)| *level),
            outbox: outbox.clone(),
        }
    }

    fn send(&self, line: Line) -> bool {
        if self.level.is_none_or(|level| line.level > level) {
            return true;
        }
        let level = LEVELS.iter().find(|(level, _)| *level == line.level);
        self.outbox.send_or_drop(&HostMessage::Log {
            level: level.map_or(LogLevel::Error, |(_, sent)| *sent),
            target: line.target,
            message: line.message,
        })
    }
}

/// Sends the log of each thread to the session that [`replace_thread_log`] names there. For a process
/// with several sessions: the level of the first one, or INFO, is the lowest that any of them gets.
pub fn install_by_thread(first: &SessionLog) {
    let layer = LogLayer::new(|line| {
        OF_THREAD.with_borrow(|log| log.as_ref().is_none_or(|log| log.send(line)))
    });
    let wanted = first.level.map_or(LevelFilter::OFF, LevelFilter::from);
    let layer = layer.with_filter(wanted.max(LevelFilter::INFO));
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer));
}

/// Sets the session to which the log of this thread goes; returns the former one.
pub fn replace_thread_log(log: Option<SessionLog>) -> Option<SessionLog> {
    OF_THREAD.replace(log)
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
