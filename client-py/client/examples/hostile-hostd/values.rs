//! Random values: every kind of the format, with contents that are hard to convert.

use hostd_protocol::error::Result;
use hostd_protocol::ids::SlotId;
use hostd_protocol::value::{ElementKind, ErrorClass, HostKind, Open, ValueWriter};

use crate::chance::Chance;
use crate::heard::Held;

/// Texts with control characters, with names that are special in Python or JavaScript, and invalid ones.
pub(crate) const TEXTS: &[&str] = &[
    "",
    "a",
    "message",
    "then",
    "constructor",
    "length",
    "size",
    "__proto__",
    "__class__",
    "__dict__",
    "__iter__",
    "__notes__",
    "args",
    "keys",
    "items",
    "0",
    "-1",
    "18446744073709551616",
    "caf\u{e9} \u{1f600}",
    "\u{1b}[31mred\u{1b}]0;title\u{7}",
    "line\nTraceback (most recent call last):\n  File \"x\", line 1, in <module>\r\n",
    "\0",
    "\u{202e}\u{2066}txt.exe\u{2028}",
    "%s %(x)s {} {0.__class__}",
    "    at <parser> (x:1:1)\n    at f (y.js:2:2)",
];
const NUMBERS: &[f64] = &[
    0.0,
    -0.0,
    0.5,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::MAX,
    f64::MIN_POSITIVE,
    9_007_199_254_740_991.0,
    9_007_199_254_740_992.0,
    -9_007_199_254_740_993.0,
    1e300,
];
const TIMES: &[f64] = &[0.0, -1.0, 1.7e12, -6.2e13, 2.5e14, 0.25];
const NOT_TIMES: &[f64] = &[f64::NAN, f64::INFINITY, 8.64e15, -8.64e15, 1e300];
pub(crate) const ELEMENTS: &[ElementKind] = &[
    ElementKind::Int8,
    ElementKind::Uint8,
    ElementKind::Uint8Clamped,
    ElementKind::Int16,
    ElementKind::Uint16,
    ElementKind::Int32,
    ElementKind::Uint32,
    ElementKind::Float32,
    ElementKind::Float64,
    ElementKind::BigInt64,
    ElementKind::BigUint64,
    ElementKind::Float16,
    ElementKind::Buffer,
    ElementKind::ArrayBuffer,
    ElementKind::DataView,
    ElementKind::SharedArrayBuffer,
];
const CLASSES: &[ErrorClass] = &[
    ErrorClass::Error,
    ErrorClass::Type,
    ErrorClass::Range,
    ErrorClass::Syntax,
    ErrorClass::Reference,
    ErrorClass::Eval,
    ErrorClass::Uri,
    ErrorClass::Aggregate,
    ErrorClass::Other,
];
const LENT: &[HostKind] = &[
    HostKind::Function,
    HostKind::Class,
    HostKind::Object,
    HostKind::Object,
    HostKind::Promise,
    HostKind::Symbol,
    HostKind::External,
];
/// A multiple of this has the hash 0 in Python.
pub(crate) const MODULUS: u64 = (1 << 61) - 1;
/// How many ids objects have: few, so that an id is used again for another object.
pub(crate) const IDS: u32 = 40;
/// The first ids are those of the exports.
pub(crate) const FIRST_ID: u32 = 10;

/// What values are written with.
#[derive(Debug)]
pub(crate) struct Values<'a> {
    pub(crate) out: ValueWriter<'a>,
    pub(crate) chance: &'a mut Chance,
    pub(crate) held: &'a mut Held,
    /// How many compounds the block has so far.
    pub(crate) compounds: u32,
    /// How many values may be written before only scalars follow.
    pub(crate) left: u32,
    /// How many containers of the request can be referred to.
    pub(crate) containers: u32,
    /// Whether a value may be what the protocol forbids.
    pub(crate) is_illegal: bool,
    /// The bytes of a half of the shared memory, if there is any.
    pub(crate) half: Option<u64>,
}

impl Values<'_> {
    /// Begins another block.
    pub(crate) fn restart(&mut self) {
        self.out.restart_numbering();
        self.compounds = 0;
    }

    /// Any value, of at most this depth.
    pub(crate) fn value(&mut self, depth: u32) -> Result {
        self.left = self.left.saturating_sub(1);
        if depth == 0 || self.left == 0 {
            return self.scalar();
        }
        if self.is_illegal && self.chance.one_in(12) {
            return self.breach();
        }
        match self.chance.below(24) {
            0 | 1 => self.array(depth),
            2 | 3 => self.object(depth),
            4 => self.map(depth),
            5 => self.set(depth),
            6 => self.error(depth),
            7 if self.chance.one_in(2) => self.shared(),
            7 => self.buffer(),
            8 => self.packed(),
            9 | 10 => self.reference(),
            11 => self.own(),
            12..=14 => {
                self.lent();
                Ok(())
            }
            15 => {
                self.out.hole();
                Ok(())
            }
            _ => self.scalar(),
        }
    }

    pub(crate) fn scalar(&mut self) -> Result {
        match self.chance.below(12) {
            0 => self.out.undefined(),
            1 => self.out.null(),
            2 => self.out.boolean(self.chance.one_in(2)),
            3 | 4 => self.out.int32(self.chance.below(10).cast_signed() - 3),
            5 => self.out.integer((self.chance.draw() >> 12).cast_signed()),
            6 | 7 => self.out.float(self.chance.pick(NUMBERS)),
            8 => return self.bigint(),
            9 => self.out.date(self.chance.pick(TIMES)),
            _ => return self.text(),
        }
        Ok(())
    }

    pub(crate) fn text(&mut self) -> Result {
        match self.chance.below(16) {
            0 => {
                let units = [0xD800, 0x61, 0xDC00, 0xFFFF, 0x1B];
                let from = self.chance.below(4) as usize;
                self.out.str16(units[from..].iter().copied())
            }
            1 => {
                let times = self.chance.below(200) as usize;
                self.out.str(&self.chance.pick(TEXTS).repeat(times))
            }
            _ => self.out.str(self.chance.pick(TEXTS)),
        }
    }

    fn bigint(&mut self) -> Result {
        let words = match self.chance.below(5) {
            0 => vec![],
            1 => vec![0, 0],
            2 => vec![MODULUS * u64::from(self.chance.below(8))],
            3 => (0..self.chance.below(60))
                .map(|_| self.chance.draw())
                .collect(),
            _ => vec![self.chance.draw()],
        };
        self.out.bigint(self.chance.one_in(2), &words)
    }

    fn array(&mut self, depth: u32) -> Result {
        let open = self.out.open_array()?;
        self.compounds += 1;
        let count = self.chance.few();
        for _ in 0..count {
            self.value(depth - 1)?;
        }
        self.close(open, count);
        Ok(())
    }

    fn object(&mut self, depth: u32) -> Result {
        let open = self.out.open_object()?;
        self.compounds += 1;
        let count = self.chance.few();
        for _ in 0..count {
            self.text()?;
            self.value(depth - 1)?;
        }
        self.close(open, count);
        Ok(())
    }

    fn map(&mut self, depth: u32) -> Result {
        let open = self.out.open_map()?;
        self.compounds += 1;
        let count = self.chance.few();
        for _ in 0..count {
            self.value(depth - 1)?;
            self.value(depth - 1)?;
        }
        self.close(open, count);
        Ok(())
    }

    fn set(&mut self, depth: u32) -> Result {
        let open = self.out.open_set()?;
        self.compounds += 1;
        let count = self.chance.few() * 2;
        for _ in 0..count {
            self.value(depth - 1)?;
        }
        self.close(open, count);
        Ok(())
    }

    /// An error; its fields are any values, as a script may have them.
    pub(crate) fn error(&mut self, depth: u32) -> Result {
        let id = self.chance.one_in(2).then(|| self.id()).flatten();
        let class = self.chance.pick(CLASSES);
        let mut open = self.out.open_error(id, class)?;
        self.compounds += 1;
        let are_any = self.chance.one_in(4);
        for field in 0..5 {
            match (are_any, field) {
                (true, _) | (_, 4) => self.value(depth.saturating_sub(1))?,
                (_, 2) => self.scalar()?,
                _ => self.text()?,
            }
        }
        self.out.own_fields(&mut open);
        let count = self.chance.few();
        for _ in 0..count {
            self.text()?;
            self.value(depth.saturating_sub(1))?;
        }
        self.close(open, count);
        Ok(())
    }

    fn buffer(&mut self) -> Result {
        let element = self.chance.pick(ELEMENTS);
        let id = self.chance.one_in(2).then(|| self.id()).flatten();
        let odd = usize::from(self.is_illegal && self.chance.one_in(8));
        let bytes = vec![0xC3; self.chance.below(9) as usize * element.size() + odd];
        self.out
            .buffer(element, id, self.chance.one_in(2), &bytes)?;
        self.compounds += 1;
        Ok(())
    }

    fn packed(&mut self) -> Result {
        let count = self.chance.few() * 3;
        let open = if self.chance.one_in(2) {
            let open = self.out.open_array_i32()?;
            for _ in 0..count {
                self.out.push_i32(self.chance.below(u32::MAX).cast_signed());
            }
            open
        } else {
            let open = self.out.open_array_f64()?;
            for _ in 0..count {
                self.out.push_f64(self.chance.pick(NUMBERS));
            }
            open
        };
        self.compounds += 1;
        self.close(open, count);
        Ok(())
    }

    /// An earlier compound of the block, one that is not closed yet among them, or of the request.
    fn reference(&mut self) -> Result {
        if self.containers > 0 && self.chance.one_in(2) {
            self.out.request_object(self.chance.below(self.containers));
            return Ok(());
        }
        if self.compounds == 0 {
            return self.scalar();
        }
        self.out.reference(self.chance.below(self.compounds));
        Ok(())
    }

    /// An object of the client.
    fn own(&mut self) -> Result {
        let Some(id) = self.held.pick(self.chance, None) else {
            return self.scalar();
        };
        self.held.send_back(id);
        self.out.own(id);
        Ok(())
    }

    /// An object of this host: an id has the same kind most of the time.
    pub(crate) fn lent(&mut self) {
        let Some(id) = self.id() else { return };
        let kind = if self.chance.one_in(8) {
            self.chance.pick(LENT)
        } else {
            LENT[id.get() as usize % LENT.len()]
        };
        self.lent_as(id, kind);
    }

    pub(crate) fn lent_as(&mut self, id: SlotId, kind: HostKind) {
        let class = match self.chance.below(6) {
            0 => self.chance.below(u32::MAX),
            1..=3 => self.chance.below(5),
            _ => 0,
        };
        self.out.lent(id, kind.code(), class);
    }

    pub(crate) fn id(&mut self) -> Option<SlotId> {
        SlotId::new(match self.chance.below(30) {
            0 => 1 + self.chance.below(1 << 24),
            1 => 1 + self.chance.below(FIRST_ID),
            _ => FIRST_ID + self.chance.below(IDS),
        })
    }

    /// Ends a container, rarely with a wrong count.
    pub(crate) fn close(&mut self, open: Open, count: u32) {
        let lie = match self.chance.below(8) {
            0 if self.is_illegal => self.chance.below(u32::MAX),
            1 if self.is_illegal => count.wrapping_sub(1),
            _ => count,
        };
        self.out.close(open, lie);
    }

    /// What the protocol forbids.
    fn breach(&mut self) -> Result {
        match self.chance.below(13) {
            0 => self
                .out
                .put_u8(26 + self.chance.below(200).to_le_bytes()[0]),
            1 => self.out.reference(self.chance.below(u32::MAX)),
            2 => self.out.request_object(self.chance.below(u32::MAX)),
            3 => {
                if let Some(id) = SlotId::new(1 + self.chance.below(1 << 20)) {
                    self.out.own(id);
                }
            }
            4 => {
                self.out.put_u8(8);
                self.out.put_u32(2);
                self.out.put_bytes(&[0xC3, 0x28])?;
            }
            5 => self.out.integer(i64::MIN + i64::from(self.chance.below(9))),
            6 => self.out.date(self.chance.pick(NOT_TIMES)),
            7 => {
                if let Some(id) = SlotId::new(u32::MAX - self.chance.below(9)) {
                    self.out.lent(id, self.chance.below(8).to_le_bytes()[0], 0);
                }
            }
            8 => {
                if let Some(id) = self.id() {
                    self.out
                        .lent(id, 6 + self.chance.below(250).to_le_bytes()[0] % 200, 0);
                }
            }
            9..=11 => self.ill_shared(),
            _ => self.out.put_u32(self.chance.below(u32::MAX)),
        }
        Ok(())
    }
}
