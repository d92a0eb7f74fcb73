//! Reads a shared library: which libraries it needs, and which names it imports and defines.
//!
//! It uses the program headers and the dynamic section, as the system's loader does, and not the
//! section headers, which a file may lack. Every offset and count comes from the file and is
//! checked; a hostile file gives an error or a wrong result, never a panic, a hang or a large
//! allocation.
#![forbid(unsafe_code)]

use object::LittleEndian as Le;
use object::elf;
use object::pod::{Pod, from_bytes};

use super::Platform;
use super::file::AddonFile;

/// Why a file is no addon for this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is something else, with its article.
    Other(&'static str),
    /// It was built for another platform.
    Platform(Platform),
    /// It contradicts itself.
    Damaged(&'static str),
}

/// A shared library, as far as loading is concerned.
#[derive(Debug, Default)]
pub(super) struct Image {
    /// The libraries it is linked against.
    pub(super) needed: Vec<String>,
    /// Its own search paths for them; `$ORIGIN` is not yet replaced.
    pub(super) run_paths: Vec<String>,
    /// The versions it needs of them: the library's name and the version's.
    pub(super) versions_needed: Vec<(String, String)>,
    /// The versions it has to offer.
    pub(super) versions_defined: Vec<String>,
    strings: Vec<u8>,
    symbols: Vec<elf::Sym64<Le>>,
}

impl Image {
    /// The names that must be found elsewhere when they are used; weak ones may stay missing.
    pub(super) fn imports(&self) -> impl Iterator<Item = &str> {
        let is_weak = |symbol: &elf::Sym64<Le>| symbol.st_info.0 >> 4 == elf::STB_WEAK.0;
        let wanted = self.symbols.iter();
        let wanted = wanted.filter(move |symbol| !is_defined(symbol) && !is_weak(symbol));
        wanted
            .filter_map(|symbol| self.name_of(symbol))
            .filter(|name| !name.is_empty())
    }

    /// Returns whether it defines that name for others.
    pub(super) fn defines(&self, name: &str) -> bool {
        let mut defined = self.symbols.iter().filter(|symbol| is_defined(symbol));
        defined.any(|symbol| self.name_of(symbol) == Some(name))
    }

    fn name_of(&self, symbol: &elf::Sym64<Le>) -> Option<&str> {
        text(&self.strings, symbol.st_name.get(Le) as usize)
    }
}

fn is_defined(symbol: &elf::Sym64<Le>) -> bool {
    symbol.st_shndx.get(Le) != elf::SHN_UNDEF
}

const MAX_HEADERS: u16 = 1024;
const MAX_DYNAMIC: u64 = 1 << 20;
const MAX_SYMBOLS: u32 = 1 << 21;
const MAX_VERSIONS: usize = 4096;
const MAX_VERSION_BYTES: u64 = 1 << 16;

/// Reads the image of a shared library for the host's platform.
pub(super) fn read(source: &AddonFile) -> Result<Image, Fault> {
    let head = source
        .range(0, source.size.min(64))
        .ok_or(Fault::Damaged("it cannot be read"))?;
    if !head.starts_with(b"\x7fELF") {
        return Err(other_format(source, &head));
    }
    let header: elf::FileHeader64<Le> =
        whole(&head).ok_or(Fault::Damaged("its header is cut off"))?;
    check_platform(&header)?;
    match header.e_type.get(Le) {
        elf::ET_DYN => {}
        elf::ET_EXEC => return Err(Fault::Other("a program")),
        elf::ET_REL => return Err(Fault::Other("an object file that was not linked yet")),
        elf::ET_CORE => return Err(Fault::Other("a memory image")),
        _ => return Err(Fault::Damaged("its type is unknown")),
    }
    let segments = Segments::read(source, &header)?;
    segments.image()
}

/// The loadable parts of a file, by the addresses they will have.
struct Segments<'a> {
    source: &'a AddonFile,
    loads: Vec<elf::ProgramHeader64<Le>>,
    dynamic: elf::ProgramHeader64<Le>,
}

impl<'a> Segments<'a> {
    fn read(source: &'a AddonFile, header: &elf::FileHeader64<Le>) -> Result<Self, Fault> {
        const DAMAGED: Fault = Fault::Damaged("its program headers are cut off");
        let count = header.e_phnum.get(Le);
        let size = size_of::<elf::ProgramHeader64<Le>>();
        if usize::from(header.e_phentsize.get(Le)) != size || count == 0 || count > MAX_HEADERS {
            return Err(Fault::Damaged("its program headers make no sense"));
        }
        let length = u64::from(count) * size as u64;
        let table = source
            .range(header.e_phoff.get(Le), length)
            .ok_or(DAMAGED)?;
        let all: Vec<elf::ProgramHeader64<Le>> = each(&table).collect();
        let of_type = |wanted| all.iter().filter(move |p| p.p_type.get(Le) == wanted);
        let dynamic = of_type(elf::PT_DYNAMIC).next().copied();
        let loads: Vec<_> = of_type(elf::PT_LOAD).copied().collect();
        for load in &loads {
            let end = load.p_offset.get(Le).checked_add(load.p_filesz.get(Le));
            if end.is_none_or(|end| end > source.size) {
                return Err(Fault::Damaged("it is shorter than it says"));
            }
        }
        match dynamic {
            Some(dynamic) => Ok(Self {
                source,
                loads,
                dynamic,
            }),
            None => Err(Fault::Other("a program or library without dynamic linking")),
        }
    }

    /// Reads up to `length` bytes at an address, as many as the file has there.
    fn at(&self, address: u64, length: u64) -> Option<Vec<u8>> {
        let (offset, room) = self.loads.iter().find_map(|load| {
            let inside = address.checked_sub(load.p_vaddr.get(Le))?;
            let room = load.p_filesz.get(Le).checked_sub(inside)?;
            (room > 0).then_some((load.p_offset.get(Le).checked_add(inside)?, room))
        })?;
        self.source.range(offset, length.min(room))
    }

    /// Reads exactly `length` bytes at an address.
    fn exactly(&self, address: u64, length: u64) -> Option<Vec<u8>> {
        self.at(address, length)
            .filter(|bytes| bytes.len() as u64 == length)
    }

    fn image(&self) -> Result<Image, Fault> {
        let length = self.dynamic.p_filesz.get(Le);
        if length > MAX_DYNAMIC {
            return Err(Fault::Damaged("its dynamic section is too large"));
        }
        let table = self
            .source
            .range(self.dynamic.p_offset.get(Le), length)
            .ok_or(Fault::Damaged("its dynamic section is cut off"))?;
        let dynamic: Vec<(elf::DynamicTag, u64)> = each::<elf::Dyn64<Le>>(&table)
            .map(|entry| (entry.d_tag.get(Le), entry.d_val.get(Le)))
            .take_while(|&(tag, _)| tag != elf::DT_NULL)
            .collect();
        let value = |wanted| {
            let mut entries = dynamic.iter();
            entries.find_map(|&(tag, value)| (tag == wanted).then_some(value))
        };
        // `DF_1_PIE`: a program that can be placed anywhere is a shared object by its type only.
        if value(elf::DT_FLAGS_1).is_some_and(|flags| flags & 0x0800_0000 != 0) {
            return Err(Fault::Other("a program"));
        }
        let strings = match (value(elf::DT_STRTAB), value(elf::DT_STRSZ)) {
            (Some(address), Some(size)) => self.exactly(address, size),
            _ => None,
        }
        .ok_or(Fault::Damaged("its names are missing"))?;

        let all = |wanted| {
            let named = dynamic.iter().filter(move |(tag, _)| *tag == wanted);
            named.filter_map(|&(_, offset)| text(&strings, usize::try_from(offset).ok()?))
        };
        let needed = all(elf::DT_NEEDED).map(str::to_owned).collect();
        let mut run_paths: Vec<String> = all(elf::DT_RUNPATH).flat_map(split_paths).collect();
        if run_paths.is_empty() {
            run_paths = all(elf::DT_RPATH).flat_map(split_paths).collect();
        }
        let mut image = Image {
            needed,
            run_paths,
            ..Image::default()
        };
        if let Some(address) = value(elf::DT_VERNEED) {
            image.versions_needed = self.versions_needed(address, &strings);
        }
        if let Some(address) = value(elf::DT_VERDEF) {
            image.versions_defined = self.versions_defined(address, &strings);
        }
        if let Some(address) = value(elf::DT_SYMTAB) {
            let count = match (value(elf::DT_HASH), value(elf::DT_GNU_HASH)) {
                (Some(hash), _) => self.hash_count(hash),
                (None, Some(hash)) => self.gnu_hash_count(hash),
                (None, None) => None,
            };
            let count = count.ok_or(Fault::Damaged("its symbols cannot be counted"))?;
            image.symbols = self.symbols(address, count)?;
        }
        image.strings = strings;
        Ok(image)
    }

    fn symbols(&self, address: u64, count: u32) -> Result<Vec<elf::Sym64<Le>>, Fault> {
        if count > MAX_SYMBOLS {
            return Err(Fault::Damaged("it has too many symbols"));
        }
        let length = u64::from(count) * size_of::<elf::Sym64<Le>>() as u64;
        let table = if count == 0 {
            Some(Vec::new())
        } else {
            self.exactly(address, length)
        };
        let table = table.ok_or(Fault::Damaged("its symbols are cut off"))?;
        // The first symbol stands for "none".
        Ok(each(&table).skip(1).collect())
    }

    fn hash_count(&self, address: u64) -> Option<u32> {
        let header: elf::HashHeader<Le> = whole(&self.exactly(address, 8)?)?;
        Some(header.chain_count.get(Le))
    }

    /// The GNU hash table has no count: the last symbol is at the end of the last chain.
    fn gnu_hash_count(&self, address: u64) -> Option<u32> {
        let header: elf::GnuHashHeader<Le> = whole(&self.exactly(address, 16)?)?;
        let (base, buckets) = (header.symbol_base.get(Le), header.bucket_count.get(Le));
        if buckets > MAX_SYMBOLS || header.bloom_count.get(Le) > MAX_SYMBOLS {
            return None;
        }
        let bucket_table = address.checked_add(16 + u64::from(header.bloom_count.get(Le)) * 8)?;
        let table = if buckets == 0 {
            Vec::new()
        } else {
            self.exactly(bucket_table, u64::from(buckets) * 4)?
        };
        let last = words(&table).max().unwrap_or(0);
        if last < base {
            return Some(base);
        }
        let chains = bucket_table.checked_add(u64::from(buckets) * 4)?;
        let mut at = chains.checked_add(u64::from(last - base) * 4)?;
        let mut count = last;
        while count < MAX_SYMBOLS {
            // Chains are short: the next few links hold the end, which is an odd hash.
            let links = self.at(at, 64).filter(|links| links.len() >= 4)?;
            for hash in words(&links) {
                count += 1;
                if hash & 1 != 0 {
                    return Some(count);
                }
            }
            at = at.checked_add(links.len() as u64)?;
        }
        None
    }

    fn versions_needed(&self, address: u64, strings: &[u8]) -> Vec<(String, String)> {
        let table = self.at(address, MAX_VERSION_BYTES).unwrap_or_default();
        let mut found = Vec::new();
        for (at, need) in list::<elf::Verneed<Le>>(&table, 0, |need| need.vn_next.get(Le)) {
            let library = text(strings, need.vn_file.get(Le) as usize).unwrap_or_default();
            let first = at.saturating_add(need.vn_aux.get(Le) as usize);
            let versions = list::<elf::Vernaux<Le>>(&table, first, |one| one.vna_next.get(Le));
            for (_, version) in versions.take(need.vn_cnt.get(Le).into()) {
                // Bit 1 marks a need that may stay unmet.
                let is_weak = version.vna_flags.get(Le).0 & 2 != 0;
                let name = text(strings, version.vna_name.get(Le) as usize);
                found.extend(
                    name.filter(|_| !is_weak)
                        .map(|name| (library.into(), name.into())),
                );
            }
            if found.len() >= MAX_VERSIONS {
                break;
            }
        }
        found
    }

    fn versions_defined(&self, address: u64, strings: &[u8]) -> Vec<String> {
        let table = self.at(address, MAX_VERSION_BYTES).unwrap_or_default();
        let definitions = list::<elf::Verdef<Le>>(&table, 0, |one| one.vd_next.get(Le));
        let name = |(at, definition): (usize, elf::Verdef<Le>)| {
            let first = at.saturating_add(definition.vd_aux.get(Le) as usize);
            let name = part::<elf::Verdaux<Le>>(&table, first)?.vda_name.get(Le);
            text(strings, name as usize).map(str::to_owned)
        };
        definitions.filter_map(name).collect()
    }
}

/// The fault of a file that is not ELF.
fn other_format(source: &AddonFile, head: &[u8]) -> Fault {
    let word = |at: usize| {
        let bytes = head.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_le_bytes(bytes))
    };
    let built_for = |system, machine: &str| {
        Fault::Platform(Platform {
            system,
            machine: machine.into(),
        })
    };
    match head {
        [b'M', b'Z', ..] => {
            let machine = word(0x3c)
                .and_then(|at| source.range(u64::from(at), 6))
                .filter(|pe| pe.starts_with(b"PE\0\0"));
            match machine.as_deref() {
                Some([.., 0x64, 0x86]) => built_for("Windows", "x86_64"),
                Some([.., 0x64, 0xaa]) => built_for("Windows", "aarch64"),
                Some([.., 0x4c, 0x01]) => built_for("Windows", "x86"),
                _ => built_for("Windows", "an unknown processor"),
            }
        }
        [0xcf, 0xfa, 0xed, 0xfe, ..] => match word(4) {
            Some(0x0100_0007) => built_for("macOS", "x86_64"),
            Some(0x0100_000c) => built_for("macOS", "aarch64"),
            _ => built_for("macOS", "an unknown processor"),
        },
        [0xca, 0xfe, 0xba, 0xbe, ..] => built_for("macOS", "several processors"),
        [b'!', b'<', b'a', b'r', b'c', b'h', b'>', ..] => Fault::Other("a static library"),
        [0, b'a', b's', b'm', ..] => Fault::Other("a WebAssembly module"),
        [b'P', b'K', 3, 4, ..] => Fault::Other("a zip archive"),
        [0x1f, 0x8b, ..] => Fault::Other("a compressed file"),
        _ if head
            .iter()
            .all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e | 0x80..)) =>
        {
            Fault::Other("a text file")
        }
        _ => Fault::Other("a file of an unknown format"),
    }
}

fn check_platform(header: &elf::FileHeader64<Le>) -> Result<(), Fault> {
    let ident = header.e_ident;
    let little = ident.data == elf::ELFDATA2LSB;
    let raw = header.e_machine.get(Le);
    let code = if little { raw.0 } else { raw.0.swap_bytes() };
    let machine = match elf::Machine(code) {
        elf::EM_X86_64 => "x86_64",
        elf::EM_AARCH64 => "aarch64",
        elf::EM_386 => "x86",
        elf::EM_ARM => "arm",
        elf::EM_PPC64 if little => "powerpc64le",
        elf::EM_PPC64 => "powerpc64",
        elf::EM_S390 => "s390x",
        elf::EM_RISCV => "riscv64",
        elf::EM_LOONGARCH => "loongarch64",
        elf::EM_MIPS => "mips",
        _ => "an unknown processor",
    };
    let system = match ident.os_abi {
        elf::ELFOSABI_SYSV | elf::ELFOSABI_GNU => "Linux",
        elf::ELFOSABI_FREEBSD => "FreeBSD",
        _ => "an unknown system",
    };
    let platform = Platform {
        system,
        machine: machine.into(),
    };
    let fits = little && ident.class == elf::ELFCLASS64 && platform == Platform::host();
    if fits {
        Ok(())
    } else {
        Err(Fault::Platform(platform))
    }
}

/// Splits a run path at its colons.
fn split_paths(paths: &str) -> impl Iterator<Item = String> {
    paths
        .split(':')
        .filter(|path| !path.is_empty())
        .map(str::to_owned)
}

/// The NUL-terminated text at that offset.
pub(super) fn text(strings: &[u8], offset: usize) -> Option<&str> {
    let rest = strings.get(offset..)?;
    let end = rest.iter().position(|&byte| byte == 0)?;
    std::str::from_utf8(&rest[..end]).ok()
}

/// The structure at the start of the bytes.
fn whole<T: Pod>(bytes: &[u8]) -> Option<T> {
    from_bytes::<T>(bytes).ok().map(|(value, _)| *value)
}

/// The structure at an offset into the bytes.
fn part<T: Pod>(bytes: &[u8], at: usize) -> Option<T> {
    whole(bytes.get(at..)?)
}

/// The entries of a list in the bytes, each with its place; `next` reads how far it is to the next.
fn list<T: Pod>(
    bytes: &[u8],
    first: usize,
    next: fn(&T) -> u32,
) -> impl Iterator<Item = (usize, T)> {
    let mut place = Some(first);
    let entries = std::iter::from_fn(move || {
        let at = place?;
        let entry = part::<T>(bytes, at)?;
        let distance = next(&entry) as usize;
        place = at.checked_add(distance).filter(|_| distance > 0);
        Some((at, entry))
    });
    entries.take(MAX_VERSIONS)
}

/// The structures that fill the bytes.
fn each<T: Pod>(bytes: &[u8]) -> impl Iterator<Item = T> {
    bytes.chunks_exact(size_of::<T>()).filter_map(whole)
}

/// The 32-bit words that fill the bytes.
fn words(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes
        .chunks_exact(4)
        .filter_map(|word| Some(u32::from_le_bytes(word.try_into().ok()?)))
}
