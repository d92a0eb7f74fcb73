//! Shortens a story while the crash stays: leaves out calls by halves, then quarters and so on (delta debugging),
//! then shortens the texts and buffers in the arguments of those that are left.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hostd_protocol::calls::CallKind;

use super::options::{PlayOptions, ReplayOutcome};
use super::play::play;
use super::search::Search;
use super::shrink;
use super::story::{Step, Story};
use super::walk::{Counts, Space};
use crate::ClientError;
use crate::record::RecordEnd;

/// How long a candidate may take for one call beside ten times what it took in the record.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an event of a candidate is waited for.
const EVENTS: Duration = Duration::from_millis(250);
/// How long turns are taken after the last call of a candidate, at least.
const LINGER_MIN: Duration = Duration::from_millis(20);
/// How often the whole record is played to see whether its crash is there each time.
const PROBES: u32 = 3;
/// How often a candidate is played if the crash is not there each time.
const ATTEMPTS: u32 = 4;

/// What minimizing has found.
#[derive(Clone, Debug)]
pub struct Minimized {
    /// Calls of the record, and of what is left.
    pub calls: (usize, usize),
    /// Bytes of the requests of the record, and of what is left.
    pub bytes: (usize, usize),
    /// How many replays it took.
    pub replays: u32,
    /// Whether the time was over before nothing more could be left out.
    pub is_unfinished: bool,
    /// Whether each replay of the record crashed.
    pub is_steady: bool,
    /// The crash that stays.
    pub end: RecordEnd,
}

/// Why nothing was minimized.
#[derive(Debug)]
pub enum MinimizeError {
    /// No host can be started.
    Client(ClientError),
    /// The record did not crash when it was replayed; how the replay went.
    NoCrash(Box<ReplayOutcome>),
}

impl From<ClientError> for MinimizeError {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

/// Shortens a story for at most `time`. `progress` gets the number of replays and of calls of each candidate, and
/// returns whether to go on.
///
/// # Errors
/// The story does not crash, or no host can be started.
pub(super) fn minimize(
    story: &Story,
    options: &PlayOptions,
    time: Duration,
    progress: &mut dyn FnMut(u32, usize) -> bool,
) -> Result<(Story, Minimized), MinimizeError> {
    let until = Instant::now() + time;
    let addon = story.addon();
    let mut crashes = Vec::new();
    let mut last = None;
    for probe in 0..PROBES {
        let outcome = play(story, options, None)?;
        if outcome.end.as_ref().is_some_and(RecordEnd::is_crash) {
            crashes.push(outcome);
        } else {
            last = Some(outcome);
        }
        if probe > 0 && Instant::now() > until {
            break;
        }
    }
    let Some(first) = crashes.first() else {
        return Err(MinimizeError::NoCrash(Box::new(last.unwrap_or_default())));
    };
    let is_recorded = |outcome: &&ReplayOutcome| {
        let ends = outcome.end.as_ref().zip(story.end.as_ref());
        ends.is_some_and(|(now, then)| now.is_same(then, &addon))
    };
    let chosen = crashes.iter().find(is_recorded).unwrap_or(first);
    let end = chosen.end.clone().unwrap_or_default();
    let is_steady = last.is_none()
        && crashes
            .iter()
            .all(|it| it.end.as_ref().is_some_and(|it| it.is_same(&end, &addon)));
    let lingered = crashes.iter().filter_map(|it| it.lingered).max();
    let mut search = Search {
        options: PlayOptions {
            echo: false,
            call_timeout: options.call_timeout.min(CALL_TIMEOUT),
            events: options.events.min(EVENTS),
            linger: lingered.map_or(LINGER_MIN, |time| time * 3 + LINGER_MIN * 5),
            ..options.clone()
        },
        addon,
        end: end.clone(),
        until,
        attempts: if is_steady { 1 } else { ATTEMPTS },
        replays: PROBES,
        progress,
        is_ended: false,
    };
    let mut found = story.clone();
    found.end = Some(end.clone());
    leave_out(&mut found, &mut search)?;
    shrink::shrink(&mut found, &mut search)?;
    let minimized = Minimized {
        calls: (story.outermost().count(), found.outermost().count()),
        bytes: (bytes_of(story), bytes_of(&found)),
        replays: search.replays,
        is_unfinished: search.is_over(),
        is_steady,
        end,
    };
    Ok((found, minimized))
}

fn bytes_of(story: &Story) -> usize {
    story
        .outermost()
        .map(|call| story.calls[call].request.body.len())
        .sum()
}

/// A story with these steps only.
fn with_steps(story: &Story, steps: Vec<Step>) -> Story {
    Story {
        steps,
        ..story.clone()
    }
}

/// Leaves out steps as long as the crash stays.
fn leave_out(story: &mut Story, search: &mut Search<'_>) -> Result<(), ClientError> {
    if let Some(last) = story.last_open() {
        // Mostly the last call crashes, with what it names.
        let needed = needed_for(story, last);
        let is_needed = |step: &Step| matches!(step, Step::Call(call) if needed.contains(call));
        let steps = story.steps.iter().copied().filter(is_needed).collect();
        let candidate = with_steps(story, steps);
        if search.crashes(&candidate)? {
            *story = candidate;
        }
    }
    let mut parts = 2;
    loop {
        let count = story.steps.len();
        let size = count.div_ceil(parts).max(1);
        let mut is_shorter = false;
        // From the end: there is what leads to the crash, so what is before it goes in large pieces.
        let mut end = count;
        while end > 0 {
            let start = end.saturating_sub(size);
            let is_left = |(place, step): (usize, &Step)| {
                let is_load = matches!(step, Step::Call(call) if loads(story, *call));
                (place < start || place >= end || is_load).then_some(*step)
            };
            let steps: Vec<_> = story.steps.iter().enumerate().filter_map(is_left).collect();
            if steps.len() < story.steps.len() {
                if search.is_over() {
                    return Ok(());
                }
                let candidate = with_steps(story, steps);
                if search.crashes(&candidate)? {
                    *story = candidate;
                    is_shorter = true;
                }
            }
            end = start;
        }
        if size == 1 && !is_shorter {
            return Ok(());
        }
        if !is_shorter {
            parts = (parts * 2).min(count.max(2));
        }
        parts = parts.min(story.steps.len().max(2));
    }
}

fn loads(story: &Story, call: usize) -> bool {
    story.calls[call].kind() == Some(CallKind::Load)
}

/// A call, the load, and the calls whose results it names, with what those name.
fn needed_for(story: &Story, call: usize) -> HashSet<usize> {
    let mut makers = std::collections::HashMap::new();
    for maker in story.outermost() {
        for number in made_by(story, maker) {
            makers.entry(number).or_insert(maker);
        }
    }
    let mut needed: HashSet<usize> = story.outermost().filter(|it| loads(story, *it)).collect();
    let mut open = vec![call];
    while let Some(call) = open.pop() {
        if !needed.insert(call) && !loads(story, call) {
            continue;
        }
        for number in named_by(story, call) {
            if let Some(maker) = makers.get(&number)
                && !needed.contains(maker)
            {
                open.push(*maker);
            }
        }
    }
    needed
}

/// The objects of the host that come with the replies and callbacks of a call.
fn made_by(story: &Story, call: usize) -> Vec<u32> {
    let mut found = Vec::new();
    let mut open = vec![call];
    while let Some(call) = open.pop() {
        let call = Arc::clone(&story.calls[call]);
        let callbacks = call.callbacks.iter().map(|it| &story.callbacks[*it]);
        let requests = callbacks.clone().map(|it| &it.request);
        for frame in requests.chain(&call.reply) {
            let is_made =
                |id: &&super::walk::IdUse| id.space == Space::Host && id.counts == Counts::Lent;
            found.extend(frame.ids.iter().filter(is_made).map(|id| id.number));
        }
        open.extend(callbacks.flat_map(|it| it.calls.iter().copied()));
    }
    found
}

/// The objects of the host that a call names, with the answers and calls in it.
fn named_by(story: &Story, call: usize) -> Vec<u32> {
    let mut found = Vec::new();
    let mut open = vec![call];
    while let Some(call) = open.pop() {
        let call = Arc::clone(&story.calls[call]);
        let callbacks = call.callbacks.iter().map(|it| &story.callbacks[*it]);
        let answers = callbacks.clone().filter_map(|it| it.answer.as_ref());
        for frame in answers.chain([&call.request]) {
            let named = frame.ids.iter().filter(|id| id.space == Space::Host);
            found.extend(named.map(|id| id.number));
        }
        open.extend(callbacks.flat_map(|it| it.calls.iter().copied()));
    }
    found
}
