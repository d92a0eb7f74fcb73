//! Large values: frames of few bytes from which the receiver creates many objects, or which it converts
//! slowly.

use hostd_protocol::error::Result;
use hostd_protocol::ids::SlotId;
use hostd_protocol::memory::Region;
use hostd_protocol::value::{ElementKind, ErrorClass, HostKind};

use crate::values::{FIRST_ID, MODULUS, TEXTS, Values};

/// Below, at and beyond the limit of values that the test sets, which is 2^16.
const COUNTS: &[u32] = &[1_000, 20_000, 65_000, 66_000, 300_000];

impl Values<'_> {
    /// A value with many others in it.
    pub(crate) fn large(&mut self) -> Result {
        let count = self.chance.pick(COUNTS);
        match self.chance.below(18) {
            0 => self.many(count, |it, _| it.nothing()),
            1 => self.many(count, |it, _| it.empty_object()),
            2 => self.many(count / 2, |it, _| it.empty_collection()),
            3 => self.many(count / 8, |it, _| it.plain_error()),
            4 => self.many(count, Self::distinct_object),
            5 => self.many(count, Self::short_text),
            6 => self.many(count, |it, _| it.out.bigint(false, &[u64::MAX, 1])),
            7 => self.many(count, |it, _| {
                it.out.date(1.7e12);
                Ok(())
            }),
            8 => self.colliding_keys(count),
            9 => self.keys(count),
            10 => self.deep(),
            11 => self.numbers(count),
            12 => self.long_text(count),
            13 => {
                let bytes = vec![7; count as usize * 64];
                self.compounds += 1;
                self.out
                    .buffer(ElementKind::Uint8, None, true, &bytes)
                    .map(drop)
            }
            15 => self.many(count, |it, _| it.shared()),
            16 => self.huge_shared(),
            14 => self.out.bigint(true, &vec![u64::MAX; count as usize]),
            _ => self.many(count, |it, _| {
                it.out.reference(0);
                Ok(())
            }),
        }
    }

    fn many(&mut self, count: u32, mut each: impl FnMut(&mut Self, u32) -> Result) -> Result {
        let open = self.out.open_array()?;
        self.compounds += 1;
        for place in 0..count {
            each(self, place)?;
        }
        self.close(open, count);
        Ok(())
    }

    fn nothing(&mut self) -> Result {
        let open = self.out.open_array()?;
        self.compounds += 1;
        self.out.close(open, 0);
        Ok(())
    }

    fn empty_object(&mut self) -> Result {
        let open = self.out.open_object()?;
        self.compounds += 1;
        self.out.close(open, 0);
        Ok(())
    }

    fn empty_collection(&mut self) -> Result {
        let open = if self.chance.one_in(2) {
            self.out.open_set()?
        } else {
            self.out.open_map()?
        };
        self.compounds += 1;
        self.out.close(open, 0);
        Ok(())
    }

    fn plain_error(&mut self) -> Result {
        let mut open = self.out.open_error(None, ErrorClass::Type)?;
        self.compounds += 1;
        for _ in 0..5 {
            self.out.null();
        }
        self.out.own_fields(&mut open);
        self.out.close(open, 0);
        Ok(())
    }

    fn distinct_object(&mut self, place: u32) -> Result {
        match SlotId::new(FIRST_ID + place) {
            Some(id) => self.out.lent(id, HostKind::Object.code(), 0),
            None => return self.scalar(),
        }
        Ok(())
    }

    fn short_text(&mut self, place: u32) -> Result {
        let unit = u16::try_from(place & 0xFFFF).unwrap_or(0);
        self.out.str16([unit, 0xD800].into_iter())
    }

    /// A Set or a Map whose keys have one hash in Python.
    fn colliding_keys(&mut self, count: u32) -> Result {
        let is_set = self.chance.one_in(2);
        let open = if is_set {
            self.out.open_set()?
        } else {
            self.out.open_map()?
        };
        self.compounds += 1;
        for place in 0..count {
            let key = u128::from(MODULUS) * u128::from(place + 1);
            let words: Vec<u64> = [key & u128::from(u64::MAX), key >> 64]
                .into_iter()
                .filter_map(|word| word.try_into().ok())
                .collect();
            self.out.bigint(false, &words)?;
            if !is_set {
                self.out.null();
            }
        }
        self.close(open, count);
        Ok(())
    }

    fn keys(&mut self, count: u32) -> Result {
        let open = self.out.open_object()?;
        self.compounds += 1;
        for place in 0..count {
            match place % 3 {
                0 => self.out.str(self.chance.pick(TEXTS))?,
                _ => self.out.str(&format!("key {place}"))?,
            }
            self.out.null();
        }
        self.close(open, count);
        Ok(())
    }

    /// Nested containers, below, at and beyond the depth limit.
    fn deep(&mut self) -> Result {
        let depth = self.chance.pick(&[40, 63, 64, 65, 5_000]);
        let mut open = Vec::new();
        for level in 0..depth {
            open.push(match level % 3 {
                0 => self.out.open_array()?,
                1 => self.out.open_set()?,
                _ => self.out.open_object()?,
            });
            self.compounds += 1;
            if level % 3 == 2 {
                self.out.str("key")?;
            }
        }
        self.out.null();
        while let Some(level) = open.pop() {
            self.out.close(level, 1);
        }
        Ok(())
    }

    fn numbers(&mut self, count: u32) -> Result {
        self.compounds += 1;
        if self.chance.one_in(2) {
            let open = self.out.open_array_i32()?;
            (0..count).for_each(|number| self.out.push_i32(number.cast_signed()));
            self.close(open, count);
        } else {
            let open = self.out.open_array_f64()?;
            (0..count).for_each(|number| self.out.push_f64(f64::from(number) + 0.5));
            self.close(open, count);
        }
        Ok(())
    }

    /// A text or a buffer in shared memory that is larger than a message may have.
    fn huge_shared(&mut self) -> Result {
        let (Some(half), Some(id)) = (self.half, self.id()) else {
            return self.scalar();
        };
        let length = half >> self.chance.below(12);
        let length = length - length % 8;
        let region = Region {
            id,
            file: 0,
            offset: half,
            length,
        };
        if self.chance.one_in(2) {
            self.out.shared_text(region);
            return Ok(());
        }
        self.compounds += 1;
        let element = ElementKind::Float64;
        self.out
            .shared_buffer(element, None, true, region)
            .map(drop)
    }

    fn long_text(&mut self, count: u32) -> Result {
        let text = self
            .chance
            .pick(&["x", "\u{1f600}", "\n", "    at \n", "\u{1b}"]);
        self.out.str(&text.repeat(count as usize * 32 / text.len()))
    }
}
