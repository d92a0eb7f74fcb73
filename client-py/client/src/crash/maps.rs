//! Parses the memory map of a process that has ended, as the kernel formats it.

const LINES_MAX: usize = 4096;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mapping<'a> {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Where in the file it begins.
    pub(super) offset: u64,
    pub(super) is_code: bool,
    pub(super) path: &'a str,
}

/// The files that are mapped, by address.
#[derive(Debug, Default)]
pub(super) struct Maps<'a> {
    mappings: Vec<Mapping<'a>>,
}

impl<'a> Maps<'a> {
    /// Parses the text; malformed lines and memory without a file are left out.
    pub(super) fn parse(text: &'a str) -> Self {
        let lines = text.lines().take(LINES_MAX);
        let mut mappings: Vec<_> = lines.filter_map(parse_line).collect();
        mappings.sort_by_key(|mapping| mapping.start);
        Self { mappings }
    }

    /// The mappings, by address.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Mapping<'a>> {
        self.mappings.iter()
    }

    /// The code of a file that is at an address.
    pub(super) fn code_at(&self, address: u64) -> Option<&Mapping<'a>> {
        let after = self
            .mappings
            .partition_point(|mapping| mapping.start <= address);
        let mapping = self.mappings.get(after.checked_sub(1)?)?;
        (address < mapping.end && mapping.is_code).then_some(mapping)
    }
}

/// Parses `start-end rwxp offset device inode   path`.
fn parse_line(line: &str) -> Option<Mapping<'_>> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let mut fields = rest.splitn(5, ' ');
    let access = fields.next()?;
    let offset = fields.next()?;
    let path = fields.nth(2)?.trim_start();
    if !path.starts_with('/') {
        return None;
    }
    let hex = |text| u64::from_str_radix(text, 16).ok();
    Some(Mapping {
        start: hex(start)?,
        end: hex(end)?,
        offset: hex(offset)?,
        is_code: access.as_bytes().get(2) == Some(&b'x'),
        path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
55d0a000-55d0b000 r--p 00000000 fe:00 12                         /usr/bin/some host
55d0b000-55d0c000 r-xp 00001000 fe:00 12                         /usr/bin/some host
7f000000-7f001000 rw-p 00000000 00:00 0 
7f001000-7f002000 r-xp 00000000 00:00 0                          [vdso]
nonsense
-
";

    #[test]
    fn code_is_found_by_address_and_paths_may_have_spaces() {
        let maps = Maps::parse(TEXT);
        let found = maps.code_at(0x55d0_b010).unwrap();
        assert_eq!(found.path, "/usr/bin/some host");
        assert_eq!(found.offset, 0x1000);
        assert_eq!(maps.code_at(0x55d0_a010), None);
        assert_eq!(maps.code_at(0x55d0_c000), None);
        assert_eq!(maps.code_at(0x7f00_1010), None);
        assert_eq!(maps.code_at(0), None);
        assert_eq!(maps.code_at(u64::MAX), None);
    }
}
