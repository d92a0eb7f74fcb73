//! The exports of the loaded addon.

use hostd_protocol::error::Result;
use hostd_protocol::frame::{FrameBuilder, FrameKind};
use hostd_protocol::ids::SlotId;
use hostd_protocol::value::{HostKind, ValueWriter};

use crate::chance::Chance;
use crate::commands::COMMAND;
use crate::host::{Asked, BEGIN, Host, LIMITS, Manner};
use crate::values::Values;

/// The function that names a case, two others, a class and the function for commands.
const EXPORTS: &[(&str, u32, HostKind)] = &[
    ("begin", BEGIN, HostKind::Function),
    ("f", 3, HostKind::Function),
    ("g", 4, HostKind::Function),
    ("C", 5, HostKind::Class),
    ("command", COMMAND, HostKind::Function),
];

impl Host {
    /// Exports what the cases need, and rarely, where frames are counted, something else.
    pub(crate) fn load(&mut self, asked: Asked, chance: &mut Chance) -> Result {
        if self.counter.is_some() && self.generation.0 > 1 && chance.one_in(16) {
            let manner = chance.pick(&[Manner::Legal, Manner::Illegal]);
            let mut frame = FrameBuilder::new(LIMITS);
            let is_failure = chance.one_in(2);
            let kind = if is_failure {
                FrameKind::Failure
            } else {
                FrameKind::Reply
            };
            frame.start(kind, asked.header.number);
            let mut values = self.values(&mut frame, 0, manner, chance);
            if is_failure {
                values.failure(false)?;
            } else {
                values.exports()?;
            }
            return self.send(asked.lane, frame, asked.header.call, manner, chance);
        }
        self.send_simple(asked, |out| {
            let count = u32::try_from(EXPORTS.len()).unwrap_or(0);
            let lent = |out: &mut ValueWriter<'_>, id, kind: HostKind| {
                if let Some(id) = SlotId::new(id) {
                    out.lent(id, kind.code(), 0);
                }
            };
            lent(out, 1, HostKind::Function);
            out.put_u32(count);
            for &(name, id, kind) in EXPORTS {
                // It is short.
                let _ = out.str(name);
                lent(out, id, kind);
            }
        })
    }
}

impl Values<'_> {
    /// Exports of kinds that the client does not support.
    fn exports(&mut self) -> Result {
        self.lent();
        let count = self.chance.few() * 4;
        self.out.put_u32(count);
        for _ in 0..count {
            self.text()?;
            let kind = self.chance.pick(&[HostKind::Function, HostKind::Class]);
            if let Some(id) = self.id() {
                self.lent_as(id, kind);
            }
        }
        Ok(())
    }
}
