//! Checks that no two places of the product share twelve or more equal lines without a reason.

use std::collections::{BTreeMap, BTreeSet};

use hostd_tests::product;

/// From how many equal lines on two places need a reason.
const LINES: usize = 12;

/// Pairs of files that share lines, and why.
const REASONS: [(&str, &str, &str); 0] = [];

/// The lines that count, with their numbers: no blank lines, comments, imports or lone signs.
fn lines(text: &str) -> Vec<(usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(number, line)| (number + 1, line.trim()))
        .filter(|(_, line)| {
            let skipped = ["//", "#", "*", "/*", "use ", "pub use ", "import ", "from "];
            line.chars().any(char::is_alphanumeric)
                && !skipped.iter().any(|start| line.starts_with(start))
        })
        .collect()
}

/// The places that share lines, as `file:first-last ~ file:first-last`.
fn duplicates(sources: &[(String, String)]) -> BTreeSet<(String, String, String)> {
    let all: Vec<Vec<(usize, &str)>> = sources.iter().map(|(_, text)| lines(text)).collect();
    let mut places: BTreeMap<Vec<&str>, Vec<(usize, usize)>> = BTreeMap::new();
    for (file, lines) in all.iter().enumerate() {
        for (at, window) in lines.windows(LINES).enumerate() {
            let key = window.iter().map(|(_, line)| *line).collect();
            places.entry(key).or_default().push((file, at));
        }
    }
    let mut found = BTreeSet::new();
    for same in places.values() {
        for (number, &(a, first)) in same.iter().enumerate() {
            for &(b, second) in &same[number + 1..] {
                let line = |file: usize, at: usize| all[file][at];
                let extended =
                    first > 0 && second > 0 && line(a, first - 1).1 == line(b, second - 1).1;
                if extended {
                    continue;
                }
                let mut length = LINES;
                while first + length < all[a].len()
                    && second + length < all[b].len()
                    && line(a, first + length).1 == line(b, second + length).1
                {
                    length += 1;
                }
                let place = |file: usize, at: usize| {
                    let last = line(file, at + length - 1).0;
                    format!("{}:{}-{last}", sources[file].0, line(file, at).0)
                };
                let text = format!("{} ~ {}", place(a, first), place(b, second));
                found.insert((sources[a].0.clone(), sources[b].0.clone(), text));
            }
        }
    }
    found
}

#[test]
fn no_two_places_share_twelve_lines_without_a_reason() {
    let found = duplicates(&product(&[".rs", ".py", ".js", ".c", ".cpp"]));
    let excused = |a: &str, b: &str| {
        let reason = |(x, y, _): &&(&str, &str, &str)| (*x == a && *y == b) || (*x == b && *y == a);
        REASONS.iter().any(|row| reason(&row))
    };
    let report: Vec<&str> = found
        .iter()
        .filter(|(a, b, _)| !excused(a, b))
        .map(|(_, _, text)| text.as_str())
        .collect();
    assert!(
        report.is_empty(),
        "equal lines: make one of them, or give a reason:\n{}",
        report.join("\n")
    );
    for (a, b, _) in REASONS {
        let used = found
            .iter()
            .any(|(x, y, _)| (x == a && y == b) || (x == b && y == a));
        assert!(
            used,
            "{a} and {b} share no lines any more: remove their reason"
        );
    }
}

#[test]
fn a_shared_run_is_found_once_and_whole() {
    let body = |from: usize| {
        let lines: Vec<String> = (from..from + 14)
            .map(|n| format!("let x{n} = {n};"))
            .collect();
        lines.join("\n")
    };
    let sources = [
        ("a.rs".to_owned(), format!("fn a() {{\n{}}}\n", body(0))),
        (
            "b.rs".to_owned(),
            format!("fn b() {{\n\n// c\n{}}}\n", body(0)),
        ),
        ("c.rs".to_owned(), body(3)),
    ];
    let found: Vec<String> = duplicates(&sources)
        .into_iter()
        .map(|(_, _, text)| text)
        .collect();
    assert_eq!(found[0], "a.rs:2-15 ~ b.rs:4-17");
    assert_eq!(found.len(), 1);
}
