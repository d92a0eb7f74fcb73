//! `napi-hostd inspect x.node`: prints what the files of addons say of themselves, without loading
//! them, as one line of JSON each. `main` calls [`run`].

use std::path::{Path, PathBuf};

use hostd_napi::preflight::{self, Facts};
use hostd_napi::{ApiVersion, Library};
use serde_json::{Value, json};

/// Reads each file, and returns the lines to print.
pub fn run(addons: &[PathBuf]) -> String {
    let line = |addon: &PathBuf| format!("{}\n", describe(addon));
    addons.iter().map(line).collect()
}

fn describe(addon: &Path) -> Value {
    let facts = match preflight::read(addon) {
        Ok(facts) => facts,
        Err(error) => return json!({"refused": error.to_string()}),
    };
    let functions = facts.node_api();
    let versions = functions.values().flatten();
    let newest = versions.filter_map(|version| match version {
        ApiVersion::Stable(number) => Some(*number),
        ApiVersion::Experimental => None,
    });
    let experimental = functions.iter().filter_map(|(name, version)| {
        let is_experimental = *version == Some(ApiVersion::Experimental);
        is_experimental.then_some(*name)
    });
    json!({
        "refused": reason(&facts, addon),
        "node_api": {
            "functions": functions.keys().collect::<Vec<_>>(),
            "newest": newest.max(),
            "experimental": experimental.collect::<Vec<_>>(),
            "declares_version": facts.declares_version(),
        },
        "libuv": facts.libuv(),
        "imports": facts.imports(),
        "libraries": facts.libraries().iter().map(library).collect::<Vec<_>>(),
    })
}

/// Why it cannot be loaded here; none if reading alone shows no reason.
fn reason(facts: &Facts, addon: &Path) -> Option<String> {
    let error = facts.refusal(addon).or_else(|| facts.unmet())?;
    Some(error.to_string())
}

fn library(library: &Library) -> Value {
    let file = library.file.as_ref().map(|file| file.to_string_lossy());
    json!({"name": library.name, "file": file, "versions": library.versions})
}
