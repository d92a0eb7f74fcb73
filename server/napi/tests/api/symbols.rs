//! The tables against the list of the headers, and the binary's exports against the tables.

use std::collections::{BTreeMap, BTreeSet};

use hostd_napi::abi::exports::{Entry, symbols};
use object::{Object as _, ObjectSymbol as _};

/// Name, header and entry mode of every function, as the headers and Node have it.
fn listed() -> BTreeMap<String, (String, String)> {
    let list = include_str!("../../functions.json");
    let list: serde_json::Value = serde_json::from_str(list).unwrap();
    let text = |row: &serde_json::Value, field: &str| row[field].as_str().unwrap().to_owned();
    let rows = list["functions"].as_array().unwrap();
    rows.iter()
        .map(|row| (text(row, "name"), (text(row, "header"), text(row, "entry"))))
        .collect()
}

#[test]
fn tables_have_exactly_the_functions_of_the_headers_in_nodes_entry_modes() {
    let word = |entry| match entry {
        Entry::Js => "js",
        Entry::Env => "env",
        Entry::Basic | Entry::Peek => "basic",
        Entry::None => "none",
    };
    let found: BTreeMap<String, (String, String)> = symbols()
        // The one name that is not Node-API's.
        .filter(|symbol| symbol.name() != "node_module_register")
        .map(|symbol| {
            let (header, entry) = (symbol.header.to_owned(), word(symbol.entry).to_owned());
            (symbol.name().to_owned(), (header, entry))
        })
        .collect();
    assert_eq!(found, listed());
    assert_eq!(symbols().count(), 162);
}

#[test]
fn binary_exports_these_names_and_no_other_of_ours() {
    let expected: BTreeSet<&str> = symbols()
        .map(hostd_napi::abi::exports::Symbol::name)
        .chain(hostd_libuv::NAMES.iter().copied())
        .collect();
    let bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let exported: BTreeSet<String> = file
        .dynamic_symbols()
        .filter(|symbol| symbol.is_definition() && symbol.is_global())
        .filter_map(|symbol| symbol.name().ok().map(str::to_owned))
        .collect();
    let exported: BTreeSet<&str> = exported.iter().map(String::as_str).collect();
    assert_eq!(exported, expected);
}

#[test]
fn names_resolve_to_the_functions_at_run_time() {
    let process = libloading::os::unix::Library::this();
    for symbol in symbols() {
        // SAFETY: the address is compared, not called.
        let found = unsafe { process.get::<*const ()>(symbol.name().as_bytes()) }.unwrap();
        assert_eq!(
            found.into_raw().cast_const().cast(),
            symbol.address(),
            "{}",
            symbol.name()
        );
    }
    for name in hostd_libuv::NAMES {
        // SAFETY: it is not called.
        let found = unsafe { process.get::<*const ()>(name.as_bytes()) };
        assert!(found.is_ok(), "{name}");
    }
}
