//! The host's own log, on its way to the client: a `tracing` layer that never blocks.
//!
//! Lines wait in the bounded outbox of the control thread; what does not fit is counted and said
//! so in the next line that does. Nothing here prints: stdout and stderr belong to the addon.

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};

use hostd_protocol::carrier::socket::Outbox;
use hostd_protocol::control::{HostMessage, LogLevel, Setup};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

/// Where a line is cut, in bytes.
const LONGEST_LINE: usize = 8 << 10;

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How serious it is.
    pub level: Level,
    /// Which part of the host says it.
    pub target: String,
    /// What it says, the fields behind it.
    pub message: String,
}

/// The layer: gives every event to a sink that may refuse it, but never waits.
pub struct LogLayer<F> {
    sink: F,
    lost: AtomicU64,
}

impl<F: Fn(Line) -> bool> LogLayer<F> {
    /// A layer over this sink, which answers whether it took the line.
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

/// Sends the log of this process to the client, as much of it as the client wants.
pub fn install(setup: &Setup, outbox: &Outbox) {
    let wanted = match setup.log {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let outbox = outbox.clone();
    let layer = LogLayer::new(move |line: Line| {
        let level = level_of(line.level);
        let (target, message) = (line.target, line.message);
        outbox.send_or_drop(&HostMessage::Log {
            level,
            target,
            message,
        })
    });
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(wanted));
    // The process has no other; in a test that has one, that one stays.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

fn level_of(level: Level) -> LogLevel {
    match level {
        Level::ERROR => LogLevel::Error,
        Level::WARN => LogLevel::Warn,
        Level::INFO => LogLevel::Info,
        Level::DEBUG => LogLevel::Debug,
        Level::TRACE => LogLevel::Trace,
    }
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
        if self.message.len() > LONGEST_LINE {
            let cut = (0..=LONGEST_LINE).rfind(|&at| self.message.is_char_boundary(at));
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::{LONGEST_LINE, Line, LogLayer};
    use tracing_subscriber::layer::SubscriberExt as _;

    /// What a sink of that size took of what `log` said.
    fn lines(room: usize, log: impl FnOnce()) -> Vec<Line> {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&taken);
        let layer = LogLayer::new(move |line| {
            let mut taken = sink.lock().unwrap();
            let fits = taken.len() != room || line.message == "last";
            if fits {
                taken.push(line);
            }
            fits
        });
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let taken = taken.lock().unwrap();
        taken.clone()
    }

    #[test]
    fn event_arrives_with_its_fields() {
        let lines = lines(9, || tracing::warn!(target: "host", count = 3, "too many"));
        assert_eq!(lines[0].message, "too many count=3");
        assert_eq!(lines[0].target, "host");
        assert_eq!(lines[0].level, tracing::Level::WARN);
    }

    #[test]
    fn full_sink_counts_what_it_loses() {
        let refused = Arc::new(Mutex::new(0));
        let taken = Arc::new(Mutex::new(String::new()));
        let (count, text) = (Arc::clone(&refused), Arc::clone(&taken));
        let layer = LogLayer::new(move |line: Line| {
            let mut count = count.lock().unwrap();
            *count += 1;
            *text.lock().unwrap() = line.message;
            *count > 3
        });
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            (0..4).for_each(|_| tracing::info!("line"));
        });
        let text = taken.lock().unwrap();
        assert!(text.contains("3 lines before"), "{text}");
    }

    #[test]
    fn endless_line_is_cut() {
        let lines = lines(9, || tracing::info!("{}", "é".repeat(LONGEST_LINE)));
        assert!(lines[0].message.len() < LONGEST_LINE + 16);
    }
}
