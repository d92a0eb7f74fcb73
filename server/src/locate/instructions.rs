//! Disassembles the code around an address.

use std::collections::VecDeque;

use iced_x86::{Decoder, DecoderOptions, Formatter as _, Instruction, IntelFormatter};
use object::{Object as _, ObjectSegment as _};
use serde_json::{Value, json};

use super::file::ElfFile;

/// How many instructions before and after that at the address are shown.
const BEFORE: usize = 8;
const AFTER: usize = 4;
/// How many bytes a function may be long before the address: instructions are found from its beginning
/// on, since they have different lengths.
const FUNCTION_BYTES_MAX: u64 = 64 << 10;
/// More bytes than the instructions at and after the address have.
const TAIL_BYTES: u64 = 128;

/// The instructions around `address`, of a function that begins at `start`. If none begins at the
/// address, those from there on.
pub(super) fn around(elf: &ElfFile<'_>, start: u64, address: u64) -> Vec<Value> {
    let is_near = start <= address && address - start <= FUNCTION_BYTES_MAX;
    let from_start = is_near.then(|| decode(elf, start, address)).flatten();
    let found = from_start.or_else(|| decode(elf, address, address));
    found.unwrap_or_default()
}

/// Decodes from `start` on; none if no instruction begins at `address`.
fn decode(elf: &ElfFile<'_>, start: u64, address: u64) -> Option<Vec<Value>> {
    let bytes = code(elf, start, address.checked_add(TAIL_BYTES)?)?;
    let mut decoder = Decoder::with_ip(64, bytes, start, DecoderOptions::NONE);
    let mut shown = VecDeque::new();
    let mut after = None;
    for instruction in &mut decoder {
        if instruction.ip() == address {
            after = Some(0);
        } else if instruction.ip() > address {
            after = Some(after? + 1);
        } else if shown.len() == BEFORE {
            shown.pop_front();
        }
        if after > Some(AFTER) {
            break;
        }
        shown.push_back(text(&instruction));
    }
    after.map(|_| shown.into())
}

fn text(instruction: &Instruction) -> Value {
    let mut text = String::new();
    IntelFormatter::new().format(instruction, &mut text);
    json!({"address": instruction.ip(), "text": text})
}

/// The bytes of the file from an address on, up to another or to the end of what is mapped there.
fn code<'a>(elf: &ElfFile<'a>, start: u64, end: u64) -> Option<&'a [u8]> {
    elf.segments().find_map(|segment| {
        let inside = start.checked_sub(segment.address())?;
        let (_, length) = segment.file_range();
        let size = end.checked_sub(start)?.min(length.checked_sub(inside)?);
        segment
            .data_range(start, size)
            .ok()?
            .filter(|bytes| !bytes.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    #[test]
    fn instructions_are_those_of_the_function_up_to_the_address() {
        let program = std::env::current_exe().unwrap();
        let content = file::open(&program).unwrap();
        let elf = file::parse(&content, None).unwrap();
        let entry = elf.entry();
        let first = around(&elf, entry, entry);
        assert_eq!(first.len(), 1 + AFTER);
        let second = first[1]["address"].as_u64().unwrap();
        // An address inside of an instruction is not one that can fail.
        let both = around(&elf, entry, second);
        assert_eq!(both[..2], first[..2]);
        assert_eq!(around(&elf, entry, entry + 1)[0]["address"], entry + 1);
        assert!(around(&elf, u64::MAX, u64::MAX).is_empty());
        assert!(around(&elf, 0, u64::MAX - 8).is_empty());
    }
}
