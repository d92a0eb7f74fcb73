//! Names of native functions in stack traces: which function of an ELF file contains an address,
//! and its name as it stands in the source.
//!
//! Files and names are untrusted: names are escaped, shortened, and demangled to a limited depth.
#![forbid(unsafe_code)]

mod name;

use object::NativeEndian;
use object::elf::{FileHeader64, STT_FUNC, STT_GNU_IFUNC};
use object::read::ReadRef;
use object::read::elf::{ElfFile, Sym as _, SymbolTable};

pub use name::{demangle, escape};

/// An ELF file of this machine's kind.
pub type Elf<'a, R> = ElfFile<'a, FileHeader64<NativeEndian>, R>;

/// Bytes that a function without a size in its file is taken to have.
const UNSIZED_REACH: u64 = 4096;

/// The function of a file that contains an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name, demangled and escaped.
    pub name: String,
    /// The bytes from its start to the address.
    pub offset: u64,
}

/// Returns for each address the function that contains it, in the order of the addresses, which
/// must be sorted. `bias` is the difference between addresses in memory and in the file.
pub fn functions_at<'a, R: ReadRef<'a>>(
    elf: &Elf<'a, R>,
    bias: u64,
    addresses: &[u64],
) -> Vec<Option<Function>> {
    let mut best = vec![None; addresses.len()];
    for table in [elf.elf_symbol_table(), elf.elf_dynamic_symbol_table()] {
        search(table, elf.endian(), bias, addresses, &mut best);
    }
    let named = |found: Found<'_>| {
        Some(Function {
            name: demangle(found.name?),
            offset: found.offset,
        })
    };
    best.into_iter()
        .map(|found| found.and_then(named))
        .collect()
}

/// Takes the nearest function that starts at or before an address and reaches to it; one with a
/// size before one without.
fn search<'a, R: ReadRef<'a>>(
    table: &SymbolTable<'a, FileHeader64<NativeEndian>, R>,
    endian: NativeEndian,
    bias: u64,
    addresses: &[u64],
    best: &mut [Option<Found<'a>>],
) {
    for symbol in table.iter() {
        let kind = symbol.st_type();
        if (kind != STT_FUNC && kind != STT_GNU_IFUNC) || symbol.is_undefined(endian) {
            continue;
        }
        let start = symbol.st_value(endian).wrapping_add(bias);
        let size = symbol.st_size(endian);
        let reach = if size == 0 { UNSIZED_REACH } else { size };
        let first = addresses.partition_point(|&address| address < start);
        let inside = addresses.iter().zip(best.iter_mut()).skip(first);
        for (address, best) in inside.take_while(|(address, _)| *address - start < reach) {
            let offset = address - start;
            let is_better = best
                .as_ref()
                .is_none_or(|best| (best.is_unsized && size != 0) || offset < best.offset);
            if is_better {
                *best = Some(Found {
                    name: table.symbol_name(endian, symbol).ok(),
                    offset,
                    is_unsized: size == 0,
                });
            }
        }
    }
}

#[derive(Debug, Clone)]
struct Found<'a> {
    name: Option<&'a [u8]>,
    offset: u64,
    is_unsized: bool,
}
