//! The records of denied system calls, which the handler in `gate.rs` adds while the process runs
//! on.

use std::fmt;
use std::os::fd::IntoRawFd as _;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crate::advice::{self, Filter, STRICT, Use};
use crate::frames;
use crate::report::Failure;
use crate::seccomp::{name_of, path_of};
use crate::thread::{pause, this_process, this_thread};
use crate::trap::FilteredCall;

/// Limit of the number of different calls that are recorded.
const CALLS_MAX: usize = 512;
/// Bytes of a path that are recorded.
const PATH_BYTES: usize = 256;
const WORDS: usize = PATH_BYTES / 8;
/// Attempts of a thread to get the lock of the records, after which it drops its record.
const LOCK_ATTEMPTS_MAX: u32 = 1 << 20;

/// A denied call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeniedCall {
    /// The call's number.
    pub number: u32,
    /// The error that it failed with.
    pub errno: i32,
    /// Its arguments, as numbers.
    pub arguments: [u64; 6],
    /// The path, if it has one.
    pub path: Option<String>,
    /// The second path, if it has one.
    pub second_path: Option<String>,
    /// Whether the number is one of another architecture.
    pub foreign: bool,
    /// The native stack of the first such call, innermost function first.
    pub stack: Vec<String>,
}

struct Entry {
    number: AtomicU32,
    errno: AtomicI32,
    arguments: [AtomicU64; 6],
    paths: [[AtomicU64; WORDS]; 2],
    foreign: AtomicBool,
    has_path: AtomicBool,
    stack: [AtomicU64; frames::FRAMES_MAX],
}

static ENTRIES: [Entry; CALLS_MAX] = [const {
    Entry {
        number: AtomicU32::new(0),
        errno: AtomicI32::new(0),
        arguments: [const { AtomicU64::new(0) }; 6],
        paths: [const { [const { AtomicU64::new(0) }; WORDS] }; 2],
        foreign: AtomicBool::new(false),
        has_path: AtomicBool::new(false),
        stack: [const { AtomicU64::new(0) }; frames::FRAMES_MAX],
    }
}; CALLS_MAX];
static FILLED: AtomicUsize = AtomicUsize::new(0);
/// The number of entries that were reported, and the process that reports them.
static REPORTED: AtomicUsize = AtomicUsize::new(0);
static REPORTER: AtomicU32 = AtomicU32::new(0);
/// Milliseconds that the end of the process waits for reports: naming stacks takes long on a busy
/// system.
const REPORT_WAIT_MAX_MS: u32 = 5000;
/// The thread that names stacks. The files that it opens for that are not recorded.
static READER: AtomicU32 = AtomicU32::new(0);
static BUSY: AtomicBool = AtomicBool::new(false);
/// A pipe through which paths are read: the kernel checks their addresses.
static PIPE: [AtomicI32; 2] = [const { AtomicI32::new(-1) }; 2];
/// Whether a missing file may be one that was not granted.
static JAILED: AtomicBool = AtomicBool::new(false);

/// Makes what the handler needs; must run before the filter is installed.
pub(crate) fn prepare(jailed: bool) -> Result<(), Failure> {
    let flags = rustix::pipe::PipeFlags::CLOEXEC | rustix::pipe::PipeFlags::NONBLOCK;
    let (read, write) = rustix::pipe::pipe_with(flags).map_err(Failure::of("pipe2"))?;
    PIPE[0].store(read.into_raw_fd(), Ordering::Relaxed);
    PIPE[1].store(write.into_raw_fd(), Ordering::Relaxed);
    JAILED.store(jailed, Ordering::Relaxed);
    Ok(())
}

/// Drops all records: those of the self-test.
pub(crate) fn forget() {
    FILLED.store(0, Ordering::Release);
}

/// Stores that the first `count` records were reported. From the first call on, the end of this
/// process waits until the others are.
pub fn mark_reported(count: usize) {
    REPORTED.store(count, Ordering::Relaxed);
    REPORTER.store(this_process(), Ordering::Release);
}

/// Waits until all records are reported, before the process ends, for at most
/// [`REPORT_WAIT_MAX_MS`]: the interrupted code may hold a lock that reporting needs.
pub(crate) fn await_reports() {
    for _ in 0..REPORT_WAIT_MAX_MS {
        let is_here = REPORTER.load(Ordering::Acquire) == this_process();
        if !is_here || REPORTED.load(Ordering::Relaxed) >= FILLED.load(Ordering::Acquire) {
            return;
        }
        pause(1);
    }
}

/// Returns the records after the first `beyond`.
pub fn denied(beyond: usize) -> Vec<DeniedCall> {
    let filled = FILLED.load(Ordering::Acquire);
    if filled <= beyond {
        return Vec::new();
    }
    let entries = ENTRIES.iter().take(filled).skip(beyond);
    let mut namer = frames::Namer::default();
    let former = READER.swap(this_thread(), Ordering::Relaxed);
    let denied = entries.map(|entry| entry.read(&mut namer)).collect();
    READER.store(former, Ordering::Relaxed);
    denied
}

pub(crate) fn is_denial(errno: i32) -> bool {
    matches!(errno, libc::EACCES | libc::EPERM | libc::EROFS)
        || errno == libc::ENOENT && JAILED.load(Ordering::Relaxed)
}

/// Records a call, unless an equal one is recorded already, or the lock is not free in time.
pub(crate) fn note(call: &FilteredCall, errno: i32, arguments: &[u64; 6], interrupted: u64) {
    if READER.load(Ordering::Relaxed) == this_thread() {
        return;
    }
    let number = call.number();
    let free = (0..LOCK_ATTEMPTS_MAX).any(|_| !BUSY.swap(true, Ordering::Acquire));
    if !free {
        return;
    }
    let mut paths = [[0_u64; WORDS]; 2];
    let argument = |place: Option<usize>| place.and_then(|place| arguments.get(place));
    let named = argument(call.path_argument());
    let second = argument(call.second_path_argument());
    for (path, address) in paths.iter_mut().zip([named, second]) {
        if let Some(address) = address {
            read_path(*address, path);
        }
    }
    let filled = FILLED.load(Ordering::Relaxed);
    let known = ENTRIES
        .iter()
        .take(filled)
        .any(|entry| entry.is(call, errno, arguments, &paths));
    if !known && let Some(entry) = ENTRIES.get(filled) {
        entry.number.store(number, Ordering::Relaxed);
        entry.errno.store(errno, Ordering::Relaxed);
        store(&entry.arguments, arguments);
        store(entry.paths.as_flattened(), paths.as_flattened());
        entry.foreign.store(call.is_foreign(), Ordering::Relaxed);
        entry.has_path.store(named.is_some(), Ordering::Relaxed);
        store(&entry.stack, &frames::capture(interrupted));
        FILLED.store(filled + 1, Ordering::Release);
    }
    BUSY.store(false, Ordering::Release);
}

fn store(to: &[AtomicU64], from: &[u64]) {
    for (to, from) in to.iter().zip(from) {
        to.store(*from, Ordering::Relaxed);
    }
}

fn load(words: &[AtomicU64]) -> impl Iterator<Item = u64> {
    words.iter().map(|word| word.load(Ordering::Relaxed))
}

/// Reads a text at an address that may be invalid.
fn read_path(address: u64, path: &mut [u64; WORDS]) {
    let [read, write] = [&PIPE[0], &PIPE[1]].map(|end| end.load(Ordering::Relaxed));
    let address =
        ptr::with_exposed_provenance::<libc::c_void>(usize::try_from(address).unwrap_or(0));
    // SAFETY: C5; the kernel reads there, and returns EFAULT for an invalid address.
    let written = unsafe { libc::write(write, address, PATH_BYTES) };
    let Ok(length) = usize::try_from(written) else {
        return;
    };
    let mut bytes = [0_u8; PATH_BYTES];
    // SAFETY: C3 and C5; at most as many bytes are read as the array has.
    unsafe { libc::read(read, bytes.as_mut_ptr().cast(), length.min(PATH_BYTES)) };
    let end = bytes.iter().position(|byte| *byte == 0);
    for byte in bytes.iter_mut().skip(end.unwrap_or(PATH_BYTES)) {
        *byte = 0;
    }
    let (chunks, _) = bytes.as_chunks::<8>();
    for (word, chunk) in path.iter_mut().zip(chunks) {
        *word = u64::from_ne_bytes(*chunk);
    }
}

impl Entry {
    fn is(
        &self,
        call: &FilteredCall,
        errno: i32,
        arguments: &[u64; 6],
        paths: &[[u64; WORDS]; 2],
    ) -> bool {
        let same_paths =
            || load(self.paths.as_flattened()).eq(paths.as_flattened().iter().copied());
        // The first argument distinguishes most calls: a family, a process, an option.
        let same_argument = || load(&self.arguments).next() == arguments.first().copied();
        self.number.load(Ordering::Relaxed) == call.number()
            && self.foreign.load(Ordering::Relaxed) == call.is_foreign()
            && self.errno.load(Ordering::Relaxed) == errno
            && if call.path_argument().is_some() {
                same_paths()
            } else {
                same_argument()
            }
    }

    fn read(&self, namer: &mut frames::Namer) -> DeniedCall {
        let [first, second] = &self.paths;
        let text = |words: &[AtomicU64; WORDS]| {
            let bytes = load(words).flat_map(u64::to_ne_bytes);
            let bytes: Vec<u8> = bytes.take_while(|byte| *byte != 0).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let second_path = text(second);
        DeniedCall {
            number: self.number.load(Ordering::Relaxed),
            errno: self.errno.load(Ordering::Relaxed),
            arguments: std::array::from_fn(|place| self.arguments[place].load(Ordering::Relaxed)),
            path: self.has_path.load(Ordering::Relaxed).then(|| text(first)),
            second_path: (!second_path.is_empty()).then_some(second_path),
            foreign: self.foreign.load(Ordering::Relaxed),
            stack: namer.names(load(&self.stack).take_while(|address| *address != 0)),
        }
    }
}

impl DeniedCall {
    /// The call's name.
    pub fn name(&self) -> &'static str {
        if self.foreign {
            return "a call with the numbers of another architecture";
        }
        name_of(self.number).unwrap_or("a call")
    }

    /// The option that would allow it, in Python's syntax, if there is one.
    pub fn option(&self) -> Option<String> {
        if self.foreign {
            return None;
        }
        let jailed = JAILED.load(Ordering::Relaxed);
        match advice::filter(self.number, &self.arguments, jailed) {
            Filter::Denies => None,
            Filter::Allows => self.path_option(),
            // Allowed in a jail, for the paths that are granted there.
            Filter::AllowsWith(STRICT) if self.path.is_some() => {
                Some(format!("{STRICT}, {}", self.path_option()?))
            }
            Filter::AllowsWith(option) => Some(option.to_owned()),
        }
    }

    /// The option that grants its paths.
    fn path_option(&self) -> Option<String> {
        let paths = path_of(self.number)?;
        let use_of = match self.name() {
            "open" if !self.is_writing(1) => Use::Read,
            "openat" if !self.is_writing(2) => Use::Read,
            "open" | "openat" | "creat" | "truncate" | "chmod" | "fchmodat" => Use::Write,
            _ => Use::Entry,
        };
        let named = [
            (self.path.as_deref(), Some(paths.first)),
            (self.second_path.as_deref(), paths.second),
        ];
        let mut uses = Vec::new();
        for (path, place) in named {
            if let (Some(path), Some(place)) = (path, place) {
                let folder = paths.at.then(|| self.arguments.get(usize::from(place) - 1));
                uses.push((use_of, advice::absolute(path, folder.flatten().copied())?));
            }
        }
        advice::path_option(&uses)
    }

    fn is_writing(&self, flags: usize) -> bool {
        let writing = libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC;
        let flags = self.arguments.get(flags).copied().unwrap_or(0);
        flags & u64::from(writing.cast_unsigned()) != 0
    }
}

impl fmt::Display for DeniedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.foreign {
            write!(
                f,
                "call {} with the numbers of another architecture(",
                self.number
            )?;
        } else {
            write!(f, "{}(", self.name())?;
        }
        let paths = path_of(self.number).filter(|_| !self.foreign);
        let is = |place: usize, path: Option<u8>| path.map(usize::from) == Some(place);
        for (place, argument) in self.arguments.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            let text = match paths {
                Some(paths) if is(place, Some(paths.first)) => self.path.as_deref(),
                Some(paths) if is(place, paths.second) => self.second_path.as_deref(),
                _ => None,
            };
            match text {
                Some(text) => write!(f, "{comma}{text:?}")?,
                None => write!(f, "{comma}{argument:#x}")?,
            }
        }
        write!(f, "): {}", std::io::Error::from_raw_os_error(self.errno))?;
        match self.option() {
            Some(option) => write!(f, "; {option} allows it"),
            None => f.write_str("; no option allows it"),
        }
    }
}
