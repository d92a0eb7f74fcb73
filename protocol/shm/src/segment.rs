//! A segment: making it, sealing it, opening it.
//!
//! Upholds I-3.

use std::sync::Arc;

use crate::area::Area;
use crate::client::SegmentClient;
use crate::host::SegmentHost;

/// The shared memory between one client and one host process.
///
/// The client makes it with [`Segment::create`], lets the host process inherit the descriptor, and
/// turns it into a [`SegmentClient`]. The host process opens the descriptor with [`Segment::open`], sends
/// the segment to its JS thread and turns it into a [`SegmentHost`] there.
#[derive(Debug)]
pub struct Segment {
    pub(crate) area: Arc<Area>,
}

impl Segment {
    /// The client's end.
    pub fn into_client(self) -> SegmentClient {
        SegmentClient::new(self.area)
    }

    /// The host's end. It stays on the thread that makes it: the JS thread.
    pub fn into_host(self) -> SegmentHost {
        SegmentHost::new(self.area)
    }
}

#[cfg(loom)]
impl Segment {
    /// A segment of the model, as both processes see it.
    pub fn model() -> (Self, Self) {
        let area = Arc::new(Area::default());
        (
            Self {
                area: Arc::clone(&area),
            },
            Self { area },
        )
    }
}

#[cfg(not(loom))]
mod linux {
    #![expect(unsafe_code, reason = "mapping memory: see the invariants in lib.rs")]

    use std::os::fd::OwnedFd;
    use std::sync::Arc;

    use rustix::fs;
    use rustix::io::Errno;
    use rustix::mm::{self, Advice, MapFlags, ProtFlags};

    use super::Segment;
    use crate::SEGMENT_LEN;
    use crate::area::Area;
    use crate::error::SegmentError;
    use crate::layout::LAYOUT;
    use crate::mapping::{SEALS, failed, map, sealed_file};
    use crate::sync::{Acquire, Release};

    impl Segment {
        /// Makes a segment and the descriptor that the host process is to inherit (close-on-exec,
        /// so the spawner has to pass it on by intent). The descriptor may be closed once the host
        /// has started.
        ///
        /// A process that this one forks does not inherit the mapping: see
        /// [`SegmentClient::detach_forked`](crate::SegmentClient::detach_forked).
        pub fn create() -> Result<(Self, OwnedFd), SegmentError> {
            let fd = sealed_file("napi-hostd-lanes", SEGMENT_LEN)?;
            let area = area(&fd)?;
            area.header().layout.0.store(LAYOUT, Release);
            // SAFETY: M; the range is our own mapping, and this changes what a forked child gets, not
            // this process.
            unsafe {
                mm::madvise(
                    area.base().as_ptr().cast(),
                    SEGMENT_LEN,
                    Advice::LinuxDontFork,
                )
            }
            .map_err(failed("withhold from forked children"))?;
            Ok((
                Self {
                    area: Arc::new(area),
                },
                fd,
            ))
        }

        /// Opens the segment of which `fd` is an inherited descriptor. Maps nothing that is not
        /// sealed and of the right size.
        pub fn open(fd: OwnedFd) -> Result<Self, SegmentError> {
            let seals = match fs::fcntl_get_seals(&fd) {
                Ok(seals) => seals,
                // The object supports no seals.
                Err(Errno::INVAL) => return Err(SegmentError::NotSealed),
                Err(errno) => return Err(failed("read the seals of")(errno)),
            };
            if !seals.contains(SEALS) {
                return Err(SegmentError::NotSealed);
            }
            let found = fs::fstat(&fd).map_err(failed("read the size of"))?.st_size;
            let found = u64::try_from(found).unwrap_or_default();
            if found != SEGMENT_LEN as u64 {
                return Err(SegmentError::WrongSize { found });
            }
            let area = area(&fd)?;
            // The mapping keeps the memory.
            drop(fd);
            let found = area.header().layout.0.load(Acquire);
            if found != LAYOUT {
                return Err(SegmentError::WrongLayout {
                    found,
                    expected: LAYOUT,
                });
            }
            Ok(Self {
                area: Arc::new(area),
            })
        }
    }

    impl Area {
        /// Maps private zeroes where a forked child has no mapping.
        pub(crate) fn detach_forked(&self) -> Result<(), SegmentError> {
            // SAFETY: M, W; replaces this mapping, or the hole that the fork left of it, by memory of
            // the same size. The child has one thread, and atomics are valid for every bit pattern.
            let mapped = unsafe {
                mm::mmap_anonymous(
                    self.base().as_ptr().cast(),
                    SEGMENT_LEN,
                    ProtFlags::READ | ProtFlags::WRITE,
                    MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE,
                )
            };
            mapped
                .map(drop)
                .map_err(failed("detach a forked child from"))
        }
    }

    fn area(fd: &OwnedFd) -> Result<Area, SegmentError> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let base = map(fd, SEGMENT_LEN, protection)?;
        // SAFETY: M; mapped just now with this length, and the object is sealed.
        Ok(unsafe { Area::from_mapping(base) })
    }
}
