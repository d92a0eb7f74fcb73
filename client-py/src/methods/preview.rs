//! The first own properties of an object, for its `repr`. No getter and no trap of a proxy runs, no host
//! is started, and a host that is busy is waited for a tenth of a second at most.

use std::cell::Cell;
use std::thread;
use std::time::Duration;

use hostd_protocol::calls;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::call::call;
use crate::deadline::Deadline;
use crate::exchange::{Request, suspended};
use crate::fallible;
use crate::proxy::{JSObject, reference_of};

/// Returns the name of the class and the properties.
const SOURCE: &str = include_str!("preview.js");
/// The first preview of a host takes some milliseconds, that of a million properties longer.
const PREVIEW_MAX: Duration = Duration::from_secs(1);
/// How often a host that is busy is asked, and how long this thread sleeps in between. On a busy
/// machine a host may need some time after its last reply.
const ATTEMPTS_MAX: u32 = 50;
const RETRY_AFTER: Duration = Duration::from_millis(2);

/// The text, None where there is no answer.
pub(super) fn of(object: &Bound<'_, JSObject>) -> PyResult<Option<String>> {
    let py = object.py();
    for _ in 0..ATTEMPTS_MAX {
        let declined = Cell::new(false);
        match request(object, &declined) {
            Ok(preview) => return Ok(preview),
            Err(_) if declined.get() => py.detach(|| thread::sleep(RETRY_AFTER)),
            Err(error) if error.is_instance_of::<PyException>(py) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn request(object: &Bound<'_, JSObject>, declined: &Cell<bool>) -> PyResult<Option<String>> {
    let (py, handle) = (object.py(), &object.get().handle);
    let (addon, generation) = (&handle.addon, &handle.generation);
    if !addon.is_current(generation) || generation.is_dead() {
        return Ok(None);
    }
    // The host of a callback that runs in this thread waits for it.
    let waits = suspended::generation(addon).is_some();
    let request = Request {
        declined: (!waits).then_some(declined),
        deadline: Deadline::after(PREVIEW_MAX),
        ..Request::to(Some(generation))
    };
    let source = fallible::string(py, SOURCE)?;
    let function = addon.request(py, calls::RunScript, request, &(source.as_any(),))?;
    let Some(function) = reference_of(&function)? else {
        return Ok(None);
    };
    let arguments = (
        &fallible::tuple_of(py, [object.clone().into_any()])?,
        None::<&Bound<'_, PyDict>>,
    );
    let this = None::<crate::proxy::Reference<'_>>;
    let found = addon.request(py, calls::Call, request, &(function, this, arguments))?;
    let text = call(
        &fallible::import(py, "napi_python._preview", "text")?,
        (found,),
    )?;
    Ok(Some(text.extract()?))
}
