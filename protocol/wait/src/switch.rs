//! Switches that turn waiting mechanisms off, to measure what each one is worth.

use std::sync::LazyLock;

/// The environment variable that turns mechanisms off: `NAPI_HOSTD_WAIT=-placement,-spin`, or `-all`.
///
/// For tests and measurements only. Each process reads it once; other words have no effect.
pub const VARIABLE: &str = "NAPI_HOSTD_WAIT";

/// A mechanism that shortens waits and is not needed for a correct result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitSwitch {
    /// `spin`: an end of a lane spins before it parks.
    Spin,
    /// `loop-spin`: an event loop spins before it waits for the wake pipe.
    LoopSpin,
    /// `pool-spin`: a pool thread spins for the next job.
    PoolSpin,
    /// `pool-park`: a pool thread parks for a short time when it expects a burst of jobs.
    PoolTimedPark,
    /// `brief-poll`: a client thread polls before it releases what other threads need.
    BriefPoll,
    /// `yield`: spinning threads yield the CPU between polls.
    Yield,
    /// `placement`: both sides note that they share a CPU, and do not spin then.
    Placement,
    /// `migration`: the JS thread leaves a CPU that it shares with its client.
    Migration,
}

const NAMES: [(&str, WaitSwitch); 8] = [
    ("spin", WaitSwitch::Spin),
    ("loop-spin", WaitSwitch::LoopSpin),
    ("pool-spin", WaitSwitch::PoolSpin),
    ("pool-park", WaitSwitch::PoolTimedPark),
    ("brief-poll", WaitSwitch::BriefPoll),
    ("yield", WaitSwitch::Yield),
    ("placement", WaitSwitch::Placement),
    ("migration", WaitSwitch::Migration),
];

/// A bit for each mechanism that is off.
static OFF: LazyLock<u32> = LazyLock::new(|| std::env::var(VARIABLE).map_or(0, |text| off(&text)));

impl WaitSwitch {
    /// Whether it is on, as all are by default.
    #[inline]
    pub fn is_on(self) -> bool {
        *OFF & self.bit() == 0
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

fn off(text: &str) -> u32 {
    let words = text
        .split(',')
        .filter_map(|word| word.trim().strip_prefix('-'));
    words.fold(0, |off, word| {
        let named = NAMES
            .iter()
            .filter(|(name, _)| word == "all" || word == *name);
        named.fold(off, |off, (_, switch)| off | switch.bit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_turn_mechanisms_off() {
        let bits = WaitSwitch::Spin.bit() | WaitSwitch::Placement.bit();
        assert_eq!(off("-placement, -spin"), bits);
        assert_eq!(off("spin,-nonsense,"), 0);
        assert_eq!(off("-all"), (1 << NAMES.len()) - 1);
    }
}
