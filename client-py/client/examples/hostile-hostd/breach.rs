//! Blocks and frames that the protocol forbids, or that the receiver must ignore.

use hostd_protocol::frame::{Denial, Denied, HEADER_BYTES};

use crate::chance::Chance;
use crate::values::TEXTS;

/// A list of denials by the sandbox, sometimes longer than a frame may have.
pub(crate) fn denials(chance: &mut Chance) -> Vec<Denial> {
    let kinds = [
        Denied::Read,
        Denied::Write,
        Denied::Network,
        Denied::LocalSocket,
        Denied::Program,
        Denied::Watch,
    ];
    let count = chance.below(40);
    let one = |_| Denial {
        what: chance.pick(&kinds),
        js_thread: chance.one_in(2),
        is_guess: chance.one_in(2),
        subject: chance.pick(TEXTS).into(),
        grants: (0..chance.below(3))
            .map(|_| chance.pick(TEXTS).into())
            .collect(),
    };
    (0..count).map(one).collect()
}

/// A frame whose header or length is wrong.
pub(crate) fn damaged(mut bytes: Vec<u8>, chance: &mut Chance) -> Vec<u8> {
    let last = u32::try_from(bytes.len() - 1).unwrap_or(0);
    match chance.below(8) {
        // Fields of the header: the kind, the flags, the number, the call, the generation.
        0 => bytes[4] = chance.below(8).to_le_bytes()[0],
        1 => bytes[5] ^= 1 << chance.below(8),
        2 => bytes[6] ^= 1 << chance.below(8),
        3 => bytes[8] ^= 1 << chance.below(8),
        4 => bytes[12] ^= 1 << chance.below(8),
        // A body that ends early, or goes on.
        5 => bytes.truncate(HEADER_BYTES + chance.below(last) as usize % bytes.len()),
        6 => bytes.extend([0xA5; 7]),
        _ => {
            let place = HEADER_BYTES + chance.below(last) as usize;
            let place = place.min(last as usize);
            bytes[place] ^= 1 << chance.below(8);
        }
    }
    let length = u32::try_from(bytes.len().saturating_sub(HEADER_BYTES)).unwrap_or(0);
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes
}
