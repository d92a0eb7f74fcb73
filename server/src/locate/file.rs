//! Opens a native file, and reads what is asked for of it.

use std::fs::File;
use std::path::Path;

use anyhow::{Context as _, bail};
use hostd_symbols::Elf;
use object::read::ReadCache;
use object::{Object as _, ObjectSection as _, SectionFlags};

/// The content of a file, of which only the parts that are used are read.
pub(super) type Content = ReadCache<File>;
/// The file as an ELF file.
pub(super) type ElfFile<'a> = Elf<'a, &'a Content>;

pub(super) fn open(path: &Path) -> anyhow::Result<Content> {
    let shown = path.display();
    // To open a FIFO would block.
    if !path
        .metadata()
        .with_context(|| format!("{shown}"))?
        .is_file()
    {
        bail!("{shown} is not a file");
    }
    let file = File::open(path).with_context(|| format!("{shown}"))?;
    Ok(ReadCache::new(file))
}

pub(super) fn parse<'a>(
    content: &'a Content,
    build_id: Option<&str>,
) -> anyhow::Result<ElfFile<'a>> {
    let elf = Elf::parse(content).context("not a native file of this machine")?;
    if let Some(expected) = build_id {
        let found = elf.build_id().context("the build id cannot be read")?;
        let digits = |id: &[u8]| -> String {
            let byte = |byte: &u8| format!("{byte:02x}");
            id.iter().map(byte).collect::<Vec<_>>().concat()
        };
        if found.map(digits).as_deref() != Some(expected) {
            bail!("the file has another build id than {expected}");
        }
    }
    Ok(elf)
}

/// The bytes of a section; none if it is not there, cannot be read, or is compressed: a small file
/// could become larger than the memory.
pub(super) fn section<'a>(elf: &ElfFile<'a>, name: &str) -> Option<&'a [u8]> {
    let section = elf.section_by_name(name)?;
    let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
        return None;
    };
    if sh_flags.contains(object::elf::SHF_COMPRESSED) {
        return None;
    }
    section.data().ok()
}
