//! The functions and lines of addresses, by the debug information (DWARF) in the file itself.

use std::panic::{AssertUnwindSafe, catch_unwind};

use addr2line::gimli::{Dwarf, EndianSlice, NativeEndian, SectionId};
use addr2line::{Context, Frame};
use hostd_symbols::{demangle, escape};
use serde_json::{Value, json};

use super::file::{ElfFile, section};

/// The most functions of one address: those inlined into each other.
const INLINED_MAX: usize = 16;

type Bytes<'a> = EndianSlice<'a, NativeEndian>;

/// For each address that is known, the functions inlined there, innermost first.
pub(super) fn find(elf: &ElfFile<'_>, addresses: impl Iterator<Item = u64>) -> Vec<Value> {
    let Some(context) = context(elf) else {
        return Vec::new();
    };
    let located = |address| {
        // The library may panic on input that is not well-formed.
        let places =
            catch_unwind(AssertUnwindSafe(|| places(&context, address))).unwrap_or_default();
        (!places.is_empty()).then(|| json!({"address": address, "places": places}))
    };
    addresses.filter_map(located).collect()
}

fn context<'a>(elf: &ElfFile<'a>) -> Option<Context<Bytes<'a>>> {
    let load = |id: SectionId| {
        let bytes = section(elf, id.name()).unwrap_or_default();
        Ok::<_, addr2line::gimli::Error>(EndianSlice::new(bytes, NativeEndian))
    };
    Context::from_dwarf(Dwarf::load(load).ok()?).ok()
}

fn places(context: &Context<Bytes<'_>>, address: u64) -> Vec<Value> {
    let mut places = Vec::new();
    let Ok(mut frames) = context.find_frames(address).skip_all_loads() else {
        return places;
    };
    while places.len() < INLINED_MAX
        && let Ok(Some(frame)) = frames.next()
    {
        places.push(place(&frame));
    }
    places
}

fn place(frame: &Frame<'_, Bytes<'_>>) -> Value {
    let function = frame.function.as_ref();
    let name = function.map(|function| demangle(function.name.slice()));
    let location = frame.location.as_ref();
    json!({
        "function": name,
        "file": location.and_then(|location| location.file).map(escape),
        "line": location.and_then(|location| location.line),
        "column": location.and_then(|location| location.column),
    })
}

#[cfg(test)]
mod tests {
    use object::{Object as _, ObjectSymbol as _};

    use super::super::file;
    use super::*;

    /// The line of the function below.
    const LINE: u32 = line!() + 3;

    #[inline(never)]
    fn function_of_known_line() -> u32 {
        std::hint::black_box(LINE)
    }

    #[test]
    fn address_of_a_function_is_found_in_this_file() {
        let program = std::env::current_exe().unwrap();
        let content = file::open(&program).unwrap();
        let elf = file::parse(&content, None).unwrap();
        let line = function_of_known_line();
        let named = |name: &str| name.contains("function_of_known_line");
        let symbol = elf.symbols().find(|symbol| symbol.name().is_ok_and(named));
        let symbol = symbol.unwrap();
        let found = find(&elf, [symbol.address(), u64::MAX].into_iter());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0]["address"], symbol.address());
        let place = &found[0]["places"][0];
        assert!(place["file"].as_str().unwrap().ends_with("locate/lines.rs"));
        assert_eq!(place["line"], line);
    }

    #[test]
    fn file_of_another_build_is_refused() {
        let program = std::env::current_exe().unwrap();
        let content = file::open(&program).unwrap();
        let refused = file::parse(&content, Some("00")).unwrap_err();
        assert!(refused.to_string().contains("another build id"));
        assert!(file::open("/dev/null".as_ref()).is_err());
    }
}
