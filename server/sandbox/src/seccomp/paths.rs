//! Which calls have paths among their arguments.

use syscalls::x86_64::Sysno;

use super::calls::number;

/// Which arguments of a call are paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The index of the path.
    pub first: u8,
    /// The index of the second path, if the call has one.
    pub second: Option<u8>,
    /// Whether each path is relative to the descriptor before it.
    pub at: bool,
}

const fn paths(first: u8, second: Option<u8>, at: bool) -> Paths {
    Paths { first, second, at }
}

const fn path(first: u8) -> Paths {
    paths(first, None, false)
}

const fn path_at(first: u8) -> Paths {
    paths(first, None, true)
}

const TWO: Paths = paths(0, Some(1), false);
const TWO_AT: Paths = paths(1, Some(3), true);

/// Calls that another layer may deny because of their paths.
#[rustfmt::skip]
const BY_PATH: [(Sysno, Paths); 23] = [
    (Sysno::open, path(0)), (Sysno::openat, path_at(1)), (Sysno::creat, path(0)),
    (Sysno::mkdir, path(0)), (Sysno::mkdirat, path_at(1)), (Sysno::rmdir, path(0)),
    (Sysno::unlink, path(0)), (Sysno::unlinkat, path_at(1)), (Sysno::rename, TWO),
    (Sysno::renameat, TWO_AT), (Sysno::renameat2, TWO_AT), (Sysno::link, TWO),
    (Sysno::linkat, TWO_AT), (Sysno::symlink, path(1)), (Sysno::symlinkat, path_at(2)),
    (Sysno::truncate, path(0)), (Sysno::execve, path(0)), (Sysno::execveat, path_at(1)),
    (Sysno::chmod, path(0)), (Sysno::chown, path(0)), (Sysno::fchmodat, path_at(1)),
    (Sysno::setxattr, path(0)), (Sysno::inotify_add_watch, path(1)),
];

/// Which arguments of a call are paths, if it is in the list.
pub fn path_of(number: u32) -> Option<Paths> {
    let found = BY_PATH
        .iter()
        .find(|(call, _)| self::number(*call) == number);
    found.map(|(_, paths)| *paths)
}
