//! A leased lane, and what is said on it.

use std::cell::Cell;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hostd_protocol::carrier::{ClientLane, Idle, Interrupted, Patient, Rest, at_rest};
use hostd_protocol::error::{Failure, ProtocolError, RemoteError};
use hostd_protocol::frame::{FrameBuilder, FrameKind, Header};
use hostd_protocol::ids::{Generation, LaneIndex};
use hostd_protocol::pending::{By, Pending};

use crate::ClientError;
use crate::session::Session;

/// After an interruption the host has this long to end the call; then it is killed.
const GRACE: Duration = Duration::from_millis(500);

thread_local! {
    /// The lane that this thread had last: its memory is warm.
    static LAST_LANE: Cell<Option<LaneIndex>> = const { Cell::new(None) };
    static SPARE: Cell<Option<Pending>> = const { Cell::new(None) };
}

/// A lane of one generation of the host, leased for an outermost call and whatever is nested in
/// it. Given back when dropped; if requests are open then, the host is killed, because nobody
/// would answer it.
#[derive(Debug)]
pub struct Conversation {
    session: Arc<Session>,
    lane: ClientLane,
    pending: Pending,
    export: Option<Arc<str>>,
    /// Since when the caller wants the innermost call to end.
    interrupted: Option<Instant>,
    discarded: Vec<(Header, Vec<u8>)>,
    /// The lane has failed: nothing more is said on it, and the host is dead or about to be.
    has_failed: bool,
}

impl Conversation {
    /// Says that the addon is loaded: what it has put into its cache folder by now is stored for
    /// later hosts of the same file and policy.
    pub fn loaded(&self) {
        self.session.store_cache();
    }

    /// Leases a lane. An error `Disconnected` means that the session is over.
    #[inline]
    pub(crate) fn lease(session: Arc<Session>, idle: &mut dyn Idle) -> Result<Self, ProtocolError> {
        let lane = session.end.lease(LAST_LANE.get(), idle)?;
        LAST_LANE.set(Some(lane.index()));
        let pending = SPARE
            .take()
            .unwrap_or_else(|| Pending::new(&session.limits));
        Ok(Self {
            session,
            lane,
            pending,
            export: None,
            interrupted: None,
            discarded: Vec::new(),
            has_failed: false,
        })
    }

    /// The generation of the host that is spoken to.
    #[inline]
    pub fn generation(&self) -> Generation {
        self.session.generation
    }

    /// Announces a turn, if the JS thread is at its top: then the turn is to be sent at once, else
    /// the host rings again when it is.
    pub fn try_take_top(&self) -> bool {
        self.session.is_alive() && self.lane.try_take_top()
    }

    /// How many requests are open, of both sides.
    pub fn depth(&self) -> usize {
        self.pending.depth()
    }

    /// Names the exported function that is being called, for the report of a death.
    #[inline]
    pub fn set_export(&mut self, export: Arc<str>) {
        self.export = Some(export);
    }

    /// Sends what was built: a request, or the answer to the host's innermost request. Waits
    /// without end if the host does not read: see [`Self::send_while`].
    ///
    /// On an error with a limit nothing was sent, and the conversation goes on.
    #[inline]
    pub fn send(&mut self, frame: &mut FrameBuilder) -> Result<(), ClientError> {
        self.send_while(frame, &mut Patient)
    }

    /// Whether the host has ended or was killed for this conversation, or belongs to the process that
    /// this one was forked from.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.has_failed || self.session.is_over()
    }

    /// Sends what was built, for as long as `idle` allows: then the call is interrupted as by
    /// [`Self::next`], which is to be called next and says so.
    #[inline]
    pub fn send_while(
        &mut self,
        frame: &mut FrameBuilder,
        idle: &mut dyn Idle,
    ) -> Result<(), ClientError> {
        if !self.session.is_ours() {
            return Err(ClientError::Forked);
        }
        if self.has_failed {
            return Err(self.death(idle));
        }
        let number = frame.number();
        let sent = match frame.kind() {
            FrameKind::Request => {
                let call = self.pending.ask(number)?;
                match frame.finish(call, self.session.generation) {
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
                frame.finish_as(open.number, open.call, self.session.generation)?;
                self.pending.answer()?;
                frame.finish_as(open.number, open.call, self.session.generation)?
            }
            FrameKind::Notice => return Err(nothing_to_answer()),
        };
        let mut grace = Grace {
            idle: &mut *idle,
            cancel: (&self.session, self.lane.index()),
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

    /// Waits for what the host says next: the answer to the innermost request, or a request of
    /// its own, which is to be answered first. `body` is replaced by the frame's body.
    ///
    /// If `idle` ends the wait, the call is cancelled; callbacks of it are refused, and if the host
    /// has not answered after half a second it is killed. Only then does this return
    /// [`ClientError::Interrupted`], so that no lane is left behind. What came after all is in
    /// [`Self::take_discarded`].
    #[inline]
    pub fn next(&mut self, body: &mut Vec<u8>, idle: &mut dyn Idle) -> Result<Header, ClientError> {
        if !self.session.is_ours() {
            return Err(ClientError::Forked);
        }
        if self.has_failed {
            return Err(self.death(idle));
        }
        loop {
            let mut grace = Grace {
                idle: &mut *idle,
                cancel: (&self.session, self.lane.index()),
                since: &mut self.interrupted,
            };
            let received = self.lane.receive(body, &mut grace);
            let header = match received {
                Ok(header) => header,
                Err(error) => return Err(self.failed(error, idle)),
            };
            let accepted = match header.kind {
                FrameKind::Request => self.pending.asked(&header),
                FrameKind::Reply | FrameKind::Failure => self.pending.answered(&header),
                FrameKind::Notice => Err(violation()),
            };
            if let Err(error) = accepted {
                return Err(self.failed(error, idle));
            }
            if self.interrupted.is_none() {
                return Ok(header);
            }
            if let Some(ended) = at_rest(idle, Ok(None), |_| self.wind_down(header, body))? {
                return Err(ended);
            }
        }
    }

    /// After an interruption: refuses a callback, or ends with the answer of the call.
    #[cold]
    fn wind_down(
        &mut self,
        header: Header,
        body: &mut Vec<u8>,
    ) -> Result<Option<ClientError>, ClientError> {
        // More than one for each open call comes only of a host that does not heed.
        let kept = self.session.limits.nested_requests as usize;
        if header.kind != FrameKind::Request || self.discarded.len() < kept {
            self.discarded.push((header, mem::take(body)));
        }
        if header.kind == FrameKind::Request {
            let mut refusal = FrameBuilder::new(self.session.limits);
            refusal.start(FrameKind::Failure, header.number);
            Failure::write(&mut refusal.body(), &RemoteError::Cancelled)?;
            self.send(&mut refusal)?;
            return Ok(None);
        }
        self.interrupted = None;
        self.lane.set_cancel(0);
        Ok(Some(ClientError::Interrupted))
    }

    /// Has the innermost call of this side ended as by an interruption: to be called before the
    /// host's request is answered, whose answer it still gets.
    pub fn interrupt(&mut self) {
        self.interrupted.get_or_insert_with(Instant::now);
    }

    /// What came after a call was interrupted, its answer last: callbacks that were refused, and the
    /// answer. What was lent in them is to be given back.
    pub fn take_discarded(&mut self) -> Vec<(Header, Vec<u8>)> {
        mem::take(&mut self.discarded)
    }

    /// What an error of the lane means.
    #[cold]
    fn failed(&mut self, error: ProtocolError, idle: &mut dyn Idle) -> ClientError {
        self.pending.clear();
        self.has_failed = true;
        match error {
            ProtocolError::Disconnected => self.death(idle),
            ProtocolError::Interrupted => {
                let reason = "it did not end a call within 0.5 s after that was interrupted";
                self.session.kill(|| reason.to_owned());
                ClientError::Interrupted
            }
            error => {
                self.session.kill(|| error.to_string());
                ClientError::Protocol(error)
            }
        }
    }

    /// How the host ended, which this waits for.
    #[cold]
    fn death(&self, idle: &mut dyn Idle) -> ClientError {
        let (session, lane) = (&self.session, self.lane.index());
        let export = self.export.as_deref();
        at_rest(idle, ClientError::Interrupted, |_| {
            session.death(lane, export)
        })
    }
}

impl Drop for Conversation {
    #[inline]
    fn drop(&mut self) {
        let mut pending = mem::replace(&mut self.pending, Pending::new(&self.session.limits));
        if pending.depth() > 0 {
            self.session
                .kill(|| "killed: a call was abandoned before its reply".to_owned());
            pending.clear();
        }
        // In a thread that is ending there is nothing to keep it in.
        let _ = SPARE.try_with(|spare| spare.set(Some(pending)));
    }
}

#[cold]
fn violation() -> ProtocolError {
    ProtocolError::Violation {
        what: "a notice on a call lane",
    }
}

#[cold]
fn nothing_to_answer() -> ClientError {
    ClientError::Protocol(ProtocolError::Violation {
        what: "a reply of the client without a request",
    })
}

/// The caller's idling, and after its end the host's time to end the call.
struct Grace<'a> {
    idle: &'a mut dyn Idle,
    cancel: (&'a Session, LaneIndex),
    since: &'a mut Option<Instant>,
}

impl Idle for Grace<'_> {
    fn check(&mut self) -> Result<(), Interrupted> {
        match self.since {
            Some(since) if since.elapsed() >= GRACE => Err(Interrupted),
            Some(_) => Ok(()),
            None => {
                if self.idle.check().is_err() {
                    *self.since = Some(Instant::now());
                    let (session, lane) = self.cancel;
                    if let Ok(cancel) = session.end.canceller(lane) {
                        cancel.set(1);
                    }
                }
                Ok(())
            }
        }
    }

    fn rest(&mut self, wait: &mut Rest<'_>) {
        let cancel = self.cancel;
        let since = &mut *self.since;
        self.idle.rest(&mut |idle| {
            wait(&mut Grace {
                idle,
                cancel,
                since: &mut *since,
            });
        });
    }

    #[inline]
    fn may_stay(&mut self) -> bool {
        self.idle.may_stay()
    }
}
