//! What the client has sent: the objects that it lent, and the containers in its requests.

use std::collections::BTreeMap;

use hostd_protocol::calls::CallKind;
use hostd_protocol::error::Result;
use hostd_protocol::frame::{Flags, FrameKind, Header, read_denials, read_releases, read_weight};
use hostd_protocol::ids::SlotId;
use hostd_protocol::lent::Release;
use hostd_protocol::limits::Limits;
use hostd_protocol::value::{ClientKind, Token, ValueReader};

use crate::chance::Chance;

/// How often an object of the client was received, and sent back.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    kind: u8,
    received: u64,
    returned: u64,
}

/// The kind of memory that the client lends with an argument.
const MEMORY: u8 = ClientKind::Opaque.code();

/// The objects of the client that this host holds.
#[derive(Debug, Default)]
pub(crate) struct Held(BTreeMap<SlotId, Counts>);

/// The kind of a compound value in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Array,
    Object,
    Collection,
    Bytes,
    Other,
}

impl Held {
    /// An object of the client, of this kind if there is one.
    pub(crate) fn pick(&self, chance: &mut Chance, kind: Option<ClientKind>) -> Option<SlotId> {
        let of_kind = |counts: &Counts| kind.is_none_or(|kind| counts.kind == kind.code());
        let count = self.0.values().filter(|counts| of_kind(counts)).count();
        let place = chance.below(u32::try_from(count).ok().filter(|count| *count > 0)?);
        let mut fitting = self.0.iter().filter(|(_, counts)| of_kind(counts));
        fitting.nth(place as usize).map(|(id, _)| *id)
    }

    /// Counts that an object is sent back.
    pub(crate) fn send_back(&mut self, id: SlotId) {
        if let Some(counts) = self.0.get_mut(&id) {
            counts.returned += 1;
        }
    }

    /// The memory of arguments, and how often each was received.
    pub(crate) fn memory(&self) -> impl Iterator<Item = (SlotId, u64)> {
        let memory = self.0.iter().filter(|(_, counts)| counts.kind == MEMORY);
        memory.map(|(id, counts)| (*id, counts.received))
    }

    /// Releases an object with its whole count.
    pub(crate) fn release(&mut self, id: SlotId) -> Option<Release> {
        let counts = self.0.remove(&id)?;
        Some(Release {
            id,
            received: counts.received,
            returned: counts.returned,
        })
    }

    /// Reads a frame of the client: counts the objects that it lends, and returns its containers.
    pub(crate) fn read(&mut self, header: &Header, body: &[u8]) -> Vec<Shape> {
        let mut shapes = Vec::new();
        // A frame with changes is not read further: objects that it lends are never released.
        let _ = self.read_values(header, body, &mut shapes);
        shapes
    }

    fn read_values(&mut self, header: &Header, body: &[u8], shapes: &mut Vec<Shape>) -> Result {
        let mut reader = ValueReader::new(body, &Limits::DEFAULT);
        read_weight(header.flags, &mut reader)?;
        read_releases(header.flags, &mut reader, |_| Ok(()))?;
        read_denials(header.flags, &mut reader)?;
        if header.flags.contains(Flags::WRITE_BACK) {
            return Ok(());
        }
        let count = before_values(header, &mut reader)?;
        for _ in 0..count {
            reader.walk(|token| {
                let lent = match *token {
                    Token::Lent { id, kind, .. } => Some((id, kind)),
                    Token::SharedBuffer { region, .. } | Token::SharedText(region) => {
                        Some((region.id, MEMORY))
                    }
                    _ => None,
                };
                if let Some((id, kind)) = lent {
                    let counts = self.0.entry(id).or_default();
                    counts.kind = kind;
                    counts.received += 1;
                }
                shapes.extend(shape(token));
            })?;
        }
        Ok(())
    }
}

/// Reads the fixed fields of a body, and a value among them; returns how many values follow.
fn before_values(header: &Header, reader: &mut ValueReader<'_>) -> Result<u32> {
    let Some(call) = CallKind::from_number(header.number) else {
        return Ok(0);
    };
    if header.kind == FrameKind::Failure {
        return Ok(u32::from(reader.take_u8()? == 0));
    }
    Ok(match call {
        CallKind::Call => {
            reader.take_u32()?;
            if reader.take_bool()? {
                // It is one of this host's objects.
                reader.walk(|_| ())?;
            }
            reader.take_count(1)?
        }
        CallKind::Construct => {
            reader.take_u32()?;
            reader.take_bool()?;
            reader.take_count(1)?
        }
        CallKind::CallMethod => {
            reader.take_u32()?;
            reader.walk(|_| ())?;
            reader.take_count(1)?
        }
        CallKind::Get | CallKind::Has | CallKind::Delete => {
            reader.take_u32()?;
            1
        }
        CallKind::Set => {
            reader.take_u32()?;
            2
        }
        CallKind::Settle => {
            reader.take_u32()?;
            reader.take_u8()?;
            1
        }
        CallKind::RemoteGet => {
            reader.take_u8()?;
            1
        }
        CallKind::RunScript
        | CallKind::NewObject
        | CallKind::InstanceOf
        | CallKind::Extends
        | CallKind::Invoke
        | CallKind::RemoteKeys
        | CallKind::RemoteStep => 1,
        _ => 0,
    })
}

const fn shape(token: &Token<'_>) -> Option<Shape> {
    Some(match token {
        Token::Array { .. } | Token::ArrayI32 { .. } | Token::ArrayF64 { .. } => Shape::Array,
        Token::Object { .. } => Shape::Object,
        Token::Map { .. } | Token::Set { .. } => Shape::Collection,
        Token::Buffer { .. } | Token::SharedBuffer { .. } => Shape::Bytes,
        // It is not written back.
        Token::Error { .. } => Shape::Other,
        _ => return None,
    })
}
