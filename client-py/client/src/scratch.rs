//! A folder of a host's own, for what its addon leaves behind: made before it, gone after it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use tempfile::{Builder, TempDir};

use crate::error::SpawnError;

/// What points programs to the folder in which they may leave things.
const VARIABLES: [&str; 4] = ["HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"];

/// A folder that only this user may enter.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: TempDir,
}

impl Scratch {
    pub(crate) fn create() -> Result<Self, SpawnError> {
        let folder = Builder::new()
            .prefix("napi-hostd-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .map_err(|source| SpawnError::System {
                what: "no folder for what its addon leaves behind",
                source,
            })?;
        Ok(Self { folder })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes it home, but for what the command's environment says already.
    pub(crate) fn is_home_of(&self, command: &mut Command) {
        for name in VARIABLES {
            if !command.get_envs().any(|(given, _)| given == name) {
                command.env(name, self.path());
            }
        }
    }

    /// Removes it with all that is in it. What an addon has made to be hard to remove stays.
    pub(crate) async fn remove(self) {
        // Without a thread for it, it goes here.
        let _ = tokio::task::spawn_blocking(move || self.folder.close()).await;
    }
}
