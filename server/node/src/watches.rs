//! What `fs.watch` watches: one inotify object for all watches of a host, for which a thread waits.

use std::collections::{BTreeMap, HashMap};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use hostd_engine::Value;
use nix::sys::inotify::{InitFlags, Inotify};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fs::inotify::{self, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

/// Limit of the watches of one host.
const WATCHES_MAX: usize = 8192;
/// How many bytes of events are read at once.
const READ_MAX: usize = 16 << 10;
/// What libuv reports of a file or folder.
const WATCHED: WatchFlags = WatchFlags::ATTRIB
    .union(WatchFlags::CREATE)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO);
/// The events that are changes; all others are `rename`.
const CHANGES: ReadFlags = ReadFlags::ATTRIB.union(ReadFlags::MODIFY);

/// The watches of one host, by number.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    events: Option<Arc<Events>>,
    by_number: BTreeMap<usize, Watch>,
    /// The last part of the path by which each file or folder was watched first.
    names: HashMap<i32, Vec<u8>>,
    /// Numbers given so far: none is given twice.
    given: usize,
}

#[derive(Debug)]
struct Watch {
    descriptor: i32,
    callback: Value,
    is_referenced: bool,
}

/// The inotify object.
#[derive(Debug)]
pub(crate) struct Events {
    inotify: OwnedFd,
    /// Readable once nothing is watched any more.
    closed: OwnedFd,
}

/// One event.
#[derive(Debug)]
pub(crate) struct Change {
    descriptor: i32,
    pub(crate) is_rename: bool,
    /// What has changed in a folder.
    name: Option<Vec<u8>>,
}

impl Events {
    /// By a function of the C library, which notes a denial of the sandbox.
    fn open() -> Result<Self, Errno> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK);
        let inotify = inotify.map_err(|error| match error {
            // Of the filter only.
            nix::Error::EPERM => Errno::ACCESS,
            other => Errno::from_raw_os_error(other as i32),
        })?;
        Ok(Self {
            inotify: inotify.into(),
            closed: eventfd(0, EventfdFlags::CLOEXEC)?,
        })
    }

    /// The events that there are, up to a number. They are read on the JS thread, as in Node: what happens
    /// while a script runs is joined by the kernel in the same way.
    pub(crate) fn read(&self) -> Vec<Change> {
        let mut space = [MaybeUninit::uninit(); READ_MAX];
        let mut reader = Reader::new(&self.inotify, &mut space);
        let mut changes = Vec::new();
        while let Ok(event) = reader.next() {
            changes.push(Change {
                descriptor: event.wd(),
                is_rename: !CHANGES.contains(event.events()),
                name: event.file_name().map(|name| name.to_bytes().to_vec()),
            });
            if reader.is_buffer_empty() {
                break;
            }
        }
        changes
    }

    /// Waits until there is something to read; false if it is closed.
    pub(crate) fn wait(&self) -> bool {
        let mut polled = [
            PollFd::new(&self.closed, PollFlags::IN),
            PollFd::new(&self.inotify, PollFlags::IN),
        ];
        loop {
            match poll(&mut polled, None) {
                Err(Errno::INTR) => {}
                Err(_) => return false,
                Ok(_) => return polled[0].revents().is_empty(),
            }
        }
    }

    /// Ends what waits, now and later.
    fn close(&self) {
        // It fails only where it was written to 2^64 times.
        let _ = rustix::io::write(&self.closed, &1_u64.to_ne_bytes());
    }
}

impl Watches {
    /// Watches a path. Gives its number, and the inotify object if it has to be read from now on.
    ///
    /// # Errors
    /// Those of the system, and `ENOSPC` if there are too many watches.
    pub(crate) fn add(
        &mut self,
        path: &[u8],
        is_referenced: bool,
        callback: Value,
    ) -> Result<(usize, Option<Arc<Events>>), Errno> {
        if self.by_number.len() >= WATCHES_MAX {
            return Err(Errno::NOSPC);
        }
        let (events, is_new) = match &self.events {
            Some(events) => (Arc::clone(events), false),
            None => (Arc::new(Events::open()?), true),
        };
        let descriptor = inotify::add_watch(&events.inotify, path, WATCHED)?;
        self.names.entry(descriptor).or_insert_with(|| {
            let name = path.rsplit(|&byte| byte == b'/').next();
            name.unwrap_or_default().to_vec()
        });
        self.given += 1;
        let watch = Watch {
            descriptor,
            callback,
            is_referenced,
        };
        self.by_number.insert(self.given, watch);
        self.events = Some(Arc::clone(&events));
        Ok((self.given, is_new.then_some(events)))
    }

    /// Ends a watch; returns what it called.
    pub(crate) fn remove(&mut self, number: usize) -> Option<Value> {
        let watch = self.by_number.remove(&number)?;
        let is_left = |other: &Watch| other.descriptor == watch.descriptor;
        if !self.by_number.values().any(is_left) {
            self.names.remove(&watch.descriptor);
            if let Some(events) = &self.events {
                // A file that is gone is watched no more.
                let _ = inotify::remove_watch(&events.inotify, watch.descriptor);
            }
        }
        if self.by_number.is_empty() {
            self.close();
        }
        Some(watch.callback)
    }

    fn close(&mut self) {
        if let Some(events) = self.events.take() {
            events.close();
        }
    }

    /// Says whether a watch keeps the host busy; false if there is none of that number.
    pub(crate) fn set_referenced(&mut self, number: usize, is_referenced: bool) {
        if let Some(watch) = self.by_number.get_mut(&number) {
            watch.is_referenced = is_referenced;
        }
    }

    /// Whether one keeps the host busy.
    pub(crate) fn is_referenced(&self) -> bool {
        self.by_number.values().any(|watch| watch.is_referenced)
    }

    /// Whether these are the events of the current watches.
    pub(crate) fn are_current(&self, events: &Arc<Events>) -> bool {
        let current = self.events.as_ref();
        current.is_some_and(|current| Arc::ptr_eq(current, events))
    }

    /// The numbers of the watches that an event is for, in the order in which they began, and the name that
    /// they are told.
    pub(crate) fn told(&self, change: &Change) -> (Vec<usize>, Vec<u8>) {
        let numbers = self.by_number.iter();
        let numbers = numbers.filter(|(_, watch)| watch.descriptor == change.descriptor);
        let name = change.name.as_ref();
        let name = name.or_else(|| self.names.get(&change.descriptor));
        (
            numbers.map(|(number, _)| *number).collect(),
            name.cloned().unwrap_or_default(),
        )
    }

    /// What a watch calls; none if it has ended.
    pub(crate) fn callback(&self, number: usize) -> Option<Value> {
        Some(self.by_number.get(&number)?.callback.clone())
    }
}

impl Drop for Watches {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(watches: &mut Watches, path: &[u8]) -> Result<(usize, Option<Arc<Events>>), Errno> {
        watches.add(path, true, Value::UNDEFINED)
    }

    #[test]
    fn watches_are_limited() {
        let mut watches = Watches::default();
        for _ in 0..WATCHES_MAX {
            add(&mut watches, b"/").unwrap();
        }
        assert_eq!(add(&mut watches, b"/").unwrap_err(), Errno::NOSPC);
        watches.remove(1).unwrap();
        assert!(add(&mut watches, b"/").is_ok());
    }

    #[test]
    fn wait_ends_with_the_last_watch() {
        let mut watches = Watches::default();
        let (first, events) = add(&mut watches, b"/").unwrap();
        let events = events.expect("an object to read");
        let (second, none) = add(&mut watches, b"/").unwrap();
        assert!(none.is_none() && watches.are_current(&events));
        let waited = Arc::clone(&events);
        let waiting = std::thread::Builder::new().spawn(move || while waited.wait() {});
        watches.remove(first).unwrap();
        assert!(watches.are_current(&events));
        watches.remove(second).unwrap();
        waiting.unwrap().join().unwrap();
        assert!(!watches.are_current(&events));
        assert!(watches.remove(second).is_none());
    }

    #[test]
    fn events_of_another_object_are_not_current() {
        let mut watches = Watches::default();
        let (number, events) = add(&mut watches, b"/").unwrap();
        watches.remove(number);
        let (_, others) = add(&mut watches, b"/").unwrap();
        assert!(!watches.are_current(&events.unwrap()));
        assert!(watches.are_current(&others.unwrap()));
    }

    #[test]
    fn dropped_watches_end_the_wait() {
        let mut watches = Watches::default();
        let (_, events) = add(&mut watches, b"/").unwrap();
        drop(watches);
        assert!(!events.unwrap().wait());
    }
}
