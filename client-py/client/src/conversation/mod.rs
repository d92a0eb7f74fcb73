//! A conversation: a leased lane, and the requests and replies on it.

mod in_place;

use std::cell::Cell;
use std::mem;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use hostd_protocol::carrier::{
    ClientLane, Idle, Interrupted, ParkedWait, Uninterruptible, while_parked,
};
use hostd_protocol::control::ClientMessage;
use hostd_protocol::direct::{CallbackState, DirectCallback};
use hostd_protocol::error::{ProtocolError, RemoteError};
use hostd_protocol::failure::Failure;
use hostd_protocol::frame::{FrameBuilder, FrameKind, Header};
use hostd_protocol::ids::{Generation, LaneNumber};
use hostd_protocol::memory::ClientMemory;
use hostd_protocol::pending::{By, Pending};

use crate::ClientError;
use crate::cause::Kill;
use crate::instance::HostInstance;
use crate::pool::SharedPool;

/// How long a host may take to end a call after its interruption, before it is killed.
const INTERRUPT_GRACE: Duration = Duration::from_millis(500);

/// How many bytes of refused callbacks are kept, to release the objects that were lent in them.
const DISCARDED_BYTES_MAX: usize = 16 << 20;

thread_local! {
    /// The lane that this thread leased last, whose memory is in the cache of its CPU.
    static LAST_LANE: Cell<Option<LaneNumber>> = const { Cell::new(None) };
    /// A table of open requests that the next conversation of this thread reuses.
    static FREE_PENDING: Cell<Option<Pending>> = const { Cell::new(None) };
}

/// A host process whose lanes can be leased. It keeps nothing of the process once that has ended.
#[derive(Clone, Debug)]
pub struct HostRef(Weak<HostInstance>);

impl HostRef {
    /// Leases a lane; `None` if the host is gone. This does not wait for the end of `on_start`.
    #[inline]
    pub fn conversation(&self, idle: &mut dyn Idle) -> Result<Option<Conversation>, ClientError> {
        match self.0.upgrade() {
            Some(instance) => Conversation::lease_alive(instance, idle),
            None => Ok(None),
        }
    }

    /// The host, once its `on_start` has ended; it may be gone.
    #[inline]
    pub(crate) fn serving(&self) -> Option<Arc<HostInstance>> {
        self.0.upgrade().filter(|instance| instance.is_serving())
    }

    /// The memory for large buffers that it shares with this process; none over the socket carrier.
    pub fn memory(&self) -> Option<Arc<ClientMemory>> {
        self.0.upgrade()?.memory.clone()
    }

    /// The number by which regions name the file of a pool, which the host is handed if it does not have
    /// it yet. None if it shares no memory, is gone, or there is no descriptor left.
    pub fn attach(&self, pool: &SharedPool) -> Option<u32> {
        let instance = self.0.upgrade()?;
        let outbox = &instance.outbox;
        let memory = instance.memory.as_ref()?;
        memory.attach(pool.id(), |number| {
            let file = pool.data_file().try_clone_to_owned().ok();
            let message = ClientMessage::MemoryFile(number);
            file.is_some_and(|file| outbox.send_file(&message, file).is_ok())
        })
    }

    pub(crate) fn is_of(&self, conversation: &Conversation) -> bool {
        self.0.as_ptr() == Arc::as_ptr(&conversation.instance)
    }
}

/// A lane of one host process, leased for an outermost call and the calls nested in it. Dropping it
/// gives the lane back; if requests are open then, the host is killed, because their replies would be
/// taken for those of the next lease.
#[derive(Debug)]
pub struct Conversation {
    instance: Arc<HostInstance>,
    lane: ClientLane,
    pending: Pending,
    export: Option<Arc<str>>,
    /// When the innermost call was interrupted, if it was.
    interrupted: Option<Instant>,
    discarded: Vec<(Header, Vec<u8>)>,
    /// Whether the lane has failed: then nothing more is sent on it, and the host has ended or is about
    /// to.
    has_failed: bool,
    /// Whether the host waits in place for the answer to its innermost request.
    answers_in_place: bool,
}

/// What the host does next.
#[derive(Debug)]
pub enum Incoming {
    /// It has sent a frame: a request, or the reply to the innermost request of this side.
    Frame(Header),
    /// It makes a callback in place.
    Callback,
}

impl Conversation {
    /// Stores the cache folder of the host, as it is after the addon was loaded, for later hosts of the
    /// same file and policy.
    pub fn loaded(&self) {
        self.instance.store_cache();
    }

    /// Leases a lane. The error `Disconnected` means that the host has ended.
    #[inline]
    pub(crate) fn lease(
        instance: Arc<HostInstance>,
        idle: &mut dyn Idle,
    ) -> Result<Self, ProtocolError> {
        let lane = instance.end.lease(LAST_LANE.get(), idle)?;
        LAST_LANE.set(Some(lane.index()));
        let pending = FREE_PENDING
            .take()
            .unwrap_or_else(|| Pending::new(&instance.limits));
        Ok(Self {
            instance,
            lane,
            pending,
            export: None,
            interrupted: None,
            discarded: Vec::new(),
            has_failed: false,
            answers_in_place: false,
        })
    }

    /// Leases a lane; `None` if the host has ended.
    #[inline]
    pub(crate) fn lease_alive(
        instance: Arc<HostInstance>,
        idle: &mut dyn Idle,
    ) -> Result<Option<Self>, ClientError> {
        if !instance.is_alive() {
            return Ok(None);
        }
        if let Some(caller) = instance.runner.caller()
            && !caller.is_here()
        {
            return Err(ClientError::WrongThread);
        }
        match Self::lease(instance, idle) {
            Err(ProtocolError::Disconnected) => Ok(None),
            leased => leased.map(Some).map_err(ClientError::from_lease),
        }
    }

    /// The host, for further conversations.
    pub fn host(&self) -> HostRef {
        HostRef(Arc::downgrade(&self.instance))
    }

    /// The generation of the host.
    #[inline]
    pub fn generation(&self) -> Generation {
        self.instance.generation
    }

    /// Claims the JS thread for an event-loop turn, if it is idle: then the turn must be sent at once.
    /// Otherwise the host requests a turn again when it is idle.
    pub fn try_take_top(&self) -> bool {
        self.instance.is_alive() && self.lane.try_take_top()
    }

    /// How many requests of both sides are open.
    pub fn depth(&self) -> usize {
        self.pending.depth()
    }

    /// Names the exported function that is being called, for exit reports.
    #[inline]
    pub fn set_export(&mut self, export: Arc<str>) {
        self.export = Some(export);
    }

    /// Sends a frame: a request, or the reply to the host's innermost request. Waits without a limit if
    /// the host does not read: see [`Self::send_while`].
    ///
    /// After an error about a limit nothing was sent, and the conversation goes on.
    #[inline]
    pub fn send(&mut self, frame: &mut FrameBuilder) -> Result<(), ClientError> {
        self.send_while(frame, &mut Uninterruptible)
    }

    /// Whether the host has ended, was killed by this conversation, or belongs to the process that this
    /// one was forked from.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.has_failed || self.instance.is_over()
    }

    /// Sends a frame. When `idle` ends the wait, the call is interrupted as in [`Self::next`], which the
    /// caller must call next and which returns the error.
    #[inline]
    pub fn send_while(
        &mut self,
        frame: &mut FrameBuilder,
        idle: &mut dyn Idle,
    ) -> Result<(), ClientError> {
        if !self.instance.is_ours() {
            return Err(ClientError::Forked);
        }
        if self.has_failed {
            return Err(self.lost(idle));
        }
        self.answers_in_place = false;
        let number = frame.number();
        let sent = match frame.kind() {
            FrameKind::Request => {
                let call = self.pending.ask(number)?;
                match frame.finish(call, self.instance.generation) {
                    Ok(bytes) => bytes,
                    Err(error) => {
                        self.pending.unask();
                        return Err(error.into());
                    }
                }
            }
            FrameKind::Reply | FrameKind::Failure => {
                let Some(open) = self.pending.innermost().filter(|open| open.by == By::Them) else {
                    return Err(nothing_to_answer());
                };
                let bytes = frame.finish_as(open.number, open.call, self.instance.generation)?;
                self.pending.answer()?;
                bytes
            }
            FrameKind::Notice => return Err(nothing_to_answer()),
        };
        if let Some(recorder) = &self.instance.recorder {
            recorder.sent(self.lane.index(), self.export.as_deref(), sent);
        }
        let mut grace = GraceIdle {
            idle: &mut *idle,
            cancel: (&self.instance, self.lane.index()),
            since: &mut self.interrupted,
        };
        match self.lane.send(sent, &mut grace) {
            Ok(()) => {
                if self.interrupted.is_some() {
                    self.lane.set_cancel(1);
                }
                Ok(())
            }
            Err(error) => Err(self.failed(error, idle)),
        }
    }

    /// Waits for the next frame of the host: the reply to the innermost request, or a request of the
    /// host, which must be answered first. `body` is replaced by the frame's body.
    ///
    /// If `idle` ends the wait, the call is cancelled and its callbacks are refused; a host that has not
    /// replied within half a second is killed. Only then does this return
    /// [`ClientError::Interrupted`], so that the lane is free again. Frames that came meanwhile are in
    /// [`Self::take_discarded`].
    #[inline]
    pub fn next(&mut self, body: &mut Vec<u8>, idle: &mut dyn Idle) -> Result<Header, ClientError> {
        match self.receive(body, None, idle)? {
            Incoming::Frame(header) => Ok(header),
            Incoming::Callback => Err(violation().into()),
        }
    }

    /// As [`Self::next`], but the host may make a callback in place as well, which is in `callback` then and
    /// must be answered first.
    #[inline]
    pub fn next_or_callback(
        &mut self,
        body: &mut Vec<u8>,
        callback: &mut DirectCallback,
        idle: &mut dyn Idle,
    ) -> Result<Incoming, ClientError> {
        self.receive(body, Some(callback), idle)
    }

    #[inline]
    fn receive(
        &mut self,
        body: &mut Vec<u8>,
        mut callback: Option<&mut DirectCallback>,
        idle: &mut dyn Idle,
    ) -> Result<Incoming, ClientError> {
        if !self.instance.is_ours() {
            return Err(ClientError::Forked);
        }
        if self.has_failed {
            return Err(self.lost(idle));
        }
        // A record has no callbacks that take no frame.
        callback = callback.filter(|_| self.instance.recorder.is_none());
        loop {
            let mut grace = GraceIdle {
                idle: &mut *idle,
                cancel: (&self.instance, self.lane.index()),
                since: &mut self.interrupted,
            };
            let received = match callback.as_deref_mut() {
                Some(callback) => {
                    let waited = self.lane.wait_for_callback(callback, &mut grace);
                    if callback.is_asked() {
                        if self.interrupted.is_none() && self.take_callback(callback) {
                            return Ok(Incoming::Callback);
                        }
                        // It comes as a frame.
                        callback.state = CallbackState::Refused;
                        continue;
                    }
                    waited.and_then(|()| self.lane.receive(body, &mut grace))
                }
                None => self.lane.receive(body, &mut grace),
            };
            let header = match received {
                Ok(header) => header,
                Err(error) => return Err(self.failed(error, idle)),
            };
            let accepted = match header.kind {
                FrameKind::Request => self.pending.asked(header.call, header.number),
                FrameKind::Reply | FrameKind::Failure => self.pending.answered(&header),
                FrameKind::Notice => Err(violation()),
            };
            if let Err(error) = accepted {
                return Err(self.failed(error, idle));
            }
            if let Some(recorder) = &self.instance.recorder {
                recorder.received(self.lane.index(), &header, body);
            }
            if self.interrupted.is_none() {
                return Ok(Incoming::Frame(header));
            }
            if let Some(ended) = while_parked(idle, Ok(None), |_| self.wind_down(header, body))? {
                return Err(ended);
            }
            // Each callback starts a new wait: without this check, a host that goes on calling back would
            // never reach the end of its grace period.
            let is_over = |since: Instant| since.elapsed() >= INTERRUPT_GRACE;
            if self.interrupted.is_some_and(is_over) {
                return Err(self.failed(ProtocolError::Interrupted, idle));
            }
        }
    }

    /// Handles a frame that came after the interruption: refuses a callback, or ends with the reply.
    #[cold]
    fn wind_down(
        &mut self,
        header: Header,
        body: &mut Vec<u8>,
    ) -> Result<Option<ClientError>, ClientError> {
        // More callbacks than open calls, or larger ones, come only from a host that ignores the
        // interruption: objects lent in those are not released.
        let kept = self.instance.limits.nested_requests as usize;
        let bytes: usize = self.discarded.iter().map(|kept| kept.1.len()).sum();
        let is_kept = self.discarded.len() < kept && bytes + body.len() <= DISCARDED_BYTES_MAX;
        if header.kind != FrameKind::Request || is_kept {
            self.discarded.push((header, mem::take(body)));
        }
        if header.kind == FrameKind::Request {
            let mut refusal = FrameBuilder::new(self.instance.limits);
            refusal.start(FrameKind::Failure, header.number);
            Failure::write(&mut refusal.body(), &RemoteError::Cancelled)?;
            self.send(&mut refusal)?;
            return Ok(None);
        }
        self.interrupted = None;
        self.lane.set_cancel(0);
        Ok(Some(ClientError::Interrupted))
    }

    /// Interrupts the innermost call of this side. Must be called before the host's open request is
    /// answered; that answer is still sent.
    pub fn interrupt(&mut self) {
        self.interrupted.get_or_insert_with(Instant::now);
    }

    /// The frames that came after an interruption: refused callbacks, and the reply last. The caller
    /// releases the objects that were lent in them.
    pub fn take_discarded(&mut self) -> Vec<(Header, Vec<u8>)> {
        mem::take(&mut self.discarded)
    }

    /// Converts an error of the lane, after which the host is killed if it still runs.
    #[cold]
    fn failed(&mut self, error: ProtocolError, idle: &mut dyn Idle) -> ClientError {
        self.pending.clear();
        self.has_failed = true;
        match error {
            ProtocolError::Disconnected => self.lost(idle),
            ProtocolError::Interrupted => {
                self.instance.kill(Kill::CallTimeout(INTERRUPT_GRACE));
                ClientError::Interrupted
            }
            error => {
                self.instance.kill(Kill::from(&error));
                ClientError::Protocol(error)
            }
        }
    }

    /// The error with the exit report of the host, which this waits for.
    #[cold]
    fn lost(&self, idle: &mut dyn Idle) -> ClientError {
        let (instance, lane) = (&self.instance, self.lane.index());
        let export = self.export.as_deref();
        while_parked(idle, ClientError::Interrupted, |_| {
            instance.lost(lane, export)
        })
    }
}

impl Drop for Conversation {
    #[inline]
    fn drop(&mut self) {
        let mut pending = mem::replace(&mut self.pending, Pending::new(&self.instance.limits));
        if pending.depth() > 0 {
            self.instance.kill(Kill::CallAbandoned);
            pending.clear();
        }
        // A thread that is ending has no thread-local storage any more.
        let _ = FREE_PENDING.try_with(|free| free.set(Some(pending)));
    }
}

#[cold]
fn violation() -> ProtocolError {
    ProtocolError::violation("a notice on a call lane")
}

#[cold]
fn nothing_to_answer() -> ClientError {
    ProtocolError::violation("a reply of the client without a request").into()
}

/// The caller's idle callback, and after an interruption the grace period of the host.
struct GraceIdle<'a> {
    idle: &'a mut dyn Idle,
    cancel: (&'a HostInstance, LaneNumber),
    since: &'a mut Option<Instant>,
}

impl Idle for GraceIdle<'_> {
    fn check(&mut self) -> Result<(), Interrupted> {
        match self.since {
            Some(since) if since.elapsed() >= INTERRUPT_GRACE => Err(Interrupted),
            Some(_) => Ok(()),
            None => {
                if self.idle.check().is_err() {
                    *self.since = Some(Instant::now());
                    let (instance, lane) = self.cancel;
                    instance.end.set_cancel(lane, 1);
                }
                Ok(())
            }
        }
    }

    fn park(&mut self, wait: &mut ParkedWait<'_>) {
        let cancel = self.cancel;
        let since = &mut *self.since;
        self.idle.park(&mut |idle| {
            wait(&mut GraceIdle {
                idle,
                cancel,
                since: &mut *since,
            });
        });
    }

    #[inline]
    fn may_poll_briefly(&mut self) -> bool {
        self.idle.may_poll_briefly()
    }

    fn until(&self) -> Option<Instant> {
        let grace = self.since.map(|since| since + INTERRUPT_GRACE);
        grace.or_else(|| self.idle.until())
    }
}
