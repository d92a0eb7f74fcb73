//! Checks the architecture: what each crate may name, where `unsafe` may be written, and that a concept
//! of Node-API has the same name everywhere.
//!
//! Upholds I-1 and I-2.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use cargo_metadata::{DependencyKind, MetadataCommand};
use hostd_tests::{Source, files, relative, root};

/// The 28 concepts of Node-API: one module, one sample addon and one conformance script each.
const CONCEPTS: [&str; 28] = [
    "primitive",
    "number",
    "bigint",
    "string",
    "symbol",
    "coerce",
    "object",
    "property",
    "array",
    "function",
    "class",
    "external",
    "arraybuffer",
    "typedarray",
    "buffer",
    "date",
    "promise",
    "error",
    "fatal",
    "reference",
    "scope",
    "finalizer",
    "script",
    "lifecycle",
    "async_work",
    "async_context",
    "tsfn",
    "module",
];

/// Which of our crates, and which of the fenced libraries, a crate may name outside its tests.
const MAY_NAME: [(&str, &[&str]); 18] = [
    ("hostd-wait", &[]),
    ("hostd-shm", &["hostd-wait"]),
    ("hostd-symbols", &[]),
    (
        "hostd-protocol",
        &[
            "hostd-shm",
            "hostd-wait",
            "bincode",
            "tokio",
            "interprocess",
        ],
    ),
    ("hostd-carrier", &[]),
    ("hostd-quickjs", &["hostd-carrier", "rquickjs-sys"]),
    ("hostd-engine", &["hostd-shm", "hostd-quickjs"]),
    ("hostd-libuv", &["hostd-carrier", "libuv-sys2"]),
    (
        "hostd-napi",
        &["hostd-engine", "hostd-libuv", "hostd-wait", "libloading"],
    ),
    ("hostd-builtins", &["hostd-engine"]),
    (
        "hostd-node",
        &["hostd-builtins", "hostd-engine", "hostd-napi"],
    ),
    ("hostd-sandbox", &["hostd-symbols"]),
    (
        "hostd-session",
        &["hostd-protocol", "hostd-engine", "hostd-napi", "hostd-node"],
    ),
    (
        "hostd-control",
        &["hostd-protocol", "hostd-session", "tokio"],
    ),
    (
        "hostd-library",
        &[
            "hostd-control",
            "hostd-napi",
            "hostd-protocol",
            "hostd-session",
        ],
    ),
    (
        "napi-hostd",
        &[
            "hostd-control",
            "hostd-protocol",
            "hostd-engine",
            "hostd-napi",
            "hostd-node",
            "hostd-sandbox",
            "hostd-session",
            "hostd-symbols",
            "tokio",
            "interprocess",
        ],
    ),
    (
        "hostd-client",
        &["hostd-protocol", "hostd-symbols", "tokio", "interprocess"],
    ),
    (
        "napi-python",
        &["hostd-client", "hostd-protocol", "libloading", "pyo3"],
    ),
];

/// Libraries that only some crates may name, because each brings in one area: async I/O, the engine…
const FENCED: [&str; 7] = [
    "bincode",
    "tokio",
    "interprocess",
    "rquickjs-sys",
    "libloading",
    "libuv-sys2",
    "pyo3",
];

/// The folders in which `unsafe` may be written.
const ISLANDS: [&str; 16] = [
    "protocol/shm/",
    "server/builtins/src/lib.rs",
    "server/engine/",
    "server/quickjs/src/lib.rs",
    "server/library/src/coroutine.rs",
    "server/library/src/interface.rs",
    "server/sandbox/",
    "server/napi/src/abi/",
    "client-py/src/buffer.rs",
    "client-py/src/call.rs",
    "client-py/src/exporter.rs",
    "client-py/src/fallible.rs",
    "client-py/src/foreign/",
    "client-py/src/pool/buffer.rs",
    "client-py/src/pool/export.rs",
    "client-py/src/reserve.rs",
];

fn sources() -> Vec<Source> {
    hostd_tests::sources(&["protocol", "server", "client-py", "tests"], &[".rs"])
}

/// The code of a line, without its comment and without what stands in string literals.
fn code(line: &str) -> String {
    let mut out = String::new();
    let mut in_text = false;
    let mut previous = ' ';
    for (at, c) in line.char_indices() {
        if !in_text && line[at..].starts_with("//") {
            break;
        }
        if c == '"' && previous != '\\' && previous != '\'' {
            in_text = !in_text;
        }
        if !in_text {
            out.push(c);
        }
        previous = c;
    }
    out
}

#[test]
fn crates_name_only_what_their_row_allows() {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .unwrap();
    let ours: BTreeSet<String> = metadata
        .packages
        .iter()
        .map(|p| p.name.to_string())
        .collect();
    let allowed: BTreeMap<&str, &[&str]> = MAY_NAME.into_iter().collect();
    for package in &metadata.packages {
        let Some(may) = allowed.get(package.name.as_str()) else {
            continue;
        };
        for dependency in &package.dependencies {
            if dependency.kind != DependencyKind::Normal {
                continue;
            }
            let name = dependency.name.as_str();
            let fenced = ours.contains(name) || FENCED.contains(&name);
            assert!(
                !fenced || may.contains(&name),
                "{} may not name {name}: see the table of crates in ARCHITECTURE.md",
                package.name
            );
        }
    }
    for name in allowed.keys() {
        assert!(
            ours.contains(*name),
            "crate {name} is in the table but not in the workspace"
        );
    }
}

#[test]
fn unsafe_is_only_on_the_islands() {
    let tests = |file: &str| {
        ["/tests/", "/examples/", "/benches/"]
            .iter()
            .any(|folder| file.contains(folder))
    };
    for (file, text) in sources() {
        if ISLANDS.iter().any(|island| file.starts_with(island)) || tests(&file) {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let code = code(line);
            let words = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"];
            // The type of a function has no name before its parameters.
            let is_type = code.contains("unsafe extern") && code.contains(" fn(");
            assert!(
                is_type || !words.iter().any(|word| code.contains(word)),
                "{file}:{}: unsafe outside the islands",
                number + 1
            );
        }
    }
}

#[test]
fn safe_crates_forbid_unsafe_at_their_root() {
    let forbid = "#![forbid(unsafe_code)]";
    for file in [
        "protocol/src/lib.rs",
        "protocol/symbols/src/lib.rs",
        "protocol/wait/src/lib.rs",
        "client-py/client/src/lib.rs",
        "server/control/src/lib.rs",
        "server/libuv/src/lib.rs",
        "server/node/src/lib.rs",
        "server/session/src/lib.rs",
        "server/src/lib.rs",
        "server/src/main.rs",
    ] {
        let text = fs::read_to_string(root().join(file)).unwrap();
        assert!(text.contains(forbid), "{file} lacks {forbid}");
    }
    // A module's attribute holds for all that it contains.
    for entry in fs::read_dir(root().join("server/napi/src")).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() || path.ends_with("abi") {
            continue;
        }
        let text = fs::read_to_string(path.join("mod.rs")).unwrap();
        assert!(text.contains(forbid), "{} lacks {forbid}", relative(&path));
    }
}

#[test]
fn bincode_and_the_engine_are_named_in_one_place_each() {
    for (file, text) in sources() {
        if file.starts_with("tests/") {
            continue;
        }
        let names = |word: &str| text.lines().any(|line| code(line).contains(word));
        if names("bincode::") {
            assert_eq!(
                file, "protocol/src/codec.rs",
                "only the codec may name bincode"
            );
        }
        if names("hostd_quickjs") {
            assert!(
                file.starts_with("server/engine/"),
                "{file} names the QuickJS bindings"
            );
        }
    }
}

/// The files of `abi` that may name types of function pointers of addons: the types, the tables and
/// checks that take them as arguments, the loader, and the wrappers that call them.
const FUNCTIONS_OF_ADDONS: [&str; 6] = [
    "types",
    "exports",
    "check",
    "library",
    "registered",
    "callback",
];

#[test]
fn addons_are_called_through_the_exception_barrier() {
    let abi = "server/napi/src/abi/";
    let types = fs::read_to_string(root().join(abi).join("types.rs")).unwrap();
    // A type that is too long for its line begins on the next.
    let functions: Vec<&str> = types
        .lines()
        .filter_map(|line| line.strip_prefix("pub type ")?.split_once(" ="))
        .filter(|(_, rest)| rest.is_empty() || rest.contains("fn("))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(functions.len(), 10, "{functions:?}");
    let sources = sources().into_iter();
    for (file, text) in sources.filter(|(file, _)| file.starts_with("server/napi/src/")) {
        let place = file.strip_prefix(abi).unwrap_or_default();
        let may_hold = FUNCTIONS_OF_ADDONS.iter().any(|may| {
            let rest = place.strip_prefix(may);
            rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        });
        let lines: Vec<String> = text.lines().map(code).collect();
        for (number, line) in lines.iter().enumerate() {
            let at = format!("{file}:{}", number + 1);
            let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            assert!(
                may_hold || !words.any(|word| functions.contains(&word)),
                "{at}: a function pointer of an addon, which abi/callback.rs is to wrap"
            );
            assert!(
                !line.contains(".0)("),
                "{at}: an addon's function that is called directly, not through abi/barrier.rs"
            );
        }
        for (number, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("// SAFETY: A4") {
                let end = lines[number..].iter().position(|line| line.contains(';'));
                let statement = lines[number..=number + end.unwrap()].concat();
                let calls = ["guarded_call(", "library.get(", "Library::open("];
                assert!(
                    calls.iter().any(|call| statement.contains(call)),
                    "{file}:{}: an addon is called, and not through abi/barrier.rs",
                    number + 1
                );
            }
        }
    }
}

#[test]
fn a_concept_has_one_name_everywhere() {
    let wanted: BTreeSet<String> = CONCEPTS.iter().map(ToString::to_string).collect();
    let modules: BTreeSet<String> = files(&root().join("server/napi/src/api"), ".rs")
        .iter()
        .filter(|path| path.parent().unwrap().ends_with("api"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|name| name != "mod")
        .collect();
    let missing: Vec<_> = wanted.difference(&modules).collect();
    assert!(missing.is_empty(), "server/napi/src/api lacks {missing:?}");
    let extra: Vec<_> = modules.difference(&wanted).collect();
    assert!(
        extra.is_empty(),
        "server/napi/src/api has {extra:?}, which is no concept"
    );
    for concept in &wanted {
        let addon = root()
            .join("addons")
            .join(concept)
            .join(format!("{concept}.c"));
        assert!(addon.exists(), "{} is missing", relative(&addon));
        let script = root()
            .join("tests/conformance")
            .join(format!("{concept}.js"));
        assert!(script.exists(), "{} is missing", relative(&script));
    }
}

#[test]
fn the_oracle_lists_the_same_concepts() {
    let text = fs::read_to_string(root().join("tests/conformance/oracle.py")).unwrap();
    let list = text
        .split_once("\nCONCEPTS = [\n")
        .and_then(|(_, rest)| rest.split_once("\n]\n"))
        .map(|(list, _)| list)
        .unwrap();
    let found: Vec<&str> = list
        .lines()
        .map(|line| line.trim().trim_end_matches(',').trim_matches('"'))
        .collect();
    assert_eq!(found, CONCEPTS, "oracle.py and this file list the concepts");
}

#[test]
fn every_source_file_begins_with_a_doc_comment() {
    for (file, text) in sources() {
        let first = text
            .lines()
            .find(|line| !line.trim().is_empty())
            .unwrap_or_default();
        assert!(
            first.starts_with("//!"),
            "{file} does not begin with a //! sentence"
        );
    }
}

#[test]
fn no_source_has_open_tasks_or_copies_kept_in_sync_by_hand() {
    let words = [
        "keep in sync",
        "kept in sync",
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
    ];
    for (file, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            for word in words {
                let own = file.ends_with("tests/tidy.rs");
                assert!(own || !line.contains(word), "{file}:{}: {word}", number + 1);
            }
        }
    }
}
