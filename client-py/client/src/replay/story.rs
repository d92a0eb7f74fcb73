//! A record as a tree: the outermost calls, the callbacks in them, the calls in those. Each object has a number
//! of its own in it, while ids are used again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hostd_protocol::calls::CallKind;
use hostd_protocol::error::ProtocolError;
use hostd_protocol::frame::{
    Flags, FrameKind, HEADER_BYTES, Header, RELEASES_MAX, read_denials, read_releases,
};
use hostd_protocol::ids::Generation;
use hostd_protocol::lent::Release;
use hostd_protocol::limits::Limits;
use hostd_protocol::value::ValueReader;

use super::numbers::Numbers;
use super::walk::{Found, IdUse, Sender, SettledIn, walk};
use crate::record::{CallRecord, EntryKind, RecordEnd, RecordEntry, RecordError, RecordHead};

/// The most requests inside each other: more than any host is told to allow.
const NESTED_MAX: usize = 256;

/// A frame without its release block.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) kind: FrameKind,
    pub(super) number: u16,
    pub(super) is_unread: bool,
    pub(super) writes_back: bool,
    /// The body proper, after the blocks of releases and denials.
    pub(super) body: Vec<u8>,
    /// The ids in it, by the numbers of their objects.
    pub(super) ids: Vec<IdUse>,
    pub(super) settled: Vec<SettledIn>,
    /// The objects of the host that its release block gave back.
    pub(super) releases: Vec<u32>,
    pub(super) time: Duration,
}

/// A call of the client.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) lane: u16,
    /// The name of the export, if it was recorded.
    pub(super) name: String,
    pub(super) request: Frame,
    /// The callbacks in it, by their places in the story.
    pub(super) callbacks: Vec<usize>,
    pub(super) reply: Option<Frame>,
}

/// A request of the host, in a call.
#[derive(Clone, Debug)]
pub(super) struct Callback {
    pub(super) request: Frame,
    /// The calls in it, by their places in the story.
    pub(super) calls: Vec<usize>,
    pub(super) answer: Option<Frame>,
}

/// What happens on the outside, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A call that is in no other.
    Call(usize),
    /// A notice.
    Notice(usize),
}

/// A record as a tree.
#[derive(Clone, Debug)]
pub(super) struct Story {
    pub(super) head: Arc<RecordHead>,
    pub(super) calls: Vec<Arc<Call>>,
    pub(super) callbacks: Vec<Arc<Callback>>,
    pub(super) notices: Vec<Arc<Frame>>,
    pub(super) steps: Vec<Step>,
    pub(super) end: Option<RecordEnd>,
    /// Why the recording stopped before the end.
    pub(super) stopped: Option<String>,
}

/// An open request on a lane.
#[derive(Clone, Copy)]
enum Open {
    Call(usize),
    Callback(usize),
}

struct Reader<'a> {
    record: &'a CallRecord,
    limits: Limits,
    numbers: Numbers,
    calls: Vec<Call>,
    callbacks: Vec<Callback>,
    notices: Vec<Frame>,
    steps: Vec<Step>,
    open: HashMap<u16, Vec<Open>>,
    /// The outermost calls that the host has not begun to answer: their places in `steps` are not known.
    unanswered: Vec<usize>,
    /// The callbacks in which other lanes are served, innermost last.
    nesting: Vec<usize>,
}

impl Story {
    /// Reads a record.
    ///
    /// # Errors
    /// It has no values, or what it has is damaged.
    pub(super) fn read(record: &CallRecord) -> Result<Self, RecordError> {
        if !record.head.values {
            return Err(RecordError::NoValues(record.path.clone()));
        }
        let mut reader = Reader {
            record,
            limits: record.head.limits,
            numbers: Numbers::default(),
            calls: Vec::new(),
            callbacks: Vec::new(),
            notices: Vec::new(),
            steps: Vec::new(),
            open: HashMap::new(),
            unanswered: Vec::new(),
            nesting: Vec::new(),
        };
        let mut stopped = None;
        for entry in record.entries() {
            let (at, entry) = entry?;
            let wrong = |error: ProtocolError| record.damaged(at, error.to_string());
            match entry.kind {
                EntryKind::ToHost => reader.sent(&entry).map_err(wrong)?,
                EntryKind::FromHost => reader.received(&entry).map_err(wrong)?,
                EntryKind::Notice => reader.notice(&entry).map_err(wrong)?,
                EntryKind::Stopped => {
                    stopped = Some(String::from_utf8_lossy(entry.bytes).into_owned());
                }
                EntryKind::End => {}
            }
        }
        // What the host never answered comes last, in the order in which it was sent.
        let unanswered = reader.unanswered.drain(..).map(Step::Call);
        reader.steps.extend(unanswered);
        Ok(Self {
            head: Arc::new(record.head.clone()),
            calls: reader.calls.into_iter().map(Arc::new).collect(),
            callbacks: reader.callbacks.into_iter().map(Arc::new).collect(),
            notices: reader.notices.into_iter().map(Arc::new).collect(),
            steps: reader.steps,
            end: record.end()?,
            stopped,
        })
    }

    /// The name of the addon's file.
    pub(super) fn addon(&self) -> String {
        let path = String::from_utf8_lossy(&self.head.addon.path);
        path.rsplit('/').next().unwrap_or_default().to_owned()
    }

    /// The outermost calls, in the order in which the host served them.
    pub(super) fn outermost(&self) -> impl Iterator<Item = usize> {
        self.steps.iter().filter_map(|step| match step {
            Step::Call(call) => Some(*call),
            Step::Notice(_) => None,
        })
    }

    /// The outermost call that the host was in at its end, or the last one without a reply.
    pub(super) fn last_open(&self) -> Option<usize> {
        let lane = self.end.as_ref().and_then(|end| end.lane);
        let is_open = |call: &usize| self.calls[*call].reply.is_none();
        let open = || self.outermost().filter(is_open);
        let on_lane = open().find(|call| Some(self.calls[*call].lane) == lane);
        on_lane.or_else(|| open().last())
    }
}

impl Call {
    /// Which call it is; none that this version knows.
    pub(super) fn kind(&self) -> Option<CallKind> {
        CallKind::from_number(self.request.number)
    }
}

impl Reader<'_> {
    fn sent(&mut self, entry: &RecordEntry<'_>) -> Result<(), ProtocolError> {
        let frame = self.frame(entry, Sender::Client)?;
        let lane = self.open.entry(entry.lane).or_default();
        match (frame.kind, lane.last().copied()) {
            (FrameKind::Request, None | Some(Open::Callback(_))) => {
                if lane.len() >= NESTED_MAX {
                    return Err(ProtocolError::violation("too many nested calls"));
                }
                let outer = lane.last().copied();
                let number = self.calls.len();
                lane.push(Open::Call(number));
                self.calls.push(Call {
                    lane: entry.lane,
                    name: String::from_utf8_lossy(entry.name).into_owned(),
                    request: frame,
                    callbacks: Vec::new(),
                    reply: None,
                });
                match outer {
                    Some(Open::Callback(callback)) => self.callbacks[callback].calls.push(number),
                    _ => self.unanswered.push(number),
                }
            }
            (FrameKind::Reply | FrameKind::Failure, Some(Open::Callback(callback))) => {
                lane.pop();
                self.nesting.retain(|open| *open != callback);
                self.callbacks[callback].answer = Some(frame);
            }
            _ => return Err(ProtocolError::violation("a frame to the host out of order")),
        }
        Ok(())
    }

    fn received(&mut self, entry: &RecordEntry<'_>) -> Result<(), ProtocolError> {
        let frame = self.frame(entry, Sender::Host)?;
        let lane = self.open.entry(entry.lane).or_default();
        let Some(Open::Call(call)) = lane.last().copied() else {
            return Err(ProtocolError::violation("a frame of the host out of order"));
        };
        if let Some(place) = self.unanswered.iter().position(|waiting| *waiting == call) {
            self.unanswered.remove(place);
            match self.nesting.last() {
                Some(callback) => self.callbacks[*callback].calls.push(call),
                None => self.steps.push(Step::Call(call)),
            }
        }
        if frame.kind == FrameKind::Request {
            if lane.len() >= NESTED_MAX || self.nesting.len() >= NESTED_MAX {
                return Err(ProtocolError::violation("too many nested calls"));
            }
            let number = self.callbacks.len();
            lane.push(Open::Callback(number));
            self.calls[call].callbacks.push(number);
            self.callbacks.push(Callback {
                request: frame,
                calls: Vec::new(),
                answer: None,
            });
            if self.record.head.nested_threads {
                self.nesting.push(number);
            }
            return Ok(());
        }
        lane.pop();
        if frame.is_unread {
            for id in &self.calls[call].request.ids {
                self.numbers.unsend(id);
            }
        }
        self.calls[call].reply = Some(frame);
        Ok(())
    }

    fn notice(&mut self, entry: &RecordEntry<'_>) -> Result<(), ProtocolError> {
        let frame = self.frame(entry, Sender::Host)?;
        if frame.kind != FrameKind::Notice {
            return Err(ProtocolError::violation("a notice that is none"));
        }
        // Most are wake-up requests.
        if !frame.settled.is_empty() || !frame.ids.is_empty() {
            self.steps.push(Step::Notice(self.notices.len()));
            self.notices.push(frame);
        }
        Ok(())
    }

    /// Reads a frame, and gives its objects their numbers.
    fn frame(&mut self, entry: &RecordEntry<'_>, sender: Sender) -> Result<Frame, ProtocolError> {
        let generation = Generation(self.record.head.generation);
        let parsed = parse(entry.bytes, sender, generation, &self.limits)?;
        let Parsed {
            header,
            body,
            found,
            releases,
        } = parsed;
        let released: Vec<_> = releases
            .iter()
            .filter_map(|release| self.numbers.release(sender, release))
            .collect();
        let mut ids = found.ids;
        for id in &mut ids {
            id.number = self.numbers.number(sender, id);
        }
        Ok(Frame {
            kind: header.kind,
            number: header.number,
            is_unread: header.flags.contains(Flags::UNREAD),
            writes_back: header.flags.contains(Flags::WRITE_BACK),
            body: body.to_vec(),
            ids,
            settled: found.settled,
            releases: released,
            time: entry.time,
        })
    }
}

/// A frame as it travelled.
pub(super) struct Parsed<'a> {
    pub(super) header: Header,
    /// The body after the blocks of releases and denials.
    pub(super) body: &'a [u8],
    pub(super) found: Found,
    pub(super) releases: Vec<Release>,
}

/// Reads the bytes of a frame.
pub(super) fn parse<'a>(
    bytes: &'a [u8],
    sender: Sender,
    generation: Generation,
    limits: &Limits,
) -> Result<Parsed<'a>, ProtocolError> {
    let Some((header, body)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Err(ProtocolError::violation("a frame without a header"));
    };
    let header = Header::decode(header, generation, limits)?;
    if header.body_len as usize != body.len() {
        return Err(ProtocolError::violation("a frame of another length"));
    }
    parse_body(header, body, sender, limits)
}

/// Reads the body of a frame.
pub(super) fn parse_body<'a>(
    header: Header,
    body: &'a [u8],
    sender: Sender,
    limits: &Limits,
) -> Result<Parsed<'a>, ProtocolError> {
    let mut reader = ValueReader::new(body, limits);
    let mut releases = Vec::new();
    read_releases(header.flags, &mut reader, |release| {
        debug_assert!(releases.len() <= RELEASES_MAX);
        releases.push(release);
        Ok(())
    })?;
    read_denials(header.flags, &mut reader)?;
    let body = reader.rest();
    let found = walk(
        body,
        sender,
        (header.kind, header.flags, header.number),
        limits,
    )?;
    Ok(Parsed {
        header,
        body,
        found,
        releases,
    })
}
