//! Functions that are exported under names of the C library: each calls the C library's function,
//! and records a denial if that fails. They preserve `errno`.

use std::ffi::CStr;
use std::ptr;

use libc::{AT_FDCWD, DIR, FILE, c_char, c_int, c_uint, c_void, mode_t, off_t};

use super::{Operation, Text, last_error, note};
use crate::advice::Use;
use crate::next::export;

/// The results of a function, one of which means that it failed.
trait Outcome: Copy {
    const FAILED: Self;
    fn has_failed(self) -> bool;
}

impl Outcome for c_int {
    const FAILED: Self = -1;
    fn has_failed(self) -> bool {
        self == -1
    }
}

impl<T> Outcome for *mut T {
    const FAILED: Self = ptr::null_mut();
    fn has_failed(self) -> bool {
        self.is_null()
    }
}

/// A text of the caller, if it passed one.
fn text<'a>(text: *const c_char) -> Option<&'a CStr> {
    // SAFETY: C8; the caller passes a text that ends with a zero, or null.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })
}

fn path(use_of: Use, folder: c_int, path: *const c_char) {
    two_paths(use_of, (folder, path), (AT_FDCWD, ptr::null()));
}

fn two_paths(use_of: Use, first: (c_int, *const c_char), second: (c_int, *const c_char)) {
    let errno = last_error();
    if super::is_denial(errno).is_some() {
        let named = |(folder, path)| Text::of_path(folder, text(path));
        note(
            errno,
            Operation::Path(use_of),
            &named(first),
            &named(second),
        );
        restore(errno);
    }
}

fn other(operation: Operation, subject: *const c_char) {
    let errno = last_error();
    note(errno, operation, &Text::of(text(subject)), &Text::EMPTY);
    restore(errno);
}

fn restore(errno: c_int) {
    // SAFETY: C3; the call takes no argument.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: C3; the pointer is to the errno of this thread.
    unsafe { *place = errno };
}

fn use_by(flags: c_int) -> Use {
    if flags & (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC) == 0 {
        Use::Read
    } else {
        Use::Write
    }
}

fn use_by_mode(mode: *const c_char) -> Use {
    let mode = text(mode).map_or(&b"r"[..], CStr::to_bytes);
    if mode.starts_with(b"r") && !mode.contains(&b'+') {
        Use::Read
    } else {
        Use::Write
    }
}

/// The result of a function that has none if it does not exist; `denied` is called if it failed.
fn recorded<T: Outcome>(outcome: Option<T>, denied: impl FnOnce()) -> T {
    let Some(outcome) = outcome else {
        restore(libc::ENOSYS);
        return T::FAILED;
    };
    if outcome.has_failed() {
        denied();
    }
    outcome
}

/// The same for a function whose result is an error.
fn recorded_error(error: Option<c_int>, denied: impl FnOnce(c_int)) -> c_int {
    let Some(error) = error else {
        return libc::ENOSYS;
    };
    if error != 0 {
        let errno = last_error();
        denied(error);
        restore(errno);
    }
    error
}

/// Exports functions with the same arguments; the expression records what a call of one was to do.
macro_rules! record {
    ($(fn [$($name:ident)+] $arguments:tt -> $result:ty { $denied:expr })*) => {
        export! {$($(
            fn $name $arguments -> $result { call => recorded(call(), || $denied) }
        )+)*}
    };
}

record! {
    fn [open open64](name: *const c_char, flags: c_int, mode: mode_t) -> c_int {
        path(use_by(flags), AT_FDCWD, name)
    }
    fn [openat openat64](folder: c_int, name: *const c_char, flags: c_int, mode: mode_t) -> c_int {
        path(use_by(flags), folder, name)
    }
    fn [__open_2 __open64_2](name: *const c_char, flags: c_int) -> c_int {
        path(use_by(flags), AT_FDCWD, name)
    }
    fn [__openat_2 __openat64_2](folder: c_int, name: *const c_char, flags: c_int) -> c_int {
        path(use_by(flags), folder, name)
    }
    fn [creat creat64](name: *const c_char, mode: mode_t) -> c_int {
        path(Use::Write, AT_FDCWD, name)
    }
    fn [fopen fopen64](name: *const c_char, mode: *const c_char) -> *mut FILE {
        path(use_by_mode(mode), AT_FDCWD, name)
    }
    fn [freopen freopen64](
        name: *const c_char, mode: *const c_char, file: *mut FILE
    ) -> *mut FILE {
        path(use_by_mode(mode), AT_FDCWD, name)
    }
    fn [opendir](name: *const c_char) -> *mut DIR { path(Use::Read, AT_FDCWD, name) }
    fn [truncate truncate64](name: *const c_char, length: off_t) -> c_int {
        path(Use::Write, AT_FDCWD, name)
    }
    fn [mkdir](name: *const c_char, mode: mode_t) -> c_int { path(Use::Entry, AT_FDCWD, name) }
    fn [mkdirat](folder: c_int, name: *const c_char, mode: mode_t) -> c_int {
        path(Use::Entry, folder, name)
    }
    fn [mkstemp mkstemp64](name: *mut c_char) -> c_int { path(Use::Entry, AT_FDCWD, name) }
    fn [mkdtemp](name: *mut c_char) -> *mut c_char { path(Use::Entry, AT_FDCWD, name) }
    fn [rmdir unlink remove](name: *const c_char) -> c_int { path(Use::Entry, AT_FDCWD, name) }
    fn [unlinkat](folder: c_int, name: *const c_char, flags: c_int) -> c_int {
        path(Use::Entry, folder, name)
    }
    fn [rename link](old: *const c_char, new: *const c_char) -> c_int {
        two_paths(Use::Entry, (AT_FDCWD, old), (AT_FDCWD, new))
    }
    fn [renameat](of: c_int, old: *const c_char, to: c_int, new: *const c_char) -> c_int {
        two_paths(Use::Entry, (of, old), (to, new))
    }
    fn [renameat2](
        of: c_int, old: *const c_char, to: c_int, new: *const c_char, flags: c_uint
    ) -> c_int {
        two_paths(Use::Entry, (of, old), (to, new))
    }
    fn [linkat](
        of: c_int, old: *const c_char, to: c_int, new: *const c_char, flags: c_int
    ) -> c_int {
        two_paths(Use::Entry, (of, old), (to, new))
    }
    fn [symlink](target: *const c_char, name: *const c_char) -> c_int {
        path(Use::Entry, AT_FDCWD, name)
    }
    fn [symlinkat](target: *const c_char, folder: c_int, name: *const c_char) -> c_int {
        path(Use::Entry, folder, name)
    }
    fn [socket](family: c_int, kind: c_int, protocol: c_int) -> c_int {
        other(Operation::Socket(family, kind, protocol), ptr::null())
    }
    fn [inotify_init]() -> c_int { other(Operation::Watch, ptr::null()) }
    fn [inotify_init1](flags: c_int) -> c_int { other(Operation::Watch, ptr::null()) }
    fn [fork]() -> c_int { other(Operation::Program, ptr::null()) }
    fn [system](command: *const c_char) -> c_int { other(Operation::Program, command) }
    fn [popen](command: *const c_char, mode: *const c_char) -> *mut FILE {
        other(Operation::Program, command)
    }
}

type Texts = *const *mut c_char;

fn spawned(error: Option<c_int>, program: *const c_char) -> c_int {
    recorded_error(error, |error| {
        note(
            error,
            Operation::Program,
            &Text::of(text(program)),
            &Text::EMPTY,
        );
    })
}

export! {
    fn posix_spawn(
        pid: *mut libc::pid_t, program: *const c_char, actions: *const c_void,
        attributes: *const c_void, arguments: Texts, environment: Texts
    ) -> c_int { call => spawned(call(), program) }
    fn posix_spawnp(
        pid: *mut libc::pid_t, program: *const c_char, actions: *const c_void,
        attributes: *const c_void, arguments: Texts, environment: Texts
    ) -> c_int { call => spawned(call(), program) }
    fn getaddrinfo(
        name: *const c_char, service: *const c_char, hints: *const c_void, found: *mut c_void
    ) -> c_int {
        call => recorded_error(call(), |_| if !name.is_null() {
            // Its errors are no errnos; without the network, all of them have the same cause.
            note(libc::EPERM, Operation::Resolve, &Text::of(text(name)), &Text::EMPTY);
        })
    }
}
