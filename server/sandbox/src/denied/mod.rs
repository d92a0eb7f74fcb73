//! Records of what a confined process was denied, made when functions of the C library fail.
//!
//! Landlock denies without notification. The program exports the functions by which libraries open
//! files, change folders, start programs and make sockets (`exported`); each calls the C library's
//! function and checks the error if that fails. Direct system calls are not recorded. An addon can
//! forge and suppress records, so they serve as advice only.

mod exported;

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::advice::{self, Filter, Use};

/// Limit of the number of different denials until the next [`take`]; more are dropped.
const DENIALS_MAX: usize = 32;
/// Bytes of a text that are kept.
const TEXT_BYTES: usize = 512;
/// Folders in which programs look for optional settings.
const PROBED: [&str; 4] = ["/proc", "/sys", "/dev", "/etc"];

/// The kind of a denied operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Reading or listing a path.
    Read,
    /// Changing, making, renaming or removing a path.
    Write,
    /// Using the network.
    Network,
    /// Using local sockets.
    LocalSocket,
    /// Starting a program.
    Program,
    /// Watching files for changes.
    Watch,
}

/// A denial, with what would allow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// What was denied.
    pub what: What,
    /// Whether it happened on the JS thread.
    pub js_thread: bool,
    /// Whether it may be irrelevant: a path that may not exist, or that programs probe.
    pub is_guess: bool,
    /// The path, the address or the command.
    pub subject: Vec<u8>,
    /// The paths to grant, where the option takes paths.
    pub grants: Vec<Vec<u8>>,
}

/// The operation of a note.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    Path(Use),
    Socket(libc::c_int, libc::c_int, libc::c_int),
    Name,
    Program,
    Watch,
}

#[derive(Clone, Copy)]
struct Text {
    length: usize,
    bytes: [u8; TEXT_BYTES],
}

#[derive(Clone, Copy)]
struct Note {
    about: About,
    js_thread: bool,
    hidden: bool,
    first: Text,
    second: Text,
}

struct Notes {
    count: usize,
    notes: [Note; DENIALS_MAX],
}

static NOTES: Mutex<Notes> = Mutex::new(Notes {
    count: 0,
    notes: [Note {
        about: About::Name,
        js_thread: false,
        hidden: false,
        first: Text::EMPTY,
        second: Text::EMPTY,
    }; DENIALS_MAX],
});
static PENDING: AtomicBool = AtomicBool::new(false);
/// Whether this process is confined, is in a jail, and may use the network.
static CONFINED: AtomicBool = AtomicBool::new(false);
static JAILED: AtomicBool = AtomicBool::new(false);
static NETWORK: AtomicBool = AtomicBool::new(false);

/// Records denials from now on.
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

/// Takes the records, without those that would be denied without a sandbox as well.
#[cold]
pub fn take() -> Vec<Denial> {
    let mut taken = Vec::new();
    if let Ok(mut notes) = NOTES.try_lock() {
        PENDING.store(false, Ordering::Relaxed);
        taken.extend_from_slice(notes.notes.get(..notes.count).unwrap_or_default());
        notes.count = 0;
    }
    taken.iter().filter_map(Note::denial).collect()
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
fn note(errno: i32, about: About, first: &Text, second: &Text) {
    let Some(hidden) = is_denial(errno) else {
        return;
    };
    if !CONFINED.load(Ordering::Acquire) {
        return;
    }
    let Ok(mut notes) = NOTES.try_lock() else {
        return;
    };
    let count = notes.count;
    let known = notes.notes.iter().take(count);
    let mut same =
        known.filter(|note| note.about == about && note.first.is(first) && note.second.is(second));
    if same.next().is_some() {
        return;
    }
    // SAFETY: C3; the call takes no argument.
    let thread = unsafe { libc::gettid() };
    // SAFETY: C3; the call takes no argument.
    let js_thread = thread == unsafe { libc::getpid() };
    if let Some(place) = notes.notes.get_mut(count) {
        *place = Note {
            about,
            js_thread,
            hidden,
            first: *first,
            second: *second,
        };
        notes.count = count + 1;
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
        let mut name = Self::EMPTY;
        if folder == libc::AT_FDCWD {
            name.push(b"/proc/self/cwd\0");
        } else {
            name.push(b"/proc/self/fd/");
            let mut digits = [0_u8; 10];
            let mut rest = folder.unsigned_abs();
            let mut at = digits.len();
            while at == digits.len() || rest > 0 {
                at -= 1;
                if let Some(digit) = digits.get_mut(at) {
                    *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
                }
                rest /= 10;
            }
            name.push(digits.get(at..).unwrap_or_default());
            name.push(b"\0");
        }
        let room = self.bytes.len();
        // SAFETY: C3; the name ends with a zero, and the array has `room` bytes.
        let length = unsafe {
            libc::readlink(
                name.bytes.as_ptr().cast(),
                self.bytes.as_mut_ptr().cast(),
                room,
            )
        };
        self.length = usize::try_from(length).unwrap_or(0);
    }

    fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.as_bytes()))
    }
}

impl Note {
    /// The denial, if an option allows it, and if it is not denied without a sandbox as well.
    fn denial(&self) -> Option<Denial> {
        let denial = |what, subject: Vec<u8>| Denial {
            what,
            js_thread: self.js_thread,
            is_guess: self.hidden,
            subject,
            grants: Vec::new(),
        };
        let text = || self.first.as_bytes().to_vec();
        match self.about {
            About::Path(use_of) => self.of_path(use_of),
            About::Socket(family, kind, protocol) => {
                let arguments = [family, kind, protocol, 0, 0, 0];
                let arguments = arguments.map(|argument| u64::from(argument.cast_unsigned()));
                let jailed = JAILED.load(Ordering::Relaxed);
                let number = u32::try_from(libc::SYS_socket).ok()?;
                let (what, subject) = match advice::filter(number, &arguments, jailed) {
                    Filter::AllowsWith("network=True") => (What::Network, "a socket"),
                    Filter::AllowsWith(_) => (What::LocalSocket, "a local socket"),
                    _ => return None,
                };
                Some(denial(what, subject.into()))
            }
            About::Name if NETWORK.load(Ordering::Relaxed) => None,
            About::Name => Some(denial(What::Network, text())),
            About::Program => Some(denial(What::Program, text())),
            About::Watch => Some(denial(What::Watch, text())),
        }
    }

    fn of_path(&self, use_of: Use) -> Option<Denial> {
        let paths = [&self.first, &self.second];
        let named = paths.into_iter().filter(|text| text.length > 0);
        let uses: Vec<(Use, PathBuf)> =
            named.map(|text| (use_of, text.path().to_owned())).collect();
        let grants = advice::grants(&uses);
        if grants.is_empty() || !self.hidden && uses.iter().any(|(_, path)| !may(use_of, path)) {
            return None;
        }
        let subject = uses.iter().find(|(_, path)| !advice::is_granted(path));
        let (_, subject) = subject.or(uses.first())?;
        let is_probed = PROBED.iter().any(|folder| subject.starts_with(folder));
        Some(Denial {
            what: if use_of == Use::Read {
                What::Read
            } else {
                What::Write
            },
            js_thread: self.js_thread,
            is_guess: self.hidden || is_probed,
            subject: subject.as_os_str().as_bytes().to_vec(),
            grants: grants
                .iter()
                .map(|path| path.as_os_str().as_bytes().to_vec())
                .collect(),
        })
    }
}

/// Whether the modes of files permit it: Landlock does not affect `access`.
fn may(use_of: Use, path: &Path) -> bool {
    let ask = |path: &Path, rights| accessat(CWD, path, rights, AtFlags::EACCESS).is_ok();
    let folder = || advice::to_grant(Use::Entry, path);
    match use_of {
        Use::Read => ask(path, Access::READ_OK),
        Use::Write if path.exists() => ask(path, Access::WRITE_OK),
        Use::Write | Use::Entry => ask(folder(), Access::WRITE_OK | Access::EXEC_OK),
    }
}

/// The error of the last failed function.
fn last_error() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}
