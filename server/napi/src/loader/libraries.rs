//! Searches the libraries that an addon is linked against, where the system's loader would.
//!
//! The result explains a failure of `dlopen` and refuses nothing by itself: the system's loader
//! searches places (its own environment, loaded libraries) that this search does not.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};

use super::elf::{self, Image};
use super::file;
use super::{LoadError, LoadErrorKind};

/// How many libraries a search reads at most.
const MAX_LIBRARIES: usize = 256;
const CACHE: &str = "/etc/ld.so.cache";
const DEFAULT_FOLDERS: [&str; 4] = ["/lib64", "/usr/lib64", "/lib", "/usr/lib"];

/// The places that are the same for all libraries.
pub(super) struct Places {
    cached: Vec<(String, PathBuf)>,
    environment: Vec<PathBuf>,
}

impl Places {
    /// Reads the system's list of libraries.
    pub(super) fn of_system() -> Self {
        let cached = fs::read(CACHE)
            .map(|bytes| parse_cache(&bytes))
            .unwrap_or_default();
        let environment = std::env::var_os("LD_LIBRARY_PATH")
            .map(|paths| std::env::split_paths(&paths).collect())
            .unwrap_or_default();
        Self {
            cached,
            environment,
        }
    }

    /// Finds a library that `image`, a file in `folder`, needs.
    pub(super) fn find(&self, library: &str, image: &Image, folder: &Path) -> Option<PathBuf> {
        if library.contains('/') {
            return Some(PathBuf::from(library)).filter(|path| path.is_file());
        }
        let origin = folder.to_string_lossy();
        let run_paths = image.run_paths.iter().map(|path| {
            PathBuf::from(
                path.replace("${ORIGIN}", &origin)
                    .replace("$ORIGIN", &origin),
            )
        });
        let cached = self
            .cached
            .iter()
            .filter(|(name, _)| name == library)
            .map(|(_, path)| path.clone());
        run_paths
            .chain(self.environment.iter().cloned())
            .map(|folder| folder.join(library))
            .chain(cached)
            .chain(
                DEFAULT_FOLDERS
                    .iter()
                    .map(|folder| Path::new(folder).join(library)),
            )
            .find(|path| path.is_file())
    }

    /// The error for the first need of an addon, or of a library it needs, that is not met.
    pub(super) fn first_unmet(&self, addon: &Image, path: &Path) -> Option<LoadError> {
        let mut search = Search {
            places: self,
            seen: Vec::new(),
            open: Vec::new(),
        };
        let mut unmet = search.check(addon, path, None);
        while unmet.is_none()
            && let Some((name, path, image)) = search.open.pop()
        {
            unmet = search.check(&image, &path, Some(&name));
        }
        unmet.map(|kind| kind.of(path))
    }

    /// Returns whether a library that the addon is linked against directly defines the name.
    pub(super) fn companion_defines(&self, addon: &Image, path: &Path, name: &str) -> bool {
        let folder = path.parent().unwrap_or(Path::new("/"));
        addon
            .needed
            .iter()
            .filter(|library| !is_of_the_system(library))
            .any(|library| {
                let found = self.find(library, addon, folder);
                found
                    .and_then(|found| read(&found))
                    .is_some_and(|image| image.defines(name))
            })
    }
}

/// A search through the libraries that an addon needs, for what they lack.
struct Search<'a> {
    places: &'a Places,
    seen: Vec<String>,
    /// The libraries whose own needs were not checked yet.
    open: Vec<(String, PathBuf, Image)>,
}

impl Search<'_> {
    /// Checks the needs of the addon, or of the library of that name.
    fn check(&mut self, image: &Image, path: &Path, name: Option<&str>) -> Option<LoadErrorKind> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        for library in &image.needed {
            let Some(found) = self.places.find(library, image, folder) else {
                return Some(LoadErrorKind::MissingLibrary {
                    library: library.clone(),
                    needed_by: name.map(Into::into),
                });
            };
            let versions = image.versions_needed.iter();
            let mut versions = versions.filter(|(of, _)| of == library).peekable();
            let known = self.seen.contains(library);
            if known && versions.peek().is_none() {
                continue;
            }
            // The system's loader reports a library that cannot be read.
            let Some(read) = read(&found) else { continue };
            let defined = &read.versions_defined;
            let mut missing = versions.filter(|(_, needed)| !defined.contains(needed));
            if !defined.is_empty()
                && let Some((_, needed)) = missing.next()
            {
                return Some(LoadErrorKind::SystemTooOld {
                    library: library.clone(),
                    needed: needed.clone(),
                    found: newest_of_series(needed, defined),
                });
            }
            if !known && self.seen.len() < MAX_LIBRARIES {
                self.seen.push(library.clone());
                self.open.push((library.clone(), found, read));
            }
        }
        None
    }
}

fn read(path: &Path) -> Option<Image> {
    let file = file::open(path).ok()?;
    elf::read(&file).ok()
}

/// Returns whether the library belongs to the C or C++ run time, which defines none of our names.
pub(super) fn is_of_the_system(library: &str) -> bool {
    const STEMS: [&str; 10] = [
        "libc.so",
        "libm.so",
        "libdl.so",
        "libpthread.so",
        "librt.so",
        "libutil.so",
        "libgcc_s.so",
        "libstdc++.so",
        "ld-linux",
        "libresolv.so",
    ];
    STEMS.iter().any(|stem| library.starts_with(stem))
}

/// The newest version of the same series: `GLIBC_2.36` for `GLIBC_2.38`.
fn newest_of_series(needed: &str, defined: &[String]) -> Option<String> {
    let (series, _) = needed.rsplit_once('_')?;
    let number = |version: &str| -> Option<Vec<u32>> {
        let (own, digits) = version.rsplit_once('_')?;
        (own == series).then(|| {
            digits
                .split('.')
                .map_while(|digit| digit.parse().ok())
                .collect()
        })
    };
    let newest = defined
        .iter()
        .filter_map(|version| Some((number(version)?, version)));
    newest
        .max_by(|a, b| a.0.cmp(&b.0))
        .map(|(_, version)| version.clone())
}

/// Reads the list that `ldconfig` writes: pairs of library name and path.
fn parse_cache(bytes: &[u8]) -> Vec<(String, PathBuf)> {
    const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
    const HEADER: usize = 48;
    const ENTRY: usize = 24;
    // The old format may stand before the new one.
    let Some(start) = bytes
        .windows(MAGIC.len())
        .position(|window| window == MAGIC)
    else {
        return Vec::new();
    };
    let cache = &bytes[start..];
    let word = |at: usize| {
        let bytes = cache.get(at..at.checked_add(4)?)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    let text = |at: usize| elf::text(cache, at);
    let count = word(20).unwrap_or(0).min(cache.len() / ENTRY);
    let entry = |index: usize| {
        let at = HEADER + index * ENTRY;
        Some((
            text(word(at + 4)?)?.to_owned(),
            PathBuf::from(text(word(at + 8)?)?),
        ))
    };
    (0..count).filter_map(entry).collect()
}
