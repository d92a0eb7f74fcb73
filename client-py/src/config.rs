//! What `load_addon` was given: it does not change while the addon is loaded.

use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::ThreadId;
use std::time::Duration;

use hostd_protocol::limits::Limits;
use hostd_protocol::memory::SharedMemory;
use hostd_protocol::message::LoadRequest;
use pyo3::prelude::*;

/// What a host loads when it is started.
pub(crate) enum Loads {
    /// The addon of [`AddonConfig::path`].
    Addon,
    /// What `require(name)` finds in a folder.
    Module { name: String, folder: String },
    /// Nothing at first; modules are found from a folder.
    Nothing { folder: String },
}

/// The options of one loaded addon, as far as this crate uses them.
pub(crate) struct AddonConfig {
    /// The addon's name in messages and logs.
    pub(crate) label: Arc<str>,
    /// The file that stands for what is loaded: the addon, or the manifest of the package.
    pub(crate) path: PathBuf,
    /// The module that is loaded, and the folder from which it is found.
    pub(crate) loads: Loads,
    /// Whether instances of Python-defined classes are live for their public names.
    pub(crate) public: bool,
    pub(crate) limits: Limits,
    /// The `Opening`: what was opened, with its options, as Python knows it.
    pub(crate) opening: Py<PyAny>,
    /// Called with the addon before the first other call to a new host.
    pub(crate) on_start: Option<Py<PyAny>>,
    /// The timeout of each call.
    pub(crate) timeout: Option<Duration>,
    /// The timeout of a start, the load included.
    pub(crate) start_timeout: Duration,
    /// The advice of an error when the restart policy allows no further process.
    pub(crate) policy: String,
    /// Whether calls of other threads run while a callback waits.
    pub(crate) nested_threads: bool,
    /// The `Sandbox` of the hosts, or the name of its policy; None if they have none.
    pub(crate) sandbox: Option<Py<PyAny>>,
    /// The paths of the addon's own package, which a sandboxed host may read.
    pub(crate) package: Vec<PathBuf>,
    /// The thread on which the session runs, if that is the one that loads the addon.
    pub(crate) owner: Option<ThreadId>,
    /// The address space that the session shares, if it runs in this process.
    pub(crate) process_memory: Option<Arc<SharedMemory>>,
    /// Whether the hosts are recorded: then each call and callback has a frame.
    pub(crate) is_recorded: bool,
    /// Whether calls are measured for a profile, and whether all are.
    pub(crate) profile: Option<bool>,
    /// The share of one CPU that a host may take from this process by unsolicited messages.
    pub(crate) unsolicited_cpu: f64,
}

impl AddonConfig {
    /// What a host that was just started is asked to load.
    pub(crate) fn load_request(&self) -> LoadRequest {
        match &self.loads {
            Loads::Addon => LoadRequest::Addon {
                path: self.path.as_os_str().as_bytes().to_vec(),
            },
            Loads::Module { name, folder } => LoadRequest::Module {
                name: name.clone(),
                folder: folder.clone(),
            },
            Loads::Nothing { folder } => LoadRequest::Nothing {
                folder: folder.clone(),
            },
        }
    }
}
