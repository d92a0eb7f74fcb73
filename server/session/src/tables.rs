//! The objects that are known on both sides, and what else it takes to convert values.

use std::cell::{Cell, RefCell};

use hostd_engine::{Deferred, JsResult, PromiseState, Runtime, SlotData, Value};
use hostd_napi::Host;
use hostd_protocol::error::{RemoteError, Result as Carried};
use hostd_protocol::ids::SlotId;
use hostd_protocol::limits::Limits;
use hostd_protocol::memory::{HostMemory, SHARED_MIN, shared_min};
use hostd_protocol::value::HostKind;
use rustc_hash::FxHashMap;

use super::intrinsics::Intrinsics;
use crate::lent::{Classes, Objects, Remotes};

/// Marks the ids of this crate in the engine's slots.
const REMOTE_MARK: u64 = 1 << 63;
/// The engine function tag of the client's callables.
pub(crate) const CALLABLE_TAG: u8 = 64;

/// A subscription to a promise that is about to be lent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fresh {
    pub(crate) identity: usize,
    /// The number of the subscription: distinguishes it from earlier ones of the same id; never zero.
    pub(crate) watch: u32,
    /// The addon made it just now: there is nothing else to be known of it.
    pub(crate) is_made: bool,
}

#[derive(Debug)]
pub(crate) struct ObjectTables {
    pub(crate) host: Host,
    pub(crate) rt: Runtime,
    pub(crate) intrinsics: Intrinsics,
    /// The host's objects that the client holds.
    pub(crate) objects: RefCell<Objects>,
    /// The client's objects that live here as proxies.
    pub(crate) remotes: RefCell<Remotes>,
    /// An ordinary object was made the proxy of a client's instance.
    pub(crate) has_instances: Cell<bool>,
    pub(crate) classes: RefCell<Classes>,
    pub(crate) awaitables: RefCell<FxHashMap<u32, Deferred>>,
    /// A subscription to a promise that is about to be lent.
    pub(crate) fresh: Cell<Option<Fresh>>,
    /// The memory for large buffers.
    pub(crate) memory: Option<HostMemory>,
}

impl ObjectTables {
    pub(crate) fn new(
        host: Host,
        intrinsics: Intrinsics,
        limits: &Limits,
        memory: Option<HostMemory>,
    ) -> Self {
        if let Some(memory) = &memory
            && let Some(arena) = memory.arena()
        {
            host.runtime()
                .allocate_in(arena, memory.limit(), shared_min(SHARED_MIN));
        }
        Self {
            host,
            rt: host.runtime(),
            intrinsics,
            objects: RefCell::new(Objects::new(limits.lent_objects)),
            remotes: RefCell::new(Remotes::new(limits.lent_objects)),
            has_instances: Cell::new(false),
            classes: RefCell::default(),
            awaitables: RefCell::default(),
            fresh: Cell::new(None),
            memory,
        }
    }

    // The host's objects.

    /// The object that the client means by an id, if it holds it.
    pub(crate) fn lent_value(&self, id: SlotId) -> Option<Value> {
        let objects = self.objects.borrow();
        objects.get(id).map(|object| object.value.clone())
    }

    /// The same for a request that needs the object.
    pub(crate) fn held(&self, id: SlotId) -> Result<Value, RemoteError> {
        self.lent_value(id).ok_or(RemoteError::Stale(id.get()))
    }

    #[inline]
    pub(crate) fn lent_id(&self, identity: usize) -> Option<SlotId> {
        self.objects.borrow().find(identity)
    }

    pub(crate) fn id_of(&self, value: &Value) -> Option<SlotId> {
        self.lent_id(value.identity()?)
    }

    /// Whether that is the id under which the client holds this object.
    #[inline]
    pub(crate) fn is_lent_as(&self, value: &Value, id: SlotId) -> bool {
        let objects = self.objects.borrow();
        objects
            .get(id)
            .is_some_and(|object| object.value.identity() == value.identity())
    }

    /// Counts another sending; returns kind and class as the client has them.
    pub(crate) fn lend_again(&self, id: SlotId) -> Carried<(HostKind, u32)> {
        let mut objects = self.objects.borrow_mut();
        objects.again(id)?;
        let sent = objects.get(id).map(|object| match object.kind {
            HostKind::Promise => (HostKind::Promise, object.watch),
            kind => (kind, object.class),
        });
        Ok(sent.unwrap_or((HostKind::Object, 0)))
    }

    pub(crate) fn class_id(&self, prototype: &Value) -> u32 {
        self.classes.borrow_mut().id(self.rt, prototype)
    }

    // The client's objects.

    pub(crate) fn remote_slot(&self, value: &Value) -> Option<SlotId> {
        let slot = |number: u64| SlotId::new(u32::try_from(number).ok()?);
        if let Some(id) = self.rt.remote_id(value) {
            return slot(id & u64::from(u32::MAX));
        }
        if let Some(function) = self.rt.native_function(value) {
            let ours = function.tag == CALLABLE_TAG;
            return ours.then(|| slot(function.words[0] as u64)).flatten();
        }
        let may_be =
            self.has_instances.get() || self.rt.is_error(value) || self.rt.is_promise(value);
        if !may_be {
            return None;
        }
        let marked = self.rt.slot(value)?.extra?;
        let is_marked = marked & REMOTE_MARK != 0;
        is_marked.then(|| slot(marked & !REMOTE_MARK)).flatten()
    }

    /// Counts a receipt of a client's id; its proxy, if that lives.
    pub(crate) fn receive(&self, id: SlotId) -> Carried<Option<Value>> {
        self.remotes.borrow_mut().receive(id)
    }

    /// Makes an ordinary object (an error, a promise) the proxy of a client's id.
    pub(crate) fn adopt_proxy(&self, id: SlotId, value: &Value) -> JsResult<()> {
        let data = self.rt.slot(value).unwrap_or_default();
        let extra = Some(u64::from(id.get()) | REMOTE_MARK);
        self.rt.set_slot(value, SlotData { extra, ..data })?;
        self.note_proxy(id, value)
    }

    /// Notes the proxy of a client's id, whose death releases that.
    pub(crate) fn note_proxy(&self, id: SlotId, value: &Value) -> JsResult<()> {
        let token = self.remotes.borrow_mut().token(id);
        self.rt.attach_finalizer(value, token)?;
        let weak = self.rt.weak(value)?;
        self.remotes.borrow_mut().insert(id, token, weak);
        Ok(())
    }

    /// Whether it is a promise that the addon made for the client, which does not hold it yet.
    #[inline]
    pub(crate) fn is_made_for_client(&self, identity: usize) -> bool {
        self.fresh
            .get()
            .is_some_and(|fresh| fresh.is_made && fresh.identity == identity)
    }

    /// A promise was lent for the first time: the number of the subscription that was begun for that,
    /// or zero. A promise that was settled before it was lent has none: the client reads its state.
    pub(crate) fn adopt_watch(&self, id: SlotId, promise: &Value) -> u32 {
        let fresh = self.fresh.get();
        let Some(fresh) = fresh.filter(|fresh| Some(fresh.identity) == promise.identity()) else {
            return 0;
        };
        self.fresh.set(None);
        let state = self.rt.promise_state(promise);
        if !matches!(state, Some(PromiseState::Pending)) {
            return 0;
        }
        if fresh.is_made {
            self.host.watch(promise, id.get());
        }
        self.objects.borrow_mut().set_watch(id, fresh.watch);
        fresh.watch
    }
}
