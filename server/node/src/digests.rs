//! Hash functions by the names that OpenSSL knows them by, and what is derived from them: HMAC,
//! PBKDF2, HKDF, scrypt.

use std::collections::HashMap;
use std::fmt;

use blake2::{Blake2b512, Blake2s256};
use digest::block_api::BlockSizeUser;
use digest::{Digest, ExtendableOutput, Update, XofReader};
use md5::Md5;
use ripemd::Ripemd160;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512, Sha512_224, Sha512_256};
use sha3::{Sha3_224, Sha3_256, Sha3_384, Sha3_512};
use shake::{Shake128, Shake256};
use sm3::Sm3;

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Md5,
    /// MD5, then SHA-1 of the same.
    Md5Sha1,
    Ripemd160,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Sha512With224,
    Sha512With256,
    Sha3With224,
    Sha3With256,
    Sha3With384,
    Sha3With512,
    Shake128,
    Shake256,
    Blake2b512,
    Blake2s256,
    Sm3,
}

/// Runs an expression with `$hash` as the type of an algorithm; none for those that are not one hash
/// of a fixed length.
macro_rules! with_hash {
    ($algorithm:expr, $hash:ident => $body:expr) => {
        with_hash!(@ $algorithm, $hash, $body,
            Md5: Md5, Ripemd160: Ripemd160, Sha1: Sha1, Sha224: Sha224, Sha256: Sha256,
            Sha384: Sha384, Sha512: Sha512, Sha512With224: Sha512_224,
            Sha512With256: Sha512_256, Sha3With224: Sha3_224, Sha3With256: Sha3_256,
            Sha3With384: Sha3_384, Sha3With512: Sha3_512, Blake2b512: Blake2b512,
            Blake2s256: Blake2s256, Sm3: Sm3)
    };
    (@ $algorithm:expr, $hash:ident, $body:expr, $($name:ident: $type:ty),*) => {
        match $algorithm {
            $(Algorithm::$name => {
                type $hash = $type;
                Some($body)
            })*
            Algorithm::Md5Sha1 | Algorithm::Shake128 | Algorithm::Shake256 => None,
        }
    };
}

impl Algorithm {
    /// The algorithm of that name, in upper or lower case.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let short = name.strip_prefix("rsa-").unwrap_or(&name);
        let short = short.strip_suffix("withrsaencryption").unwrap_or(short);
        let short = short
            .strip_prefix("id-rsassa-pkcs1-v1_5-with-")
            .unwrap_or(short);
        Some(match short {
            "md5" | "ssl3-md5" => Self::Md5,
            "md5-sha1" => Self::Md5Sha1,
            "ripemd" | "ripemd160" | "ripemd-160" | "rmd160" | "ripemd160withrsa" => {
                Self::Ripemd160
            }
            "sha1" | "sha-1" | "ssl3-sha1" | "sha1-2" => Self::Sha1,
            "sha224" | "sha-224" | "sha2-224" => Self::Sha224,
            "sha256" | "sha-256" | "sha2-256" => Self::Sha256,
            "sha384" | "sha-384" | "sha2-384" => Self::Sha384,
            "sha512" | "sha-512" | "sha2-512" => Self::Sha512,
            "sha512-224" | "sha512/224" | "sha-512/224" | "sha2-512/224" => Self::Sha512With224,
            "sha512-256" | "sha512/256" | "sha-512/256" | "sha2-512/256" => Self::Sha512With256,
            "sha3-224" => Self::Sha3With224,
            "sha3-256" => Self::Sha3With256,
            "sha3-384" => Self::Sha3With384,
            "sha3-512" => Self::Sha3With512,
            "shake128" | "shake-128" => Self::Shake128,
            "shake256" | "shake-256" => Self::Shake256,
            "blake2b512" | "blake2b-512" => Self::Blake2b512,
            "blake2s256" | "blake2s-256" => Self::Blake2s256,
            "sm3" => Self::Sm3,
            _ => return None,
        })
    }

    /// Whether the length of its output is chosen.
    pub(crate) fn is_extendable(self) -> bool {
        matches!(self, Self::Shake128 | Self::Shake256)
    }

    /// How long its output is, or is if nothing else is chosen.
    pub(crate) fn output_length(self) -> usize {
        let fixed = with_hash!(self, Hash => <Hash as Digest>::output_size());
        fixed.unwrap_or(match self {
            Self::Md5Sha1 => 36,
            Self::Shake128 => 16,
            _ => 32,
        })
    }

    /// Begins a hash.
    pub(crate) fn hash(self) -> Box<dyn Running> {
        let fixed: Option<Box<dyn Running>> =
            with_hash!(self, Hash => Box::new(Plain(<Hash as Digest>::new())));
        fixed.unwrap_or_else(|| match self {
            Self::Md5Sha1 => Box::new(Both(Md5::new(), Sha1::new())),
            Self::Shake128 => Box::new(Extendable(Shake128::default())),
            _ => Box::new(Extendable(Shake256::default())),
        })
    }

    /// Begins an HMAC; none if the algorithm is not for that.
    pub(crate) fn hmac(self, key: &[u8]) -> Option<Box<dyn Running>> {
        with_hash!(self, Hash => Box::new(Hmac::<Hash>::new(key)) as Box<dyn Running>)
    }

    /// Fills `output` from a password; false if the algorithm is not for that, or `output` is empty.
    pub(crate) fn pbkdf2(
        self,
        password: &[u8],
        salt: &[u8],
        iterations: u32,
        output: &mut [u8],
    ) -> bool {
        let done = with_hash!(self, Hash => pbkdf2::<Hash>(password, salt, iterations, output));
        done.is_some() && !output.is_empty()
    }

    /// Fills `output` from a key; false if the algorithm is not for that, or `output` is empty.
    pub(crate) fn hkdf(self, key: &[u8], salt: &[u8], info: &[u8], output: &mut [u8]) -> bool {
        let done = with_hash!(self, Hash => hkdf::<Hash>(key, salt, info, output));
        done.is_some() && !output.is_empty()
    }
}

/// A hash or an HMAC that is given its input in parts.
pub(crate) trait Running {
    fn update(&mut self, bytes: &[u8]);
    /// Fills `output`, which has the length that the algorithm has or that was chosen.
    fn finish(self: Box<Self>, output: &mut [u8]);
    fn copied(&self) -> Box<dyn Running>;
}

#[derive(Clone)]
struct Plain<H>(H);

impl<H: Digest + Clone + 'static> Running for Plain<H> {
    fn update(&mut self, bytes: &[u8]) {
        Digest::update(&mut self.0, bytes);
    }
    fn finish(self: Box<Self>, output: &mut [u8]) {
        write(&self.0.finalize(), output);
    }
    fn copied(&self) -> Box<dyn Running> {
        Box::new(self.clone())
    }
}

#[derive(Clone)]
struct Both(Md5, Sha1);

impl Running for Both {
    fn update(&mut self, bytes: &[u8]) {
        Digest::update(&mut self.0, bytes);
        Digest::update(&mut self.1, bytes);
    }
    fn finish(self: Box<Self>, output: &mut [u8]) {
        write(&self.0.finalize(), output);
        write(&self.1.finalize(), output.get_mut(16..).unwrap_or_default());
    }
    fn copied(&self) -> Box<dyn Running> {
        Box::new(self.clone())
    }
}

#[derive(Clone)]
struct Extendable<H>(H);

impl<H: ExtendableOutput + Update + Clone + 'static> Running for Extendable<H> {
    fn update(&mut self, bytes: &[u8]) {
        Update::update(&mut self.0, bytes);
    }
    fn finish(self: Box<Self>, output: &mut [u8]) {
        self.0.finalize_xof().read(output);
    }
    fn copied(&self) -> Box<dyn Running> {
        Box::new(self.clone())
    }
}

/// Two hashes that have read the key, so that a copy has not to read it again.
#[derive(Clone)]
struct Hmac<H> {
    inner: H,
    outer: H,
}

impl<H: Digest + BlockSizeUser + Clone> Hmac<H> {
    fn new(key: &[u8]) -> Self {
        let mut block = vec![0; H::block_size()];
        if key.len() > block.len() {
            write(&H::digest(key), &mut block);
        } else {
            write(key, &mut block);
        }
        let keyed = |pad: u8| {
            let padded: Vec<u8> = block.iter().map(|byte| byte ^ pad).collect();
            H::new_with_prefix(padded)
        };
        Self {
            inner: keyed(0x36),
            outer: keyed(0x5c),
        }
    }

    fn end(self) -> digest::Output<H> {
        self.outer.chain_update(self.inner.finalize()).finalize()
    }
}

impl<H: Digest + BlockSizeUser + Clone + 'static> Running for Hmac<H> {
    fn update(&mut self, bytes: &[u8]) {
        self.inner.update(bytes);
    }
    fn finish(self: Box<Self>, output: &mut [u8]) {
        write(&self.end(), output);
    }
    fn copied(&self) -> Box<dyn Running> {
        Box::new(self.clone())
    }
}

/// Copies as much as fits.
fn write(from: &[u8], to: &mut [u8]) {
    let length = from.len().min(to.len());
    to[..length].copy_from_slice(&from[..length]);
}

/// RFC 8018, 5.2.
fn pbkdf2<H: Digest + BlockSizeUser + Clone>(
    password: &[u8],
    salt: &[u8],
    iterations: u32,
    output: &mut [u8],
) {
    let keyed = Hmac::<H>::new(password);
    for (block, number) in output.chunks_mut(<H as Digest>::output_size()).zip(1_u32..) {
        let mut first = keyed.clone();
        first.inner.update(salt);
        first.inner.update(number.to_be_bytes());
        let mut last = first.end();
        let mut sum = last.clone();
        for _ in 1..iterations {
            let mut next = keyed.clone();
            next.inner.update(&last);
            last = next.end();
            for (byte, more) in sum.iter_mut().zip(&last) {
                *byte ^= more;
            }
        }
        write(&sum, block);
    }
}

/// RFC 5869. `output` is at most 255 times as long as the hash.
fn hkdf<H: Digest + BlockSizeUser + Clone>(
    key: &[u8],
    salt: &[u8],
    info: &[u8],
    output: &mut [u8],
) {
    let mut extract = Hmac::<H>::new(salt);
    extract.inner.update(key);
    let keyed = Hmac::<H>::new(&extract.end());
    let mut last = Vec::new();
    for (block, number) in output
        .chunks_mut(<H as Digest>::output_size())
        .zip(1_u8..=255)
    {
        let mut next = keyed.clone();
        next.inner.update(&last);
        next.inner.update(info);
        next.inner.update([number]);
        last = next.end().to_vec();
        write(&last, block);
    }
}

/// The parameters of scrypt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    n: u64,
    r: u64,
    p: u64,
}

/// Why parameters of scrypt are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Parameters,
    Memory,
}

impl Cost {
    /// What OpenSSL would take with that limit of memory.
    pub(crate) fn new(n: u64, r: u64, p: u64, memory: u64) -> Result<Self, Refused> {
        const LARGEST_PRODUCT: u64 = (1 << 30) - 1;
        if n < 2 || !n.is_power_of_two() || r == 0 || p == 0 {
            return Err(Refused::Parameters);
        }
        if p > LARGEST_PRODUCT / r {
            return Err(Refused::Memory);
        }
        if 16 * r <= 63 && n >= 1 << (16 * r) {
            return Err(Refused::Parameters);
        }
        let cost = Self { n, r, p };
        match cost.memory() {
            Some(needed) if needed <= memory => Ok(cost),
            _ => Err(Refused::Memory),
        }
    }

    fn memory(self) -> Option<u64> {
        let rows = self.n.checked_add(2)?.checked_add(self.p)?;
        rows.checked_mul(self.r)?.checked_mul(128)
    }

    /// Fills `output`; false if there is no memory.
    pub(crate) fn scrypt(self, password: &[u8], salt: &[u8], output: &mut [u8]) -> bool {
        let needed = self.memory().and_then(|bytes| usize::try_from(bytes).ok());
        let mut space = Vec::<u8>::new();
        if needed.is_none_or(|needed| space.try_reserve_exact(needed).is_err()) {
            return false;
        }
        // The library allocates as much again, and cannot fail.
        drop(space);
        let log_n = u8::try_from(self.n.ilog2()).unwrap_or(u8::MAX);
        let (Ok(r), Ok(p)) = (u32::try_from(self.r), u32::try_from(self.p)) else {
            return false;
        };
        scrypt::Params::new(log_n, r, p).is_ok_and(|params| {
            output.is_empty() || scrypt::scrypt(password, salt, &params, output).is_ok()
        })
    }
}

/// A hash that a script has begun.
pub(crate) struct Begun {
    pub(crate) running: Box<dyn Running>,
    pub(crate) algorithm: Algorithm,
    /// How long its output is to be.
    pub(crate) length: usize,
}

/// The hashes that scripts have begun, by number.
#[derive(Default)]
pub(crate) struct Hashes {
    pub(crate) by_number: HashMap<usize, Begun>,
    /// Numbers given so far: none is given twice.
    pub(crate) given: usize,
}

impl fmt::Debug for Hashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_number.keys()).finish()
    }
}
