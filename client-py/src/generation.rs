//! The tables of one host process: the Python objects that were lent to it, the proxies of its
//! objects, its exports.
//!
//! No Python code runs while a table is locked: objects are cloned under the lock and dropped after
//! it.

use std::mem;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, Weak};
use std::time::Duration;

use hostd_client::{ExitReport, HostRef, lock};
use hostd_protocol::error::ProtocolError;
use hostd_protocol::ids::{Generation, SlotId};
use hostd_protocol::lent::{Lent, Release};
use hostd_protocol::limits::Limits;
use hostd_protocol::memory::ClientMemory;
use hostd_protocol::value::{ClientKind, HostKind};
use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use rustc_hash::FxHashMap;

use crate::argument_memory::ArgumentMemory;
use crate::call::release;
use crate::classes::Classes;
use crate::fallible;

/// A Python object that was lent to the host.
pub(crate) struct LentObject {
    /// The object, as it was passed: an `Exposed` or `ByRef` stays one here.
    pub(crate) object: Py<PyAny>,
    /// The kind that the host was sent.
    pub(crate) kind: ClientKind,
    /// Which lending of this generation it is.
    serial: u64,
}

/// One lending of an object. Its id is used again for other objects after the host has released it.
#[derive(Clone, Copy)]
pub(crate) struct Lending {
    pub(crate) id: SlotId,
    serial: u64,
}

impl LentObject {
    /// Drops objects. Python code may run.
    pub(crate) fn release_all(py: Python<'_>, all: impl IntoIterator<Item = Self>) {
        for lent in all {
            release(lent.object.into_bound(py));
        }
    }
}

struct LentObjects {
    table: Lent<LentObject>,
    by_address: FxHashMap<usize, SlotId>,
    /// How many lendings there were.
    count: u64,
}

/// Whether this is what keeps the memory of an argument lent.
fn is_memory(object: &Bound<'_, PyAny>) -> bool {
    object.is_exact_instance_of::<ArgumentMemory>()
}

impl LentObjects {
    /// Removes the address of an object that has left the table.
    fn without_address(&mut self, gone: Option<LentObject>) -> Option<LentObject> {
        if let Some(lent) = &gone {
            self.by_address.remove(&(lent.object.as_ptr() as usize));
        }
        gone
    }
}

/// Objects of the host that are to be released.
#[derive(Default)]
struct Releases {
    /// Has capacity for the release of each live handle, so that dropping a handle never allocates.
    waiting: Vec<Release>,
    /// The number of live handles.
    handles: usize,
}

/// Why a generation ended.
#[derive(Clone)]
pub(crate) enum End {
    /// Its process died, or was replaced.
    Died(Box<ExitReport>),
    /// The addon was closed.
    Closed,
    /// This process is a forked child; the host belongs to the parent.
    Forked,
}

pub(crate) struct HostGeneration {
    pub(crate) number: Generation,
    pub(crate) host: HostRef,
    pub(crate) limits: Limits,
    /// The memory for large buffers, which ends with the process.
    memory: Option<Weak<ClientMemory>>,
    lent: Mutex<LentObjects>,
    proxies: Mutex<FxHashMap<u32, Py<PyWeakrefReference>>>,
    /// The last settled subscription of each promise: its notice can arrive before the promise
    /// itself.
    settled: Mutex<FxHashMap<u32, u32>>,
    pub(crate) classes: Mutex<Classes>,
    /// The classes that were made of Python classes, by what `js_class` returned.
    js_classes: Mutex<FxHashMap<usize, (Py<PyAny>, SlotId)>>,
    /// The exports object, once loaded.
    pub(crate) exports: OnceLock<(SlotId, HostKind)>,
    /// The exported functions and classes, by their number in the addon.
    exported: OnceLock<Box<[Option<SlotId>]>>,
    releases: Mutex<Releases>,
    /// The length of the release queue.
    pending: AtomicUsize,
    dead: AtomicBool,
    /// Why it ended, once that is known.
    end: OnceLock<End>,
    ending: Mutex<()>,
    ended: Condvar,
    /// No call has returned yet.
    unproven: AtomicBool,
    /// Called with the length of the release queue after each addition.
    on_release: Box<dyn Fn(usize) + Send + Sync>,
}

impl HostGeneration {
    /// The host's class that was made of what `js_class` returned.
    pub(crate) fn js_class(&self, class: &Bound<'_, PyAny>) -> Option<SlotId> {
        let made = lock(&self.js_classes);
        made.get(&(class.as_ptr() as usize)).map(|made| made.1)
    }

    pub(crate) fn set_js_class(&self, class: &Bound<'_, PyAny>, id: SlotId) {
        let made = (class.clone().unbind(), id);
        lock(&self.js_classes).insert(class.as_ptr() as usize, made);
    }

    /// Empty tables. `on_release` is called with the number of queued releases after each addition.
    pub(crate) fn new(
        (number, host): (Generation, HostRef),
        limits: Limits,
        on_release: Box<dyn Fn(usize) + Send + Sync>,
    ) -> Self {
        Self {
            number,
            memory: host.memory().as_ref().map(Arc::downgrade),
            host,
            limits,
            lent: Mutex::new(LentObjects {
                table: Lent::new(limits.lent_objects),
                by_address: FxHashMap::default(),
                count: 0,
            }),
            proxies: Mutex::new(FxHashMap::default()),
            settled: Mutex::new(FxHashMap::default()),
            classes: Mutex::default(),
            js_classes: Mutex::default(),
            exports: OnceLock::new(),
            exported: OnceLock::new(),
            releases: Mutex::default(),
            pending: AtomicUsize::new(0),
            dead: AtomicBool::new(false),
            end: OnceLock::new(),
            ending: Mutex::new(()),
            ended: Condvar::new(),
            unproven: AtomicBool::new(false),
            on_release,
        }
    }

    /// The memory for large buffers; none over the socket carrier, and when the process has ended.
    pub(crate) fn memory(&self) -> Option<Arc<ClientMemory>> {
        self.memory.as_ref()?.upgrade()
    }

    /// Marks the process as gone. Returns the objects that were lent to it, which the caller drops.
    pub(crate) fn mark_dead(&self) -> Vec<LentObject> {
        self.dead.store(true, Ordering::Release);
        let mut lent = lock(&self.lent);
        lent.by_address.clear();
        lent.table.drain().collect()
    }

    /// As [`Self::mark_dead`], and stores why; the first reason is kept.
    pub(crate) fn finalize(&self, end: End) -> Vec<LentObject> {
        let ending = lock(&self.ending);
        let _ = self.end.set(end);
        drop(ending);
        self.ended.notify_all();
        self.mark_dead()
    }

    /// Why it ended, if that is known. A promise that is stored after this is set must be rejected by
    /// its maker: the end of the generation rejects only those that were stored before.
    pub(crate) fn end(&self) -> Option<&End> {
        self.end.get()
    }

    /// Waits until it is known why it ended, at most for `timeout`.
    pub(crate) fn wait_for_end(&self, timeout: Duration) -> Option<&End> {
        let ending = lock(&self.ending);
        let is_unknown = |(): &mut ()| self.end.get().is_none();
        drop(self.ended.wait_timeout_while(ending, timeout, is_unknown));
        self.end.get()
    }

    /// Whether the process of this generation is known to be gone.
    #[inline]
    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    /// Has [`Self::is_unproven`] be true until a call returns.
    pub(crate) fn expect_proof(&self) {
        self.unproven.store(true, Ordering::Release);
    }

    #[inline]
    pub(crate) fn is_unproven(&self) -> bool {
        self.unproven.load(Ordering::Relaxed)
    }

    pub(crate) fn take_unproven(&self) -> bool {
        self.unproven.swap(false, Ordering::AcqRel)
    }

    // Python objects that are lent to the host.

    /// Lends an object, or counts it once more if it is lent already: one object has one id.
    pub(crate) fn lend(
        &self,
        object: &Bound<'_, PyAny>,
        kind: ClientKind,
    ) -> Result<Lending, ProtocolError> {
        let address = object.as_ptr() as usize;
        let mut lent = lock(&self.lent);
        if let Some(&id) = lent.by_address.get(&address) {
            lent.table.again(id)?;
            let serial = lent.table.get(id).map_or(0, |entry| entry.serial);
            return Ok(Lending { id, serial });
        }
        let serial = lent.count + 1;
        let bytes = size_of::<(usize, SlotId)>();
        let room = lent.by_address.try_reserve(1);
        room.map_err(|_| ProtocolError::Memory { bytes })?;
        let id = lent.table.lend(LentObject {
            object: object.clone().unbind(),
            kind,
            serial,
        })?;
        lent.count = serial;
        lent.by_address.insert(address, id);
        Ok(Lending { id, serial })
    }

    /// Counts a lent object once more; false if the host has released it since.
    pub(crate) fn lend_again(&self, lending: Lending) -> Result<bool, ProtocolError> {
        let mut lent = lock(&self.lent);
        let is_lent = lent
            .table
            .get(lending.id)
            .is_some_and(|entry| entry.serial == lending.serial);
        if is_lent {
            lent.table.again(lending.id)?;
        }
        Ok(is_lent)
    }

    /// Whether the host has not released the object since.
    pub(crate) fn is_lent(&self, lending: Lending) -> bool {
        let lent = lock(&self.lent);
        let entry = lent.table.get(lending.id);
        entry.is_some_and(|entry| entry.serial == lending.serial)
    }

    /// Uncounts an object whose frame was not sent. Returns it if the caller is to drop it.
    pub(crate) fn unsend(&self, id: SlotId) -> Option<LentObject> {
        let mut lent = lock(&self.lent);
        let gone = lent.table.unsend(id);
        lent.without_address(gone)
    }

    /// The host releases an object. Returns it if the caller is to drop it.
    pub(crate) fn released(&self, release: Release) -> Result<Option<LentObject>, ProtocolError> {
        let mut lent = lock(&self.lent);
        if self.is_dead() {
            // This was sent before the process died, and the table is empty since.
            return Ok(None);
        }
        let gone = lent.table.release(release)?;
        Ok(lent.without_address(gone))
    }

    /// The lent object that a request of the host is about. The memory of an argument is none.
    pub(crate) fn lent(&self, py: Python<'_>, id: SlotId) -> Option<LentObject> {
        let lent = lock(&self.lent);
        let entry = lent.table.get(id)?;
        (!is_memory(entry.object.bind(py))).then(|| LentObject {
            object: entry.object.clone_ref(py),
            ..*entry
        })
    }

    /// The lent object that a message of the host refers to; also the table's entry if the host had
    /// released it meanwhile, which the caller drops. The memory of an argument is none.
    pub(crate) fn came_back(
        &self,
        py: Python<'_>,
        id: SlotId,
    ) -> Option<(Py<PyAny>, Option<LentObject>)> {
        self.back(py, id, false)
    }

    /// As [`Self::came_back`], the memory of an argument, and nothing else.
    pub(crate) fn memory_came_back(
        &self,
        py: Python<'_>,
        id: SlotId,
    ) -> Option<(Py<ArgumentMemory>, Option<LentObject>)> {
        let (memory, gone) = self.back(py, id, true)?;
        let memory = memory.into_bound(py).cast_into_exact().ok()?;
        Some((memory.unbind(), gone))
    }

    fn back(
        &self,
        py: Python<'_>,
        id: SlotId,
        memory: bool,
    ) -> Option<(Py<PyAny>, Option<LentObject>)> {
        let mut lent = lock(&self.lent);
        let object = lent.table.get(id)?.object.clone_ref(py);
        if is_memory(object.bind(py)) != memory {
            return None;
        }
        let gone = lent.table.came_back(id).ok()?;
        Some((object, lent.without_address(gone)))
    }

    /// The number of lent Python objects, and of proxies.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (lock(&self.lent).table.len(), lock(&self.proxies).len())
    }

    // Objects that the host lends to Python.

    /// The living proxy of an object of the host.
    pub(crate) fn proxy<'py>(&self, py: Python<'py>, id: SlotId) -> Option<Bound<'py, PyAny>> {
        let reference = lock(&self.proxies)
            .get(&id.get())
            .map(|reference| reference.clone_ref(py))?;
        reference.bind(py).upgrade()
    }

    /// Stores that the host has notified this settlement subscription. Notices travel on several
    /// lanes, so an earlier one can arrive last. An id beyond the limit is never lent and not stored.
    pub(crate) fn note_settled(&self, id: SlotId, watch: u32) -> PyResult<()> {
        if id.get() > self.limits.lent_objects {
            return Ok(());
        }
        let mut settled = lock(&self.settled);
        settled.try_reserve(1).map_err(|_| fallible::memory())?;
        let last = settled.entry(id.get()).or_insert(watch);
        if watch.wrapping_sub(*last) < 1 << 31 {
            *last = watch;
        }
        Ok(())
    }

    /// Whether the host has notified this settlement subscription.
    pub(crate) fn was_settled(&self, id: SlotId, watch: u32) -> bool {
        lock(&self.settled).get(&id.get()) == Some(&watch)
    }

    /// Calls `each` with every proxy. Python code may run.
    pub(crate) fn for_proxies<'py>(&self, py: Python<'py>, each: impl FnMut(Bound<'py, PyAny>)) {
        // Taken out and not copied: there may be no memory for a copy.
        let proxies = mem::take(&mut *lock(&self.proxies));
        proxies
            .values()
            .filter_map(|reference| reference.bind(py).upgrade())
            .for_each(each);
        let added = mem::replace(&mut *lock(&self.proxies), proxies);
        for (id, reference) in added {
            // Without memory the object gets a second proxy.
            let _ = self.note_proxy(id, reference);
        }
    }

    fn note_proxy(&self, id: u32, reference: Py<PyWeakrefReference>) -> PyResult<()> {
        let mut proxies = lock(&self.proxies);
        proxies.try_reserve(1).map_err(|_| fallible::memory())?;
        let former = proxies.insert(id, reference);
        drop(proxies);
        drop(former);
        Ok(())
    }

    pub(crate) fn remember(&self, id: SlotId, proxy: &Bound<'_, PyAny>) -> PyResult<()> {
        let reference = PyWeakrefReference::new(proxy)?.unbind();
        self.note_proxy(id.get(), reference)
    }

    /// Reserves the release of a handle that is being made.
    pub(crate) fn expect_release(&self) -> PyResult<()> {
        let mut releases = lock(&self.releases);
        let handles = releases.handles + 1;
        let room = releases.waiting.try_reserve(handles);
        room.map_err(|_| fallible::memory())?;
        releases.handles = handles;
        Ok(())
    }

    /// Queues the release of a dropped handle; a later frame carries it. Does no I/O and allocates
    /// nothing, because it runs wherever Python drops an object.
    pub(crate) fn drop_handle(&self, release: Option<Release>) {
        if self.is_dead() {
            return;
        }
        let mut releases = lock(&self.releases);
        releases.handles = releases.handles.saturating_sub(1);
        if let Some(release) = release {
            self.queue(releases, release);
        }
    }

    /// Queues the release of an object that has no handle. Without memory the object stays lent until
    /// its process ends.
    pub(crate) fn release(&self, release: Release) {
        if self.is_dead() {
            return;
        }
        let mut releases = lock(&self.releases);
        let handles = releases.handles;
        if releases.waiting.try_reserve(handles + 1).is_err() {
            return;
        }
        self.queue(releases, release);
    }

    fn queue(&self, mut releases: MutexGuard<'_, Releases>, release: Release) {
        releases.waiting.push(release);
        let waiting = releases.waiting.len();
        drop(releases);
        self.pending.store(waiting, Ordering::Release);
        (self.on_release)(waiting);
    }

    #[inline]
    pub(crate) fn has_releases(&self) -> bool {
        self.pending.load(Ordering::Relaxed) != 0
    }

    /// Moves queued releases into `into`, if there is memory for them.
    pub(crate) fn take_releases(&self, py: Python<'_>, into: &mut Vec<Release>) {
        let before = into.len();
        {
            let mut releases = lock(&self.releases);
            let most = releases.waiting.len().min(FRAME_RELEASES_MAX);
            if into.try_reserve(most).is_err() {
                // They stay queued for another frame.
                return;
            }
            into.extend(releases.waiting.drain(..most));
            self.pending
                .store(releases.waiting.len(), Ordering::Release);
        }
        let mut gone = Vec::new();
        let mut proxies = lock(&self.proxies);
        for release in &into[before..] {
            // Dropping the upgraded reference runs no Python code under the lock: while the
            // interpreter is held, an object that is alive has another owner.
            if let Some(reference) = proxies.get(&release.id.get())
                && reference.bind(py).upgrade().is_none()
            {
                gone.extend(proxies.remove(&release.id.get()));
            }
        }
        drop(proxies);
        drop(gone);
    }

    // Classes and exports.

    /// Stores the ids of the exports, by their numbers in the addon. Called once.
    pub(crate) fn bind_exports(&self, exported: Vec<Option<SlotId>>) {
        let _ = self.exported.set(exported.into_boxed_slice());
    }

    #[inline]
    pub(crate) fn exported(&self, number: usize) -> Option<SlotId> {
        *self.exported.get()?.get(number)?
    }
}

/// The most releases in one frame.
const FRAME_RELEASES_MAX: usize = 4096;
