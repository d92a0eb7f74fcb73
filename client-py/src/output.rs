//! What addons print and hosts log, on its way to Python: one daemon thread for the process, so
//! that neither the supervisor nor a host ever waits for the interpreter.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hostd_client::Stream;
use hostd_protocol::control::LogLevel;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::quiet;

enum Item {
    Output {
        label: String,
        error: bool,
        bytes: Vec<u8>,
    },
    Log {
        level: u8,
        target: String,
        message: String,
    },
}

/// An addon that prints faster than Python reads loses lines, not the other way round.
const QUEUE: usize = 4096;

/// Where a line of a log is cut: with the queue, that bounds what waits. A piece of output is no
/// longer.
const LONGEST_LINE: usize = 16 << 10;

/// For so long the end of an addon, or of the interpreter, waits for what is still to be shown.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(500);

struct Desk {
    sender: SyncSender<Item>,
    process: u32,
    /// How many items are on their way, and who waits for the last of them.
    open: Arc<(Mutex<usize>, Condvar)>,
}

static DESK: Mutex<Option<Desk>> = Mutex::new(None);
static LOST: AtomicU32 = AtomicU32::new(0);
static ENDED: AtomicBool = AtomicBool::new(false);

fn leave(item: Item) {
    if ENDED.load(Ordering::Acquire) {
        return;
    }
    let mut desk = DESK.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if desk.as_ref().is_none_or(|desk| desk.process != process) {
        *desk = open(process);
    }
    let Some(desk) = &*desk else { return };
    *desk.open.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    if let Err(error) = desk.sender.try_send(item) {
        done(&desk.open, 1);
        if matches!(error, TrySendError::Full(_)) {
            LOST.fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// So many items need not be waited for any more.
fn done(open: &(Mutex<usize>, Condvar), items: usize) {
    let mut left = open.0.lock().unwrap_or_else(PoisonError::into_inner);
    *left = left.saturating_sub(items);
    if *left == 0 {
        open.1.notify_all();
    }
}

fn open(process: u32) -> Option<Desk> {
    let (sender, receiver) = sync_channel(QUEUE);
    let open = Arc::new((Mutex::new(0), Condvar::new()));
    let told = Arc::clone(&open);
    quiet::start("napi-python-output", move || deliver_all(&receiver, &told)).ok()?;
    Some(Desk {
        sender,
        process,
        open,
    })
}

fn deliver_all(items: &Receiver<Item>, open: &(Mutex<usize>, Condvar)) {
    while let Ok(item) = items.recv() {
        let mut next = Some(item);
        let mut delivered = 0;
        let attached = Python::try_attach(|py| {
            while let Some(item) = next.take() {
                delivered += 1;
                if let Err(error) = deliver(py, item) {
                    error.write_unraisable(py, None);
                }
                next = items.try_recv().ok();
            }
            let lost = LOST.swap(0, Ordering::AcqRel);
            if lost != 0 {
                let text = format!("{lost} pieces of output of addons were lost: too fast");
                let item = Item::Log {
                    level: 1,
                    target: "output".to_owned(),
                    message: text,
                };
                if let Err(error) = deliver(py, item) {
                    error.write_unraisable(py, None);
                }
            }
        });
        if attached.is_none() {
            return;
        }
        done(open, delivered);
    }
}

fn deliver(py: Python<'_>, item: Item) -> PyResult<()> {
    let module = py.import("napi_python._output")?;
    match item {
        Item::Output {
            label,
            error,
            bytes,
        } => module
            .getattr("show")?
            .call1((label, error, PyBytes::new(py, &bytes)))?,
        Item::Log {
            level,
            target,
            message,
        } => module.getattr("log")?.call1((level, target, message))?,
    };
    Ok(())
}

/// Something the addon printed.
pub(crate) fn output(label: &str, stream: Stream, bytes: &[u8]) {
    leave(Item::Output {
        label: label.to_owned(),
        error: matches!(stream, Stream::Stderr),
        bytes: bytes.to_vec(),
    });
}

/// A line of the host's log.
pub(crate) fn log(level: LogLevel, target: &str, message: &str) {
    leave(Item::Log {
        level: level as u8,
        target: cut(target).to_owned(),
        message: cut(message).to_owned(),
    });
}

fn cut(text: &str) -> &str {
    if text.len() <= LONGEST_LINE {
        return text;
    }
    let end = (0..=LONGEST_LINE)
        .rev()
        .find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

/// Something went wrong that no call can be told of.
pub(crate) fn trouble(py: Python<'_>, label: &str, error: &PyErr) {
    let told = py
        .import("napi_python._output")
        .and_then(|module| module.getattr("trouble")?.call1((label, error.value(py))));
    if let Err(error) = told {
        error.write_unraisable(py, None);
    }
}

/// An exception that nobody waits for: given to the hook, or logged.
pub(crate) fn uncaught(
    py: Python<'_>,
    label: &str,
    error: PyErr,
    origin: &Bound<'_, PyAny>,
) -> PyResult<()> {
    py.import("napi_python._output")?
        .getattr("uncaught")?
        .call1((label, error.into_value(py), origin))
        .map(drop)
}

/// Waits, without the interpreter, until what was printed has been shown, for at most this long.
pub(crate) fn drain(py: Python<'_>, limit: Duration) {
    let open = {
        let desk = DESK.lock().unwrap_or_else(PoisonError::into_inner);
        desk.as_ref()
            .filter(|desk| desk.process == std::process::id())
            .map(|desk| Arc::clone(&desk.open))
    };
    let Some(open) = open else { return };
    py.detach(|| {
        let end = Instant::now() + limit;
        let mut left_over = open.0.lock().unwrap_or_else(PoisonError::into_inner);
        while *left_over != 0 {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            left_over = open
                .1
                .wait_timeout(left_over, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    });
}

/// Nothing is delivered any more: the interpreter ends.
pub(crate) fn end() {
    ENDED.store(true, Ordering::Release);
    // Without a sender the thread ends.
    let desk = DESK.lock().unwrap_or_else(PoisonError::into_inner).take();
    drop(desk);
}
