//! The session: replies to requests, sends callbacks before the replies, and notices at random.

use std::error::Error;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::thread;
use std::time::{Duration, Instant};

use hostd_protocol::calls::CallKind;
use hostd_protocol::carrier::socket::Outbox;
use hostd_protocol::carrier::{HostEnd, Wake};
use hostd_protocol::control::{HostMessage, LogLevel};
use hostd_protocol::error::Result;
use hostd_protocol::frame::{FrameBuilder, FrameKind, Header, read_releases, read_weight};
use hostd_protocol::ids::{CallId, Generation, HOME_LANE, LaneNumber, SlotId};
use hostd_protocol::lent::Release;
use hostd_protocol::limits::Limits;
use hostd_protocol::profile::HostTimes;
use hostd_protocol::value::{Token, ValueReader, ValueWriter};

use crate::breach::{damaged, denials};
use crate::chance::Chance;
use crate::commands::Command;
use crate::heard::{Held, Shape};
use crate::memory::Memory;
use crate::values::{TEXTS, Values};

/// The exported function that names a case and a manner.
pub(crate) const BEGIN: u32 = 2;
/// Requests of this host in one case, and how deep they are nested.
const ASKED_MAX: u32 = 12;
const NESTED_MAX: u32 = 6;

/// Limits that no frame of this host exceeds.
pub(crate) const LIMITS: Limits = Limits {
    frame_bytes: 1 << 30,
    depth: u32::MAX,
    values: u32::MAX,
    nested_requests: u32::MAX,
    lent_objects: u32::MAX,
};

/// How the host behaves in a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Every frame is one that the protocol allows.
    Legal,
    /// Some frames are not.
    Illegal,
    /// Values are large.
    Large,
    /// It calls back without end.
    Runaway,
    /// It does not answer.
    Stall,
    /// Its answer comes byte by byte, without end.
    Trickle,
    /// It answers when the call is cancelled.
    Late,
}

const MANNERS: &[Manner] = &[
    Manner::Legal,
    Manner::Illegal,
    Manner::Large,
    Manner::Runaway,
    Manner::Stall,
    Manner::Trickle,
    Manner::Late,
];

/// A request of the client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) lane: LaneNumber,
    pub(crate) header: Header,
    call: CallKind,
    depth: u32,
}

pub(crate) struct Host {
    end: HostEnd,
    pub(crate) generation: Generation,
    outbox: Outbox,
    pub(crate) seed: u64,
    case: u64,
    manner: Manner,
    /// Requests of the client in this case, and of this host.
    served: u64,
    asked: u32,
    /// Requests outside of a case.
    aside: u64,
    pub(crate) held: Held,
    frames: u64,
    pub(crate) counter: Option<File>,
    pub(crate) memory: Option<Memory>,
    is_overwriting: bool,
}

impl Host {
    pub(crate) fn new(
        end: HostEnd,
        generation: Generation,
        outbox: Outbox,
        (seed, counter): (u64, Option<File>),
        memory: Option<Memory>,
    ) -> Self {
        let mut before = [0; 8];
        let read = counter
            .as_ref()
            .map(|file| file.read_exact_at(&mut before, 0));
        let frames = match read {
            Some(Ok(())) => u64::from_le_bytes(before),
            _ => 0,
        };
        Self {
            end,
            generation,
            outbox,
            seed,
            case: 0,
            manner: Manner::Legal,
            served: 0,
            asked: 0,
            aside: 0,
            held: Held::default(),
            frames,
            counter,
            memory,
            is_overwriting: false,
        }
    }

    pub(crate) fn run(mut self) -> Result<(), Box<dyn Error>> {
        let mut body = Vec::new();
        loop {
            if let Wake::Lane(lane) = self.end.wait(None)? {
                let header = self.end.receive(lane, &mut body)?;
                self.serve(lane, header, &body, 0)?;
            }
        }
    }

    fn serve(&mut self, lane: LaneNumber, header: Header, body: &[u8], depth: u32) -> Result {
        let shapes = self.held.read(&header, body);
        let Some(call) = CallKind::from_number(header.number) else {
            return Ok(());
        };
        let asked = Asked {
            lane,
            header,
            call,
            depth,
        };
        let is_aside = matches!(call, CallKind::Turn | CallKind::Release | CallKind::Settle);
        let mut chance = if is_aside || call == CallKind::Load {
            self.aside += 1;
            let stream = (u64::from(self.generation.0) << 32) + self.aside;
            Chance::new(self.seed, u64::MAX, stream)
        } else {
            self.served += 1;
            Chance::new(self.seed, self.case, self.served)
        };
        match call {
            CallKind::Load => return self.load(asked, &mut chance),
            CallKind::Call => {
                if let Some(command) = Command::read(header, body) {
                    return self.obey(asked, &command);
                }
                if let Some((case, manner)) = begin(header, body) {
                    (self.case, self.manner) = (case, manner);
                    (self.served, self.asked) = (0, 0);
                    self.overwrite();
                    return self.send_simple(asked, |out| {
                        out.null();
                    });
                }
            }
            _ => {}
        }
        let manner = if is_aside { Manner::Legal } else { self.manner };
        match manner {
            Manner::Stall => loop {
                thread::sleep(Duration::from_secs(60));
            },
            Manner::Trickle => self.trickle(asked),
            Manner::Late => {
                let cancel = self.end.cancel_flag(lane);
                let end = Instant::now() + Duration::from_secs(5);
                while cancel.get() == 0 && Instant::now() < end {
                    thread::sleep(Duration::from_millis(1));
                }
                self.answer(asked, &shapes, manner, &mut chance)
            }
            _ => self.answer(asked, &shapes, manner, &mut chance),
        }
    }

    /// Has the memory overwritten while cases run.
    fn overwrite(&mut self) {
        if let Some(memory) = &self.memory
            && !self.is_overwriting
        {
            memory.scribble();
            self.is_overwriting = true;
        }
    }

    /// Sends some callbacks and notices, then the reply.
    fn answer(
        &mut self,
        asked: Asked,
        shapes: &[Shape],
        manner: Manner,
        chance: &mut Chance,
    ) -> Result {
        let begun = Instant::now();
        let mut times = chance.few();
        // Turns and releases get fewer callbacks.
        let may_ask = asked.depth < NESTED_MAX;
        while may_ask
            && (times > 0 && self.asked < ASKED_MAX
                || manner == Manner::Runaway && begun.elapsed() < Duration::from_secs(5))
        {
            times = times.saturating_sub(1);
            self.ask(asked, shapes, manner, chance)?;
        }
        if chance.one_in(12) {
            self.tell(manner, chance)?;
        }
        let is_failure = chance.one_in(4);
        let kind = if is_failure {
            FrameKind::Failure
        } else {
            FrameKind::Reply
        };
        let number = asked.header.number;
        let (mut frame, is_large) = self.begin((kind, number), shapes, manner, chance)?;
        let mut values = self.values(&mut frame, containers(shapes), manner, chance);
        if is_failure {
            values.failure(is_large)?;
        } else {
            values.reply(asked.call, is_large)?;
        }
        if kind == FrameKind::Failure && chance.one_in(40) {
            frame.unread();
        }
        self.send(asked.lane, frame, asked.header.call, manner, chance)
    }

    /// Sends a request to the client, and replies to the requests that come before its reply.
    fn ask(
        &mut self,
        asked: Asked,
        shapes: &[Shape],
        manner: Manner,
        chance: &mut Chance,
    ) -> Result {
        self.asked += 1;
        let head = (FrameKind::Request, CallKind::Invoke.number());
        let (mut frame, is_large) = self.begin(head, shapes, manner, chance)?;
        let mut values = self.values(&mut frame, containers(shapes), manner, chance);
        let call = values.request(is_large)?;
        // The number is known when the body is written; the header is patched in by `send`.
        self.send_as(
            asked.lane,
            frame,
            (call, CallId(self.asked)),
            manner,
            chance,
        )?;
        let mut body = Vec::new();
        loop {
            let header = self.end.receive(asked.lane, &mut body)?;
            if header.kind != FrameKind::Request {
                self.held.read(&header, &body);
                return Ok(());
            }
            self.serve(asked.lane, header, &body, asked.depth + 1)?;
        }
    }

    /// Sends notices, and sometimes a log message.
    fn tell(&mut self, manner: Manner, chance: &mut Chance) -> Result {
        for _ in 0..=chance.few() {
            let mut frame = FrameBuilder::new(LIMITS);
            frame.start(FrameKind::Notice, CallKind::WakeUp.number());
            let mut is_large = false;
            self.prelude(&mut frame, &[], &mut is_large, manner, chance)?;
            let call = self.values(&mut frame, 0, manner, chance).notice()?;
            self.send_as(HOME_LANE, frame, (call, CallId(0)), manner, chance)?;
        }
        if chance.one_in(8) {
            self.outbox.send(&HostMessage::Log {
                level: LogLevel::Warn,
                target: chance.pick(TEXTS).into(),
                message: chance.pick(TEXTS).into(),
            })?;
        }
        if manner == Manner::Illegal && chance.one_in(4) {
            self.outbox.send(&match chance.below(3) {
                0 => HostMessage::Goodbye,
                1 => HostMessage::Refused {
                    message: chance.pick(TEXTS).into(),
                },
                _ => HostMessage::Ready {
                    shares_memory: true,
                    pid: 1,
                    stack_bytes: u64::MAX,
                },
            })?;
        }
        Ok(())
    }

    /// A frame with the blocks before its body, and whether that is to be large.
    fn begin(
        &mut self,
        (kind, number): (FrameKind, u16),
        shapes: &[Shape],
        manner: Manner,
        chance: &mut Chance,
    ) -> Result<(FrameBuilder, bool)> {
        let mut frame = FrameBuilder::new(LIMITS);
        let mut is_large = manner == Manner::Large;
        frame.start(kind, number);
        self.prelude(&mut frame, shapes, &mut is_large, manner, chance)?;
        Ok((frame, is_large))
    }

    /// The blocks before a body: releases, denials and changes.
    fn prelude(
        &mut self,
        frame: &mut FrameBuilder,
        shapes: &[Shape],
        is_large: &mut bool,
        manner: Manner,
        chance: &mut Chance,
    ) -> Result {
        let is_reply = matches!(frame.kind(), FrameKind::Reply | FrameKind::Failure);
        if chance.one_in(30) && (is_reply || manner == Manner::Illegal) {
            frame.times(&HostTimes {
                engine: chance.draw(),
                addon: u64::MAX,
                overhead: chance.draw(),
                ..HostTimes::default()
            });
        }
        if chance.one_in(10) {
            let releases = self.releases(manner, chance);
            // A host that has no memory for them releases nothing.
            let _ = frame.releases(&releases);
        }
        if chance.one_in(30) {
            frame.denials(&denials(chance));
        }
        if !shapes.is_empty() && chance.one_in(2) {
            frame.write_back();
            let is_large_block = *is_large && chance.one_in(2);
            let mut values = self.values(frame, containers(shapes), manner, chance);
            values.changes(shapes, is_large_block)?;
            // One large part is enough to reach a limit.
            *is_large &= !is_large_block;
        }
        Ok(())
    }

    fn releases(&mut self, manner: Manner, chance: &mut Chance) -> Vec<Release> {
        let mut releases = Vec::new();
        for _ in 0..chance.few() {
            releases.extend(
                self.held
                    .pick(chance, None)
                    .and_then(|id| self.held.release(id)),
            );
        }
        if manner == Manner::Illegal && chance.one_in(2) {
            if let Some(id) = SlotId::new(1 + chance.below(200)) {
                releases.push(Release {
                    id,
                    received: chance.draw() >> chance.below(64),
                    returned: chance.draw() >> chance.below(64),
                });
            }
            releases.extend_from_within(..);
        }
        releases
    }

    pub(crate) fn values<'a>(
        &'a mut self,
        frame: &'a mut FrameBuilder,
        containers: u32,
        manner: Manner,
        chance: &'a mut Chance,
    ) -> Values<'a> {
        Values {
            out: ValueWriter::new(frame.body_bytes(), &LIMITS),
            chance,
            held: &mut self.held,
            compounds: 0,
            left: 60,
            containers,
            is_illegal: manner == Manner::Illegal,
            half: self.memory.as_ref().map(Memory::half),
        }
    }

    pub(crate) fn send(
        &mut self,
        lane: LaneNumber,
        mut frame: FrameBuilder,
        call: CallId,
        manner: Manner,
        chance: &mut Chance,
    ) -> Result {
        let bytes = frame.finish(call, self.generation)?;
        if manner == Manner::Illegal && chance.one_in(3) {
            let bytes = damaged(bytes.to_vec(), chance);
            return self.write(lane, &bytes);
        }
        let bytes = bytes.to_vec();
        self.write(lane, &bytes)
    }

    fn send_as(
        &mut self,
        lane: LaneNumber,
        mut frame: FrameBuilder,
        (call, id): (CallKind, CallId),
        manner: Manner,
        chance: &mut Chance,
    ) -> Result {
        let is_unknown = manner == Manner::Illegal && chance.one_in(8);
        let number = if is_unknown {
            chance.below(1 << 16).try_into().unwrap_or(0)
        } else {
            call.number()
        };
        frame.finish_as(number, id, self.generation)?;
        self.send(lane, frame, id, manner, chance)
    }

    pub(crate) fn write(&mut self, lane: LaneNumber, frame: &[u8]) -> Result {
        if lane == HOME_LANE && !self.end.try_notice(frame)? {
            return Ok(());
        }
        // There are as many refused callbacks as time allows, all alike: they do not count.
        self.frames += u64::from(self.manner != Manner::Runaway);
        if let Some(counter) = &self.counter {
            // If counting fails, the frame is sent anyway.
            let _ = counter.write_at(&self.frames.to_le_bytes(), 0);
        }
        match lane {
            HOME_LANE => Ok(()),
            lane => self.end.send(lane, frame),
        }
    }

    pub(crate) fn send_simple(
        &mut self,
        asked: Asked,
        write: impl FnOnce(&mut ValueWriter<'_>),
    ) -> Result {
        let mut frame = FrameBuilder::new(LIMITS);
        frame.start(FrameKind::Reply, asked.header.number);
        write(&mut frame.body());
        let bytes = frame.finish(asked.header.call, self.generation)?.to_vec();
        self.write(asked.lane, &bytes)
    }

    /// A long text, byte by byte.
    fn trickle(&mut self, asked: Asked) -> Result {
        let mut frame = FrameBuilder::new(LIMITS);
        frame.start(FrameKind::Reply, asked.header.number);
        frame.body().str(&"x".repeat(1 << 20))?;
        let bytes = frame.finish(asked.header.call, self.generation)?.to_vec();
        for byte in bytes.chunks(1) {
            self.end.send(asked.lane, byte)?;
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

/// How many containers a request has.
fn containers(shapes: &[Shape]) -> u32 {
    u32::try_from(shapes.len()).unwrap_or(0)
}

/// The case and the manner that a call of `begin` names.
fn begin(header: Header, body: &[u8]) -> Option<(u64, Manner)> {
    let mut reader = ValueReader::new(body, &Limits::DEFAULT);
    read_weight(header.flags, &mut reader).ok()?;
    read_releases(header.flags, &mut reader, |_| Ok(())).ok()?;
    if reader.take_u32().ok()? != BEGIN {
        return None;
    }
    if reader.take_bool().ok()? {
        reader.walk(|_| ()).ok()?;
    }
    reader.take_count(1).ok()?;
    let mut number = || match reader.next().ok()? {
        Token::Int32(number) => u32::try_from(number).ok(),
        _ => None,
    };
    let (case, manner) = (number()?, number()?);
    Some((case.into(), *MANNERS.get(manner as usize)?))
}
