//! Checks the documents: invariants are numbered, tested and cited, and links lead somewhere.

#![expect(
    clippy::unwrap_used,
    reason = "a tree that can't be read fails the test"
)]

use std::collections::BTreeSet;
use std::fs;

use hostd_tests::{files, relative, root, sources};

const FOLDERS: [&str; 5] = ["protocol", "server", "client-py", "tests", "addons"];

fn architecture() -> String {
    fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap()
}

/// The lines of ARCHITECTURE.md that state an invariant, as `- **I-1** …`.
fn invariants(text: &str) -> Vec<&str> {
    let lines = text.lines();
    lines.filter(|line| line.starts_with("- **I-")).collect()
}

/// The names of all functions in the tests of Rust and Python.
fn functions() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, text) in sources(&FOLDERS, &[".rs", ".py"]) {
        for line in text.lines() {
            let line = line.trim_start();
            for start in ["fn ", "pub(super) fn ", "def ", "async def "] {
                if let Some(rest) = line.strip_prefix(start) {
                    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
                    found.insert(rest[..end.unwrap_or(rest.len())].to_owned());
                }
            }
        }
    }
    found
}

#[test]
fn invariants_are_few_and_numbered_in_order() {
    let text = architecture();
    let found = invariants(&text);
    assert!(
        (10..=30).contains(&found.len()),
        "{} invariants",
        found.len()
    );
    for (number, line) in found.iter().enumerate() {
        let start = format!("- **I-{}** ", number + 1);
        assert!(line.starts_with(&start), "expected {start}: {line}");
    }
}

#[test]
fn every_invariant_names_a_test_that_exists() {
    let functions = functions();
    let page = architecture();
    for line in invariants(&page) {
        let path = line
            .rsplit_once("(test: `")
            .and_then(|(_, rest)| rest.split_once('`'))
            .map_or("none at all", |(name, _)| name);
        let name = path.rsplit("::").next().unwrap_or(path);
        assert!(functions.contains(name), "no test called {name}: {line}");
    }
}

/// The numbers of the invariants that a line cites, as `I-1`.
fn cited(line: &str) -> Vec<usize> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices("I-") {
        let before = line[..at].chars().next_back();
        let rest = &line[at + 2..];
        let end = rest.find(|c: char| !c.is_ascii_digit());
        let number = rest[..end.unwrap_or(rest.len())].parse::<usize>();
        if before.is_none_or(|c| c == ' ' || c == '(') {
            found.extend(number);
        }
    }
    found
}

#[test]
fn every_invariant_is_cited_from_the_code() {
    let known: BTreeSet<usize> = (1..=invariants(&architecture()).len()).collect();
    let mut missing = known.clone();
    for (file, text) in sources(&FOLDERS, &[".rs", ".py", ".c", ".h"]) {
        if file.ends_with("tests/documents.rs") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            for label in cited(line) {
                assert!(
                    known.contains(&label),
                    "{file}:{}: there is no I-{label}",
                    number + 1
                );
                missing.remove(&label);
            }
        }
    }
    assert!(
        missing.is_empty(),
        "no code cites the invariants {missing:?}"
    );
}

#[test]
fn the_map_fits_in_two_hundred_lines() {
    let lines = architecture().lines().count();
    assert!(lines <= 200, "ARCHITECTURE.md has {lines} lines");
}

/// The address of a heading within its page, as the common viewers of Markdown form it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn links_between_documents_lead_somewhere() {
    for path in files(&root(), ".md") {
        let text = fs::read_to_string(&path).unwrap();
        for rest in text.split("](").skip(1) {
            let target = rest.split(')').next().unwrap();
            if target.contains("://") {
                continue;
            }
            let (file, section) = target.split_once('#').unwrap_or((target, ""));
            let page = if file.is_empty() {
                path.clone()
            } else {
                path.with_file_name("").join(file)
            };
            assert!(page.exists(), "{}: no {target}", relative(&path));
            if !section.is_empty() {
                let text = fs::read_to_string(&page).unwrap();
                let mut headings = text.lines().filter(|line| line.starts_with('#'));
                assert!(
                    headings.any(|line| anchor(line) == section),
                    "{}: no {target}",
                    relative(&path)
                );
            }
        }
    }
}
