//! Reads the options of a `Sandbox` (`napi_python/_sandbox.py`) for a host, and makes the report about
//! what was applied.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use hostd_protocol::confinement::{Confinement, Mechanism, PolicyName};
use pyo3::prelude::*;

use crate::fallible;

/// The policy as it is sent to the host, which may also read these paths of the addon's package.
/// `options` is a `Sandbox`, which has checked its options.
pub(crate) fn confinement(
    options: &Bound<'_, PyAny>,
    package: &[PathBuf],
) -> PyResult<Confinement> {
    let get = |name: &str| options.getattr(name);
    let bytes = |paths: Vec<OsString>| paths.into_iter().map(OsStringExt::into_vec).collect();
    let mut read: Vec<OsString> = get("read")?.extract()?;
    read.extend(package.iter().map(OsString::from));
    let mut write: Vec<OsString> = get("write")?.extract()?;
    let sockets: Option<Vec<OsString>> = get("unix")?.extract()?;
    let unix = sockets.is_some();
    write.extend(sockets.into_iter().flatten());
    let scratch: Option<OsString> = get("scratch")?.extract()?;
    let scratch_is_temporary = scratch.as_ref().is_some_and(|scratch| scratch == "auto");
    let scratch = scratch.filter(|_| !scratch_is_temporary);
    Ok(Confinement {
        policy: if get("policy")?.eq("strict")? {
            PolicyName::Strict
        } else {
            PolicyName::Default
        },
        read: bytes(read),
        write: bytes(write),
        scratch: scratch.map(OsStringExt::into_vec),
        scratch_is_temporary,
        network: get("network")?.extract()?,
        subprocess: get("subprocess")?.extract()?,
        watch: get("watch")?.extract()?,
        unix,
        exec_memory: get("exec_memory")?.extract()?,
        memory: get("memory")?.extract()?,
        cpu: get("cpu")?.extract()?,
        threads: get("threads")?.extract()?,
        files: get("files")?.extract()?,
        file_size: get("file_size")?.extract()?,
        client: std::process::id(),
        degrade: get("degrade")?.eq("allow")?,
        diagnose: get("diagnose")?.extract()?,
    })
}

/// A report as Python shows it.
pub(crate) fn report<'py>(
    py: Python<'py>,
    policy: &Py<PyAny>,
    package: &[PathBuf],
    applied: Vec<Mechanism>,
) -> PyResult<Bound<'py, PyAny>> {
    let entry = |mechanism: Mechanism| {
        let state = mechanism.state.name();
        let Mechanism {
            name,
            required,
            errno,
            detail,
            ..
        } = mechanism;
        (name, required, state, errno, detail)
    };
    let entries: Vec<_> = applied.into_iter().map(entry).collect();
    fallible::import(py, "napi_python._sandbox", "report")?.call1((policy, package, entries))
}
