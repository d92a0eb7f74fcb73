//! What both sides exchange about the time that calls take: the block of a measured frame, and the
//! figures that a host has collected.
//!
//! A client measures some of its calls. Such a request begins with a weight: how many calls it stands
//! for. Its reply begins with what the host did with the time.

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::value::ValueReader;

/// Bytes of the block of a measured reply.
pub const TIMES_BYTES: usize = 48;

/// The most spans in one [`HostProfile`].
pub const SPANS_MAX: usize = 8192;

/// The most functions in one [`HostProfile`]: more than Node-API has.
pub const FUNCTIONS_MAX: usize = 1024;

/// The time in nanoseconds, by a clock that all processes of this machine share.
#[inline]
pub fn nanoseconds() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let rest = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds.wrapping_mul(1_000_000_000).wrapping_add(rest)
}

/// What one reading of the clock costs here, in nanoseconds: the least of some attempts.
pub fn clock_cost() -> u64 {
    /// Few enough to be unnoticed, enough for one that nothing interrupts.
    const ATTEMPTS: usize = 64;
    let once = |_| {
        let start = nanoseconds();
        nanoseconds().saturating_sub(start)
    };
    (0..ATTEMPTS).map(once).min().unwrap_or(0)
}

/// What the host did during one call, in nanoseconds, without the cost of its clock and without what it
/// did for calls nested in this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct HostTimes {
    /// Conversion of values.
    pub marshalling: u64,
    /// JavaScript.
    pub engine: u64,
    /// Code of addons.
    pub addon: u64,
    /// Functions of Node-API.
    pub functions: u64,
    /// Garbage collection and finalizers.
    pub collection: u64,
    /// What measuring took.
    pub overhead: u64,
}

impl HostTimes {
    /// The fields as they travel.
    pub fn encode(&self) -> [u8; TIMES_BYTES] {
        let mut bytes = [0; TIMES_BYTES];
        let fields = [
            self.marshalling,
            self.engine,
            self.addon,
            self.functions,
            self.collection,
            self.overhead,
        ];
        for (place, field) in bytes.chunks_exact_mut(8).zip(fields) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        bytes
    }

    /// Reads the fields.
    pub fn read(body: &mut ValueReader<'_>) -> Result<Self> {
        Ok(Self {
            marshalling: body.take_u64()?,
            engine: body.take_u64()?,
            addon: body.take_u64()?,
            functions: body.take_u64()?,
            collection: body.take_u64()?,
            overhead: body.take_u64()?,
        })
    }

    /// The sum of what was done for the call.
    pub fn busy(&self) -> u64 {
        let parts = [self.engine, self.addon, self.functions, self.collection];
        parts
            .into_iter()
            .fold(self.marshalling, u64::saturating_add)
    }
}

/// What a span of the host is, where it is no function.
pub mod span {
    /// A call of the client, from its arrival to its reply.
    pub const CALL: u32 = 0;
    /// Code of an addon.
    pub const ADDON: u32 = 1;
    /// The host waits for the client's answer to a callback.
    pub const CLIENT: u32 = 2;
    /// A garbage collection, or finalizers.
    pub const COLLECTION: u32 = 3;
    /// This and what follows is the index of a function, plus this.
    pub const FUNCTION: u32 = 16;
}

/// What a function of Node-API took in the measured calls, scaled to all calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionTimes {
    /// Its name.
    pub name: String,
    /// How often it was called.
    pub calls: u64,
    /// Nanoseconds from its calls to their returns.
    pub total: u64,
    /// Nanoseconds without what it called in addons.
    pub own: u64,
}

/// A piece of time of the JS thread: what it is ([`span`]), its begin and its end in [`nanoseconds`].
pub type HostSpan = (u32, u64, u64);

/// What a host has collected since it was asked for the last time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostProfile {
    /// The functions that were called, in an order that stays the same.
    pub functions: Vec<FunctionTimes>,
    /// Garbage collections.
    pub collections: u64,
    /// Nanoseconds in them.
    pub collecting: u64,
    /// Finalizers of addons that ran.
    pub finalizers: u64,
    /// Nanoseconds in them.
    pub finalizing: u64,
    /// The oldest spans that are kept, by their ends. They are forgotten with this.
    pub spans: Vec<HostSpan>,
    /// How many spans are left.
    pub left: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    #[test]
    fn times_survive_encoding() {
        let times = HostTimes {
            marshalling: 1,
            engine: 2,
            addon: 3,
            functions: 4,
            collection: u64::MAX,
            overhead: 6,
        };
        let bytes = times.encode();
        let mut body = ValueReader::new(&bytes, &Limits::DEFAULT);
        assert_eq!(HostTimes::read(&mut body).unwrap(), times);
        assert_eq!(times.busy(), u64::MAX);
        let mut body = ValueReader::new(&bytes[1..], &Limits::DEFAULT);
        assert!(HostTimes::read(&mut body).is_err());
    }

    #[test]
    fn clock_goes_on() {
        let before = nanoseconds();
        assert!(nanoseconds() >= before);
        assert!(clock_cost() < 100_000);
    }
}
