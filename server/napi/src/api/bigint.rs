//! Bigints, as 64-bit integers and as words.

use std::ffi::c_int;

use crate::abi::checked::{Handle, OptOut, Out, Words};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::napi_value;
use crate::env::Cx;

/// The functions that make and read bigints of 64 bits.
macro_rules! of_64_bits {
    ($($create:ident $get:ident $type:ty: $make:ident $read:ident;)*) => {$(
        /// Makes a bigint.
        pub(crate) fn $create(cx: &Cx, value: $type, result: Out<napi_value>) -> NapiResult {
            let value = cx.no_throw(cx.rt().$make(value))?;
            result.set(cx.push(value))
        }

        /// Reads the low 64 bits, and whether that is the whole value.
        pub(crate) fn $get(
            cx: &Cx,
            value: Handle,
            result: Out<$type>,
            lossless: Out<bool>,
        ) -> NapiResult {
            let read = cx.read(value, |value| cx.rt().$read(value))?;
            let (value, exact) = read.ok_or(Status::BigintExpected)?;
            result.set(value)?;
            lossless.set(exact)
        }
    )*};
}

of_64_bits! {
    napi_create_bigint_int64 napi_get_value_bigint_int64 i64: bigint_i64 bigint_as_i64;
    napi_create_bigint_uint64 napi_get_value_bigint_uint64 u64: bigint_u64 bigint_as_u64;
}

/// Makes a bigint of sign and words, the least significant first.
///
/// # Differs from Node
///
/// The engine's bigints have at most 2^20 bits, V8's 2^30. Beyond, both throw a `RangeError`; a
/// count of words that is too large for V8 is refused before any of them is read.
pub(crate) fn napi_create_bigint_words(
    cx: &Cx,
    sign_bit: c_int,
    words: &[u64],
    result: Out<napi_value>,
) -> NapiResult {
    let value = cx.js(cx.rt().bigint_words(sign_bit != 0, words))?;
    result.set(cx.push(value))
}

/// Reads sign and words; without a place for either only the number of words.
pub(crate) fn napi_get_value_bigint_words(
    cx: &Cx,
    value: Handle,
    sign_bit: OptOut<c_int>,
    mut target: Words<'_>,
) -> NapiResult {
    let value = cx.value(value)?;
    let read = cx.no_throw(cx.rt().bigint_to_words(&value))?;
    let (negative, words) = read.ok_or(Status::BigintExpected)?;
    if sign_bit.wanted() || !target.words.is_null() {
        if !sign_bit.wanted() || target.words.is_null() {
            return Err(Status::InvalidArg);
        }
        sign_bit.set(c_int::from(negative))?;
        target.words.copy_from(&words);
    }
    target.count.set(words.len());
    Ok(())
}
