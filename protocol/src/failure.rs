//! The body of a Failure frame: why a request was refused, or that a value was thrown.

use crate::error::{RemoteError, Result, malformed};
use crate::value::{Token, ValueReader, ValueWriter};

/// The class byte of a Failure whose body is a thrown value.
const THROWN: u8 = 0;
const LOAD: u8 = 1;
const UNSUPPORTED: u8 = 2;
const CANCELLED: u8 = 3;
const LIMIT: u8 = 4;
const HOST: u8 = 5;
const STALE: u8 = 6;

/// The body of a Failure frame, decoded up to the thrown value.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// A value was thrown: it is the next value of the reader.
    Thrown,
    /// Anything else; the body is read to its end.
    Remote(RemoteError),
}

impl Failure {
    /// Begins the body of a Failure frame for a thrown value, which the caller writes next.
    pub fn write_thrown(out: &mut ValueWriter<'_>) {
        out.put_u8(THROWN);
    }

    /// Writes the body of a Failure frame.
    pub fn write(out: &mut ValueWriter<'_>, error: &RemoteError) -> Result {
        let (class, texts): (u8, &[&str]) = match error {
            RemoteError::Load { message, detail } => (LOAD, &[message, detail]),
            RemoteError::Unsupported(text) => (UNSUPPORTED, &[text]),
            RemoteError::Cancelled => (CANCELLED, &[]),
            RemoteError::Limit(text) => (LIMIT, &[text]),
            RemoteError::Host(text) => (HOST, &[text]),
            RemoteError::Stale(_) => (STALE, &[]),
        };
        out.put_u8(class);
        if let RemoteError::Stale(id) = error {
            out.put_u32(*id);
        }
        texts.iter().try_for_each(|text| out.str(text))
    }

    /// Reads the body of a Failure frame.
    pub fn read(body: &mut ValueReader<'_>) -> Result<Self> {
        let at = body.position();
        let error = match body.take_u8()? {
            THROWN => return Ok(Self::Thrown),
            LOAD => RemoteError::Load {
                message: text(body)?,
                detail: text(body)?,
            },
            UNSUPPORTED => RemoteError::Unsupported(text(body)?),
            CANCELLED => RemoteError::Cancelled,
            LIMIT => RemoteError::Limit(text(body)?),
            HOST => RemoteError::Host(text(body)?),
            STALE => RemoteError::Stale(body.take_u32()?),
            _ => return malformed("an unknown class of failure", at),
        };
        body.finish()?;
        Ok(Self::Remote(error))
    }
}

/// Text of the other side that ends up in a message is capped at this many bytes.
const TEXT_BYTES: usize = 64 << 10;

fn text(body: &mut ValueReader<'_>) -> Result<String> {
    let at = body.position();
    match body.next()? {
        Token::Str(text) => Ok(capped(text)),
        Token::Str16(units) => {
            // A unit takes at most three bytes.
            let units: Vec<u16> = units.iter().take(TEXT_BYTES / 3).collect();
            Ok(capped(&String::from_utf16_lossy(&units)))
        }
        _ => malformed("expected a text", at),
    }
}

fn capped(text: &str) -> String {
    let mut end = text.len().min(TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
