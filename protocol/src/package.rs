//! What an addon needs to be able to read of its own, as whoever confines it finds it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The package of an addon: the nearest `node_modules` around it, since packages for one platform
/// lie beside each other there; else the nearest folder with a `package.json`; else its folder. Of
/// a folder that holds other things as well, such as a home, only the file and the libraries
/// beside it.
///
/// The path is one without links.
pub fn package_of(addon: &Path) -> Vec<PathBuf> {
    let parents = || addon.ancestors().skip(1);
    let modules = parents().find(|folder| folder.ends_with("node_modules"));
    let package = parents().find(|folder| folder.join("package.json").is_file());
    let found = [modules, package, addon.parent()];
    let shared = Shared::here();
    if let Some(root) = found.into_iter().flatten().find(|root| !shared.holds(root)) {
        return vec![root.to_owned()];
    }
    let beside = addon.parent().and_then(|folder| fs::read_dir(folder).ok());
    let entries = beside.into_iter().flatten().flatten();
    let libraries = entries
        .filter(|entry| entry.file_name().to_string_lossy().contains(".so"))
        .map(|entry| entry.path())
        .filter(|path| path.is_file());
    let mut own = vec![addon.to_owned()];
    own.extend(libraries);
    own
}

/// The folders of this process' user that hold more than one package.
struct Shared {
    home: Option<PathBuf>,
    temporary: PathBuf,
}

impl Shared {
    fn here() -> Self {
        let real = |path: PathBuf| path.canonicalize().unwrap_or(path);
        Self {
            home: std::env::home_dir().map(real),
            temporary: real(std::env::temp_dir()),
        }
    }

    /// A home and what is above it, or what anybody may write to.
    fn holds(&self, folder: &Path) -> bool {
        let is_home = self
            .home
            .as_ref()
            .is_some_and(|home| home.starts_with(folder));
        let mode = fs::metadata(folder).map(|found| found.permissions().mode());
        is_home || folder == self.temporary || mode.is_ok_and(|mode| mode & 0o002 != 0)
    }
}
