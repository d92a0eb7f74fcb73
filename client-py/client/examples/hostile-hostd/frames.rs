//! The bodies of replies, requests and notices.

use hostd_protocol::calls::CallKind;
use hostd_protocol::error::{RemoteError, Result};
use hostd_protocol::failure::Failure;
use hostd_protocol::ids::SlotId;
use hostd_protocol::message::{self, Description, HostStats};
use hostd_protocol::profile::{FunctionTimes, HostProfile};
use hostd_protocol::value::{ClientKind, HostKind};

use crate::heard::Shape;
use crate::values::{FIRST_ID, IDS, TEXTS, Values};

/// How deep random values are nested.
const DEPTH: u32 = 4;

/// The requests that a host may send.
const ASKED: &[CallKind] = &[
    CallKind::Invoke,
    CallKind::Invoke,
    CallKind::Invoke,
    CallKind::RemoteGet,
    CallKind::RemoteSet,
    CallKind::RemoteHas,
    CallKind::RemoteKeys,
    CallKind::RemoteDelete,
    CallKind::RemoteStep,
];

impl Values<'_> {
    /// The body of a reply to this call.
    pub(crate) fn reply(&mut self, call: CallKind, is_large: bool) -> Result {
        if self.is_illegal && self.chance.one_in(6) {
            return self.value(DEPTH);
        }
        match call {
            CallKind::Call
            | CallKind::Construct
            | CallKind::CallMethod
            | CallKind::RunScript
            | CallKind::NewObject
            | CallKind::LoadMore
            | CallKind::Coerce => self.any(is_large),
            CallKind::Iterate | CallKind::IterateAsync => {
                if self.chance.one_in(4) {
                    return self.any(is_large);
                }
                if let Some(id) = SlotId::new(FIRST_ID + self.chance.below(IDS)) {
                    self.lent_as(id, HostKind::Object);
                }
                Ok(())
            }
            CallKind::Get => {
                let is_present = !self.chance.one_in(8);
                self.flag(is_present);
                self.any(is_large)
            }
            CallKind::Next => {
                let is_done = self.chance.one_in(4);
                self.flag(is_done);
                self.any(is_large)
            }
            CallKind::Delete | CallKind::Has | CallKind::InstanceOf => {
                let answer = self.chance.one_in(2);
                self.flag(answer);
                Ok(())
            }
            CallKind::Extends => {
                for _ in 0..3 {
                    let answer = self.chance.one_in(2);
                    self.flag(answer);
                }
                Ok(())
            }
            CallKind::Keys => self.names(is_large),
            CallKind::Bulk => self.rows(is_large),
            CallKind::Describe => self.description(is_large),
            CallKind::Stats => message::write(&mut self.out, &HostStats::default()),
            CallKind::Profile => self.profile(is_large),
            CallKind::Turn => {
                let is_more = self.chance.one_in(4);
                self.flag(is_more);
                self.settled()
            }
            CallKind::Watch => self.state(),
            _ => Ok(()),
        }
    }

    /// The body of a failure.
    pub(crate) fn failure(&mut self, is_large: bool) -> Result {
        if self.is_illegal && self.chance.one_in(4) {
            self.out.put_u8(self.chance.below(256).to_le_bytes()[0]);
            return self.value(DEPTH);
        }
        let text = self
            .chance
            .pick(TEXTS)
            .repeat(1 + self.chance.few() as usize);
        let error = match self.chance.below(16) {
            0 => RemoteError::Load {
                message: text.clone(),
                detail: text,
            },
            1 => RemoteError::Unsupported(text),
            2 => RemoteError::Cancelled,
            3 => RemoteError::Limit(text),
            4 => RemoteError::Host(text),
            5 => RemoteError::Stale(self.chance.below(100)),
            6 | 7 => {
                Failure::write_thrown(&mut self.out);
                return self.any(is_large);
            }
            _ => {
                Failure::write_thrown(&mut self.out);
                return self.error(DEPTH);
            }
        };
        Failure::write(&mut self.out, &error)
    }

    /// Chooses a request to the client, and writes its body.
    pub(crate) fn request(&mut self, is_large: bool) -> Result<CallKind> {
        let call = self.chance.pick(ASKED);
        let kind = match call {
            CallKind::Invoke if !self.chance.one_in(8) => Some(ClientKind::Callable),
            CallKind::RemoteStep if !self.chance.one_in(8) => Some(ClientKind::Generator),
            _ => None,
        };
        let target = self.held.pick(self.chance, kind);
        let target = target.map_or_else(|| 1 + self.chance.below(1000), SlotId::get);
        self.out.put_u32(target);
        match call {
            CallKind::Invoke => self.arguments(is_large)?,
            CallKind::RemoteGet | CallKind::RemoteHas | CallKind::RemoteDelete => self.key()?,
            CallKind::RemoteSet => {
                self.key()?;
                self.any(is_large)?;
            }
            CallKind::RemoteStep => {
                self.out.put_u8(self.chance.below(4).to_le_bytes()[0]);
                self.any(is_large)?;
            }
            _ => {}
        }
        Ok(call)
    }

    /// Chooses a notice, and writes its body.
    pub(crate) fn notice(&mut self) -> Result<CallKind> {
        Ok(match self.chance.below(8) {
            0 | 1 => CallKind::WakeUp,
            2 => {
                self.error(DEPTH)?;
                self.value(1)?;
                CallKind::Uncaught
            }
            3 => CallKind::Released,
            _ => {
                self.settled()?;
                CallKind::Settled
            }
        })
    }

    /// What the host changed in the containers of a request.
    pub(crate) fn changes(&mut self, shapes: &[Shape], is_large: bool) -> Result {
        let mut chosen: Vec<u32> = (0..).zip(shapes).map(|it| it.0).collect();
        chosen.retain(|_| self.chance.one_in(2));
        if self.is_illegal {
            match self.chance.below(4) {
                0 => chosen.extend_from_within(..),
                1 => chosen.push(self.chance.below(u32::MAX)),
                _ => {}
            }
        }
        self.out.put_u32(u32::try_from(chosen.len()).unwrap_or(0));
        for index in chosen {
            self.out.put_u32(index);
            let shape = match shapes.get(index as usize) {
                Some(shape) if !self.chance.one_in(12) => *shape,
                _ => self.chance.pick(&[
                    Shape::Array,
                    Shape::Object,
                    Shape::Collection,
                    Shape::Bytes,
                ]),
            };
            self.change(shape, is_large)?;
        }
        self.restart();
        Ok(())
    }

    fn change(&mut self, shape: Shape, is_large: bool) -> Result {
        let count = self.chance.few();
        match shape {
            Shape::Array => {
                let length = match self.chance.below(8) {
                    0 if is_large => self.chance.draw().to_le_bytes()[0].into(),
                    1..4 if is_large => self.chance.below(u32::MAX),
                    4..8 if is_large => self.chance.below(100_000),
                    _ => self.chance.below(12),
                };
                let count = if length == 0 { 0 } else { count };
                self.out.put_u8(0);
                self.out.put_u32(length);
                self.out.put_u32(count);
                for _ in 0..count {
                    let beyond = u32::from(self.is_illegal);
                    self.out.put_u32(self.chance.below(length + beyond));
                    self.any(is_large)?;
                }
            }
            Shape::Object | Shape::Other => {
                self.out.put_u8(1);
                self.out.put_u32(count);
                for _ in 0..count {
                    self.text()?;
                    self.any(is_large)?;
                }
                let deletes = self.chance.few();
                self.out.put_u32(deletes);
                for _ in 0..deletes {
                    self.text()?;
                }
            }
            Shape::Collection => {
                self.out.put_u8(2);
                self.out.put_u32(count * 2);
                for _ in 0..count * 2 {
                    self.any(is_large)?;
                }
            }
            Shape::Bytes => {
                let bytes = vec![0x5A; self.chance.below(9) as usize];
                self.out.put_u8(3);
                let offset = match self.chance.below(6) {
                    0 => self.chance.draw(),
                    1 => u64::MAX,
                    _ => self.chance.below(9).into(),
                };
                self.out.put_u64(offset);
                self.out.put_u64(bytes.len() as u64);
                self.out.put_bytes(&bytes)?;
            }
        }
        Ok(())
    }

    fn any(&mut self, is_large: bool) -> Result {
        if is_large && self.chance.one_in(2) {
            self.large()
        } else {
            self.value(DEPTH)
        }
    }

    fn arguments(&mut self, is_large: bool) -> Result {
        let count = self.chance.few();
        self.out.put_u32(count);
        for _ in 0..count {
            self.any(is_large)?;
        }
        Ok(())
    }

    fn key(&mut self) -> Result {
        if self.chance.one_in(4) {
            self.value(2)
        } else {
            self.text()
        }
    }

    fn flag(&mut self, flag: bool) {
        let byte = if self.is_illegal && self.chance.one_in(8) {
            2 + u8::from(flag)
        } else {
            flag.into()
        };
        self.out.put_u8(byte);
    }

    /// Results of rows, and the rows without one.
    fn rows(&mut self, is_large: bool) -> Result {
        if self.chance.one_in(4) {
            self.any(is_large)?;
        } else {
            let open = self.out.open_array()?;
            self.compounds += 1;
            let count = self.chance.few();
            for _ in 0..count {
                self.value(1)?;
            }
            self.close(open, count);
        }
        let count = self.chance.below(3);
        self.out.put_u32(count);
        for place in 0..count {
            let place = if self.chance.one_in(4) {
                self.chance.below(u32::MAX)
            } else {
                place
            };
            self.out.put_u32(place);
            let is_thrown = !self.chance.one_in(4);
            self.flag(is_thrown);
            self.any(is_large)?;
        }
        Ok(())
    }

    fn names(&mut self, is_large: bool) -> Result {
        if self.chance.one_in(4) {
            return self.any(is_large);
        }
        let open = self.out.open_array()?;
        self.compounds += 1;
        let count = self.chance.few() * if is_large { 10_000 } else { 1 };
        for _ in 0..count {
            self.text()?;
        }
        self.close(open, count);
        Ok(())
    }

    fn description(&mut self, is_large: bool) -> Result {
        let count = self.chance.few() as usize * if is_large { 5_000 } else { 1 };
        let description = Description {
            methods: self.texts(count),
            accessors: self.texts(count),
            name: self.chance.pick(TEXTS).into(),
            kind: self.chance.below(8).to_le_bytes()[0],
            class_id: self.chance.below(8),
            length: self.chance.below(u32::MAX),
        };
        if self.is_illegal {
            self.out.put_u32(self.chance.below(1 << 12));
            return self
                .out
                .put_bytes(&vec![0xFF; self.chance.below(1 << 12) as usize]);
        }
        message::write(&mut self.out, &description)
    }

    /// Figures that no host has: unknown functions, spans of no function, ends before begins.
    fn profile(&mut self, is_large: bool) -> Result {
        let count = self.chance.few() as usize * if is_large { 500 } else { 1 };
        let functions = (0..count).map(|number| FunctionTimes {
            name: if self.is_illegal && self.chance.one_in(8) {
                self.chance.pick(TEXTS).into()
            } else {
                format!("napi_{number}")
            },
            calls: self.chance.draw(),
            total: self.chance.draw(),
            own: self.chance.draw(),
        });
        let functions = functions.collect();
        let spans = (0..count).map(|_| {
            let what = self.chance.below(u32::MAX) >> self.chance.below(32);
            (what, self.chance.draw(), self.chance.draw())
        });
        let profile = HostProfile {
            functions,
            spans: spans.collect(),
            collections: self.chance.draw(),
            collecting: u64::MAX,
            finalizers: u64::MAX,
            finalizing: self.chance.draw(),
            left: self.chance.below(3),
        };
        message::write(&mut self.out, &profile)
    }

    fn texts(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.chance.pick(TEXTS).into()).collect()
    }

    /// The state of a promise: its subscription, or its value.
    fn state(&mut self) -> Result {
        let state = self.chance.below(3 + u32::from(self.is_illegal));
        self.out.put_u8(state.to_le_bytes()[0]);
        if state != 0 {
            return self.value(DEPTH);
        }
        self.out.put_u32(self.chance.below(4));
        Ok(())
    }

    /// Settled promises: some ids are not promises, or were settled before.
    fn settled(&mut self) -> Result {
        let count = self.chance.few() * 2;
        self.out.put_u32(count);
        for _ in 0..count {
            self.restart();
            let id = self.id().map_or(1, SlotId::get);
            self.out.put_u32(id);
            self.out.put_u32(self.chance.below(5));
            let state = self.chance.below(3 + u32::from(self.is_illegal));
            self.out.put_u8(state.to_le_bytes()[0]);
            if state != 0 {
                self.value(DEPTH)?;
            }
        }
        Ok(())
    }
}
