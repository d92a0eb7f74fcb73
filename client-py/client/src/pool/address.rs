//! How a process opens the files of a pool of another one: through the descriptors of that process, after
//! checks that they are what they should be.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use hostd_protocol::memory::{SegmentError, SharedMemory};
use rustix::fs::{Mode, OFlags, fstat, open, readlink, stat};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::error::PoolError;
use super::table::Table;

/// How the link of a descriptor of a memory file begins.
const MEMORY_FILE: &[u8] = b"/memfd:";

/// Where another process finds a pool: in the descriptors of a process that has it open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolAddress {
    /// The process.
    pub pid: u32,
    /// Its descriptor of the control file.
    pub control: i32,
    /// Its descriptor of the data file.
    pub data: i32,
    /// The random id of the pool.
    pub id: [u64; 2],
}

/// The opened files of a pool.
pub(crate) struct Files {
    pub(crate) control: OwnedFd,
    pub(crate) data: OwnedFd,
    pub(crate) memory: Arc<SharedMemory>,
    pub(crate) table: Table,
}

impl PoolAddress {
    pub(crate) fn of(pid: u32, control: &OwnedFd, data: &OwnedFd, id: [u64; 2]) -> Self {
        Self {
            pid,
            control: control.as_raw_fd(),
            data: data.as_raw_fd(),
            id,
        }
    }

    /// Opens the files.
    ///
    /// # Errors
    /// The process is gone or has closed the pool, or runs as another user.
    pub(crate) fn open(&self) -> Result<Files, PoolError> {
        let control = self.open_file(self.control)?;
        let mapped = SharedMemory::open(&control).map_err(|error| self.refused(error))?;
        let gone = PoolError::Gone { pid: self.pid };
        let table = Table::open(mapped, self.id).ok_or(gone)?;
        let data = self.open_file(self.data)?;
        let memory = SharedMemory::open(&data).map_err(|error| self.refused(error))?;
        if table.size()? != memory.len() as u64 {
            return Err(PoolError::Gone { pid: self.pid });
        }
        Ok(Files {
            control,
            data,
            memory,
            table,
        })
    }

    /// Whether the process still has the pool open.
    pub(crate) fn is_open(&self) -> bool {
        let control = self.open_file(self.control).ok();
        let mapped = control.and_then(|control| SharedMemory::open(&control).ok());
        mapped.is_some_and(|mapped| Table::open(mapped, self.id).is_some())
    }

    fn refused(&self, error: SegmentError) -> PoolError {
        match error {
            SegmentError::System { .. } => PoolError::Map(error),
            _ => PoolError::Gone { pid: self.pid },
        }
    }

    fn open_file(&self, number: i32) -> Result<OwnedFd, PoolError> {
        let path = PathBuf::from(format!("/proc/{}/fd/{number}", self.pid));
        let link = readlink(&path, Vec::new()).map_err(|errno| self.failed(errno))?;
        if !link.to_bytes().starts_with(MEMORY_FILE) {
            return Err(PoolError::Gone { pid: self.pid });
        }
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = open(&path, flags, Mode::empty()).map_err(|errno| self.failed(errno))?;
        let owner = fstat(&file).map_err(|errno| self.failed(errno))?.st_uid;
        self.check_owner(owner)?;
        Ok(file)
    }

    fn check_owner(&self, owner: u32) -> Result<(), PoolError> {
        let user = geteuid().as_raw();
        if owner == user {
            return Ok(());
        }
        let pid = self.pid;
        Err(PoolError::NotOwn { pid, owner, user })
    }

    fn failed(&self, errno: Errno) -> PoolError {
        let pid = self.pid;
        match errno {
            Errno::NOENT | Errno::SRCH | Errno::NXIO => PoolError::Gone { pid },
            Errno::ACCESS | Errno::PERM => {
                let owner = stat(format!("/proc/{pid}")).map(|found| found.st_uid);
                let refused = owner.map(|owner| self.check_owner(owner));
                refused.ok().and_then(Result::err).unwrap_or_else(|| {
                    let step = "open the files";
                    let source = errno.into();
                    PoolError::System { step, source }
                })
            }
            errno => PoolError::System {
                step: "open the files",
                source: errno.into(),
            },
        }
    }
}
