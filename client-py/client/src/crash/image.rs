//! An ELF file that was mapped at some address: its unwind tables and its functions.

use std::ops::Range;

use framehop::ExplicitModuleSectionInfo;
use hostd_symbols::{Elf, Function};
use object::elf::{PF_X, PT_LOAD};
use object::read::elf::ProgramHeader as _;
use object::{Object as _, ObjectSection as _};

use super::file::Pieces;

/// A file, and where it was in memory.
#[derive(Debug)]
pub(super) struct Placed<'a, 'b> {
    elf: Elf<'a, &'a Pieces<'b>>,
    /// The difference of an address in memory and that in the file.
    pub(super) bias: u64,
    pub(super) range: Range<u64>,
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

    /// The sections that the unwinder needs.
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

    /// The functions that contain these addresses of memory, which must be sorted.
    pub(super) fn functions_at(&self, addresses: &[u64]) -> Vec<Option<Function>> {
        hostd_symbols::functions_at(&self.elf, self.bias, addresses)
    }
}
