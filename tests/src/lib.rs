//! What the structural tests share: the files of the repository, their tokens, and the lists of
//! exceptions in `tests/exceptions`.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a tree that can't be read fails the test"
)]

mod exceptions;
mod tokens;

use std::fs;
use std::path::{Path, PathBuf};

pub use exceptions::compare;
pub use tokens::{Kind, Token, tokens};

/// A source file: its path from the repository's root, and its text.
pub type Source = (String, String);

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

/// The path from the repository's root.
pub fn relative(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap()
        .to_string_lossy()
        .into_owned()
}

/// All files below `directory` with that ending, build products left out.
pub fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                let skipped = ["target", "node_modules", "build", "dist", "__pycache__"];
                if !name.starts_with('.') && !skipped.contains(&name.as_str()) {
                    open.push(path);
                }
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The files below these folders of the repository with one of these endings.
pub fn sources(folders: &[&str], endings: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    for folder in folders {
        for ending in endings {
            for path in files(&root().join(folder), ending) {
                found.push((relative(&path), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

/// The sources of the product itself: no tests, benchmarks, examples or fuzz targets.
pub fn product(endings: &[&str]) -> Vec<Source> {
    let outside = ["/tests/", "/benches/", "/examples/", "/fuzz/"];
    let mut found = sources(&["protocol", "server", "client-py"], endings);
    found.retain(|(file, _)| {
        !outside.iter().any(|folder| file.contains(folder)) && !file.ends_with("/tests.rs")
    });
    found
}

/// The crates of the product: their names, and the folders of their sources, longest first.
pub fn crates() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in ["protocol", "server", "client-py"] {
        for path in files(&root().join(folder), "Cargo.toml") {
            let source = path.with_file_name("src");
            let manifest = fs::read_to_string(&path).unwrap();
            let name = manifest
                .lines()
                .find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
                .unwrap();
            if source.is_dir() {
                found.push((name.to_owned(), relative(&source)));
            }
        }
    }
    found.sort_by_key(|(_, folder)| std::cmp::Reverse(folder.len()));
    found
}
