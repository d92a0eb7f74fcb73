//! The table of the second filter, which comes when the addon is loaded.

use super::numbers;
use super::rules::{EPERM, Rule, Verdict, clause, low, note_all};

/// What is taken away once the addon is loaded, by number: what only loading needs. What may run
/// is in memory by then. Each says what other layers say to the same thing.
pub fn after_loading(diagnose: bool) -> Vec<Rule> {
    const EXECUTE: u32 = libc::PROT_EXEC.cast_unsigned();
    const ANONYMOUS: u32 = libc::MAP_ANONYMOUS.cast_unsigned();
    let runs = low(2, EXECUTE, EXECUTE);
    let gained = || vec![clause([runs], Verdict::Errno(libc::EACCES))];
    let anonymous = low(3, ANONYMOUS, ANONYMOUS);
    let mapped = vec![
        clause([runs, anonymous], Verdict::Errno(libc::EACCES)),
        clause([runs], EPERM),
    ];
    let rule = |(number, name), clauses, otherwise| Rule {
        number,
        name,
        clauses,
        otherwise,
    };
    let [map, protect, protect_with_key, filter] = [
        (numbers::mmap, "mmap"),
        (numbers::mprotect, "mprotect"),
        (numbers::pkey_mprotect, "pkey_mprotect"),
        (numbers::seccomp, "seccomp"),
    ];
    let mut rules = vec![
        rule(map, mapped, Verdict::Allow),
        rule(protect, gained(), Verdict::Allow),
        rule(protect_with_key, gained(), Verdict::Allow),
        rule(filter, vec![], EPERM),
    ];
    rules.sort_by_key(|rule| rule.number);
    if diagnose {
        note_all(&mut rules, |_| false);
    }
    rules
}
