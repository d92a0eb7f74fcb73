//! One generation of a host as Python sees it: what was lent to it, what came from it.
//!
//! The tables are locked for moments in which no Python code can run: objects are cloned out, and
//! dropped, outside of the lock.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use hostd_client::ExitReport;
use hostd_protocol::error::ProtocolError;
use hostd_protocol::ids::{Generation, SlotId};
use hostd_protocol::lent::{Lent, Release};
use hostd_protocol::limits::Limits;
use hostd_protocol::message::Description;
use hostd_protocol::value::{ClientKind, HostKind};
use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::call::release;
use crate::proxy::Promise;

/// A Python object that was lent to the host.
#[derive(Debug)]
pub(crate) struct LentObject {
    /// The object, as it was passed: an `Exposed` or `ByRef` stays one here.
    pub(crate) object: Py<PyAny>,
    /// As what it was lent.
    pub(crate) kind: ClientKind,
    /// Which lending of this world it is.
    serial: u64,
}

/// One lending of an object: its id has other tenants when the host has given it back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lending {
    pub(crate) id: SlotId,
    serial: u64,
}

impl LentObject {
    /// Lets go of objects. Python code may run.
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

/// A value that was lent by the host, before it has a proxy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) id: SlotId,
    pub(crate) kind: HostKind,
    pub(crate) class: u32,
}

/// A class of the host, asked for once.
#[derive(Debug)]
pub(crate) struct ClassInfo {
    pub(crate) name: String,
    pub(crate) methods: FxHashSet<Arc<str>>,
}

impl From<Description> for ClassInfo {
    fn from(description: Description) -> Self {
        Self {
            name: description.name,
            methods: description.methods.into_iter().map(Arc::from).collect(),
        }
    }
}

/// How a world came to its end.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// Its process died, or was ended so that another can follow.
    Died(Box<ExitReport>),
    /// The addon was closed.
    Closed,
    /// This process was forked from the one whose host it is.
    Forked,
}

/// The tables of one generation.
pub(crate) struct World {
    pub(crate) generation: Generation,
    pub(crate) limits: Limits,
    lent: Mutex<LentObjects>,
    proxies: Mutex<FxHashMap<u32, Py<PyWeakrefReference>>>,
    /// The watch of each promise that was told last: the word may be quicker than the promise.
    told: Mutex<FxHashMap<u32, u32>>,
    classes: Mutex<FxHashMap<u32, Arc<ClassInfo>>>,
    /// The classes that were made of Python classes, by what `js_class` returned.
    js_classes: Mutex<FxHashMap<usize, (Py<PyAny>, SlotId)>>,
    /// The exports object, once loaded.
    pub(crate) exports: OnceLock<(SlotId, HostKind)>,
    /// The exported functions and classes, by their number in the session.
    exported: OnceLock<Box<[Option<SlotId>]>>,
    releases: Sender<Release>,
    waiting: Mutex<Receiver<Release>>,
    pending: AtomicUsize,
    dead: AtomicBool,
    /// How it came to its end, once that is known.
    end: OnceLock<End>,
    ending: Mutex<()>,
    ended: Condvar,
    /// No call has come back yet.
    unproven: AtomicBool,
    nudge: Box<dyn Fn(usize) + Send + Sync>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// The host's class that was made of what `js_class` returned.
    pub(crate) fn js_class(&self, class: &Bound<'_, PyAny>) -> Option<SlotId> {
        let made = locked(&self.js_classes);
        made.get(&(class.as_ptr() as usize)).map(|made| made.1)
    }

    /// Remembers a class that was made.
    pub(crate) fn set_js_class(&self, class: &Bound<'_, PyAny>, id: SlotId) {
        let made = (class.clone().unbind(), id);
        locked(&self.js_classes).insert(class.as_ptr() as usize, made);
    }

    /// An empty world. `nudge` is told how many releases wait, when that became more than none.
    pub(crate) fn new(
        generation: Generation,
        limits: Limits,
        nudge: Box<dyn Fn(usize) + Send + Sync>,
    ) -> Self {
        let (releases, waiting) = channel();
        Self {
            generation,
            limits,
            lent: Mutex::new(LentObjects {
                table: Lent::new(limits.lent_objects),
                by_address: FxHashMap::default(),
                count: 0,
            }),
            proxies: Mutex::new(FxHashMap::default()),
            told: Mutex::new(FxHashMap::default()),
            classes: Mutex::new(FxHashMap::default()),
            js_classes: Mutex::default(),
            exports: OnceLock::new(),
            exported: OnceLock::new(),
            releases,
            waiting: Mutex::new(waiting),
            pending: AtomicUsize::new(0),
            dead: AtomicBool::new(false),
            end: OnceLock::new(),
            ending: Mutex::new(()),
            ended: Condvar::new(),
            unproven: AtomicBool::new(false),
            nudge,
        }
    }

    /// The process of this generation is gone: forgets what was lent to it. Returns the objects,
    /// to be dropped by the caller.
    pub(crate) fn die(&self) -> Vec<LentObject> {
        self.dead.store(true, Ordering::Release);
        let mut lent = locked(&self.lent);
        lent.by_address.clear();
        lent.table.drain().collect()
    }

    /// As [`Self::die`], and says how; the first word counts.
    pub(crate) fn die_of(&self, end: End) -> Vec<LentObject> {
        let telling = locked(&self.ending);
        let _ = self.end.set(end);
        drop(telling);
        self.ended.notify_all();
        self.die()
    }

    /// How it came to its end, if that is known: then no promise of it that is remembered is
    /// overlooked by who tells them.
    pub(crate) fn end(&self) -> Option<&End> {
        self.end.get()
    }

    /// The same, for who knows that it came to its end and can wait until somebody says how.
    pub(crate) fn wait_for_end(&self, timeout: Duration) -> Option<&End> {
        let telling = locked(&self.ending);
        let unknown = |(): &mut ()| self.end.get().is_none();
        let told = self.ended.wait_timeout_while(telling, timeout, unknown);
        drop(told);
        self.end.get()
    }

    /// Whether the process of this generation is known to be gone.
    #[inline]
    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    /// Its first call that comes back is to be told from now on.
    pub(crate) fn expect_proof(&self) {
        self.unproven.store(true, Ordering::Release);
    }

    /// Whether no call has come back yet.
    #[inline]
    pub(crate) fn is_unproven(&self) -> bool {
        self.unproven.load(Ordering::Relaxed)
    }

    pub(crate) fn take_unproven(&self) -> bool {
        self.unproven.swap(false, Ordering::AcqRel)
    }

    // What Python lends to the host.

    /// Lends an object and counts the sending; the same object has the same id.
    pub(crate) fn lend(
        &self,
        object: &Bound<'_, PyAny>,
        kind: ClientKind,
    ) -> Result<Lending, ProtocolError> {
        let address = object.as_ptr() as usize;
        let mut lent = locked(&self.lent);
        if let Some(&id) = lent.by_address.get(&address) {
            lent.table.again(id)?;
            let serial = lent.table.get(id).map_or(0, |entry| entry.serial);
            return Ok(Lending { id, serial });
        }
        let serial = lent.count + 1;
        let id = lent.table.lend(LentObject {
            object: object.clone().unbind(),
            kind,
            serial,
        })?;
        lent.count = serial;
        lent.by_address.insert(address, id);
        Ok(Lending { id, serial })
    }

    /// Counts another sending of what was lent, unless the host has given it back since.
    pub(crate) fn lend_again(&self, lending: Lending) -> Result<bool, ProtocolError> {
        let mut lent = locked(&self.lent);
        let is_lent = lent
            .table
            .get(lending.id)
            .is_some_and(|entry| entry.serial == lending.serial);
        if is_lent {
            lent.table.again(lending.id)?;
        }
        Ok(is_lent)
    }

    /// Takes sendings back whose frame never went out. Returns what is to be dropped.
    pub(crate) fn unsend(&self, ids: &[SlotId]) -> Vec<LentObject> {
        let mut lent = locked(&self.lent);
        let mut gone = Vec::new();
        for &id in ids {
            if let Some(object) = lent.table.unsend(id) {
                lent.by_address.remove(&(object.object.as_ptr() as usize));
                gone.push(object);
            }
        }
        gone
    }

    /// The host gives an object back. Returns what is to be dropped.
    pub(crate) fn released(&self, release: Release) -> Result<Option<LentObject>, ProtocolError> {
        let mut lent = locked(&self.lent);
        if self.is_dead() {
            // The table was emptied when the process died; this was said before.
            return Ok(None);
        }
        let gone = lent.table.release(release)?;
        if let Some(object) = &gone {
            lent.by_address.remove(&(object.object.as_ptr() as usize));
        }
        Ok(gone)
    }

    /// An object that was lent, by the id the host says.
    pub(crate) fn lent(&self, py: Python<'_>, id: SlotId) -> Option<LentObject> {
        locked(&self.lent).table.get(id).map(|entry| LentObject {
            object: entry.object.clone_ref(py),
            ..*entry
        })
    }

    /// An object that was lent and comes back: the host means it in a message. Also what is to be
    /// dropped if the host had released it already.
    pub(crate) fn came_back(
        &self,
        py: Python<'_>,
        id: SlotId,
    ) -> Option<(Py<PyAny>, Option<LentObject>)> {
        let mut lent = locked(&self.lent);
        let object = lent.table.get(id)?.object.clone_ref(py);
        let gone = lent.table.came_back(id).ok()?;
        if gone.is_some() {
            lent.by_address.remove(&(object.as_ptr() as usize));
        }
        Some((object, gone))
    }

    /// How many Python objects the host holds, and how many of the host's have a proxy here.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (locked(&self.lent).table.len(), locked(&self.proxies).len())
    }

    // What the host lends to Python.

    /// The living proxy of an object of the host.
    pub(crate) fn proxy<'py>(&self, py: Python<'py>, id: SlotId) -> Option<Bound<'py, PyAny>> {
        let reference = locked(&self.proxies)
            .get(&id.get())
            .map(|reference| reference.clone_ref(py))?;
        reference.bind(py).upgrade()
    }

    /// How the promise ended that is watched under this number was told. Words go by several lanes:
    /// an earlier one may come last. The host lends no id beyond the limit.
    pub(crate) fn tell(&self, id: SlotId, watch: u32) {
        if id.get() > self.limits.lent_objects {
            return;
        }
        let mut told = locked(&self.told);
        let last = told.entry(id.get()).or_insert(watch);
        if watch.wrapping_sub(*last) < 1 << 31 {
            *last = watch;
        }
    }

    /// Whether it was told already how the promise ended that is watched under this number.
    pub(crate) fn was_told(&self, id: SlotId, watch: u32) -> bool {
        locked(&self.told).get(&id.get()) == Some(&watch)
    }

    /// The promises that are not settled yet.
    pub(crate) fn promises(&self, py: Python<'_>) -> Vec<Py<Promise>> {
        let references: Vec<_> = locked(&self.proxies)
            .values()
            .map(|reference| reference.clone_ref(py))
            .collect();
        references
            .iter()
            .filter_map(|reference| reference.bind(py).upgrade()?.cast_into::<Promise>().ok())
            .filter(|promise| promise.get().is_pending())
            .map(Bound::unbind)
            .collect()
    }

    /// Remembers the proxy of an object of the host.
    pub(crate) fn remember(&self, id: SlotId, proxy: &Bound<'_, PyAny>) -> PyResult<()> {
        let reference = PyWeakrefReference::new(proxy)?.unbind();
        let former = locked(&self.proxies).insert(id.get(), reference);
        drop(former);
        Ok(())
    }

    /// A proxy is gone: its receipts are released with a later frame. Does no I/O and takes no
    /// lock, since it runs wherever Python drops an object.
    pub(crate) fn release(&self, release: Release) {
        if self.is_dead() {
            return;
        }
        if self.releases.send(release).is_ok() {
            let before = self.pending.fetch_add(1, Ordering::AcqRel);
            (self.nudge)(before + 1);
        }
    }

    /// Whether releases wait.
    #[inline]
    pub(crate) fn has_releases(&self) -> bool {
        self.pending.load(Ordering::Relaxed) != 0
    }

    /// Takes the releases that wait into `into`. Does nothing if another thread is at it.
    pub(crate) fn take_releases(&self, py: Python<'_>, into: &mut Vec<Release>) {
        let Ok(waiting) = self.waiting.try_lock() else {
            return;
        };
        let before = into.len();
        into.extend(waiting.try_iter().take(MAX_RELEASES));
        drop(waiting);
        self.pending
            .fetch_sub(into.len() - before, Ordering::AcqRel);
        let mut gone = Vec::new();
        {
            let mut proxies = locked(&self.proxies);
            for release in &into[before..] {
                if let Some(reference) = proxies.get(&release.id.get())
                    && is_dead_reference(py, reference)
                {
                    gone.extend(proxies.remove(&release.id.get()));
                }
            }
        }
        drop(gone);
    }

    // Classes and exports.

    /// What is known about a class.
    pub(crate) fn class(&self, id: u32) -> Option<Arc<ClassInfo>> {
        locked(&self.classes).get(&id).cloned()
    }

    /// Keeps what the host says about a class.
    pub(crate) fn learn_class(&self, id: u32, info: &Arc<ClassInfo>) {
        locked(&self.classes).insert(id, Arc::clone(info));
    }

    /// Binds the exports, each by its number in the session. Happens once.
    pub(crate) fn bind_exports(&self, exported: Vec<Option<SlotId>>) {
        // A second load in one generation does not happen.
        let _ = self.exported.set(exported.into_boxed_slice());
    }

    /// The object that the export of this number is here.
    #[inline]
    pub(crate) fn exported(&self, number: usize) -> Option<SlotId> {
        *self.exported.get()?.get(number)?
    }
}

/// At most this many releases ride with one frame.
const MAX_RELEASES: usize = 4096;

/// Looks without making a strong reference whose drop could run Python code under a lock: an
/// object that is alive here has another owner, because the interpreter is held.
fn is_dead_reference(py: Python<'_>, reference: &Py<PyWeakrefReference>) -> bool {
    reference.bind(py).upgrade().is_none()
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}
