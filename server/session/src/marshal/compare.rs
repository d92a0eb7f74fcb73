//! Whether a value in the engine is still what the request said: for `write_back`. Runs no JavaScript.

use hostd_engine::{Runtime, Value};
use hostd_protocol::value::Token;

use super::RequestObjects;
use crate::tables::ObjectTables;

/// Whether `value` is what `token` stands for. Compounds are compared by identity.
pub(super) fn matches(
    tables: &ObjectTables,
    token: &Token<'_>,
    value: &Value,
    objects: &RequestObjects,
) -> bool {
    let rt = tables.rt;
    match *token {
        Token::Undefined | Token::Hole => value.is_undefined(),
        Token::Null => value.is_null(),
        Token::Bool(expected) => value.as_bool() == Some(expected),
        Token::Int32(expected) => value.as_i32() == Some(expected),
        #[expect(clippy::cast_precision_loss, reason = "the reader checked |n| < 2^53")]
        Token::Int64(expected) => same_number(value, expected as f64),
        Token::Float(expected) => same_number(value, expected),
        Token::Str(expected) => {
            value.is_string()
                && rt
                    .utf8(value)
                    .is_ok_and(|text| !text.is_lossy() && &*text == expected)
        }
        Token::Str16(expected) => {
            value.is_string()
                && rt.utf16(value).is_ok_and(|units| {
                    units.len() == expected.len() && units.iter().copied().eq(expected.iter())
                })
        }
        Token::BigInt { negative, words } => match rt.bigint_to_words(value) {
            Ok(Some((sign, found))) => {
                let significant = words.iter().enumerate().filter(|(_, word)| *word != 0);
                let expected = significant.last().map_or(0, |(place, _)| place + 1);
                found.len() == expected
                    && (sign == negative || expected == 0)
                    && found.iter().copied().eq(words.iter().take(expected))
            }
            _ => false,
        },
        Token::Date(expected) => {
            let found = rt.date_value(value);
            found.is_some_and(|found| same_double(found, expected))
        }
        Token::Array { index, .. }
        | Token::ArrayI32 { index, .. }
        | Token::ArrayF64 { index, .. }
        | Token::Object { index, .. }
        | Token::Map { index, .. }
        | Token::Set { index, .. }
        | Token::Buffer { index, .. }
        | Token::SharedBuffer { index, .. }
        | Token::Error { index, .. }
        | Token::Ref(index) => objects
            .get(index)
            .is_some_and(|expected| same(value, expected)),
        Token::Own(id) => tables
            .lent_value(id)
            .is_some_and(|expected| same(value, &expected)),
        Token::Lent { id, .. } => tables.remote_slot(value) == Some(id),
        // A text in shared memory is never inside of a container, and only what is, is compared.
        Token::RequestObject(_) | Token::SharedText(_) => false,
    }
}

/// Whether two values are the same, as far as the client could tell.
pub(super) fn same(left: &Value, right: &Value) -> bool {
    match (left.identity(), right.identity()) {
        (Some(left), Some(right)) => left == right,
        (None, None) => Runtime::current().is_some_and(|rt| rt.same_value(left, right)),
        _ => false,
    }
}

pub(super) fn same_number(value: &Value, expected: f64) -> bool {
    let found = value.as_f64();
    found.is_some_and(|found| same_double(found, expected))
}

/// Whether two doubles are the same number: −0 is not 0, and NaN is NaN.
fn same_double(left: f64, right: f64) -> bool {
    left.to_bits() == right.to_bits() || (left.is_nan() && right.is_nan())
}
