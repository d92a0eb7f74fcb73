//! Lists of exceptions: what breaks a rule today, exactly, so that it can only become less.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::{env, fs};

use crate::root;

/// Set this variable to have the tests write the lists anew instead of comparing.
const WRITE: &str = "TIDY_WRITE";

/// Compares what breaks a rule with the list `tests/exceptions/NAME.txt`.
///
/// # Panics
///
/// If something breaks the rule that is not in the list, or the list has a line too many.
pub fn compare(name: &str, rule: &str, found: &BTreeSet<String>) {
    let path = root().join(format!("tests/exceptions/{name}.txt"));
    if env::var_os(WRITE).is_some() {
        let mut text = format!("# {rule}\n");
        for line in found {
            text.push_str(line);
            text.push('\n');
        }
        fs::write(path, text).unwrap();
        return;
    }
    let text = fs::read_to_string(&path).unwrap_or_default();
    let listed: BTreeSet<String> = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    let mut report = String::new();
    for line in found.difference(&listed) {
        let _ = writeln!(report, "+ {line}");
    }
    for line in listed.difference(found) {
        let _ = writeln!(report, "- {line}");
    }
    assert!(
        report.is_empty(),
        "{rule}\n{report}tests/exceptions/{name}.txt lists what breaks the rule. Repair what is \
         new (+); where the list became shorter or a file moved (-), write it anew with \
         `{WRITE}=1 cargo test -p hostd-tests --no-fail-fast`."
    );
}
