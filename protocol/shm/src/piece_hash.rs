//! Hashes of pieces of memory, by which a process finds out which of them have changed. Each byte is
//! read once, so that a peer that writes to the piece meanwhile does no harm.
//!
//! Four streams of words are multiplied to 128 bits and folded, as in wyhash. The keys are random in each
//! process, so that no data can be made up of which a change goes unnoticed.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::LazyLock;

/// What is hashed in one step.
pub(crate) type Stripe = [u64; 2 * STREAMS];

/// The bytes of a [`Stripe`].
pub(crate) const STRIPE: usize = size_of::<Stripe>();

const STREAMS: usize = 4;

static KEYS: LazyLock<[[u64; STREAMS]; 2]> = LazyLock::new(|| {
    let random = RandomState::new();
    [0, 1].map(|half| std::array::from_fn(|stream| random.hash_one((half, stream))))
});

/// The hash of the stripes that were added.
pub(crate) struct PieceHash {
    streams: [u64; STREAMS],
    keys: [u64; STREAMS],
}

impl PieceHash {
    pub(crate) fn new() -> Self {
        let [streams, keys] = *KEYS;
        Self { streams, keys }
    }

    #[inline]
    pub(crate) fn add(&mut self, stripe: &Stripe) {
        // By index: with iterators, compilers put the streams into memory.
        for stream in 0..STREAMS {
            let left = stripe[2 * stream] ^ self.keys[stream];
            let right = stripe[2 * stream + 1] ^ self.streams[stream];
            self.streams[stream] = fold(left, right);
        }
    }

    /// The hash of a piece that ends with `rest`: fewer bytes than a stripe.
    pub(crate) fn finish(mut self, rest: &[u8]) -> u64 {
        if !rest.is_empty() {
            let mut stripe = [0; 2 * STREAMS];
            for (word, bytes) in stripe.iter_mut().zip(rest.chunks(8)) {
                let mut padded = [0; 8];
                padded[..bytes.len()].copy_from_slice(bytes);
                *word = u64::from_ne_bytes(padded);
            }
            self.add(&stripe);
        }
        let streams = self.streams.iter().zip(&self.keys);
        streams.fold(0, |hash, (stream, key)| fold(hash ^ stream, *key) ^ stream)
    }
}

/// Both halves of the product. Multiplying with a check of its overflow takes four times as long.
#[inline]
fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left).wrapping_mul(u128::from(right));
    #[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
    let folded = product as u64 ^ (product >> 64) as u64;
    folded
}

/// The hash of a piece in private memory.
pub fn hash_piece(piece: &[u8]) -> u64 {
    let (stripes, rest) = piece.as_chunks::<STRIPE>();
    let mut hash = PieceHash::new();
    for bytes in stripes {
        let mut stripe = [0; 2 * STREAMS];
        for (word, bytes) in stripe.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_ne_bytes(*bytes);
        }
        hash.add(&stripe);
    }
    hash.finish(rest)
}
