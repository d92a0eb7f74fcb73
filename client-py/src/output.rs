//! Delivers the output of addons and the logs of hosts to Python, in one daemon thread for the
//! process, so that neither the supervisor nor a host waits for the interpreter.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use hostd_client::{OutputStream, lock};
use hostd_protocol::control::LogLevel;
use pyo3::prelude::*;

use crate::call::{call, keep_thread_state, unraisable};
use crate::fallible;
use crate::flood::{self, Meter};
use crate::names::Names;
use crate::reserve;
use crate::threads;

enum Item {
    Output {
        label: String,
        error: bool,
        bytes: Vec<u8>,
        meter: Arc<Meter>,
    },
    Log {
        level: LogLevel,
        target: String,
        message: String,
        /// The meter that is charged, if a host sent it.
        meter: Option<Arc<Meter>>,
    },
}

/// The most items that wait for Python; further ones are dropped.
const QUEUE_ITEMS_MAX: usize = 4096;

/// The longest line of a log, in bytes; a longer one is cut. A piece of output is no longer either.
const LOG_LINE_BYTES_MAX: usize = 16 << 10;

/// The most time that the end of an addon, or of the interpreter, waits for the delivery of output.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_millis(500);

/// The queue of a process, and its delivery thread.
struct Delivery {
    sender: Sender<Item>,
    process: u32,
    /// The number of undelivered items, and the condition that it is zero.
    open: Arc<(Mutex<usize>, Condvar)>,
}

static DELIVERY: Mutex<Option<Delivery>> = Mutex::new(None);
static LOST: AtomicU32 = AtomicU32::new(0);
static ENDED: AtomicBool = AtomicBool::new(false);

fn queue(item: Item) {
    if ENDED.load(Ordering::Acquire) {
        return;
    }
    if reserve::is_needed() {
        LOST.fetch_add(1, Ordering::AcqRel);
        return;
    }
    let mut delivery = lock(&DELIVERY);
    let process = std::process::id();
    if delivery
        .as_ref()
        .is_none_or(|delivery| delivery.process != process)
    {
        *delivery = open(process);
    }
    let Some(delivery) = &*delivery else { return };
    let mut open = lock(&delivery.open.0);
    if *open >= QUEUE_ITEMS_MAX {
        LOST.fetch_add(1, Ordering::AcqRel);
        return;
    }
    *open += 1;
    drop(open);
    if delivery.sender.send(item).is_err() {
        done(&delivery.open);
    }
}

/// An item was delivered or dropped.
fn done(open: &(Mutex<usize>, Condvar)) {
    let mut left = lock(&open.0);
    *left = left.saturating_sub(1);
    if *left == 0 {
        open.1.notify_all();
    }
}

fn open(process: u32) -> Option<Delivery> {
    let (sender, receiver) = channel();
    let open = Arc::new((Mutex::new(0), Condvar::new()));
    let told = Arc::clone(&open);
    let body = move || keep_thread_state(|| deliver_all(&receiver, &told));
    threads::start("napi-python-output", body).ok()?;
    Some(Delivery {
        sender,
        process,
        open,
    })
}

fn deliver_all(items: &Receiver<Item>, open: &(Mutex<usize>, Condvar)) {
    while let Ok(item) = items.recv() {
        let mut next = Some(item);
        let attached = Python::try_attach(|py| {
            let show = |item| {
                if let Err(error) = deliver(py, item) {
                    unraisable(py, error);
                }
            };
            while let Some(item) = next.take() {
                show(item);
                done(open);
                next = items.try_recv().ok();
            }
            let lost = LOST.swap(0, Ordering::AcqRel);
            if lost != 0 {
                show(Item::Log {
                    level: LogLevel::Warn,
                    target: "output".to_owned(),
                    message: format!("{lost} pieces of output of addons were lost: too fast"),
                    meter: None,
                });
            }
        });
        if attached.is_none() {
            return;
        }
    }
}

/// The level as Python's `logging` counts.
const fn level_of_python(level: LogLevel) -> u8 {
    match level {
        LogLevel::Error => 40,
        LogLevel::Warn => 30,
        LogLevel::Info => 20,
        LogLevel::Debug => 10,
        LogLevel::Trace => 5,
    }
}

/// The lowest level that a host is to send, for a level as Python's `logging` counts.
pub(crate) const fn level_of_host(level: u32) -> LogLevel {
    match level {
        0..=5 => LogLevel::Trace,
        6..=10 => LogLevel::Debug,
        11..=20 => LogLevel::Info,
        21..=30 => LogLevel::Warn,
        _ => LogLevel::Error,
    }
}

/// A function of `_output.py`.
fn from_output<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    fallible::import(py, "napi_python._output", name)
}

fn deliver(py: Python<'_>, item: Item) -> PyResult<()> {
    let begun = flood::thread_time();
    let names = Names::get(py)?;
    let (shown, meter) = match item {
        Item::Output {
            label,
            error,
            bytes,
            meter,
        } => {
            let given = (label, error, fallible::bytes(py, &bytes)?);
            (call(names.show_output.bind(py), given), Some(meter))
        }
        Item::Log {
            level,
            target,
            message,
            meter,
        } => (
            call(
                names.show_log.bind(py),
                (level_of_python(level), target, message),
            ),
            meter,
        ),
    };
    if let Some(meter) = meter {
        meter.add(flood::thread_time().saturating_sub(begun));
    }
    shown.map(drop)
}

pub(crate) fn output(label: &str, stream: OutputStream, bytes: &[u8], meter: Arc<Meter>) {
    queue(Item::Output {
        label: label.to_owned(),
        error: matches!(stream, OutputStream::Stderr),
        bytes: bytes.to_vec(),
        meter,
    });
}

/// Queues a line of a log: of a host, whose meter is charged for it, or of this package.
pub(crate) fn log(level: LogLevel, target: &str, message: &str, meter: Option<Arc<Meter>>) {
    queue(Item::Log {
        level,
        target: cut(target).to_owned(),
        message: cut(message).to_owned(),
        meter,
    });
}

fn cut(text: &str) -> &str {
    let end = text.len().min(LOG_LINE_BYTES_MAX);
    let end = (0..=end).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

/// Logs an error that belongs to no call.
pub(crate) fn trouble(py: Python<'_>, label: &str, error: PyErr) {
    let told = from_output(py, "trouble")
        .and_then(|trouble| call(&trouble, (label, error.into_value(py))));
    if let Err(error) = told {
        unraisable(py, error);
    }
}

/// Gives an unhandled exception of the addon to the hook, or logs it.
pub(crate) fn uncaught(
    py: Python<'_>,
    label: &str,
    error: PyErr,
    origin: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let uncaught = from_output(py, "uncaught")?;
    call(&uncaught, (label, error.into_value(py), origin)).map(drop)
}

/// Waits, without the interpreter, until all output is delivered, at most for `limit`.
pub(crate) fn drain(py: Python<'_>, limit: Duration) {
    let delivery = lock(&DELIVERY);
    let own = delivery.as_ref();
    let own = own.filter(|delivery| delivery.process == std::process::id());
    let Some(open) = own.map(|delivery| Arc::clone(&delivery.open)) else {
        return;
    };
    drop(delivery);
    py.detach(|| {
        let left = lock(&open.0);
        drop(open.1.wait_timeout_while(left, limit, |left| *left != 0));
    });
}

/// The interpreter ends: stops the delivery.
pub(crate) fn end() {
    ENDED.store(true, Ordering::Release);
    // Without a sender the thread ends.
    drop(lock(&DELIVERY).take());
}
