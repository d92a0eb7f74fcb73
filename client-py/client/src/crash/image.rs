//! An ELF file as the place where code came from: unwind tables and names.

use std::ops::Range;

use framehop::ExplicitModuleSectionInfo;
use object::elf::{FileHeader64, PF_X, PT_LOAD, STT_FUNC, STT_GNU_IFUNC};
use object::read::elf::{ElfFile, ProgramHeader as _, Sym as _, SymbolTable};
use object::{NativeEndian, Object as _, ObjectSection as _};

use super::file::Pieces;
use super::name;

type Elf<'a, 'b> = ElfFile<'a, FileHeader64<NativeEndian>, &'a Pieces<'b>>;

/// How far a function reaches whose size its file does not say.
const UNSIZED_REACH: u64 = 4096;

/// The segments of one file, and where it was in memory.
#[derive(Debug)]
pub(super) struct Placed<'a, 'b> {
    elf: Elf<'a, 'b>,
    /// What was added to the file's own addresses.
    pub(super) bias: u64,
    /// Where it was, in memory's addresses.
    pub(super) range: Range<u64>,
}

/// A function of a file that contains an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) symbol: String,
    pub(super) offset: u64,
}

impl<'a, 'b> Placed<'a, 'b> {
    /// Reads a file of which the byte at `offset` was at `address`.
    pub(super) fn read(pieces: &'a Pieces<'b>, offset: u64, address: u64) -> Option<Self> {
        let elf = Elf::parse(pieces).ok()?;
        let endian = elf.endian();
        let mut bias = None;
        let (mut low, mut high) = (u64::MAX, 0);
        for header in elf.elf_program_headers() {
            if header.p_type(endian) != PT_LOAD {
                continue;
            }
            let (start, length) = (header.p_vaddr(endian), header.p_memsz(endian));
            low = low.min(start);
            high = high.max(start.checked_add(length)?);
            let inside = offset.wrapping_sub(header.p_offset(endian));
            if header.p_flags(endian).0 & PF_X.0 != 0 && inside < header.p_filesz(endian) {
                bias = Some(address.wrapping_sub(start.checked_add(inside)?));
            }
        }
        let bias = bias?;
        let range = bias.checked_add(low)?..bias.checked_add(high)?;
        Some(Self { elf, bias, range })
    }

    /// What the unwinder wants to know.
    pub(super) fn tables(&self) -> ExplicitModuleSectionInfo<Vec<u8>> {
        let place = |name: &str| {
            let section = self.elf.section_by_name(name)?;
            let start = section.address();
            Some(start..start.checked_add(section.size())?)
        };
        let data = |name: &str| Some(self.elf.section_by_name(name)?.data().ok()?.to_vec());
        ExplicitModuleSectionInfo {
            base_svma: 0,
            text_svma: place(".text"),
            got_svma: place(".got"),
            eh_frame_svma: place(".eh_frame"),
            eh_frame: data(".eh_frame"),
            eh_frame_hdr_svma: place(".eh_frame_hdr"),
            eh_frame_hdr: data(".eh_frame_hdr"),
            ..ExplicitModuleSectionInfo::default()
        }
    }

    /// Names the functions that contain these addresses of memory; sorted, and answered in order.
    pub(super) fn names(&self, addresses: &[u64]) -> Vec<Option<Named>> {
        let mut best: Vec<Option<Found<'_>>> = vec![None; addresses.len()];
        for table in [
            self.elf.elf_symbol_table(),
            self.elf.elf_dynamic_symbol_table(),
        ] {
            self.search(table, addresses, &mut best);
        }
        best.into_iter()
            .map(|found| {
                let found = found?;
                Some(Named {
                    symbol: name::demangle(found.name?),
                    offset: found.offset,
                })
            })
            .collect()
    }

    fn search<'s>(
        &'s self,
        table: &'s SymbolTable<'a, FileHeader64<NativeEndian>, &'a Pieces<'b>>,
        addresses: &[u64],
        best: &mut [Option<Found<'s>>],
    ) {
        let endian = self.elf.endian();
        for symbol in table.iter() {
            let kind = symbol.st_type();
            if (kind != STT_FUNC && kind != STT_GNU_IFUNC) || symbol.is_undefined(endian) {
                continue;
            }
            let start = symbol.st_value(endian).wrapping_add(self.bias);
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
}

#[derive(Debug, Clone)]
struct Found<'s> {
    name: Option<&'s [u8]>,
    offset: u64,
    is_unsized: bool,
}
