//! The table of the second filter, which `tighten` installs when the addon is loaded; `advice` looks
//! up what it denies.

use syscalls::x86_64::Sysno;

use super::rule::{EPERM, Rule, Verdict, clause, low};
use super::rules::note_all;

/// The rules that deny what only loading needs, by number: all code is in memory by then. The
/// errors are those of the other layers for the same operation.
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
    let mut rules = vec![
        Rule::new(Sysno::mmap, mapped, Verdict::Allow),
        Rule::new(Sysno::mprotect, gained(), Verdict::Allow),
        Rule::new(Sysno::pkey_mprotect, gained(), Verdict::Allow),
        Rule::new(Sysno::seccomp, vec![], EPERM),
    ];
    rules.sort_by_key(|rule| rule.number);
    if diagnose {
        note_all(&mut rules, |_| false);
    }
    rules
}
