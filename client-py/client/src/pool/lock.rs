//! The lock of the tables of a pool, and how a process shows that it lives.
//!
//! Each process keeps a byte of the control file locked, by which others see that it lives: the kernel
//! releases that lock when the last descriptor of the opened file is closed, also by the end of the
//! process. The lock belongs to an opened file, not to a process, so a forked child needs one of its own.
//!
//! The lock of the tables is a word with the entry of its holder, so that it costs no system call. Who
//! finds it held for long looks whether the holder lives, and takes it over from a dead one. The word also
//! counts how often it was locked: it is never the same again, so no process takes it over from a holder that
//! came after the one that was found dead.

use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rustix::fs::{Mode, OFlags, open};

use super::error::PoolError;
use super::table::{PROCESSES, Table, header};

/// How often a held lock is tried again before the thread sleeps.
const SPIN_TRIES: u32 = 200;
/// The first and the longest pause between two tries after that.
const PAUSE_MIN: Duration = Duration::from_micros(20);
const PAUSE_MAX: Duration = Duration::from_millis(1);

fn range(kind: i32, byte: i64) -> libc::flock {
    libc::flock {
        l_type: i16::try_from(kind).unwrap_or_default(),
        l_whence: 0,
        l_start: byte,
        l_len: 1,
        l_pid: 0,
    }
}

/// Locks a byte; false if another opened file has it.
fn try_lock(file: &OwnedFd, byte: i64) -> Result<bool, PoolError> {
    let range = range(libc::F_WRLCK, byte);
    match fcntl(file, FcntlArg::F_OFD_SETLK(&range)) {
        Ok(_) => Ok(true),
        Err(nix::Error::EAGAIN | nix::Error::EACCES) => Ok(false),
        Err(errno) => Err(PoolError::System {
            step: "lock the control file",
            source: errno.into(),
        }),
    }
}

/// Waits longer from time to time, until a deadline.
pub(crate) struct Pause {
    tries: u32,
    next: Duration,
    deadline: Option<Instant>,
}

impl Pause {
    /// `timeout` of zero means not to wait.
    pub(crate) fn new(timeout: Duration) -> Self {
        let now = (!timeout.is_zero()).then(Instant::now);
        Self {
            tries: 0,
            next: PAUSE_MIN,
            deadline: now.and_then(|now| now.checked_add(timeout)),
        }
    }

    /// Whether it does not spin any more.
    fn is_long(&self) -> bool {
        self.tries >= SPIN_TRIES
    }

    /// Waits; false if the time is over.
    pub(crate) fn wait(&mut self) -> bool {
        self.tries = self.tries.saturating_add(1);
        if !self.is_long() {
            std::hint::spin_loop();
            return true;
        }
        if self
            .deadline
            .is_none_or(|deadline| Instant::now() > deadline)
        {
            return false;
        }
        thread::sleep(self.next);
        self.next = (self.next * 2).min(PAUSE_MAX);
        true
    }
}

/// The lower bits of the word: the entry of the holder plus one, 0 if it is not locked.
const HOLDER_BITS: u32 = 16;
const HOLDER: u64 = (1 << HOLDER_BITS) - 1;

/// What takes a lock: a process with an entry, or one that is to begin with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Locker {
    pub(crate) entry: usize,
    /// A holder with the same entry is not this process, but a dead one that had the entry before.
    pub(crate) is_new: bool,
}

/// The lock of the tables; released by the drop.
pub(crate) struct TablesLock<'a> {
    table: &'a Table,
    word: u64,
}

impl<'a> TablesLock<'a> {
    /// Locks the tables.
    ///
    /// # Errors
    /// The time is over. Without time, the lock is not taken over from a dead process either.
    pub(crate) fn acquire(
        table: &'a Table,
        file: &OwnedFd,
        locker: Locker,
        timeout: Duration,
    ) -> Result<Self, PoolError> {
        let mut pause = Pause::new(timeout);
        loop {
            let found = table.get(header::LOCK)?;
            let word =
                ((found >> HOLDER_BITS).wrapping_add(1) << HOLDER_BITS) | (locker.entry as u64 + 1);
            let holder = usize::try_from(found & HOLDER).unwrap_or(0).checked_sub(1);
            let is_free = match holder {
                None => true,
                Some(holder) if holder == locker.entry => locker.is_new,
                Some(holder) => pause.is_long() && !is_alive(file, holder)?,
            };
            if is_free && table.exchange(header::LOCK, found, word) {
                return Ok(Self { table, word });
            }
            if !pause.wait() {
                return Err(PoolError::Busy);
            }
        }
    }
}

impl Drop for TablesLock<'_> {
    fn drop(&mut self) {
        // No other process writes the word while its holder lives.
        self.table
            .exchange(header::LOCK, self.word, self.word & !HOLDER);
    }
}

/// Shows from now on that a process lives, for as long as a descriptor of this opened file exists. False
/// if another process shows that.
pub(crate) fn begin_life(file: &OwnedFd, process: usize) -> Result<bool, PoolError> {
    try_lock(file, byte_of(process))
}

/// Shows that this process lives, as a process that no other one shows to live. Returns its entry.
pub(crate) fn begin_any_life(file: &OwnedFd) -> Result<usize, PoolError> {
    for process in 0..PROCESSES {
        if begin_life(file, process)? {
            return Ok(process);
        }
    }
    Err(PoolError::TooMany {
        what: "processes",
        max: PROCESSES as u64,
    })
}

/// Whether another opened file shows that a process lives.
pub(crate) fn is_alive(file: &OwnedFd, process: usize) -> Result<bool, PoolError> {
    let mut range = range(libc::F_WRLCK, byte_of(process));
    let asked = fcntl(file, FcntlArg::F_OFD_GETLK(&mut range));
    asked.map_err(|errno| PoolError::System {
        step: "read the locks of the control file",
        source: errno.into(),
    })?;
    Ok(i32::from(range.l_type) != libc::F_UNLCK)
}

fn byte_of(process: usize) -> i64 {
    i64::try_from(process).unwrap_or(i64::MAX - 1)
}

/// Opens the file of a descriptor of this process anew: the new opened file has locks of its own.
pub(crate) fn reopen(file: &OwnedFd) -> Result<OwnedFd, PoolError> {
    let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    let opened = open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    opened.map_err(|errno| PoolError::System {
        step: "open the control file",
        source: errno.into(),
    })
}
