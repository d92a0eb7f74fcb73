//! Records of what a confined process may have been denied, made when functions of the C library
//! fail. The program takes the records and decides which of them are denials.
//!
//! Landlock denies without notification. The program exports the functions by which libraries open
//! files, change folders, start programs and make sockets (`exported`); each calls the C library's
//! function and checks the error if that fails. Direct system calls are not recorded. An addon can
//! forge and suppress records, so they serve as advice only.

mod exported;

use std::ffi::{CStr, OsStr};
use std::io::{self, Write as _};
use std::mem;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::advice::{self, Filter, Use};
use crate::thread::{this_process, this_thread};

/// Limit of the number of different attempts until the next [`take`]; more are dropped.
const ATTEMPTS_MAX: usize = 32;
/// Bytes of a text that are kept.
const TEXT_BYTES: usize = 512;

/// What a function that failed was to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Use one or two paths.
    Path(Use),
    /// Make a socket of this family, type and protocol.
    Socket(libc::c_int, libc::c_int, libc::c_int),
    /// Resolve the name of a computer.
    Resolve,
    /// Start a program.
    Program,
    /// Watch files for changes.
    Watch,
}

#[derive(Clone, Copy, Debug)]
struct Text {
    length: usize,
    bytes: [u8; TEXT_BYTES],
}

/// A function that failed, with an error by which the sandbox denies.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// What it was to do.
    pub operation: Operation,
    /// Whether the JS thread called it.
    pub js_thread: bool,
    /// Whether the error may mean a missing file: in a jail, what is not granted does not exist.
    pub may_be_missing: bool,
    first: Text,
    second: Text,
}

impl Attempt {
    /// The path, the name or the command; empty if it has none.
    pub fn text(&self) -> &[u8] {
        self.first.as_bytes()
    }

    /// Its absolute paths.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let texts = [&self.first, &self.second].into_iter();
        texts.filter(|text| text.length > 0).map(Text::path)
    }
}

struct Attempts {
    count: usize,
    attempts: [Attempt; ATTEMPTS_MAX],
}

static ATTEMPTS: Mutex<Attempts> = Mutex::new(Attempts {
    count: 0,
    attempts: [Attempt {
        operation: Operation::Resolve,
        js_thread: false,
        may_be_missing: false,
        first: Text::EMPTY,
        second: Text::EMPTY,
    }; ATTEMPTS_MAX],
});
static PENDING: AtomicBool = AtomicBool::new(false);
/// Whether this process is confined, is in a jail, and may use the network.
static CONFINED: AtomicBool = AtomicBool::new(false);
static JAILED: AtomicBool = AtomicBool::new(false);
static NETWORK: AtomicBool = AtomicBool::new(false);

pub(crate) fn begin(jailed: bool, network: bool) {
    JAILED.store(jailed, Ordering::Relaxed);
    NETWORK.store(network, Ordering::Relaxed);
    CONFINED.store(true, Ordering::Release);
}

/// Whether [`take`] would return something.
#[inline]
pub fn is_pending() -> bool {
    PENDING.load(Ordering::Relaxed)
}

/// Takes the records. Some of them would fail without a sandbox as well.
#[cold]
pub fn take() -> Vec<Attempt> {
    let mut taken = Vec::new();
    if let Ok(mut attempts) = ATTEMPTS.try_lock() {
        PENDING.store(false, Ordering::Relaxed);
        let count = mem::take(&mut attempts.count);
        taken.extend_from_slice(attempts.attempts.get(..count).unwrap_or_default());
    }
    taken
}

/// The answer of the system-call filter of this process to the creation of a socket.
pub fn socket_filter(family: libc::c_int, kind: libc::c_int, protocol: libc::c_int) -> Filter {
    let arguments = [family, kind, protocol, 0, 0, 0];
    let arguments = arguments.map(|argument| u64::from(argument.cast_unsigned()));
    let jailed = JAILED.load(Ordering::Relaxed);
    u32::try_from(libc::SYS_socket).map_or(Filter::Denies, |number| {
        advice::filter(number, &arguments, jailed)
    })
}

/// Whether an error is a denial, and if so, whether it may be a missing file: in a jail, paths that
/// are not granted do not exist.
fn is_denial(errno: i32) -> Option<bool> {
    match errno {
        libc::EACCES | libc::EPERM | libc::EROFS => Some(false),
        libc::ENOENT if JAILED.load(Ordering::Relaxed) => Some(true),
        _ => None,
    }
}

/// Records that a call failed with this error. It neither allocates nor waits, since the caller may
/// be a signal handler: drops the record if the lock is taken or the list is full.
#[cold]
fn note(errno: i32, operation: Operation, first: &Text, second: &Text) {
    let Some(may_be_missing) = is_denial(errno) else {
        return;
    };
    if !CONFINED.load(Ordering::Acquire) {
        return;
    }
    if operation == Operation::Resolve && NETWORK.load(Ordering::Relaxed) {
        return;
    }
    let Ok(mut attempts) = ATTEMPTS.try_lock() else {
        return;
    };
    let count = attempts.count;
    let mut known = attempts.attempts.iter().take(count);
    if known.any(|known| {
        known.operation == operation && known.first.is(first) && known.second.is(second)
    }) {
        return;
    }
    let js_thread = this_thread() == this_process();
    if let Some(place) = attempts.attempts.get_mut(count) {
        *place = Attempt {
            operation,
            js_thread,
            may_be_missing,
            first: *first,
            second: *second,
        };
        attempts.count = count + 1;
        PENDING.store(true, Ordering::Relaxed);
    }
}

impl Text {
    const EMPTY: Self = Self {
        length: 0,
        bytes: [0; TEXT_BYTES],
    };

    fn is(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn push(&mut self, bytes: &[u8]) {
        for (to, from) in self.bytes.iter_mut().skip(self.length).zip(bytes) {
            *to = *from;
            self.length += 1;
        }
    }

    /// A text of the C library, or an empty one.
    fn of(text: Option<&CStr>) -> Self {
        let mut made = Self::EMPTY;
        made.push(text.map_or(&[], CStr::to_bytes));
        made
    }

    /// A path, made absolute by the folder with this descriptor, or by the working folder.
    fn of_path(folder: libc::c_int, path: Option<&CStr>) -> Self {
        let path = path.map_or(&[][..], CStr::to_bytes);
        let mut made = Self::EMPTY;
        if path.is_empty() {
            return made;
        }
        if !path.starts_with(b"/") {
            made.push_folder(folder);
            made.push(b"/");
        }
        made.push(path.strip_prefix(b"./").unwrap_or(path));
        made
    }

    fn push_folder(&mut self, folder: libc::c_int) {
        let mut name = [0_u8; 32];
        // Always fits. Numbers are written without an allocation.
        let _ = match folder {
            libc::AT_FDCWD => write!(name.as_mut_slice(), "/proc/self/cwd"),
            folder => write!(name.as_mut_slice(), "/proc/self/fd/{folder}"),
        };
        let room = self.bytes.len();
        // SAFETY: C3; the name ends with a zero, and the array has `room` bytes.
        let length =
            unsafe { libc::readlink(name.as_ptr().cast(), self.bytes.as_mut_ptr().cast(), room) };
        self.length = usize::try_from(length).unwrap_or(0);
    }

    fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.as_bytes()))
    }
}

fn last_error() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}
