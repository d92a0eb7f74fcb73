//! Checks the language: no retired name, and no public type name for two things.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use hostd_tests::{Kind, compare, crates, product, sources, tokens};

/// Names that stood for something whose name in the field is another one. They match whole words of
/// identifiers: `cord` is in `Cord`, `cord_fd` and `attach_wake_pipe`, not in `record`.
const RETIRED: [(&str, &str); 33] = [
    ("bell", "wake-up"),
    ("bells", "wake-ups"),
    ("brisk", "busy"),
    ("brought", "request objects"),
    ("burial", "finalize generation"),
    ("bury", "finalize generation"),
    ("cord", "wake pipe"),
    ("courtesy", "yield back-off"),
    ("crowded", "co-located"),
    ("door", "control connection"),
    ("give_way", "yield"),
    ("grudge", "yield back-off"),
    ("hesitation", "provisional timeout"),
    ("in_vain", "without success"),
    ("keeper", "turn owner"),
    ("knock", "attach"),
    ("last_words", "final stderr lines"),
    ("look_out", "spin, poll"),
    ("lookout", "idle spin"),
    ("nap", "timed park"),
    ("naps", "timed parks"),
    ("patience", "threshold, timeout, deadline"),
    ("remains", "exit status"),
    ("rope", "wake pipe"),
    ("rouse", "wake"),
    ("rung", "wake-up requested"),
    ("seat", "CPU placement"),
    ("see_to_it", "ensure worker"),
    ("spare", "free list"),
    ("step_aside", "yield"),
    ("talk", "conversation"),
    ("unspeakable", "protocol to Python"),
    ("visitor", "connected client"),
];

/// The words of an identifier, in lower case: `hang_CordFd` is `hang`, `cord`, `fd`.
fn words(identifier: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut lower = false;
    for c in identifier.chars() {
        if c == '_' || (c.is_uppercase() && lower) {
            found.push(String::new());
        }
        lower = c.is_lowercase() || c.is_numeric();
        if c != '_' {
            found
                .last_mut()
                .into_iter()
                .for_each(|word| word.extend(c.to_lowercase()));
        }
    }
    found.retain(|word| !word.is_empty());
    found
}

/// The retired names in an identifier.
fn retired(identifier: &str) -> Vec<&'static str> {
    let joined = format!("_{}_", words(identifier).join("_"));
    let names = RETIRED.iter().map(|(name, _)| *name);
    names
        .filter(|name| joined.contains(&format!("_{name}_")))
        .collect()
}

/// The identifiers of a Python source; comments and the text of strings are left out.
fn python(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '"' | '\'' => {
                let long = first.to_string().repeat(3);
                let end = if rest.starts_with(&long) {
                    long
                } else {
                    first.to_string()
                };
                let body = &rest[end.len()..];
                let mut escaped = false;
                let stop = body.char_indices().find(|(at, c)| {
                    let ends = !escaped && body[*at..].starts_with(&end);
                    escaped = !escaped && *c == '\\';
                    ends
                });
                stop.map_or(rest.len(), |(at, _)| at + 2 * end.len())
            }
            c if c.is_alphanumeric() || c == '_' => {
                let length = rest
                    .find(|c: char| !c.is_alphanumeric() && c != '_')
                    .unwrap_or(rest.len());
                found.push(rest[..length].to_owned());
                length
            }
            c => c.len_utf8(),
        };
        rest = &rest[length..];
    }
    found
}

fn is_python(file: &str) -> bool {
    let extension = file.rsplit('.').next();
    matches!(extension, Some("py" | "pyi"))
}

#[test]
fn no_retired_name_is_used() {
    let folders = ["protocol", "server", "client-py", "tests", "addons"];
    let mut found = BTreeSet::new();
    let mut known: HashMap<String, Vec<&str>> = HashMap::new();
    for (file, text) in sources(&folders, &[".rs", ".c", ".h", ".py", ".pyi"]) {
        let identifiers: Vec<String> = if is_python(&file) {
            python(&text)
        } else {
            let words = tokens(&text)
                .into_iter()
                .filter(|token| token.kind == Kind::Word);
            words.map(|token| token.text).collect()
        };
        let mut counts = BTreeMap::new();
        for identifier in identifiers {
            let names = known
                .entry(identifier)
                .or_insert_with_key(|key| retired(key));
            for name in names.iter() {
                *counts.entry(*name).or_insert(0) += 1;
            }
        }
        let names: Vec<String> = counts
            .iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        if !names.is_empty() {
            found.insert(format!("{file}: {}", names.join(", ")));
        }
    }
    let rule = "No identifier has a retired name; tests/tests/names.rs has what to write instead.";
    compare("retired", rule, &found);
}

#[test]
fn retired_names_are_whole_words_of_identifiers() {
    assert_eq!(retired("HangCord"), ["cord"]);
    assert_eq!(retired("LAST_WORDS_MAX"), ["last_words"]);
    assert!(retired("record_words").is_empty());
    let text = "x = 'cord' # cord\ny = \"\"\"a \"cord\" \\\"\"\"\"; cord_fd(x)";
    assert_eq!(python(text), ["x", "y", "cord_fd", "x"]);
}

#[test]
fn a_public_type_name_belongs_to_one_crate() {
    let crates = crates();
    let mut owners: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (file, text) in product(&[".rs"]) {
        let folder = |(_, folder): &&(String, String)| file.starts_with(&format!("{folder}/"));
        let Some((name, _)) = crates.iter().find(folder) else {
            continue;
        };
        for part in tokens(&text).windows(3) {
            let kinds = ["struct", "enum", "trait", "type", "union"];
            let is_type = part[0].is("pub") && kinds.iter().any(|kind| part[1].is(kind));
            if is_type && part[2].kind == Kind::Word {
                owners.entry(part[2].text.clone()).or_default().insert(name);
            }
        }
    }
    let found = owners
        .iter()
        .filter(|(_, crates)| crates.len() > 1)
        .map(|(name, crates)| {
            let crates: Vec<&str> = crates.iter().copied().collect();
            format!("{name}: {}", crates.join(" "))
        })
        .collect();
    compare(
        "types",
        "No two crates have public types of one name.",
        &found,
    );
}
