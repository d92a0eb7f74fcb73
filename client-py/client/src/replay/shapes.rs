//! What a call of a record is, in words: its name, and the kinds and sizes of its arguments, without the values.

use hostd_protocol::calls::{self, CallKind, TypedCall};
use hostd_protocol::error::Result;
use hostd_protocol::failure::Failure;
use hostd_protocol::limits::Limits;
use hostd_protocol::parts::Part as _;
use hostd_protocol::value::{ClientKind, Token, ValueReader};

use super::story::Call;

/// How many arguments are described.
const ARGUMENTS_MAX: u32 = 16;
/// How many characters of the name and of the message of an error are shown.
const REASON_MAX: usize = 200;
/// How many characters of a name are shown.
const NAME_MAX: usize = 80;

/// A call with the shapes of its arguments, such as `transform(str of 1204, dict of 3)`.
pub(super) fn call(call: &Call, limits: &Limits) -> String {
    let kind = call.kind();
    let mut text = match (call.name.as_str(), kind) {
        ("", Some(kind)) => kind.name().to_owned(),
        ("", None) => format!("call {}", call.request.number),
        (name, _) => name.chars().take(NAME_MAX).collect(),
    };
    let Ok((key, shapes)) = arguments(call, limits) else {
        return text;
    };
    if let Some(key) = key.filter(|_| call.name.is_empty()) {
        text = key;
    }
    format!("{text}({})", shapes.join(", "))
}

/// Reads up to the arguments of a call. Returns how many there are, and the name of its method or property; none
/// if the request begins with changes, which are not read.
pub(super) fn skip_to_arguments(
    reader: &mut ValueReader<'_>,
    call: &Call,
) -> Result<Option<(u32, Option<String>)>> {
    if call.request.writes_back {
        return Ok(None);
    }
    let mut key = None;
    let count = match call.kind() {
        Some(CallKind::Call) => {
            reader.take_id()?;
            if reader.take_bool()? {
                reader.walk(|_| ())?;
            }
            reader.take_count(1)?
        }
        Some(CallKind::Construct) => {
            reader.take_id()?;
            reader.take_bool()?;
            reader.take_count(1)?
        }
        Some(CallKind::CallMethod) => {
            reader.take_id()?;
            key = name(reader)?;
            reader.take_count(1)?
        }
        Some(CallKind::Get | CallKind::Delete | CallKind::Has) => {
            reader.take_id()?;
            key = name(reader)?;
            0
        }
        Some(CallKind::Set) => {
            reader.take_id()?;
            key = name(reader)?;
            1
        }
        Some(CallKind::RunScript | CallKind::NewObject | CallKind::RunStep) => 1,
        _ => 0,
    };
    Ok(Some((count, key)))
}

/// The name of a method or property, and the shapes of the arguments.
fn arguments(call: &Call, limits: &Limits) -> Result<(Option<String>, Vec<String>)> {
    let mut reader = ValueReader::new(&call.request.body, limits);
    let Some((count, key)) = skip_to_arguments(&mut reader, call)? else {
        return Ok((None, vec!["…".to_owned()]));
    };
    let mut shapes = Vec::new();
    for _ in 0..count.min(ARGUMENTS_MAX) {
        let mut first = None;
        reader.walk(|token| {
            if first.is_none() {
                first = Some(shape(token));
            }
        })?;
        shapes.extend(first);
    }
    if count > ARGUMENTS_MAX {
        shapes.push(format!("{} more", count - ARGUMENTS_MAX));
    }
    Ok((key, shapes))
}

/// The names in the reply to a load, in its order.
pub(super) fn export_names(body: &[u8], limits: &Limits) -> Result<Vec<String>> {
    let mut reader = ValueReader::new(body, limits);
    let (_, count) = <calls::Load as TypedCall>::Reply::read(&mut reader)?;
    let mut names = Vec::new();
    for _ in 0..count {
        let (name, _) = calls::NamedExport::read(&mut reader)?;
        names.push(match name {
            Token::Str(name) => name.to_owned(),
            Token::Str16(units) => String::from_utf16_lossy(&units.iter().collect::<Vec<_>>()),
            _ => String::new(),
        });
    }
    Ok(names)
}

/// Why a call failed, from the body of its reply.
pub(super) fn failure(body: &[u8], limits: &Limits) -> String {
    let mut reader = ValueReader::new(body, limits);
    match Failure::read(&mut reader) {
        Ok(Failure::Remote(error)) => error.to_string(),
        Ok(Failure::Thrown) => {
            let mut texts = Vec::new();
            let walked = reader.walk(|token| {
                if let Token::Str(text) = token
                    && texts.len() < 2
                {
                    texts.push(text.chars().take(REASON_MAX).collect::<String>());
                }
            });
            walked.map_or_else(|error| error.to_string(), |()| texts.join(": "))
        }
        Err(error) => error.to_string(),
    }
}

fn name(reader: &mut ValueReader<'_>) -> Result<Option<String>> {
    let mut found = None;
    reader.walk(|token| {
        if let Token::Str(text) = token {
            found = Some(text.chars().take(NAME_MAX).collect());
        }
    })?;
    Ok(found)
}

fn shape(token: &Token<'_>) -> String {
    match token {
        Token::Undefined => "undefined".to_owned(),
        Token::Null => "None".to_owned(),
        Token::Bool(_) => "bool".to_owned(),
        Token::Int32(_) | Token::Int64(_) => "int".to_owned(),
        Token::BigInt { words, .. } => format!("int of {} bytes", words.as_bytes().len()),
        Token::Float(_) => "float".to_owned(),
        Token::Str(text) => format!("str of {}", text.chars().count()),
        Token::Str16(units) => format!("str of {}", units.len()),
        Token::SharedText(region) => format!("str of {} bytes", region.length),
        Token::Date(_) => "datetime".to_owned(),
        Token::Array { count, .. } => format!("list of {count}"),
        Token::ArrayI32 { items, .. } => format!("list of {}", items.len()),
        Token::ArrayF64 { items, .. } => format!("list of {}", items.len()),
        Token::Object { count, .. } | Token::Map { count, .. } => format!("dict of {count}"),
        Token::Set { count, .. } => format!("set of {count}"),
        Token::Buffer { element, bytes, .. } => format!("{element:?} of {} bytes", bytes.len()),
        Token::SharedBuffer {
            element, region, ..
        } => format!("{element:?} of {} bytes", region.length),
        Token::Error { class, .. } => format!("{class:?} error"),
        Token::Hole => "hole".to_owned(),
        Token::Ref(_) | Token::RequestObject(_) => "the same again".to_owned(),
        Token::Own(_) => "object of the addon".to_owned(),
        Token::Lent { kind, .. } => match ClientKind::from_code(*kind) {
            Some(ClientKind::Callable) => "function".to_owned(),
            Some(kind) => format!("{kind:?} object"),
            None => "object".to_owned(),
        },
    }
}
