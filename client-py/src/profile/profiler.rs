//! The figures of one addon: a row for each function, and what its hosts have collected.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use hostd_client::lock;
use hostd_protocol::calls::CallKind;
use hostd_protocol::profile::{FUNCTIONS_MAX, FunctionTimes, HostProfile, clock_cost, nanoseconds};
use rustc_hash::FxHashMap;

use super::promises::PromiseLatencies;
use super::row::Row;
use super::spans::Spans;

/// The most rows of named functions; calls of further ones are counted by the kind of call.
const NAMED_MAX: usize = 1024;
/// The first row of a named function. Before it are the rows by the kind of call.
const NAMED: usize = 64;
/// Entries of the table that finds rows by the address of a name: a power of two.
const ADDRESSES: usize = 4096;
/// How many entries are looked at for one address.
const PROBES_MAX: usize = 4;
/// The longest name of a function of Node-API that a host may state, in bytes.
const FUNCTION_NAME_BYTES_MAX: usize = 128;

/// The figures of the hosts that an addon has had.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostFigures {
    pub(crate) functions: Vec<FunctionTimes>,
    pub(crate) collections: u64,
    pub(crate) collecting: u64,
    pub(crate) finalizers: u64,
    pub(crate) finalizing: u64,
}

/// What is measured of a call that does nothing, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Residue {
    pub(super) marshalling: u64,
    pub(super) waiting: u64,
}

/// The figures of one addon.
pub(crate) struct Profiler {
    /// Whether every call is measured.
    pub(super) every: bool,
    /// What one reading of the clock costs.
    pub(super) clock_cost: u64,
    /// What is measured of a call that does nothing, in nanoseconds.
    pub(super) residue: Residue,
    /// How many measured calls are open in all threads.
    pub(super) open: AtomicU32,
    rows: Box<[OnceLock<Row>]>,
    /// The numbers of rows plus one, by the address of a name.
    addresses: Box<[AtomicU32]>,
    /// The numbers of rows, by the kind of call and the name.
    numbers: Mutex<FxHashMap<(u16, Arc<str>), usize>>,
    pub(crate) promises: PromiseLatencies,
    pub(crate) spans: Mutex<Spans>,
    pub(crate) host: Mutex<HostFigures>,
    began: Mutex<u64>,
}

impl Profiler {
    pub(super) fn new(every: bool) -> Self {
        Self {
            every,
            clock_cost: clock_cost(),
            residue: Residue::default(),
            open: AtomicU32::new(0),
            rows: (0..NAMED + NAMED_MAX).map(|_| OnceLock::new()).collect(),
            addresses: (0..ADDRESSES).map(|_| AtomicU32::new(0)).collect(),
            numbers: Mutex::default(),
            promises: PromiseLatencies::default(),
            spans: Mutex::default(),
            host: Mutex::default(),
            began: Mutex::new(nanoseconds()),
        }
    }

    /// The row of a kind of call, or of a function by name.
    #[inline]
    pub(super) fn row(&self, call: CallKind, name: Option<&Arc<str>>) -> (usize, &Row) {
        let Some(name) = name else {
            return self.unnamed(call);
        };
        let first = place(call, name);
        for entry in first..first + PROBES_MAX {
            let number = self.addresses[entry % ADDRESSES].load(Ordering::Relaxed) as usize;
            let Some(number) = number.checked_sub(1) else {
                break;
            };
            if let Some(row) = self.rows.get(number).and_then(OnceLock::get)
                && row.is_of(call, name)
            {
                return (number, row);
            }
        }
        self.find(call, name)
    }

    fn unnamed(&self, call: CallKind) -> (usize, &Row) {
        let number = usize::from(call.number()) % NAMED;
        (
            number,
            self.rows[number].get_or_init(|| Row::new(call, None)),
        )
    }

    /// Finds a row by its name, or makes it.
    #[cold]
    fn find(&self, call: CallKind, name: &Arc<str>) -> (usize, &Row) {
        let mut numbers = lock(&self.numbers);
        let next = NAMED + numbers.len();
        let key = (call.number(), Arc::clone(name));
        let number = *numbers.entry(key).or_insert(next);
        let Some(row) = self.rows.get(number) else {
            numbers.remove(&(call.number(), Arc::clone(name)));
            drop(numbers);
            return self.unnamed(call);
        };
        let mut is_new = false;
        let row = row.get_or_init(|| {
            is_new = true;
            Row::new(call, Some(Arc::clone(name)))
        });
        if is_new {
            // The row keeps the name, so nothing else gets its address.
            let free = (0..PROBES_MAX).map(|more| (place(call, name) + more) % ADDRESSES);
            let mut free = free.map(|entry| &self.addresses[entry]);
            if let Some(entry) = free.find(|entry| entry.load(Ordering::Relaxed) == 0) {
                let number = u32::try_from(number + 1).unwrap_or(0);
                entry.store(number, Ordering::Relaxed);
            }
        }
        (number, row)
    }

    /// The rows that there are, with their numbers.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (usize, &Row)> {
        let rows = self.rows.iter().enumerate();
        rows.filter_map(|(number, row)| Some((number, row.get()?)))
    }

    /// Adds what a host has collected. An error says what of it is impossible.
    pub(crate) fn add_host(&self, profile: HostProfile) -> Result<u32, &'static str> {
        let HostProfile {
            functions,
            collections,
            collecting,
            finalizers,
            finalizing,
            spans,
            left,
        } = profile;
        if functions.len() > FUNCTIONS_MAX {
            return Err("a profile of more functions than there are");
        }
        let is_name = |name: &str| {
            let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            name.len() <= FUNCTION_NAME_BYTES_MAX && name.bytes().all(is_part)
        };
        if !functions.iter().all(|function| is_name(&function.name)) {
            return Err("a profile of a function with an impossible name");
        }
        let names: Vec<Arc<str>> = functions.iter().map(|it| it.name.as_str().into()).collect();
        lock(&self.spans).add_host(&names, spans);
        let mut host = lock(&self.host);
        for function in functions {
            let mut known = host.functions.iter_mut();
            if let Some(known) = known.find(|known| known.name == function.name) {
                known.calls = known.calls.saturating_add(function.calls);
                known.total = known.total.saturating_add(function.total);
                known.own = known.own.saturating_add(function.own);
            } else if host.functions.len() < FUNCTIONS_MAX {
                host.functions.push(function);
            } else {
                return Err("profiles of more functions than there are");
            }
        }
        host.collections = host.collections.saturating_add(collections);
        host.collecting = host.collecting.saturating_add(collecting);
        host.finalizers = host.finalizers.saturating_add(finalizers);
        host.finalizing = host.finalizing.saturating_add(finalizing);
        Ok(left)
    }

    /// Nanoseconds since it began.
    pub(crate) fn elapsed(&self) -> u64 {
        nanoseconds().saturating_sub(*lock(&self.began))
    }

    /// Forgets all figures.
    pub(crate) fn reset(&self) {
        self.rows().for_each(|(_, row)| row.reset());
        self.promises.reset();
        *lock(&self.spans) = Spans::default();
        *lock(&self.host) = HostFigures::default();
        *lock(&self.began) = nanoseconds();
    }
}

#[inline]
fn place(call: CallKind, name: &Arc<str>) -> usize {
    /// Odd, with bits in all places.
    const FACTOR: usize = 0x9E37_79B9_7F4A_7C15;
    let address = Arc::as_ptr(name).addr() >> 4;
    (address ^ usize::from(call.number()) << 40).wrapping_mul(FACTOR) >> 48
}
