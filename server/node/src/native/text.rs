//! The native functions under `TextDecoder`: the decoders of the WHATWG encoding standard.
//!
//! A text that arrives in one piece needs no state. The decoder of a text that arrives in several
//! pieces is kept by the host, under a number that its `TextDecoder` in `text.js` holds.

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8};
use hostd_engine::{Invocation, JsResult, Runtime, Value};

use super::bytes::{argument, size};
use crate::state::NodeState;

fn encoding(rt: Runtime, label: &Value) -> JsResult<Option<&'static Encoding>> {
    Ok(Encoding::for_label(rt.utf8(label)?.as_bytes()))
}

fn flag(call: &Invocation<'_>, index: usize) -> bool {
    argument(call, index).as_bool().unwrap_or(false)
}

fn decoder(encoding: &'static Encoding, keeps_mark: bool) -> Decoder {
    if keeps_mark {
        encoding.new_decoder_without_bom_handling()
    } else {
        encoding.new_decoder_with_bom_removal()
    }
}

/// `encodingName(label)`: the name of the encoding with that label; `undefined` if there is none.
pub(crate) fn encoding_name(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    match encoding(rt, argument(call, 0))? {
        Some(encoding) => rt.string_utf8(encoding.name().to_ascii_lowercase().as_bytes()),
        None => Ok(Value::UNDEFINED),
    }
}

/// `openDecoder()`: the number of a decoder for [`decode_next`].
pub(crate) fn open_decoder(rt: Runtime, _: &Invocation<'_>) -> JsResult {
    let mut decoders = NodeState::of(rt)?.decoders.borrow_mut();
    decoders.given += 1;
    #[expect(clippy::cast_precision_loss, reason = "counts to far less than 2^53")]
    Ok(Value::from(decoders.given as f64))
}

/// `closeDecoder(number)`.
pub(crate) fn close_decoder(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    if let Some(number) = size(call, 0) {
        let mut decoders = NodeState::of(rt)?.decoders.borrow_mut();
        decoders.by_number.remove(&number);
    }
    Ok(Value::UNDEFINED)
}

/// `decodeText(view, encoding, fatal, ignoreBOM)`: the text of the bytes; `undefined` if they are
/// malformed and that is fatal.
pub(crate) fn decode_text(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let (Some(bytes), Some(encoding)) = (
        rt.copy_bytes(argument(call, 0))?,
        encoding(rt, argument(call, 1))?,
    ) else {
        return Ok(Value::UNDEFINED);
    };
    let (fatal, keeps_mark) = (flag(call, 2), flag(call, 3));
    if encoding == UTF_8 && Encoding::utf8_valid_up_to(&bytes) == bytes.len() {
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").filter(|_| !keeps_mark);
        return rt.string_utf8(text.unwrap_or(&bytes));
    }
    let text = decoded(rt, &mut decoder(encoding, keeps_mark), &bytes, fatal, true)?;
    Ok(text.unwrap_or(Value::UNDEFINED))
}

/// `decodeNext(view, encoding, fatal, ignoreBOM, number, last)`: as [`decode_text`], for the next
/// piece of a text. The decoder begins anew after the last piece and after an error.
pub(crate) fn decode_next(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let (Some(bytes), Some(encoding), Some(number)) = (
        rt.copy_bytes(argument(call, 0))?,
        encoding(rt, argument(call, 1))?,
        size(call, 4),
    ) else {
        return Ok(Value::UNDEFINED);
    };
    let (fatal, keeps_mark, last) = (flag(call, 2), flag(call, 3), flag(call, 5));
    let decoders = &NodeState::of(rt)?.decoders;
    let kept = decoders.borrow_mut().by_number.remove(&number);
    let mut current = kept.unwrap_or_else(|| decoder(encoding, keeps_mark));
    let text = decoded(rt, &mut current, &bytes, fatal, last)?;
    if text.is_some() && !last {
        let mut decoders = decoders.borrow_mut();
        let room = decoders.by_number.try_reserve(1);
        room.map_err(|_| rt.out_of_memory())?;
        decoders.by_number.insert(number, current);
    }
    Ok(text.unwrap_or(Value::UNDEFINED))
}

/// The text of the bytes; nothing if they are malformed and that is fatal.
fn decoded(
    rt: Runtime,
    decoder: &mut Decoder,
    bytes: &[u8],
    fatal: bool,
    last: bool,
) -> JsResult<Option<Value>> {
    let Some(most) = decoder.max_utf16_buffer_length(bytes.len()) else {
        return Err(rt.out_of_memory());
    };
    let mut units = Vec::new();
    rt.reserve(&mut units, most)?;
    units.resize(most, 0);
    let written = if fatal {
        match decoder.decode_to_utf16_without_replacement(bytes, &mut units, last) {
            (DecoderResult::InputEmpty, _, written) => written,
            _ => return Ok(None),
        }
    } else {
        decoder.decode_to_utf16(bytes, &mut units, last).2
    };
    rt.string_utf16(&units[..written]).map(Some)
}
