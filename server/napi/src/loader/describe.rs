//! What an addon's file says of itself, read without opening it: the functions that it imports, the
//! libraries that it needs, the versions of them.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::libraries::Places;
use super::preflight::{Facts, is_node_api};

/// Every function of Node-API, with the version that it came with.
const FUNCTIONS: &str = include_str!("../../functions.json");

/// The version of Node-API in which there is a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApiVersion {
    /// This version and newer ones.
    Stable(u64),
    /// None yet.
    Experimental,
}

/// A library that an addon is linked against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    /// Its name.
    pub name: String,
    /// The file that the system's loader would most likely take, if there is one.
    pub file: Option<PathBuf>,
    /// The versions that are needed of it, such as `GLIBC_2.34`.
    pub versions: Vec<String>,
}

impl Facts {
    /// The functions of Node-API that it imports, each with the version that it came with; none for
    /// a name that is no function of Node-API. Weak imports are left out.
    pub fn node_api(&self) -> BTreeMap<&str, Option<ApiVersion>> {
        let known = versions();
        let imported = self.image.imports().filter(|name| is_node_api(name));
        imported
            .map(|name| (name, known.get(name).copied()))
            .collect()
    }

    /// The functions of libuv that it imports.
    pub fn libuv(&self) -> Vec<&str> {
        let mut found: Vec<_> = self.image.imports().collect();
        found.retain(|name| hostd_libuv::has(name));
        found.sort_unstable();
        found
    }

    /// How many names it imports in all, those of libraries included.
    pub fn imports(&self) -> usize {
        self.image.imports().count()
    }

    /// Whether it has the function by which the version of Node-API is declared.
    pub fn declares_version(&self) -> bool {
        self.image.defines("node_api_module_get_api_version_v1")
    }

    /// The libraries that it is linked against, in the order of the file.
    pub fn libraries(&self) -> Vec<Library> {
        let places = Places::of_system();
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let library = |name: &String| {
            let versions = self.image.versions_needed.iter();
            let versions = versions.filter(|(library, _)| library == name);
            Library {
                name: name.clone(),
                file: places.find(name, &self.image, folder),
                versions: versions.map(|(_, version)| version.clone()).collect(),
            }
        };
        self.image.needed.iter().map(library).collect()
    }
}

fn versions() -> BTreeMap<String, ApiVersion> {
    let table: serde_json::Value = serde_json::from_str(FUNCTIONS).unwrap_or_default();
    let rows = table["functions"].as_array().into_iter().flatten();
    let row = |row: &serde_json::Value| {
        let version = row["version"].as_u64();
        let version = version.map_or(ApiVersion::Experimental, ApiVersion::Stable);
        Some((row["name"].as_str()?.to_owned(), version))
    };
    rows.filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_functions_are_those_of_the_list() {
        let found = versions();
        assert_eq!(found.len(), 161);
        let version = |name: &str| found.get(name).copied();
        assert_eq!(version("napi_create_object"), Some(ApiVersion::Stable(1)));
        assert_eq!(
            version("napi_create_bigint_int64"),
            Some(ApiVersion::Stable(6))
        );
        assert_eq!(
            version("node_api_post_finalizer"),
            Some(ApiVersion::Experimental)
        );
        assert_eq!(version("napi_nothing"), None);
    }
}
