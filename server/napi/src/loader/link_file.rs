//! [`LinkFile`]: a shared library in memory that has nothing but a list of the libraries it needs. What is
//! opened through it finds the names of all of them, without their becoming global.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;

const HEADER_BYTES: usize = 64;
const SEGMENT_BYTES: usize = 56;
const ENTRY_BYTES: usize = 16;
const SYMBOL_BYTES: usize = 24;
/// A hash table of one bucket, which is empty, for a table of one symbol.
const HASHES: [u32; 4] = [1, 1, 0, 0];

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_GNU_STACK: u32 = 0x6474_e551;
const READ_WRITE: u32 = 6;

const DT_NULL: u64 = 0;
const DT_NEEDED: u64 = 1;
const DT_HASH: u64 = 4;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_STRSZ: u64 = 10;
const DT_SYMENT: u64 = 11;

/// How many were made: each has a name of its own.
static MADE: AtomicUsize = AtomicUsize::new(0);

/// The file, which is freed with this. What was opened stays.
#[derive(Debug)]
pub(super) struct LinkFile {
    _file: File,
    path: PathBuf,
}

impl LinkFile {
    /// A file that needs these libraries, by their paths.
    pub(super) fn of(libraries: &[&Path]) -> io::Result<Self> {
        let flags = MemfdFlags::CLOEXEC;
        let made = match memfd_create("napi-link", flags | MemfdFlags::NOEXEC_SEAL) {
            // Before Linux 6.3.
            Err(Errno::INVAL) => memfd_create("napi-link", flags),
            made => made,
        };
        let mut file = File::from(made?);
        file.write_all(&image(libraries))?;
        // The system's loader takes two files of one path for the same, and descriptors are reused.
        let serial = MADE.fetch_add(1, Ordering::Relaxed);
        let path = format!("/proc/self/{}fd/{}", "./".repeat(serial), file.as_raw_fd());
        Ok(Self {
            _file: file,
            path: path.into(),
        })
    }

    /// Where it can be opened.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// The bytes of the file: one segment, without code, without symbols, for this machine.
fn image(libraries: &[&Path]) -> Vec<u8> {
    // A string table begins with an empty text, a symbol table with an empty symbol.
    let mut texts = vec![0];
    let mut needed = Vec::new();
    for library in libraries {
        needed.push(texts.len() as u64);
        texts.extend(library.as_os_str().as_bytes());
        texts.push(0);
    }
    let dynamic_at = HEADER_BYTES + 3 * SEGMENT_BYTES;
    let dynamic_bytes = (needed.len() + 6) * ENTRY_BYTES;
    let symbols_at = dynamic_at + dynamic_bytes;
    let hashes_at = symbols_at + SYMBOL_BYTES;
    let texts_at = hashes_at + size_of_val(&HASHES);
    let bytes = texts_at + texts.len();

    let mut out = Vec::with_capacity(bytes);
    out.extend(header());
    // Writable, since some loaders put addresses into the table.
    out.extend(segment(PT_LOAD, 0, bytes, 0x1000));
    out.extend(segment(PT_DYNAMIC, dynamic_at, dynamic_bytes, 8));
    // Without it the stacks of the process would become executable.
    out.extend(segment(PT_GNU_STACK, 0, 0, 16));
    let entries = needed.iter().map(|text| (DT_NEEDED, *text)).chain([
        (DT_HASH, hashes_at as u64),
        (DT_STRTAB, texts_at as u64),
        (DT_SYMTAB, symbols_at as u64),
        (DT_STRSZ, texts.len() as u64),
        (DT_SYMENT, SYMBOL_BYTES as u64),
        (DT_NULL, 0),
    ]);
    for (tag, value) in entries {
        out.extend(tag.to_le_bytes());
        out.extend(value.to_le_bytes());
    }
    out.extend([0; SYMBOL_BYTES]);
    out.extend(HASHES.map(u32::to_le_bytes).as_flattened());
    out.extend(texts);
    out
}

/// The header: 64 bits, little-endian, a shared library for x86-64 with three segments.
fn header() -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &[0x7f, b'E', b'L', b'F', 2, 1, 1]);
    put(16, &[3, 0, 62, 0, 1]);
    // Where the segments are listed.
    put(32, &[64]);
    // The sizes of header and segment, and the number of segments.
    put(52, &[64, 0, 56, 0, 3]);
    // The size of what there is none of.
    put(58, &[64]);
    header
}

/// The entry of a segment, whose addresses are its offsets in the file.
fn segment(kind: u32, at: usize, bytes: usize, align: u64) -> [u8; SEGMENT_BYTES] {
    let mut entry = [0; SEGMENT_BYTES];
    entry[..4].copy_from_slice(&kind.to_le_bytes());
    entry[4..8].copy_from_slice(&READ_WRITE.to_le_bytes());
    let (at, bytes) = (at as u64, bytes as u64);
    // Offset, two addresses, size in the file and in memory, alignment.
    for (number, value) in [at, at, at, bytes, bytes, align].into_iter().enumerate() {
        let start = 8 + 8 * number;
        entry[start..start + 8].copy_from_slice(&value.to_le_bytes());
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::super::{elf, file};
    use super::*;

    #[test]
    fn file_needs_the_libraries_and_nothing_else() {
        let libraries = [Path::new("/a/first.node"), Path::new("/b c/libsecond.so")];
        let mut copy = tempfile::NamedTempFile::new().unwrap();
        copy.write_all(&image(&libraries)).unwrap();
        let opened = file::open(copy.path()).unwrap();
        let image = elf::read(&opened).unwrap();
        assert_eq!(image.needed, ["/a/first.node", "/b c/libsecond.so"]);
        assert_eq!(image.imports().count(), 0);
    }

    #[test]
    fn no_two_files_have_one_path() {
        let libraries = [Path::new("/a/first.node")];
        let first = LinkFile::of(&libraries).unwrap().path().to_owned();
        // It has the descriptor of the first one, which is closed, unless another thread has that.
        let second = LinkFile::of(&libraries).unwrap();
        assert_ne!(first.as_os_str(), second.path().as_os_str());
    }
}
