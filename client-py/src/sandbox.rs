//! The sandbox policy that `napi_python/_sandbox.py` has resolved, and the report about it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use hostd_protocol::confinement::{Confinement, Mechanism, PolicyName};
use pyo3::prelude::*;

use crate::fallible;

/// The items of the dict that Python passes; sizes and paths were checked there.
#[derive(Debug, FromPyObject)]
#[pyo3(from_item_all)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub(crate) struct Sandbox {
    strict: bool,
    read: Vec<OsString>,
    write: Vec<OsString>,
    scratch: Option<OsString>,
    own_scratch: bool,
    network: bool,
    subprocess: bool,
    watch: bool,
    unix: bool,
    exec_memory: Option<bool>,
    memory: Option<u64>,
    cpu: Option<u64>,
    threads: Option<u64>,
    files: Option<u64>,
    file_size: Option<u64>,
    degrade: bool,
    diagnose: bool,
}

impl Sandbox {
    /// Whether the host gets a scratch folder, which is removed with it.
    pub(crate) fn own_scratch(&self) -> bool {
        self.own_scratch
    }

    /// The policy as it is sent to the host, which may also read these paths of the addon's package.
    pub(crate) fn into_confinement(mut self, package: &[PathBuf]) -> Confinement {
        let bytes = |paths: Vec<OsString>| paths.into_iter().map(OsStringExt::into_vec).collect();
        self.read.extend(package.iter().map(OsString::from));
        Confinement {
            policy: if self.strict {
                PolicyName::Strict
            } else {
                PolicyName::Default
            },
            read: bytes(self.read),
            write: bytes(self.write),
            scratch: self.scratch.map(OsStringExt::into_vec),
            scratch_is_temporary: self.own_scratch,
            network: self.network,
            subprocess: self.subprocess,
            watch: self.watch,
            unix: self.unix,
            exec_memory: self.exec_memory,
            memory: self.memory,
            cpu: self.cpu,
            threads: self.threads,
            files: self.files,
            file_size: self.file_size,
            client: std::process::id(),
            degrade: self.degrade,
            diagnose: self.diagnose,
        }
    }
}

/// A report as Python shows it.
pub(crate) fn report<'py>(
    py: Python<'py>,
    policy: &Py<PyAny>,
    package: &[PathBuf],
    applied: Vec<Mechanism>,
) -> PyResult<Bound<'py, PyAny>> {
    let entries: Vec<_> = applied.into_iter().map(entry).collect();
    fallible::import(py, "napi_python._sandbox", "report")?.call1((policy, package, entries))
}

/// Name, whether it is required, state, errno and detail.
pub(crate) fn entry(mechanism: Mechanism) -> (String, bool, &'static str, Option<i32>, String) {
    let state = mechanism.state.name();
    (
        mechanism.name,
        mechanism.required,
        state,
        mechanism.errno,
        mechanism.detail,
    )
}
