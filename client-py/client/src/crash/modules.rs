//! Lists the files that a process had mapped as code, with the build ids that their linkers gave them.

use std::fmt::Write as _;

use hostd_symbols::escape;
use object::NativeEndian;
use object::elf::FileHeader64;
use object::read::elf::{FileHeader as _, ProgramHeader as _};

use super::file::{Budget, Pieces};
use super::maps::Maps;
use crate::report::LoadedFile;

/// The most files that are listed.
const FILES_MAX: usize = 256;
/// The most bytes of a build id; those of common linkers have 8 to 32.
const BUILD_ID_BYTES_MAX: usize = 64;

/// The files of which code is mapped, by address.
pub(super) fn list(maps: &Maps<'_>, budget: &Budget) -> Vec<LoadedFile> {
    let mut paths: Vec<&str> = Vec::new();
    let mut files: Vec<LoadedFile> = Vec::new();
    for code in maps.iter().filter(|mapping| mapping.is_code) {
        if paths.contains(&code.path) {
            continue;
        }
        if paths.len() == FILES_MAX {
            break;
        }
        paths.push(code.path);
        files.push(LoadedFile {
            path: escape(code.path),
            start: code.start,
            end: code.end,
            build_id: build_id(code.path, budget),
        });
    }
    for mapping in maps.iter() {
        let place = paths.iter().position(|path| *path == mapping.path);
        if let Some(file) = place.and_then(|place| files.get_mut(place)) {
            file.start = file.start.min(mapping.start);
            file.end = file.end.max(mapping.end);
        }
    }
    files
}

/// The build id of an ELF file, in hexadecimal digits.
fn build_id(path: &str, budget: &Budget) -> Option<String> {
    let pieces = Pieces::open(path, budget)?;
    let header = FileHeader64::<NativeEndian>::parse(&pieces).ok()?;
    let endian = header.endian().ok()?;
    for program in header.program_headers(endian, &pieces).ok()? {
        let Ok(Some(mut notes)) = program.notes(endian, &pieces) else {
            continue;
        };
        while let Ok(Some(note)) = notes.next() {
            if note.name() == object::elf::ELF_NOTE_GNU
                && note.n_type(endian) == object::elf::NT_GNU_BUILD_ID
            {
                return hexadecimal(note.desc());
            }
        }
    }
    None
}

fn hexadecimal(bytes: &[u8]) -> Option<String> {
    if bytes.is_empty() || bytes.len() > BUILD_ID_BYTES_MAX {
        return None;
    }
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").ok()?;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn listed(maps: &str) -> Vec<LoadedFile> {
        let budget = Budget::new(1 << 20, Instant::now() + Duration::from_secs(10));
        list(&Maps::parse(maps), &budget)
    }

    #[test]
    fn files_with_code_have_their_whole_range_and_build_id() {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let program = std::env::current_exe().unwrap();
        let program = program.to_str().unwrap();
        let files = listed(&maps);
        let own = files.iter().find(|file| file.path == program).unwrap();
        assert!((own.start..own.end).contains(&(listed as *const () as u64)));
        // The linker of this program may make no build id; that of the C library makes one.
        let library = files.iter().find(|file| file.path.contains("libc.so"));
        let id = library.unwrap().build_id.as_ref().unwrap();
        assert!(id.len() >= 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }

    #[test]
    fn file_that_is_no_elf_file_or_not_there_has_no_build_id() {
        let line = |path: &str| format!("1000-2000 r-xp 00000000 00:00 1 {path}\n");
        for path in ["/dev/zero", "/etc/passwd", "/there/is/none"] {
            let files = listed(&line(path));
            assert_eq!(files.len(), 1);
            assert_eq!(files[0].build_id, None);
        }
    }

    #[test]
    fn files_are_listed_up_to_the_limit() {
        let line = |at: usize| format!("{at:x}000-{at:x}fff r-xp 00000000 00:00 1 /{at}\n");
        let maps: String = (1..FILES_MAX + 9).map(line).collect();
        assert_eq!(listed(&maps).len(), FILES_MAX);
    }
}
