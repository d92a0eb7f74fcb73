//! The bodies that make symbols: new ones, and those of the global registry.

use super::string::{fits, string};
use crate::abi::checked::{Handle, Out};
use crate::abi::status::NapiResult;
use crate::abi::types::napi_value;
use crate::env::Cx;

/// Makes a symbol, with a description or without.
pub(crate) fn napi_create_symbol(
    cx: &Cx,
    description: Option<Handle>,
    result: Out<napi_value>,
) -> NapiResult {
    let description = description.map(|text| string(cx, text)).transpose()?;
    let symbol = cx.no_throw(cx.rt().symbol(description.as_ref()))?;
    result.set(cx.push(symbol))
}

/// `Symbol.for(description)`.
pub(crate) fn node_api_symbol_for(
    cx: &Cx,
    description: &[u8],
    result: Out<napi_value>,
) -> NapiResult {
    fits(description.len())?;
    let symbol = cx.no_throw(cx.rt().symbol_for(description))?;
    result.set(cx.push(symbol))
}
