//! A scripted client: asks the host and answers its callbacks.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hostd_protocol::calls::CallKind;
use hostd_protocol::carrier::{ClientEnd, ClientLane, HostWaker, Interrupted, lane};
use hostd_protocol::failure::Failure;
use hostd_protocol::frame::{Flags, FrameBuilder, FrameKind, Header, read_releases, read_times};
use hostd_protocol::ids::{CallId, Generation, SlotId};
use hostd_protocol::lent::Release;
use hostd_protocol::limits::Limits;
use hostd_protocol::profile::{HostProfile, HostTimes};
use hostd_protocol::value::{ValueReader, ValueWriter};
use hostd_session::{Closer, Ended, Session, SessionHooks, SessionOptions};

use crate::tree;

const GENERATION: Generation = Generation(7);
/// A host that does not answer for so long has hung.
const HOST_TIMEOUT: Duration = Duration::from_secs(30);

/// The code with which an addon wanted to end the process. One test looks at it.
pub(crate) static EXIT: AtomicI32 = AtomicI32::new(-1);

#[derive(Debug)]
struct Hooks;

impl SessionHooks for Hooks {
    fn exit(&self, code: i32) {
        EXIT.store(code, Ordering::SeqCst);
    }
}

/// One client with one lane.
pub(crate) struct Peer {
    end: ClientEnd,
    pub(crate) closer: Closer,
    /// Reports the client's end to the host.
    waker: HostWaker,
    lane: ClientLane,
    limits: Limits,
    builder: FrameBuilder,
    call: CallId,
    host: Option<JoinHandle<String>>,
    /// What came with the frames: releases, and write-backs as text.
    pub(crate) released: Vec<(u32, u64, u64)>,
    pub(crate) changes: Vec<String>,
    /// The next frame begins with a write-back block.
    pub(crate) write_back: bool,
    /// Frames are to be measured, and stand for so many; zero if not.
    pub(crate) weight: u32,
    /// The times that came with replies.
    pub(crate) times: Vec<HostTimes>,
}

/// A reply or failure, as text.
pub(crate) type Answer = Result<String, String>;

/// What the host asks, taken apart.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) call: CallKind,
    pub(crate) target: u32,
    /// Key and values, or the arguments.
    pub(crate) values: Vec<String>,
}

/// How the client answers: writes a reply, or a failure.
pub(crate) type Respond<'a> =
    &'a mut dyn FnMut(&mut Peer, &Asked, &mut ValueWriter<'_>) -> FrameKind;

impl Peer {
    pub(crate) fn start() -> Self {
        Self::with(Limits::DEFAULT)
    }

    pub(crate) fn with(limits: Limits) -> Self {
        let (segment, fd) = lane::Segment::create().expect("shared memory");
        let end = lane::client(segment, GENERATION, limits);
        let (started, starts) = mpsc::channel();
        let host = thread::Builder::new()
            .name("js".into())
            .stack_size(8 << 20)
            .spawn(move || {
                let segment = lane::Segment::open(fd).expect("shared memory");
                let end = lane::host(segment, GENERATION, limits);
                let waker = end.waker();
                let options = SessionOptions {
                    memory: None,
                    end,
                    wake_pipe: None,
                    generation: GENERATION,
                    limits,
                    stack_bytes: 6 << 20,
                    nested_threads: false,
                    debug: false,
                    keeps_calls: false,
                    profile: true,
                    on_wake: None,
                    hooks: Box::new(Hooks),
                };
                let session = Session::start(options).expect("a session");
                started.send((waker, session.closer())).expect("a peer");
                match session.run() {
                    Ended::Closed => "closed".into(),
                    Ended::Lost(error) => error.to_string(),
                }
            })
            .expect("a thread");
        let lane = end.lease(None, &mut deadline()).expect("a lane");
        let (waker, closer) = starts.recv().expect("a session");
        Self {
            end,
            waker,
            closer,
            lane,
            limits,
            builder: FrameBuilder::new(limits),
            call: CallId(0),
            host: Some(host),
            released: Vec::new(),
            changes: Vec::new(),
            write_back: false,
            weight: 0,
            times: Vec::new(),
        }
    }

    /// The client ends.
    pub(crate) fn disconnect(&self) {
        self.end.disconnect();
        self.waker.disconnect();
    }

    /// Asks, and expects no callback.
    pub(crate) fn ask(
        &mut self,
        call: CallKind,
        write: impl FnOnce(&mut ValueWriter<'_>),
    ) -> Answer {
        let mut refuse = |_: &mut Peer, asked: &Asked, _: &mut ValueWriter<'_>| -> FrameKind {
            panic!("an unexpected callback: {asked:?}")
        };
        self.ask_with(call, write, &mut refuse)
    }

    /// Asks, and answers callbacks by `respond`.
    pub(crate) fn ask_with(
        &mut self,
        call: CallKind,
        write: impl FnOnce(&mut ValueWriter<'_>),
        respond: Respond<'_>,
    ) -> Answer {
        let id = self.send(FrameKind::Request, call.number(), write);
        loop {
            let mut body = Vec::new();
            let header = self
                .lane
                .receive(&mut body, &mut deadline())
                .expect("an answer");
            let mut reader = self.front(&header, &body);
            match header.kind {
                FrameKind::Reply => {
                    assert_eq!((header.call, header.number), (id, call.number()));
                    return Ok(reply_text(call, &mut reader));
                }
                FrameKind::Failure => {
                    assert_eq!((header.call, header.number), (id, call.number()));
                    return Err(failure_text(&mut reader));
                }
                FrameKind::Request => self.respond(&header, &mut reader, respond),
                FrameKind::Notice => panic!("a notice on a leased lane"),
            }
        }
    }

    fn respond(&mut self, header: &Header, reader: &mut ValueReader<'_>, respond: Respond<'_>) {
        let asked = asked(header, reader);
        let mut body = Vec::new();
        let limits = self.limits;
        let kind = respond(self, &asked, &mut ValueWriter::new(&mut body, &limits));
        self.builder.start(kind, header.number);
        self.measure();
        if std::mem::take(&mut self.write_back) {
            self.builder.write_back();
        }
        self.builder.body_bytes().extend_from_slice(&body);
        let frame = self
            .builder
            .finish(header.call, GENERATION)
            .expect("a frame");
        self.lane.send(frame, &mut deadline()).expect("a host");
        self.lane.notify();
    }

    fn measure(&mut self) {
        if self.weight != 0 {
            self.builder.measure(self.weight);
        }
    }

    /// Sends a frame of any kind.
    pub(crate) fn send(
        &mut self,
        kind: FrameKind,
        number: u16,
        write: impl FnOnce(&mut ValueWriter<'_>),
    ) -> CallId {
        let id = self.call;
        self.call = id.next();
        self.builder.start(kind, number);
        self.measure();
        if std::mem::take(&mut self.write_back) {
            self.builder.write_back();
        }
        write(&mut self.builder.body());
        let frame = self.builder.finish(id, GENERATION).expect("a frame");
        self.lane.send(frame, &mut deadline()).expect("a host");
        self.lane.notify();
        id
    }

    /// Sends bytes that need not be a frame.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        self.lane.send(bytes, &mut deadline()).expect("a host");
        self.lane.notify();
    }

    /// Gives receipts of the host's objects back.
    pub(crate) fn release(&mut self, entries: &[(u32, u64)]) -> Answer {
        let call = CallKind::Release;
        let id = self.call;
        self.call = id.next();
        self.builder.start(FrameKind::Request, call.number());
        let slots = entries.iter().map(|&(id, received)| Release {
            id: SlotId::new(id).unwrap(),
            received,
            returned: 0,
        });
        let slots: Vec<_> = slots.collect();
        self.builder.releases(&slots).unwrap();
        let frame = self.builder.finish(id, GENERATION).expect("a frame");
        self.lane.send(frame, &mut deadline()).expect("a host");
        let mut body = Vec::new();
        let header = self
            .lane
            .receive(&mut body, &mut deadline())
            .expect("an answer");
        let mut reader = self.front(&header, &body);
        match header.kind {
            FrameKind::Reply => Ok(String::new()),
            _ => Err(failure_text(&mut reader)),
        }
    }

    /// Sets the cancel word of this client's lane.
    pub(crate) fn set_cancel(&self, word: u32) {
        self.lane.set_cancel(word);
    }

    /// Calls a function with one argument on another lane and gives that up at once. Whether it
    /// was refused unread, and what with.
    pub(crate) fn withdraw(
        &self,
        function: u32,
        write: impl FnOnce(&mut ValueWriter<'_>),
    ) -> (bool, String) {
        let mut lane = self.end.lease(None, &mut deadline()).expect("a lane");
        let mut builder = FrameBuilder::new(self.limits);
        builder.start(FrameKind::Request, CallKind::Call.number());
        let mut out = builder.body();
        out.put_u32(function);
        out.put_u8(0);
        out.put_u32(1);
        write(&mut out);
        let frame = builder.finish(CallId(0), GENERATION).expect("a frame");
        lane.send(frame, &mut deadline()).expect("a host");
        lane.notify();
        lane.set_cancel(1);
        let mut body = Vec::new();
        let header = lane.receive(&mut body, &mut deadline()).expect("an answer");
        assert_eq!(header.kind, FrameKind::Failure);
        let text = failure_text(&mut ValueReader::new(&body, &self.limits));
        lane.set_cancel(0);
        (header.flags.contains(Flags::UNREAD), text)
    }

    fn front<'a>(&mut self, header: &Header, body: &'a [u8]) -> ValueReader<'a> {
        let mut reader = ValueReader::new(body, &self.limits);
        let times = read_times(header.flags, &mut reader).expect("times");
        self.times.extend(times);
        read_releases(header.flags, &mut reader, |release| {
            let Release {
                id,
                received,
                returned,
            } = release;
            self.released.push((id.get(), received, returned));
            Ok(())
        })
        .expect("releases");
        if header.flags.contains(Flags::WRITE_BACK) {
            self.changes.push(changes_text(&mut reader));
            reader.restart_numbering();
        }
        reader
    }

    /// The failure that answers a request that was sent by hand.
    pub(crate) fn failure(&mut self) -> String {
        let mut body = Vec::new();
        let header = self
            .lane
            .receive(&mut body, &mut deadline())
            .expect("an answer");
        assert_eq!(header.kind, FrameKind::Failure);
        let mut reader = self.front(&header, &body);
        failure_text(&mut reader)
    }

    /// Runs a script; what it comes to.
    pub(crate) fn script(&mut self, source: &str) -> Answer {
        self.ask(CallKind::RunScript, |out| out.str(source).unwrap())
    }

    /// Runs a script that comes to an object; its id.
    pub(crate) fn lend(&mut self, source: &str) -> u32 {
        let text = self.script(source).expect("a value");
        id_of(&text)
    }

    /// Calls a function with arguments.
    pub(crate) fn call(
        &mut self,
        function: u32,
        count: u32,
        arguments: impl FnOnce(&mut ValueWriter<'_>),
    ) -> Answer {
        self.ask(CallKind::Call, |out| {
            head(out, function, count);
            arguments(out);
        })
    }

    /// Calls a function with arguments, and answers its callbacks.
    pub(crate) fn call_with(
        &mut self,
        function: u32,
        count: u32,
        arguments: impl FnOnce(&mut ValueWriter<'_>),
        respond: Respond<'_>,
    ) -> Answer {
        let write = |out: &mut ValueWriter<'_>| {
            head(out, function, count);
            arguments(out);
        };
        self.ask_with(CallKind::Call, write, respond)
    }

    /// The next notice on the home lane.
    pub(crate) fn notice(&mut self) -> (CallKind, String) {
        let mut home = self.end.home().expect("the home lane");
        let mut body = Vec::new();
        let header = home.receive(&mut body, &mut deadline()).expect("a notice");
        let mut reader = self.front(&header, &body);
        let call = CallKind::from_number(header.number).expect("a call");
        let text = match call {
            CallKind::Settled => settled_text(&mut reader),
            CallKind::Uncaught => {
                let value = tree::text(&mut reader);
                format!("{value} {}", tree::text(&mut reader))
            }
            _ => String::new(),
        };
        reader.finish().expect("nothing more");
        (call, text)
    }

    /// Waits for the end of the session and says what it was.
    pub(crate) fn ended(mut self) -> String {
        self.host.take().unwrap().join().expect("no panic")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.disconnect();
        if let Some(host) = self.host.take()
            && !thread::panicking()
        {
            host.join().expect("the session ends without a panic");
        }
    }
}

/// Target, no `this`, and the count of arguments.
fn head(out: &mut ValueWriter<'_>, function: u32, count: u32) {
    out.put_u32(function);
    out.put_u8(0);
    out.put_u32(count);
}

/// The id in `lent(3 Function)`.
pub(crate) fn id_of(text: &str) -> u32 {
    let inner = text
        .split_once("lent(")
        .unwrap_or_else(|| panic!("not lent: {text}"))
        .1;
    let digits: String = inner.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("an id")
}

fn deadline() -> impl FnMut() -> Result<(), Interrupted> {
    let end = Instant::now() + HOST_TIMEOUT;
    move || {
        if Instant::now() < end {
            Ok(())
        } else {
            Err(Interrupted)
        }
    }
}

fn reply_text(call: CallKind, reader: &mut ValueReader<'_>) -> String {
    let text = match call {
        CallKind::Get => {
            if reader.take_bool().unwrap() {
                tree::text(reader)
            } else {
                assert_eq!(tree::text(reader), "undefined");
                "absent".into()
            }
        }
        CallKind::Delete | CallKind::Has | CallKind::InstanceOf => {
            reader.take_bool().unwrap().to_string()
        }
        CallKind::Extends => {
            let answers = [(); 3].map(|()| reader.take_bool().unwrap().to_string());
            answers.join(" ")
        }
        CallKind::Turn => {
            let more = reader.take_bool().unwrap();
            format!("{more} {}", settled_text(reader)).trim_end().into()
        }
        CallKind::Set
        | CallKind::Release
        | CallKind::Settle
        | CallKind::CloseIterator
        | CallKind::Collect => String::new(),
        CallKind::Bulk => {
            let mut text = tree::text(reader);
            for _ in 0..reader.take_count(1).unwrap() {
                let place = reader.take_u32().unwrap();
                let is_thrown = reader.take_bool().unwrap();
                let value = tree::text(reader);
                write!(text, ", {place} {is_thrown} {value}").unwrap();
            }
            text
        }
        CallKind::Watch => match reader.take_u8().unwrap() {
            0 => format!("pending {}", reader.take_u32().unwrap()),
            1 => format!("fulfilled {}", tree::text(reader)),
            _ => format!("rejected {}", tree::text(reader)),
        },
        CallKind::Next => {
            let done = reader.take_bool().unwrap();
            let value = tree::text(reader);
            if done { "done".into() } else { value }
        }
        CallKind::Describe => {
            let description: hostd_protocol::message::Description =
                hostd_protocol::message::read(reader).unwrap();
            format!("{description:?}")
        }
        CallKind::Profile => {
            let profile: HostProfile = hostd_protocol::message::read(reader).expect("a profile");
            let functions = profile.functions.iter();
            let functions = functions.map(|it| format!("{}:{}", it.name, it.calls));
            functions.collect::<Vec<_>>().join(" ")
        }
        CallKind::Stats => {
            let stats: hostd_protocol::message::HostStats =
                hostd_protocol::message::read(reader).unwrap();
            format!("lent {} received {}", stats.lent, stats.received)
        }
        CallKind::Load => {
            let mut text = tree::text(reader);
            for _ in 0..reader.take_u32().unwrap() {
                text = format!("{text} {}", tree::text(reader));
                text = format!("{text}={}", tree::text(reader));
            }
            text
        }
        _ => tree::text(reader),
    };
    reader.finish().expect("nothing more");
    text
}

/// Each promise as `id/watch state value`.
fn settled_text(reader: &mut ValueReader<'_>) -> String {
    let count = reader.take_u32().unwrap();
    let each = (0..count).map(|_| {
        reader.restart_numbering();
        let id = reader.take_u32().unwrap();
        let watch = reader.take_u32().unwrap();
        match reader.take_u8().unwrap() {
            0 => format!("{id}/{watch} 0"),
            state => format!("{id}/{watch} {state} {}", tree::text(reader)),
        }
    });
    each.collect::<Vec<_>>().join("; ")
}

fn failure_text(reader: &mut ValueReader<'_>) -> String {
    let text = match Failure::read(reader).expect("a failure") {
        Failure::Thrown => format!("thrown {}", tree::text(reader)),
        Failure::Remote(error) => format!("{error:?}"),
    };
    reader.finish().expect("nothing more");
    text
}

fn changes_text(reader: &mut ValueReader<'_>) -> String {
    let mut parts = Vec::new();
    for _ in 0..reader.take_u32().unwrap() {
        let index = reader.take_u32().unwrap();
        let part = match reader.take_u8().unwrap() {
            0 => {
                let length = reader.take_u32().unwrap();
                let slots: Vec<_> = (0..reader.take_u32().unwrap())
                    .map(|_| {
                        let slot = reader.take_u32().unwrap();
                        format!("{slot}={}", tree::text(reader))
                    })
                    .collect();
                format!("array {length} {}", slots.join(" "))
            }
            1 => {
                let sets: Vec<_> = (0..reader.take_u32().unwrap())
                    .map(|_| format!("{}={}", tree::text(reader), tree::text(reader)))
                    .collect();
                let deletes: Vec<_> = (0..reader.take_u32().unwrap())
                    .map(|_| format!("-{}", tree::text(reader)))
                    .collect();
                format!("object {}", [sets, deletes].concat().join(" "))
            }
            2 => {
                let values: Vec<_> = (0..reader.take_u32().unwrap())
                    .map(|_| tree::text(reader))
                    .collect();
                format!("refilled {}", values.join(" "))
            }
            _ => {
                let offset = reader.take_u64().unwrap();
                let length = reader.take_u64().unwrap();
                let bytes = reader.take_bytes(usize::try_from(length).unwrap()).unwrap();
                format!("bytes {offset} {bytes:?}")
            }
        };
        parts.push(format!("{index}: {}", part.trim_end()));
    }
    parts.join("; ")
}

fn asked(header: &Header, reader: &mut ValueReader<'_>) -> Asked {
    let call = CallKind::from_number(header.number).expect("a call");
    let target = reader.take_u32().unwrap();
    let mut values = Vec::new();
    let count = match call {
        CallKind::Invoke => reader.take_u32().unwrap(),
        CallKind::RemoteSet => 2,
        CallKind::RemoteKeys => 0,
        CallKind::RemoteStep => {
            let step = reader.take_u8().unwrap();
            values.push(["next", "return", "throw"][usize::from(step)].to_owned());
            1
        }
        _ => 1,
    };
    for _ in 0..count {
        values.push(tree::text(reader));
    }
    reader.finish().expect("nothing more");
    Asked {
        call,
        target,
        values,
    }
}
