//! The layer that sends the log of the host to the client.

use std::sync::{Arc, Mutex, PoisonError};

use hostd_control::logs::{Line, LogLayer};
use tracing_subscriber::layer::SubscriberExt as _;

/// Bytes of a line; the rest is cut.
const LINE_BYTES_MAX: usize = 8 << 10;

/// The lines of `log` that a sink of this size accepts.
fn lines(room: usize, log: impl FnOnce()) -> Vec<Line> {
    let taken = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&taken);
    let layer = LogLayer::new(move |line| {
        let mut taken = sink.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = taken.len() != room || line.message == "last";
        if fits {
            taken.push(line);
        }
        fits
    });
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
    let taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
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
fn full_sink_counts_the_lost_lines() {
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
    let text = taken.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(text.contains("3 lines before"), "{text}");
}

#[test]
fn long_line_is_cut() {
    let lines = lines(9, || tracing::info!("{}", "é".repeat(LINE_BYTES_MAX)));
    assert!(lines[0].message.len() < LINE_BYTES_MAX + 16);
}
