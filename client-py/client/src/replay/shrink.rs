//! Shortens the texts and buffers in the requests of a story, as long as its crash stays.

use std::sync::Arc;

use hostd_protocol::limits::Limits;
use hostd_protocol::value::{ElementKind, Token, ValueReader};

use super::search::Search;
use super::shapes::skip_to_arguments;
use super::story::{Call, Frame, Story};
use crate::ClientError;

/// The most texts and buffers of one call that are shortened.
const PIECES_MAX: usize = 64;

/// Bytes in a request that may be shortened.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// Where its length lies, and how many bytes that has.
    length: (usize, usize),
    /// Where its bytes begin, and how many there are.
    bytes: (usize, usize),
    /// A shorter one has a multiple of so many bytes.
    unit: usize,
    /// What one in the length stands for, in bytes.
    counted: usize,
    is_text: bool,
}

/// Shortens what the calls of a story are given.
pub(super) fn shrink(story: &mut Story, search: &mut Search<'_>) -> Result<(), ClientError> {
    let calls: Vec<_> = story.outermost().collect();
    for number in calls.into_iter().rev() {
        let mut place = 0;
        loop {
            let call = Arc::clone(&story.calls[number]);
            let limits = story.head.limits;
            let pieces = pieces(&call, &limits).unwrap_or_default();
            let Some(piece) = pieces.get(place).copied() else {
                break;
            };
            place += 1;
            shorten(story, number, piece, search)?;
            if search.is_over() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Shortens one piece by as much as possible: to nothing, by its half, its quarter and so on, at its end and at
/// its beginning.
fn shorten(
    story: &mut Story,
    number: usize,
    mut piece: Piece,
    search: &mut Search<'_>,
) -> Result<(), ClientError> {
    let mut cut = piece.bytes.1;
    while cut >= piece.unit && piece.bytes.1 > 0 {
        let mut is_shorter = false;
        for at_start in [false, true] {
            if search.is_over() {
                return Ok(());
            }
            let Some((frame, now)) = shortened(&story.calls[number].request, piece, cut, at_start)
            else {
                continue;
            };
            let mut candidate = story.clone();
            candidate.calls[number] = Arc::new(Call {
                request: frame,
                ..Call::clone(&story.calls[number])
            });
            if search.crashes(&candidate)? {
                *story = candidate;
                piece = now;
                is_shorter = true;
                break;
            }
        }
        if !is_shorter || cut > piece.bytes.1 {
            cut = (cut / 2).min(piece.bytes.1) / piece.unit * piece.unit;
        }
    }
    Ok(())
}

/// A request in which a piece has so many bytes less, and the piece in it.
fn shortened(frame: &Frame, piece: Piece, cut: usize, at_start: bool) -> Option<(Frame, Piece)> {
    let (start, length) = piece.bytes;
    let kept = length.checked_sub(cut)?;
    let whole = frame.body.get(start..start + length)?;
    let (from, to) = if at_start { (cut, length) } else { (0, kept) };
    if piece.is_text {
        let text = std::str::from_utf8(whole).ok()?;
        if !text.is_char_boundary(from) || !text.is_char_boundary(to) {
            return None;
        }
    }
    let mut made = frame.clone();
    made.body
        .splice(start..start + length, whole.get(from..to)?.iter().copied());
    let count = (kept / piece.counted) as u64;
    let (at, width) = piece.length;
    made.body
        .get_mut(at..at + width)?
        .copy_from_slice(count.to_le_bytes().get(..width)?);
    for id in &mut made.ids {
        if id.at >= start + length {
            id.at -= cut;
        }
    }
    let piece = Piece {
        bytes: (start, kept),
        ..piece
    };
    Some((made, piece))
}

/// The texts and buffers in the arguments of a call.
fn pieces(call: &Call, limits: &Limits) -> Option<Vec<Piece>> {
    let mut reader = ValueReader::new(&call.request.body, limits);
    let (count, _) = skip_to_arguments(&mut reader, call).ok()??;
    let mut found = Vec::new();
    let mut left = u64::from(count);
    // The tokens of containers are followed by what is in them: all are read in one row. An error has parts
    // that are none, so that nothing behind it is shortened.
    while left > 0 && found.len() < PIECES_MAX {
        left -= 1;
        let token = reader.next().ok()?;
        let end = reader.position();
        match token {
            Token::Str(text) if !text.is_empty() => {
                found.push(piece(end, text.len(), (4, 1, 1), true));
            }
            Token::Buffer { element, bytes, .. } if !bytes.is_empty() => {
                found.push(piece(
                    end,
                    bytes.len(),
                    (8, element_bytes(element), 1),
                    false,
                ));
            }
            Token::ArrayI32 { items, .. } if items.len() > 0 => {
                found.push(piece(end, items.as_bytes().len(), (4, 4, 4), false));
            }
            Token::ArrayF64 { items, .. } if items.len() > 0 => {
                found.push(piece(end, items.as_bytes().len(), (4, 8, 8), false));
            }
            Token::Array { count, .. } | Token::Set { count, .. } => left += u64::from(count),
            Token::Object { count, .. } | Token::Map { count, .. } => {
                left += u64::from(count) * 2;
            }
            Token::Error { .. } => break,
            _ => {}
        }
        // Depth is counted at the entrance only; the reader is not left.
        reader.leave();
    }
    Some(found)
}

fn piece(
    end: usize,
    bytes: usize,
    (width, unit, counted): (usize, usize, usize),
    is_text: bool,
) -> Piece {
    let start = end - bytes;
    Piece {
        length: (start - width, width),
        bytes: (start, bytes),
        unit,
        counted,
        is_text,
    }
}

const fn element_bytes(element: ElementKind) -> usize {
    element.size()
}
