//! The order of the code in the program.

use std::collections::BTreeSet;

use object::{Object as _, ObjectSection as _, ObjectSymbol as _};

/// The share of the list, in percent, whose functions are in the program: compilers inline and split
/// functions differently.
const LISTED_MIN: usize = 75;

#[test]
fn functions_of_the_start_lie_together() {
    let bytes = std::fs::read(env!("CARGO_BIN_EXE_napi-hostd")).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let section = file.section_by_name(".text.start").unwrap();
    let present: BTreeSet<&str> = file
        .symbols()
        .filter(|symbol| symbol.section_index() == Some(section.index()))
        // A part of a function, or one for certain arguments, has a suffix.
        .filter_map(|symbol| symbol.name().ok()?.split('.').next())
        .collect();
    let listed: Vec<&str> = include_str!("../../start.ld")
        .split_whitespace()
        .filter_map(|word| word.strip_prefix(".text."))
        .filter(|name| *name != "start")
        .map(|name| name.trim_end_matches(".*"))
        .collect();
    let found = listed.iter().filter(|name| present.contains(**name));
    let (found, all) = (found.count(), listed.len());
    assert!(
        found * 100 >= all * LISTED_MIN,
        "only {found} of {all} functions in server/start.ld are in the program; was the engine \
         updated? run tests/bench/start_order.py"
    );
}
