//! Plays a story against a fresh host, from one thread: sends what the record has, answers the host's requests
//! from it, and compares what comes.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use hostd_protocol::calls::CallKind;
use hostd_protocol::error::ProtocolError;
use hostd_protocol::frame::FrameKind;

use super::host::{Events, Until, config, is_traced};
use super::objects::Objects;
use super::options::{PlayOptions, ReplayOutcome, Stop};
use super::shapes;
use super::story::{Call, Frame, Step, Story, parse_body};
use super::walk::{Sender, Space};
use crate::record::{RecordEnd, RecordedFile};
use crate::{Client, ClientError, Conversation, ExitReport, lock};

/// How long a turn waits until the host is idle.
const TOP_TIMEOUT: Duration = Duration::from_secs(1);
/// The pause between two turns.
const TURN_PAUSE: Duration = Duration::from_micros(500);
/// How long a host may take to end when it is told to.
const CLOSE_GRACE: Duration = Duration::from_millis(1500);
/// How many differences are described; all are counted.
const DIFFERENCES_MAX: usize = 20;

/// Why a replay ends.
pub(super) enum Over {
    Died(Box<ExitReport>),
    Failed(ClientError),
    Stopped,
}

impl From<ClientError> for Over {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::HostDied(report) | ClientError::GivenUp(report) => Self::Died(report),
            error => Self::Failed(error),
        }
    }
}

impl From<ProtocolError> for Over {
    fn from(error: ProtocolError) -> Self {
        Self::Failed(error.into())
    }
}

/// Which callable of the client a request of the host is for: the call, and the object of the story.
pub(super) type Key = (u16, Option<u32>);

pub(super) struct Player<'a> {
    pub(super) story: &'a Story,
    pub(super) options: &'a PlayOptions,
    client: Client,
    events: Arc<Events>,
    pub(super) objects: Objects,
    pub(super) used: Vec<bool>,
    /// The callbacks of the record that were not answered yet, in order.
    pub(super) unanswered: HashMap<Key, VecDeque<usize>>,
    /// The callback of each key that was answered last.
    pub(super) answered: HashMap<Key, usize>,
    pub(super) outcome: ReplayOutcome,
    /// The host, if a debugger may hold it: nothing is late then.
    held: Option<u32>,
}

/// Plays a story. `stop` is called before the outermost call `before`, counted from one.
///
/// # Errors
/// No host can be started.
pub(super) fn play(
    story: &Story,
    options: &PlayOptions,
    stop: Option<(u64, Stop<'_>)>,
) -> Result<ReplayOutcome, ClientError> {
    let events = Arc::new(Events {
        notices: Mutex::default(),
        echo: options.echo,
    });
    let client = Client::new(config(story, options, Arc::clone(&events)));
    let mut unanswered: HashMap<Key, VecDeque<usize>> = HashMap::new();
    for (number, callback) in story.callbacks.iter().enumerate() {
        let key = (callback.request.number, target(&callback.request));
        unanswered.entry(key).or_default().push_back(number);
    }
    let mut player = Player {
        story,
        options,
        client,
        events,
        objects: Objects::new(&story.head.limits),
        used: vec![false; story.callbacks.len()],
        unanswered,
        answered: HashMap::new(),
        outcome: ReplayOutcome::default(),
        held: None,
    };
    player.compare_addon();
    let over = player.play(stop).err();
    let Player {
        client,
        mut outcome,
        ..
    } = player;
    match over {
        Some(Over::Died(report)) => {
            outcome.output.clone_from(&report.stderr_tail);
            outcome.export.clone_from(&report.export);
            outcome.end = Some(RecordEnd::from(&*report));
        }
        Some(Over::Failed(error @ ClientError::Spawn(_))) => return Err(error),
        Some(Over::Failed(error)) => {
            outcome.failure = Some(error.to_string());
        }
        Some(Over::Stopped) => outcome.is_stopped = true,
        None => {}
    }
    client.close(CLOSE_GRACE).wait();
    Ok(outcome)
}

/// The object of the client that a request of the host is for.
pub(super) fn target(request: &Frame) -> Option<u32> {
    let first = request.ids.first()?;
    (first.space == Space::Client).then_some(first.number)
}

pub(super) fn note(outcome: &mut ReplayOutcome, text: impl FnOnce() -> String) {
    outcome.difference_count += 1;
    if outcome.differences.len() < DIFFERENCES_MAX {
        outcome.differences.push(text());
    }
}

impl Player<'_> {
    fn compare_addon(&mut self) {
        let recorded = &self.story.head.addon;
        let path = PathBuf::from(String::from_utf8_lossy(&recorded.path).into_owned());
        let now = RecordedFile::of(&path);
        if now.hash != recorded.hash || now.bytes != recorded.bytes {
            note(&mut self.outcome, || {
                format!("{} is not the file that was recorded", path.display())
            });
        }
    }

    fn play(&mut self, mut stop: Option<(u64, Stop<'_>)>) -> Result<(), Over> {
        let mut number = 0;
        for step in &self.story.steps {
            self.read_notices()?;
            match *step {
                Step::Notice(notice) => {
                    let notice = Arc::clone(&self.story.notices[notice]);
                    self.await_settled(&notice, None)?;
                }
                Step::Call(call) => {
                    number += 1;
                    if let Some((before, stop)) = &mut stop
                        && number == *before
                    {
                        self.stop(stop)?;
                    }
                    let call = Arc::clone(&self.story.calls[call]);
                    self.outermost(number, &call)?;
                }
            }
        }
        self.linger()
    }

    fn stop(&mut self, stop: &mut Stop<'_>) -> Result<(), Over> {
        // The process is there before its first call.
        drop(self.lease()?);
        let pid = self.client.pid().unwrap_or(0);
        self.held = Some(pid);
        if stop(pid) {
            Ok(())
        } else {
            Err(Over::Stopped)
        }
    }

    /// Takes turns after the last call, where the record ends with a crash.
    fn linger(&mut self) -> Result<(), Over> {
        // Without an end, it may have been one.
        let is_crash = self.story.end.as_ref().is_none_or(RecordEnd::is_crash);
        if !is_crash {
            return Ok(());
        }
        let began = Instant::now();
        while self.is_held() || began.elapsed() < self.options.linger {
            let turned = self.turn();
            if turned.is_err() {
                self.outcome.lingered = Some(began.elapsed());
            }
            turned?;
            thread::sleep(TURN_PAUSE);
        }
        Ok(())
    }

    pub(super) fn until(&self, extra: Duration) -> Until {
        let time = self
            .options
            .call_timeout
            .saturating_add(extra.saturating_mul(10));
        Until::after(time, self.held, self.options.is_interrupted)
    }

    fn is_held(&self) -> bool {
        self.held.is_some_and(is_traced)
    }

    pub(super) fn lease(&mut self) -> Result<Conversation, Over> {
        // Each call begins with this, and each turn.
        if (self.options.is_interrupted)() {
            return Err(ClientError::Interrupted.into());
        }
        let mut until = self.until(Duration::ZERO);
        Ok(self.client.conversation(&mut until)?)
    }

    /// Makes a call that is in no other.
    fn outermost(&mut self, number: u64, call: &Call) -> Result<(), Over> {
        self.read_notices()?;
        if self.cannot_make(call) {
            return Ok(());
        }
        let is_turn = call.kind() == Some(CallKind::Turn);
        let mut conversation = self.lease()?;
        if is_turn && !take_top(&conversation) {
            return Ok(());
        }
        self.outcome.played += 1;
        self.exchange(&mut conversation, number, call)?;
        drop(conversation);
        if is_turn {
            let began = Instant::now();
            let is_missing = |player: &Self| call.callbacks.iter().any(|it| !player.used[*it]);
            while is_missing(self) && (self.is_held() || began.elapsed() < self.options.events) {
                thread::sleep(TURN_PAUSE);
                self.turn()?;
            }
        }
        if let Some(reply) = &call.reply {
            self.await_settled(reply, call.request.host_target())?;
        }
        Ok(())
    }

    /// Whether a call names an object that this host has not lent. Then it is left out, with all in it.
    pub(super) fn cannot_make(&mut self, call: &Call) -> bool {
        if self.objects.unknown(&call.request).is_none() {
            return false;
        }
        self.outcome.skipped += 1;
        for number in &call.request.releases {
            self.objects.release(*number);
        }
        let limits = self.story.head.limits;
        note(&mut self.outcome, || {
            let call = shapes::call(call, &limits);
            format!("{call} needs an object that the host has not made this time; left out")
        });
        true
    }

    /// Takes a turn of its own, if the host is idle.
    fn turn(&mut self) -> Result<(), Over> {
        let mut conversation = self.lease()?;
        if !conversation.try_take_top() {
            return Ok(());
        }
        let turn = Call {
            lane: 0,
            name: String::new(),
            request: Frame::empty(CallKind::Turn),
            callbacks: Vec::new(),
            reply: None,
        };
        self.exchange(&mut conversation, 0, &turn)?;
        drop(conversation);
        self.read_notices()
    }

    fn read_notices(&mut self) -> Result<(), Over> {
        let notices = mem::take(&mut *lock(&self.events.notices));
        for (header, body) in notices {
            let parsed = parse_body(header, &body, Sender::Host, &self.story.head.limits)?;
            self.objects.receive(&parsed)?;
        }
        Ok(())
    }

    /// Waits until the promises of a frame of the record are settled here, too.
    fn await_settled(&mut self, frame: &Frame, watched: Option<u32>) -> Result<(), Over> {
        for settled in &frame.settled {
            let named = settled.promise.and_then(|place| frame.ids.get(place));
            let Some(promise) = named.map(|id| id.number).or(watched) else {
                continue;
            };
            let is_settled = |player: &Self| player.objects.promise(promise).is_none_or(|it| it.1);
            self.wait_for(is_settled)?;
            let ids = frame.ids.get(settled.ids.clone()).unwrap_or_default();
            if let Some((id, true)) = self.objects.promise(promise) {
                self.objects.match_settled(id, ids);
            }
        }
        Ok(())
    }

    fn wait_for(&mut self, is_there: impl Fn(&Self) -> bool) -> Result<(), Over> {
        let began = Instant::now();
        while !is_there(self) && (self.is_held() || began.elapsed() < self.options.events) {
            self.turn()?;
            self.read_notices()?;
            if !is_there(self) {
                thread::sleep(TURN_PAUSE);
            }
        }
        Ok(())
    }
}

/// Claims the JS thread for a turn, once it is idle.
fn take_top(conversation: &Conversation) -> bool {
    let began = Instant::now();
    while !conversation.try_take_top() {
        if conversation.is_over() || began.elapsed() > TOP_TIMEOUT {
            // What is sent then reports how the host has ended.
            return conversation.is_over();
        }
        thread::sleep(TURN_PAUSE);
    }
    true
}

impl Frame {
    /// The object of the host that a request of the client is for.
    pub(super) fn host_target(&self) -> Option<u32> {
        let first = self.ids.first()?;
        (first.space == Space::Host).then_some(first.number)
    }

    /// A request without a body.
    pub(super) fn empty(call: CallKind) -> Self {
        Self {
            kind: FrameKind::Request,
            number: call.number(),
            is_unread: false,
            writes_back: false,
            body: Vec::new(),
            ids: Vec::new(),
            settled: Vec::new(),
            releases: Vec::new(),
            time: Duration::ZERO,
        }
    }
}
