//! Deliberate faults at each step of the protocol, for the tests. Only built with the feature
//! `faults`, which no shipped binary has.
//!
//! `NAPI_HOSTD_FAULT=<step>:<place>:<action>:<spread>` has a host do the action when it comes to
//! the step for the first time, in the next generation for the second time and so on; after
//! `spread` generations it begins anew.
//!
//! | | |
//! | --- | --- |
//! | step | what is written: `hello`, `ready`, `goodbye`, `reply`, `failure`, `callback`, `wake-up`, `settled`, `uncaught`, `released`, and the replies `load`, `turn`, `release`; what is read: `unread` (anything), `setup`, `request`, `answer` (a callback's), `load`, `turn`, `release` |
//! | place | `before`, `middle` (half of the frame is written) and `after` writing; `read` after reading |
//! | action | `kill` (as by SIGKILL), `exit` (with 0), `garbage` (bytes of the frame are others: its header, one in its middle, or some after it) |

use std::ffi::CString;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use hostd_engine::failing;
use hostd_protocol::calls::CallKind;
use hostd_protocol::error::Result;
use hostd_protocol::frame::{FrameKind, HEADER_BYTES};
use hostd_protocol::memory::SharedBytes;

/// The variable that says which fault.
pub const VARIABLE: &str = "NAPI_HOSTD_FAULT";

/// Where in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before anything is written or read.
    Before,
    /// When half is written.
    Middle,
    /// When all is written.
    After,
    /// When all is read.
    Read,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Kill,
    Exit,
    Garbage,
}

#[derive(Debug)]
struct Fault {
    step: String,
    place: Place,
    action: Action,
    spread: u64,
}

static FAULT: LazyLock<Option<Fault>> = LazyLock::new(wanted);
/// At which time of coming to the step it is done; counted down to zero.
static LEFT: AtomicU64 = AtomicU64::new(1);

fn wanted() -> Option<Fault> {
    let text = std::env::var(VARIABLE).ok()?;
    let mut words = text.split(':');
    Some(Fault {
        step: words.next()?.to_owned(),
        place: match words.next()? {
            "before" => Place::Before,
            "middle" => Place::Middle,
            "after" => Place::After,
            "read" => Place::Read,
            _ => return None,
        },
        action: match words.next()? {
            "kill" => Action::Kill,
            "exit" => Action::Exit,
            "garbage" => Action::Garbage,
            _ => return None,
        },
        spread: words.next()?.parse().ok()?,
    })
}

/// Says which generation this is, once that is known.
pub fn is_generation(generation: u32) {
    if let Some(fault) = &*FAULT {
        let turn = u64::from(generation) % fault.spread.max(1);
        LEFT.store(1 + turn, Ordering::Relaxed);
    }
}

/// What is to be done here, if it is time for it.
fn due(step: &str, places: &[Place]) -> Option<(Place, Action)> {
    let fault = FAULT
        .as_ref()
        .filter(|fault| fault.step == step && places.contains(&fault.place))?;
    let left = LEFT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
        left.checked_sub(1)
    });
    (left == Ok(1)).then_some((fault.place, fault.action))
}

#[expect(
    clippy::exit,
    clippy::disallowed_methods,
    reason = "this is the fault that is wanted"
)]
fn act(action: Action) {
    match action {
        Action::Kill => {
            let this = rustix::process::getpid();
            // Nothing can refuse this signal.
            let _ = rustix::process::kill_process(this, rustix::process::Signal::KILL);
        }
        Action::Exit => std::process::exit(0),
        Action::Garbage => {}
    }
}

/// What begins a text in a request that has allocations fail until its reply is sent:
/// `allocation:<after>:<least>:<which>;`. So many allocations succeed before, those of fewer bytes do
/// not count, and `one` fails, or `all` from then on. The JS thread is then named `failed`, or, if there
/// were fewer, by their number.
const ALLOCATION: &[u8] = b"allocation:";
/// The first number of the request that is served, plus one.
static PLANNED: AtomicU64 = AtomicU64::new(0);

/// A text in shared memory was received: that of a request may have allocations fail.
pub fn plan_allocations_of(text: &SharedBytes) {
    let mut bytes = vec![0; text.len()];
    text.read(0, &mut bytes);
    plan_allocations(FrameKind::Request, &bytes);
}

/// A frame was read: a request may have allocations fail.
pub fn plan_allocations(kind: FrameKind, body: &[u8]) {
    let mut parts = body.windows(ALLOCATION.len());
    let found = parts.position(|part| part == ALLOCATION);
    let plan = found.and_then(|at| {
        let text = body.get(at + ALLOCATION.len()..)?;
        let end = text.iter().position(|byte| *byte == b';')?;
        let mut words = std::str::from_utf8(text.get(..end)?).ok()?.split(':');
        Some(failing::Plan {
            after: words.next()?.parse().ok()?,
            least: words.next()?.parse().ok()?,
            all: words.next()? == "all",
        })
    });
    if let Some(plan) = plan.filter(|_| kind == FrameKind::Request) {
        PLANNED.store(plan.after.saturating_add(1), Ordering::Relaxed);
        failing::plan(Some(plan));
    }
}

/// The reply to such a request is written.
pub fn end_allocations(frame: &[u8]) {
    let is_reply = matches!(frame.get(4), Some(2 | 3));
    if is_reply && let planned @ 1.. = PLANNED.swap(0, Ordering::Relaxed) {
        let name = match failing::plan(None) {
            Some(plan) if plan.after > 0 => format!("{}", planned - 1 - plan.after),
            _ => "failed".to_owned(),
        };
        // Nothing depends on the name but the tests.
        let _ = rustix::thread::set_name(&CString::new(name).unwrap_or_default());
    }
}

/// Comes to a step that reads something.
pub fn read(step: &str, place: Place) {
    if let Some((_, action)) = due(step, &[place]) {
        act(action);
    }
}

/// Writes the bytes of a step, or what the fault makes of them.
///
/// # Errors
/// As `write` does.
pub fn write<T>(step: &str, bytes: &[u8], mut write: impl FnMut(&[u8]) -> Result<T>) -> Result<T> {
    match due(step, &[Place::Before, Place::Middle, Place::After]) {
        None => write(bytes),
        Some((place, Action::Garbage)) => {
            let mut bytes = bytes.to_vec();
            match place {
                Place::Middle => {
                    let middle = HEADER_BYTES.max(bytes.len() / 2).min(bytes.len() - 1);
                    bytes[middle] ^= 0x5A;
                }
                Place::After => bytes.extend([0xA5; 64]),
                // The kind of frame, or a letter of a greeting.
                _ => bytes[4] ^= 0xA5,
            }
            write(&bytes)
        }
        Some((Place::Before, action)) => {
            act(action);
            write(bytes)
        }
        Some((Place::Middle, action)) => {
            let written = write(&bytes[..bytes.len() / 2]);
            act(action);
            written
        }
        Some((_, action)) => {
            let written = write(bytes);
            act(action);
            written
        }
    }
}

/// Comes to a step of the handshake whose first bytes these are: nothing is written but by a fault.
pub fn spoil(step: &str, bytes: &[u8], mut write: impl FnMut(&[u8])) {
    match due(step, &[Place::Before, Place::Middle]) {
        None => {}
        Some((_, Action::Garbage)) => write(&[0xA5; 96]),
        Some((place, action)) => {
            if place == Place::Middle {
                write(&bytes[..bytes.len() / 2]);
            }
            act(action);
        }
    }
}

/// What a frame that is written is called here.
pub fn step_of_written(frame: &[u8]) -> &'static str {
    let (Some(&kind), Some(&[low, high])) = (frame.get(4), frame.get(6..8)) else {
        return "";
    };
    match (kind, CallKind::from_number(u16::from_le_bytes([low, high]))) {
        (1, _) => "callback",
        (2, call) => named(call).unwrap_or("reply"),
        (3, call) => named(call).unwrap_or("failure"),
        (_, Some(CallKind::WakeUp)) => "wake-up",
        (_, Some(CallKind::Settled)) => "settled",
        (_, Some(CallKind::Uncaught)) => "uncaught",
        (_, Some(CallKind::Released)) => "released",
        _ => "",
    }
}

/// What a frame that was read is called here.
pub fn step_of_read(kind: FrameKind, number: u16) -> &'static str {
    match kind {
        FrameKind::Request => named(CallKind::from_number(number)).unwrap_or("request"),
        _ => "answer",
    }
}

fn named(call: Option<CallKind>) -> Option<&'static str> {
    match call? {
        CallKind::Load => Some("load"),
        CallKind::Turn => Some("turn"),
        CallKind::Release => Some("release"),
        _ => None,
    }
}
