//! Finds the ids in the bodies of frames: of lent objects of both sides, and of classes. Objects are numbered
//! anew in a replay, and an id has a fixed width, so it is exchanged in place.

use std::ops::Range;

use hostd_protocol::calls::{self, CallKind, TypedCall};
use hostd_protocol::error::{ProtocolError, Result};
use hostd_protocol::failure::Failure;
use hostd_protocol::frame::{Flags, FrameKind};
use hostd_protocol::ids::SlotId;
use hostd_protocol::limits::Limits;
use hostd_protocol::parts::{Part, PartReader, PromiseOutcome, Side};
use hostd_protocol::value::{ChangeReader, ClientKind, Token, ValueReader, read_changes};

/// The table that an id belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Space {
    /// Objects of the host.
    Host,
    /// Objects of the client.
    Client,
    /// Classes of the host.
    Class,
}

/// An id in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IdUse {
    /// Where its four bytes begin.
    pub(super) at: usize,
    pub(super) space: Space,
    /// The id, or in a story the number of the object.
    pub(super) number: u32,
    pub(super) counts: Counts,
}

/// As what an id is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counts {
    /// The sender lends the object by it, once more or for the first time.
    Lent,
    /// The sender returns the object to its owner.
    Back,
    /// It names an object, and is not counted.
    Named,
}

/// A promise of which a body says how it was settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SettledIn {
    /// The place of its id among those of the body; none if the body is a reply that does not name it.
    pub(super) promise: Option<usize>,
    /// The ids of its value.
    pub(super) ids: Range<usize>,
}

/// What was found in a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) ids: Vec<IdUse>,
    pub(super) settled: Vec<SettledIn>,
}

/// Which side sent a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    Client,
    Host,
}

/// Finds the ids in a body without its release block and its denials.
pub(super) fn walk(
    body: &[u8],
    sender: Sender,
    (kind, flags, number): (FrameKind, Flags, u16),
    limits: &Limits,
) -> Result<Found> {
    let mut walker = Walker {
        reader: ValueReader::new(body, limits),
        sender,
        found: Found::default(),
    };
    if flags.contains(Flags::WRITE_BACK) {
        read_changes(&mut walker, usize::MAX, |_, _| Ok(()))?;
        walker.reader.restart_numbering();
    }
    match (kind, CallKind::from_number(number)) {
        (FrameKind::Failure, _) => {
            if Failure::read(&mut walker.reader)? == Failure::Thrown {
                walker.value()?;
            }
        }
        (_, None) => return Ok(walker.found),
        (FrameKind::Request | FrameKind::Notice, Some(call)) => walker.request(call)?,
        (FrameKind::Reply, Some(call)) => walker.reply(call)?,
    }
    walker.reader.finish()?;
    Ok(walker.found)
}

struct Walker<'a> {
    reader: ValueReader<'a>,
    sender: Sender,
    found: Found,
}

/// The side that reads nothing but ids.
struct Ids;

impl Side for Ids {
    type Error = ProtocolError;
    type Value = ();
    type Key = ();
    type Target = ();
    type Received = ();
    type Arguments = ();
}

macro_rules! dispatch {
    ($walker:ident, $call:ident, $part:ident: $($name:ident)*) => {
        match $call {
            $(CallKind::$name => {
                <calls::$name as TypedCall>::$part::read($walker)?;
            })*
        }
    };
    ($walker:ident, $call:ident, $part:ident) => {
        dispatch!($walker, $call, $part: Load Call Construct CallMethod Get Set Delete Has Keys Describe
            RunScript Turn Release Stats Profile Watch Iterate Next Coerce NewObject InstanceOf Settle CloseIterator
            IterateAsync Collect Follow RunStep LoadMore Extends Bulk Invoke RemoteGet RemoteSet RemoteHas
            RemoteKeys RemoteDelete RemoteStep WakeUp Settled Uncaught Released)
    };
}

impl Walker<'_> {
    fn request(&mut self, call: CallKind) -> Result {
        // These name an object by a bare id.
        match call {
            CallKind::Watch | CallKind::Next | CallKind::CloseIterator => self.bare(Space::Host)?,
            CallKind::Describe => {
                let is_class = bool::read(self)?;
                self.bare(if is_class { Space::Class } else { Space::Host })?;
            }
            CallKind::Settled => {
                let count = self.reader.take_count(1)?;
                self.settled(count)?;
            }
            call => dispatch!(self, call, Request),
        }
        Ok(())
    }

    fn reply(&mut self, call: CallKind) -> Result {
        match call {
            CallKind::Load => {
                let ((), count) = <calls::Load as TypedCall>::Reply::read(self)?;
                for _ in 0..count {
                    let ((), ()) = calls::NamedExport::read(self)?;
                }
            }
            CallKind::Turn => {
                let (_, count) = <calls::Turn as TypedCall>::Reply::read(self)?;
                self.settled(count)?;
            }
            CallKind::Bulk => {
                let ((), count) = <calls::Bulk as TypedCall>::Reply::read(self)?;
                for _ in 0..count {
                    let _ = hostd_protocol::bulk::RowFailure::read(self)?;
                }
            }
            CallKind::Watch => {
                let first = self.found.ids.len();
                let outcome = <calls::Watch as TypedCall>::Reply::read(self)?;
                if !matches!(outcome, PromiseOutcome::Pending(_)) {
                    let ids = first..self.found.ids.len();
                    self.found.settled.push(SettledIn { promise: None, ids });
                }
            }
            call => dispatch!(self, call, Reply),
        }
        Ok(())
    }

    fn settled(&mut self, count: u32) -> Result {
        for _ in 0..count {
            self.reader.restart_numbering();
            let promise = Some(self.found.ids.len());
            self.bare(Space::Host)?;
            self.reader.take_u32()?;
            let first = self.found.ids.len();
            let _ = calls::SettledOutcome::read(self)?;
            let ids = first..self.found.ids.len();
            self.found.settled.push(SettledIn { promise, ids });
        }
        Ok(())
    }

    fn bare(&mut self, space: Space) -> Result {
        let at = self.reader.position();
        let number = self.reader.take_id()?.get();
        self.note(at, space, number, Counts::Named);
        Ok(())
    }

    fn note(&mut self, at: usize, space: Space, number: u32, counts: Counts) {
        self.found.ids.push(IdUse {
            at,
            space,
            number,
            counts,
        });
    }

    /// The objects of the side that sent the frame, and those of the other one.
    const fn spaces(&self) -> (Space, Space) {
        match self.sender {
            Sender::Client => (Space::Client, Space::Host),
            Sender::Host => (Space::Host, Space::Client),
        }
    }

    /// Notes the ids of a token that begins at this place.
    fn token(&mut self, at: usize, token: &Token<'_>) -> Result {
        let (own, theirs) = self.spaces();
        match *token {
            Token::Own(id) => self.note(at + 1, theirs, id.get(), Counts::Back),
            Token::Lent { id, kind, class } => {
                self.note(at + 1, own, id.get(), Counts::Lent);
                // Of the client only instances of classes of the host have one.
                let is_class = own == Space::Host || kind == ClientKind::Instance.code();
                if class != 0 && is_class {
                    self.note(at + 6, Space::Class, class, Counts::Named);
                }
            }
            Token::Error { id: Some(id), .. } => self.note(at + 1, own, id.get(), Counts::Lent),
            // Of a buffer that the client sends, the id is that of the host's object.
            Token::Buffer { id: Some(id), .. } => match self.sender {
                Sender::Host => self.note(at + 2, Space::Host, id.get(), Counts::Lent),
                Sender::Client => self.note(at + 2, Space::Host, id.get(), Counts::Named),
            },
            Token::SharedBuffer { .. } | Token::SharedText(_) => {
                let what = "a region of shared memory in a record";
                return Err(ProtocolError::violation(what));
            }
            _ => {}
        }
        Ok(())
    }

    /// Reads over one value with everything in it.
    fn whole_value(&mut self) -> Result {
        let mut reader = self.reader.clone();
        let walked = reader.try_walk(|at, token| self.token(at, token));
        self.reader = reader;
        walked
    }
}

impl PartReader for Walker<'_> {
    type Side = Ids;

    fn field<T>(&mut self, take: impl FnOnce(&mut ValueReader<'_>) -> Result<T>) -> Result<T> {
        take(&mut self.reader)
    }

    fn value(&mut self) -> Result {
        self.whole_value()
    }

    fn key(&mut self) -> Result {
        self.whole_value()
    }

    fn target(&mut self, id: SlotId) -> Result {
        let (_, theirs) = self.spaces();
        self.note(self.reader.position() - 4, theirs, id.get(), Counts::Named);
        Ok(())
    }

    fn received(&mut self, id: SlotId) -> Result {
        let (own, _) = self.spaces();
        self.note(self.reader.position() - 4, own, id.get(), Counts::Lent);
        Ok(())
    }

    fn arguments(&mut self, count: u32) -> Result {
        (0..count).try_for_each(|_| self.whole_value())
    }
}

impl<'a> ChangeReader<'a> for Walker<'a> {
    type Name = ();

    fn bytes(&mut self, length: usize) -> Result<&'a [u8]> {
        self.reader.take_bytes(length)
    }

    fn name(&mut self) -> Result {
        self.whole_value()
    }
}
