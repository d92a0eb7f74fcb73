//! Random numbers that are the same for the same seed.

/// A generator of the kind `SplitMix64`.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// The numbers of a case; each `stream` of it is independent.
    pub(crate) fn new(seed: u64, case: u64, stream: u64) -> Self {
        let mut chance = Self(seed);
        for part in [case, stream] {
            chance.0 = chance.draw() ^ part;
        }
        chance
    }

    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not zero.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        u32::try_from(self.draw() % u64::from(bound)).unwrap_or(0)
    }

    pub(crate) fn one_in(&mut self, times: u32) -> bool {
        self.below(times) == 0
    }

    /// Mostly none, one or two, seldom more.
    pub(crate) fn few(&mut self) -> u32 {
        self.draw().trailing_ones()
    }

    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        let place = self.below(u32::try_from(items.len()).unwrap_or(1));
        items[place as usize]
    }
}
