//! Makes the proxy of an object that a message contains.

use std::sync::Arc;

use hostd_protocol::value::HostKind;
use pyo3::prelude::*;

use super::{JSClass, JSFunction, JSObject, Promise, opaque};
use crate::addon::LoadedAddon;
use crate::adopt::adopt_provisionally;
use crate::buffer::Buffer;
use crate::errors;
use crate::generation::{HostGeneration, Token};
use crate::handle::Handle;

/// The proxy of an object that a message contains: the existing one, or a new one.
pub(crate) fn proxy<'py>(
    py: Python<'py>,
    addon: &Arc<LoadedAddon>,
    generation: &Arc<HostGeneration>,
    token: Token,
) -> PyResult<Bound<'py, PyAny>> {
    if let Some(known) = generation.proxy(py, token.id) {
        if let Some(handle) = handle_of(&known) {
            handle.count();
        }
        return Ok(known);
    }
    let handle = Handle::new(addon, generation, token.id, token.class, 1)?;
    let new = match token.kind {
        HostKind::Function => Bound::new(py, JSFunction::lent(handle))?.into_any(),
        HostKind::Class => Bound::new(py, JSClass::lent(handle))?.into_any(),
        HostKind::Object => Bound::new(py, JSObject::new(handle))?.into_any(),
        HostKind::Promise => Bound::new(py, Promise::new(handle))?.into_any(),
        HostKind::Symbol => Bound::new(py, opaque::Symbol { handle })?.into_any(),
        HostKind::External => Bound::new(py, opaque::External { handle })?.into_any(),
        HostKind::Error => return Err(errors::violation("a lent error without its message")),
    };
    generation.remember(token.id, &new)?;
    if let Ok(promise) = new.cast::<Promise>() {
        promise.get().stored(py);
        adopt_provisionally(addon, py)?;
    }
    Ok(new)
}

/// The handle behind a proxy; exported functions and classes have none.
fn handle_of<'a>(proxy: &'a Bound<'_, PyAny>) -> Option<&'a Handle> {
    if let Ok(object) = proxy.cast::<JSObject>() {
        return Some(&object.get().handle);
    }
    if let Ok(function) = proxy.cast::<JSFunction>() {
        return function.get().handle();
    }
    if let Ok(class) = proxy.cast::<JSClass>() {
        return class.get().handle();
    }
    if let Ok(promise) = proxy.cast::<Promise>() {
        return Some(&promise.get().handle);
    }
    if let Ok(symbol) = proxy.cast::<opaque::Symbol>() {
        return Some(&symbol.get().handle);
    }
    if let Ok(external) = proxy.cast::<opaque::External>() {
        return Some(&external.get().handle);
    }
    proxy.cast::<Buffer>().ok()?.get().handle.as_ref()
}
