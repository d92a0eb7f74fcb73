//! Commands of a test: the exported function `command` does one thing, by its name and its numbers.

use hostd_protocol::error::Result;
use hostd_protocol::failure::Failure;
use hostd_protocol::frame::{FrameBuilder, FrameKind, Header, read_releases, read_weight};
use hostd_protocol::ids::SlotId;
use hostd_protocol::lent::Release;
use hostd_protocol::limits::Limits;
use hostd_protocol::value::{ErrorClass, Token, ValueReader};

use crate::chance::Chance;
use crate::host::{Asked, Host, LIMITS, Manner};
use crate::memory::Forged;
use crate::values::Values;

/// The exported function for commands.
pub(crate) const COMMAND: u32 = 6;

/// A call of `command`: a name, and numbers. What else it is passed is kept.
#[derive(Debug)]
pub(crate) struct Command {
    name: String,
    numbers: Vec<u64>,
}

impl Command {
    pub(crate) fn read(header: Header, body: &[u8]) -> Option<Self> {
        let mut reader = ValueReader::new(body, &Limits::DEFAULT);
        read_weight(header.flags, &mut reader).ok()?;
        read_releases(header.flags, &mut reader, |_| Ok(())).ok()?;
        if reader.take_u32().ok()? != COMMAND {
            return None;
        }
        if reader.take_bool().ok()? {
            reader.walk(|_| ()).ok()?;
        }
        let count = reader.take_count(1).ok()?;
        let Token::Str(name) = reader.next().ok()? else {
            return None;
        };
        let mut command = Self {
            name: name.to_owned(),
            numbers: Vec::new(),
        };
        for _ in 1..count {
            match reader.next().ok()? {
                Token::Int32(number) => command.numbers.push(number.try_into().ok()?),
                Token::Int64(number) => command.numbers.push(number.try_into().ok()?),
                Token::BigInt { words, .. } => command.numbers.extend(words.iter().next()),
                _ => break,
            }
        }
        Some(command)
    }

    /// The number at this place, or zero.
    fn number(&self, place: usize) -> u64 {
        self.numbers.get(place).copied().unwrap_or(0)
    }

    fn small(&self, place: usize) -> u32 {
        u32::try_from(self.number(place)).unwrap_or(u32::MAX)
    }

    /// The value that the numbers describe: element type or 255 for a text, object, whether it is
    /// writable, memory, file, offset and length.
    fn forged(&self) -> Forged {
        let element = u8::try_from(self.number(0)).unwrap_or(u8::MAX);
        Forged {
            element: (element != u8::MAX).then_some(element),
            object: self.small(1),
            writable: self.number(2) != 0,
            memory: self.small(3),
            file: self.small(4),
            offset: self.number(5),
            length: self.number(6),
        }
    }
}

impl Host {
    /// Does what a command says, and answers it.
    pub(crate) fn obey(&mut self, asked: Asked, command: &Command) -> Result {
        let mut chance = Chance::new(self.seed, 0, 0);
        let mut frame = FrameBuilder::new(LIMITS);
        let kind = match command.name.as_str() {
            "throw value" | "throw error" => FrameKind::Failure,
            _ => FrameKind::Reply,
        };
        frame.start(kind, asked.header.number);
        if command.name == "release" {
            let release = SlotId::new(command.small(0)).map(|id| Release {
                id,
                received: command.number(1),
                returned: 0,
            });
            let times = command.number(2).max(1);
            let releases: Vec<Release> = (0..times).filter_map(|_| release).collect();
            frame.releases(&releases)?;
        }
        if command.name == "change" {
            frame.write_back();
            let mut values = self.values(&mut frame, 1, Manner::Illegal, &mut chance);
            values.change_of(command.forged());
            values.restart();
        }
        let answer = self.act(command);
        let mut values = self.values(&mut frame, 0, Manner::Illegal, &mut chance);
        values.answer(command, answer)?;
        let bytes = frame.finish(asked.header.call, self.generation)?.to_vec();
        self.write(asked.lane, &bytes)
    }

    /// What a command does to the memory, as a number.
    fn act(&mut self, command: &Command) -> u64 {
        let held = || self.held.memory();
        match (command.name.as_str(), &self.memory) {
            ("held", _) => return held().count() as u64,
            ("held id", _) => {
                let place = usize::try_from(command.number(0)).unwrap_or(0);
                return held().nth(place).map_or(0, |(id, _)| id.get().into());
            }
            _ => {}
        }
        let Some(memory) = &mut self.memory else {
            return 0;
        };
        match command.name.as_str() {
            "half" => memory.half(),
            "fill" => {
                let byte = command.number(2).to_le_bytes()[0];
                memory
                    .fill(command.number(0), command.number(1), byte)
                    .into()
            }
            "byte" => memory.byte(command.number(0)).map_or(256, u64::from),
            "punch" => memory.punch().into(),
            "provide" => memory.provide(command.number(0), command.number(1)).into(),
            "resize" => memory.resize().into(),
            "scribble" => {
                memory.scribble();
                1
            }
            "rest" => {
                memory.rest();
                1
            }
            _ => 0,
        }
    }
}

impl Values<'_> {
    fn answer(&mut self, command: &Command, number: u64) -> Result {
        let forged = command.forged();
        let count = command.small(7).max(1);
        match command.name.as_str() {
            "value" => self.forged(forged),
            "array" => {
                let open = self.out.open_array()?;
                self.compounds += 1;
                (0..count).for_each(|_| self.forged(forged));
                self.out.close(open, count);
            }
            // Ids and places that are all different.
            "many" => {
                let open = self.out.open_array()?;
                self.compounds += 1;
                for place in 0..count {
                    self.forged(Forged {
                        memory: forged.memory.saturating_add(place),
                        offset: forged.offset.saturating_add(u64::from(place) * 8),
                        ..forged
                    });
                }
                self.out.close(open, count);
            }
            "object" => {
                let open = self.out.open_object()?;
                self.compounds += 1;
                self.out.str("key")?;
                self.forged(forged);
                self.out.close(open, 1);
            }
            "key of object" => {
                let open = self.out.open_object()?;
                self.compounds += 1;
                self.forged(forged);
                self.out.null();
                self.out.close(open, 1);
            }
            "key of map" => {
                let open = self.out.open_map()?;
                self.compounds += 1;
                self.forged(forged);
                self.out.null();
                self.out.close(open, 1);
            }
            "set" => {
                let open = self.out.open_set()?;
                self.compounds += 1;
                self.forged(forged);
                self.out.close(open, 1);
            }
            "error" | "throw error" => {
                if command.name == "throw error" {
                    Failure::write_thrown(&mut self.out);
                }
                let mut open = self.out.open_error(None, ErrorClass::Type)?;
                self.compounds += 1;
                (0..5).for_each(|_| self.forged(forged));
                self.out.own_fields(&mut open);
                self.out.str("field")?;
                self.forged(forged);
                self.out.close(open, 1);
            }
            "throw value" => {
                Failure::write_thrown(&mut self.out);
                self.forged(forged);
            }
            "own" => {
                if let Some(id) = SlotId::new(command.small(0)) {
                    self.out.own(id);
                }
            }
            _ => self.out.bigint(false, &[number])?,
        }
        Ok(())
    }

    /// The first object of the request, a list, has this one item from now on.
    fn change_of(&mut self, forged: Forged) {
        self.out.put_u32(1);
        self.out.put_u32(0);
        self.out.put_u8(0);
        self.out.put_u32(1);
        self.out.put_u32(1);
        self.out.put_u32(0);
        self.forged(forged);
    }
}
