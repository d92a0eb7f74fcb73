//! What the program exports to the addons that it opens.

use std::collections::BTreeSet;

use hostd_napi::abi::exports::{Symbol, symbols};
use object::{Object as _, ObjectSymbol as _};

#[test]
fn program_exports_these_names_and_no_other() {
    let mut expected: BTreeSet<&str> = symbols().map(Symbol::name).collect();
    expected.extend(hostd_libuv::NAMES);
    expected.extend(hostd_sandbox::OVERRIDDEN);
    let bytes = std::fs::read(env!("CARGO_BIN_EXE_napi-hostd")).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let exported: BTreeSet<String> = file
        .dynamic_symbols()
        .filter(|symbol| symbol.is_definition() && symbol.is_global())
        .filter_map(|symbol| symbol.name().ok().map(str::to_owned))
        .collect();
    let exported: BTreeSet<&str> = exported.iter().map(String::as_str).collect();
    assert_eq!(exported, expected);
}
