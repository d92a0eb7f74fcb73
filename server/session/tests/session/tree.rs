//! Values of the wire as text, so that a test shows what it expects at a glance.

use hostd_protocol::value::{HostKind, Token, ValueReader};

/// Reads one value and writes it down: `[1, {a: "b"}]`, `lent(1 Function)`, `ref(0)`.
pub(crate) fn text(reader: &mut ValueReader<'_>) -> String {
    let token = reader.next().expect("a value");
    token_text(token, reader)
}

/// A key or other name as it is written down in an object.
fn name(token: Token<'_>, reader: &mut ValueReader<'_>) -> String {
    match token {
        Token::Str(text) => text.to_owned(),
        other => token_text(other, reader),
    }
}

fn list(count: u32, reader: &mut ValueReader<'_>) -> String {
    let items: Vec<_> = (0..count).map(|_| text(reader)).collect();
    reader.leave();
    items.join(", ")
}

fn pairs(count: u32, reader: &mut ValueReader<'_>, arrow: &str) -> String {
    let items: Vec<_> = (0..count)
        .map(|_| {
            let token = reader.next().expect("a key");
            let key = name(token, reader);
            format!("{key}{arrow}{}", text(reader))
        })
        .collect();
    items.join(", ")
}

fn token_text(token: Token<'_>, reader: &mut ValueReader<'_>) -> String {
    match token {
        Token::Undefined => "undefined".into(),
        Token::Null => "null".into(),
        Token::Bool(value) => value.to_string(),
        Token::Int32(value) => value.to_string(),
        Token::Int64(value) => format!("{value}L"),
        Token::Float(value) => format!("{value:?}f"),
        Token::BigInt { negative, words } => {
            let words: Vec<_> = words.iter().map(|word| format!("{word:x}")).collect();
            format!("{}0x{}n", if negative { "-" } else { "" }, words.join("_"))
        }
        Token::Str(value) => format!("{value:?}"),
        Token::Str16(units) => format!("utf16{:x?}", units.iter().collect::<Vec<_>>()),
        Token::Date(value) => format!("date({value})"),
        Token::Array { count, .. } => format!("[{}]", list(count, reader)),
        Token::ArrayI32 { items, .. } => format!("i32{:?}", items.iter().collect::<Vec<_>>()),
        Token::ArrayF64 { items, .. } => format!("f64{:?}", items.iter().collect::<Vec<_>>()),
        Token::Object { count, .. } => {
            let body = pairs(count, reader, ": ");
            reader.leave();
            format!("{{{body}}}")
        }
        Token::Map { count, .. } => {
            let body = pairs(count, reader, " => ");
            reader.leave();
            format!("map({body})")
        }
        Token::Set { count, .. } => format!("set({})", list(count, reader)),
        Token::Buffer {
            element, id, bytes, ..
        } => {
            let lent = if id.is_some() { "lent " } else { "" };
            format!("{lent}{element:?}{bytes:?}")
        }
        Token::SharedText(region) => format!("text[{}]", region.length),
        Token::SharedBuffer {
            element,
            id,
            writable,
            region,
            ..
        } => {
            let lent = if id.is_some() { "lent " } else { "" };
            let shared = if writable { "live" } else { "copied" };
            format!("{lent}{shared} {element:?}[{}]", region.length)
        }
        Token::Error { class, id, .. } => {
            let parts: Vec<_> = (0..5).map(|_| text(reader)).collect();
            let count = reader.own_fields().expect("a count");
            let own = pairs(count, reader, ": ");
            reader.leave();
            let lent = if id.is_some() { "lent " } else { "" };
            let [name, message, code, _stack, cause] = &parts[..] else {
                panic!("five parts")
            };
            format!("{lent}error({class:?} {name} {message} code={code} cause={cause} {{{own}}})")
        }
        Token::Hole => "hole".into(),
        Token::Ref(index) => format!("ref({index})"),
        Token::Own(id) => format!("own({id})"),
        Token::Lent { id, kind, class } => {
            let kind = HostKind::from_code(kind).expect("a kind");
            let class = if class == 0 {
                String::new()
            } else {
                format!(" class {class}")
            };
            format!("lent({id} {kind:?}{class})")
        }
        Token::RequestObject(index) => format!("request_object({index})"),
    }
}
