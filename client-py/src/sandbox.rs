//! Reads the options of a `Sandbox` (`napi_python/_sandbox.py`) for a host, and makes the report about
//! what was applied.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use hostd_protocol::confinement::{Confinement, Mechanism, PolicyName};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::call::call;
use crate::fallible;

/// The policy as it is sent to the host, which may also read these paths of the addon's package.
/// `confined` is the name of a policy, or a `Sandbox`, which has checked its options.
pub(crate) fn confinement(
    confined: &Bound<'_, PyAny>,
    package: &[PathBuf],
) -> PyResult<Confinement> {
    let bytes = |paths: Vec<OsString>| paths.into_iter().map(OsStringExt::into_vec).collect();
    if let Ok(name) = confined.cast::<PyString>() {
        let package = package.iter().map(OsString::from).collect();
        return Ok(Confinement {
            read: bytes(package),
            ..Confinement::named(policy_name(name)?)
        });
    }
    let get = |name: &str| confined.getattr(name);
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
        policy: policy_name(&get("policy")?)?,
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

fn policy_name(name: &Bound<'_, PyAny>) -> PyResult<PolicyName> {
    Ok(if name.eq("strict")? {
        PolicyName::Strict
    } else {
        PolicyName::Default
    })
}

/// The `Sandbox` of what may be the name of a policy. Its module is imported for that.
pub(crate) fn options<'py>(py: Python<'py>, confined: &Py<PyAny>) -> PyResult<Bound<'py, PyAny>> {
    call(
        &fallible::import(py, "napi_python._sandbox", "options_of")?,
        (confined,),
    )
}

/// A report as Python shows it.
pub(crate) fn report<'py>(
    py: Python<'py>,
    confined: Option<&Py<PyAny>>,
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
    let options = confined.map(|confined| options(py, confined)).transpose()?;
    fallible::import(py, "napi_python._sandbox", "report")?.call1((options, package, entries))
}
