//! The files of its own package that an addon has to read, found by the process that confines it.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

use nix::unistd::{Uid, User, getuid};
use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

const MODULES: &str = "node_modules";
const MANIFEST: &str = "package.json";
const MANIFEST_MAX: u64 = 1 << 20;
/// Dependencies that are looked up.
const DEPENDENCIES_MAX: usize = 64;

/// What an addon may read of its package.
///
/// Of a package that is installed in a `node_modules`, that is the package and the dependencies that
/// its manifest names: packages for one platform lie beside each other. Another folder with a manifest
/// is a user's project, with keys and settings: only the subfolder in which the addon lies is granted,
/// or, where the addon lies beside the manifest or there is none, the file and the libraries beside it.
/// A folder that holds other things as well, such as a home, is never granted.
///
/// The path is one without links.
pub fn package_of(addon: &Path) -> Vec<PathBuf> {
    package_among(addon, &mut Shared::of(home_of))
}

/// Packages that are granted with a package.
const PACKAGES_MAX: usize = 4096;

/// What a host may read that requires a module of the package with this manifest: the package, and
/// all that it depends on, however far. Instead of a folder that holds other things as well, the file
/// is granted. Instead of a manifest it may be any module. If that is not installed in a
/// `node_modules`, all packages that it can find are granted.
///
/// The path is one without links.
pub fn packages_of(manifest: &Path) -> Vec<PathBuf> {
    let mut shared = Shared::of(home_of);
    let Some(package) = manifest.parent() else {
        return Vec::new();
    };
    let mut granted: Vec<PathBuf> = Vec::new();
    if shared.holds(package) {
        granted.extend(manifest.is_file().then(|| manifest.to_owned()));
        return granted;
    }
    granted.push(package.to_owned());
    if installed_package(manifest).is_none() {
        granted.extend(packages_above(package));
        return granted;
    }
    let mut next = 0;
    while let Some(package) = granted.get(next).cloned() {
        next += 1;
        for dependency in dependencies_of(&package, true) {
            if granted.len() < PACKAGES_MAX
                && !granted.contains(&dependency)
                && !shared.holds(&dependency)
            {
                granted.push(dependency);
            }
        }
    }
    granted.extend(
        manifests_above(package)
            .into_iter()
            .filter(|it| !it.starts_with(package)),
    );
    granted
}

/// What a host may read that requires modules from a folder: each `node_modules` of that folder and
/// of those above it.
pub fn packages_above(folder: &Path) -> Vec<PathBuf> {
    let mut shared = Shared::of(home_of);
    let manifests = manifests_above(folder);
    let modules = folder.ancestors().map(|above| above.join(MODULES));
    let modules = modules.filter_map(|modules| modules.canonicalize().ok());
    modules
        .filter(|modules| modules.is_dir() && !shared.holds(modules))
        .chain(manifests)
        .collect()
}

/// The manifests of a folder and of those above it: which kind of modules a file has depends on the
/// nearest one.
fn manifests_above(folder: &Path) -> Vec<PathBuf> {
    let manifests = folder.ancestors().map(|above| above.join(MANIFEST));
    manifests
        .filter(|manifest| manifest.symlink_metadata().is_ok_and(|it| it.is_file()))
        .collect()
}

fn package_among(addon: &Path, shared: &mut Shared) -> Vec<PathBuf> {
    let parents = || addon.ancestors().skip(1);
    let installed = installed_package(addon);
    let root = if let Some(package) = &installed {
        parents()
            .take_while(|folder| folder.starts_with(package) && !shared.holds(folder))
            .last()
    } else {
        parents()
            .find(|folder| folder.join(MANIFEST).is_file() || folder.ends_with(MODULES))
            .filter(|project| !project.ends_with(MODULES))
            .filter(|project| !shared.holds(project))
            .and_then(|project| {
                parents()
                    .take_while(|folder| *folder != project && !shared.holds(folder))
                    .last()
            })
    };
    let Some(root) = root.map(Path::to_owned) else {
        return with_libraries(addon);
    };
    let mut granted = vec![root];
    if granted.first() == installed.as_ref() {
        let package = granted[0].clone();
        for dependency in dependencies_of(&package, false) {
            if !granted.contains(&dependency) && !shared.holds(&dependency) {
                granted.push(dependency);
            }
        }
    }
    granted
}

/// The addon and the libraries beside it.
fn with_libraries(addon: &Path) -> Vec<PathBuf> {
    let beside = addon.parent().and_then(|folder| fs::read_dir(folder).ok());
    let libraries = beside
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().contains(".so"))
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .map(|entry| entry.path());
    let mut own = vec![addon.to_owned()];
    own.extend(libraries.filter(|library| library != addon));
    own
}

/// The package in the nearest `node_modules` around a path: a folder in it, or in a scope in it.
fn installed_package(addon: &Path) -> Option<PathBuf> {
    let modules = addon.ancestors().skip(1).find(|it| it.ends_with(MODULES))?;
    let mut inner = addon.strip_prefix(modules).ok()?.components();
    let name = inner.next()?;
    let mut package = modules.join(name);
    if name.as_os_str().as_encoded_bytes().starts_with(b"@") {
        package.push(inner.next()?);
    }
    // The addon itself is no package.
    (package != addon).then_some(package)
}

/// The version that the manifest in a folder says the package has.
pub fn version_of(package: &Path) -> Option<String> {
    let manifest: Map<String, Value> = manifest_of(package)?;
    Some(manifest.get("version")?.as_str()?.to_owned())
}

/// What a manifest names.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Manifest {
    dependencies: Map<String, Value>,
    optional_dependencies: Map<String, Value>,
    peer_dependencies: Map<String, Value>,
}

/// The folders of the dependencies that a package's manifest names, as Node finds them. The manifest
/// is the addon's: a name leads to no other place than a package in a `node_modules`.
fn dependencies_of(package: &Path, with_peers: bool) -> Vec<PathBuf> {
    let manifest: Manifest = manifest_of(package).unwrap_or_default();
    let names = manifest
        .dependencies
        .keys()
        .chain(manifest.optional_dependencies.keys())
        .chain(manifest.peer_dependencies.keys().filter(|_| with_peers));
    names
        .filter(|name| is_package_name(name))
        .take(DEPENDENCIES_MAX)
        .filter_map(|name| {
            let folders = package.ancestors().map(|folder| {
                if folder.ends_with(MODULES) {
                    folder.join(name)
                } else {
                    folder.join(MODULES).join(name)
                }
            });
            let found = folders.into_iter().find(|folder| folder.is_dir())?;
            let found = found.canonicalize().ok()?;
            (installed_package(&found.join(MANIFEST)).as_ref() == Some(&found)).then_some(found)
        })
        .collect()
}

fn manifest_of<T: DeserializeOwned>(package: &Path) -> Option<T> {
    let path = package.join(MANIFEST);
    // A device or a pipe may have no end.
    if !path.symlink_metadata().ok()?.is_file() {
        return None;
    }
    let file = fs::File::open(path).ok()?;
    let mut text = Vec::new();
    file.take(MANIFEST_MAX).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Whether it is `name` or `@scope/name`.
fn is_package_name(name: &str) -> bool {
    let path = Path::new(name);
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    let parts = if name.starts_with('@') { 2 } else { 1 };
    !name.starts_with('.') && path.components().count() == parts && path.components().all(is_plain)
}

/// The home folder of a user, as the system's database of users says.
fn home_of(user: u32) -> Option<PathBuf> {
    let found = User::from_uid(Uid::from_raw(user)).ok()?;
    found.map(|user| user.dir)
}

struct Shared {
    find_home: fn(u32) -> Option<PathBuf>,
    users: Vec<u32>,
    homes: Vec<PathBuf>,
    temporary: PathBuf,
}

impl Shared {
    fn of(find_home: fn(u32) -> Option<PathBuf>) -> Self {
        let mut shared = Self {
            find_home,
            users: Vec::new(),
            homes: std::env::home_dir().map(real).into_iter().collect(),
            temporary: real(std::env::temp_dir()),
        };
        shared.add_home(getuid().as_raw());
        shared.add_home(nix::unistd::geteuid().as_raw());
        shared
    }

    /// Adds the home of a user. A system user's home may be the root folder, which counts anyway.
    fn add_home(&mut self, user: u32) {
        if self.users.contains(&user) {
            return;
        }
        self.users.push(user);
        self.homes.extend((self.find_home)(user).map(real));
    }

    /// The home of this user or of the folder's owner, and every folder above it; a mount point; a
    /// folder that is writable for all; a folder whose metadata can't be read.
    fn holds(&mut self, folder: &Path) -> bool {
        let Ok(found) = fs::symlink_metadata(folder) else {
            return true;
        };
        self.add_home(found.uid());
        self.homes.iter().any(|home| home.starts_with(folder))
            || folder == self.temporary
            || found.permissions().mode() & 0o002 != 0
            || is_mount_point(folder, found.dev())
    }
}

fn real(path: PathBuf) -> PathBuf {
    path.canonicalize().unwrap_or(path)
}

/// Whether a folder with this device number is the root of a mount.
fn is_mount_point(folder: &Path, device: u64) -> bool {
    const MOUNT_ROOT: StatxAttributes = StatxAttributes::MOUNT_ROOT;
    let Some(parent) = folder.parent() else {
        return true;
    };
    match statx(CWD, folder, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty()) {
        Ok(found) if found.stx_attributes_mask.contains(MOUNT_ROOT) => {
            found.stx_attributes.contains(MOUNT_ROOT)
        }
        // Before Linux 5.8: misses what is mounted from the same file system.
        _ => fs::symlink_metadata(parent).map_or(true, |found| found.dev() != device),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of files, removed at the end.
    struct Tree(tempfile::TempDir);

    impl Tree {
        fn of(files: &[(&str, &str)]) -> Self {
            let tree = Self(tempfile::tempdir().unwrap());
            for (name, text) in files {
                let path = tree.0.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            tree
        }

        fn root(&self) -> PathBuf {
            self.0.path().canonicalize().unwrap()
        }

        /// What is granted for an addon, by names in this tree.
        fn granted(&self, addon: &str) -> Vec<String> {
            let root = self.root();
            let mut found: Vec<String> =
                package_among(&root.join(addon), &mut Shared::of(|_| None))
                    .iter()
                    .map(|path| {
                        path.strip_prefix(&root)
                            .unwrap()
                            .to_str()
                            .unwrap()
                            .to_owned()
                    })
                    .collect();
            found[1..].sort();
            found
        }
    }

    #[test]
    fn addon_beside_a_manifest_is_granted_alone() {
        let tree = Tree::of(&[
            ("home/package.json", "{}"),
            ("home/x.node", ""),
            ("home/libx.so.1", ""),
            ("home/.ssh/id", ""),
            ("home/notes", ""),
        ]);
        assert_eq!(
            tree.granted("home/x.node"),
            ["home/x.node", "home/libx.so.1"]
        );
    }

    #[test]
    fn addon_without_a_manifest_is_granted_alone() {
        let tree = Tree::of(&[("downloads/x.node", ""), ("downloads/letter", "")]);
        assert_eq!(tree.granted("downloads/x.node"), ["downloads/x.node"]);
    }

    #[test]
    fn of_a_package_that_is_not_installed_the_folder_below_it_is_granted() {
        let tree = Tree::of(&[
            ("work/package.json", r#"{"dependencies": {"other": "1"}}"#),
            ("work/.env", ""),
            ("work/node_modules/other/index.js", ""),
            ("work/build/Release/x.node", ""),
        ]);
        assert_eq!(tree.granted("work/build/Release/x.node"), ["work/build"]);
    }

    #[test]
    fn installed_package_is_granted_with_its_dependencies() {
        let manifest = r#"{
            "dependencies": {"near": "1", "missing": "1", "../../secret": "1", ".bin": "1"},
            "optionalDependencies": {"@img/libvips": "1", "linked": "1", "@img": "1", "/etc": "1"}
        }"#;
        let tree = Tree::of(&[
            ("secret/package.json", "{}"),
            ("node_modules/near/index.js", ""),
            ("node_modules/other/index.js", ""),
            ("node_modules/.bin/tool", ""),
            ("node_modules/@img/libvips/lib/libvips.so", ""),
            ("node_modules/@img/sharp/package.json", manifest),
            ("node_modules/@img/sharp/lib/package.json", "{}"),
            ("node_modules/@img/sharp/lib/x.node", ""),
        ]);
        let root = tree.root();
        std::os::unix::fs::symlink(root.join("secret"), root.join("node_modules/linked")).unwrap();
        assert_eq!(
            tree.granted("node_modules/@img/sharp/lib/x.node"),
            [
                "node_modules/@img/sharp",
                "node_modules/@img/libvips",
                "node_modules/near"
            ]
        );
    }

    #[test]
    fn addon_right_in_node_modules_is_granted_alone() {
        let tree = Tree::of(&[
            ("package.json", "{}"),
            ("node_modules/x.node", ""),
            ("node_modules/@scope/y.node", ""),
            ("node_modules/other/index.js", ""),
        ]);
        assert_eq!(tree.granted("node_modules/x.node"), ["node_modules/x.node"]);
        assert_eq!(
            tree.granted("node_modules/@scope/y.node"),
            ["node_modules/@scope/y.node"]
        );
    }

    #[test]
    fn what_anybody_may_write_to_is_not_granted() {
        let tree = Tree::of(&[("work/package.json", "{}"), ("work/open/inner/x.node", "")]);
        let open = tree.root().join("work/open");
        fs::set_permissions(open, fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(tree.granted("work/open/inner/x.node"), ["work/open/inner"]);
        assert_eq!(tree.granted("work/open/x.node"), ["work/open/x.node"]);
    }

    #[test]
    fn homes_are_those_of_the_database_of_users() {
        // Its owner is the user of this test.
        let mut shared = Shared::of(|user| (user == getuid().as_raw()).then(|| "/usr/lib".into()));
        for folder in ["/usr/lib", "/usr", "/"] {
            assert!(shared.holds(Path::new(folder)), "{folder}");
        }
        // The home of a folder's owner, here of root.
        let mut shared = Shared::of(|user| (user == 0).then(|| "/usr/lib".into()));
        assert!(shared.holds(Path::new("/usr/lib")));
        let mut shared = Shared::of(|_| None);
        shared.homes.clear();
        assert!(!shared.holds(Path::new("/usr/lib")));
        assert!(shared.holds(Path::new("/proc")), "a mount point");
        assert!(shared.holds(Path::new("/missing")));
    }

    #[test]
    fn this_user_has_a_home_in_the_database() {
        // Of a user that the database does not have, none is known.
        assert_eq!(home_of(u32::MAX - 7), None);
        assert!(home_of(0).is_some_and(|home| home.is_absolute()));
    }
}
