//! Makes the proxy of an object that a message contains.

use std::sync::{Arc, OnceLock};

use hostd_protocol::ids::SlotId;
use hostd_protocol::value::HostKind;
use pyo3::prelude::*;

use super::{
    Addon, JSClass, JSFunction, JSIterator, JSObject, Promise, Reference, class, function, opaque,
};
use crate::addon::LoadedAddon;
use crate::adopt::adopt_provisionally;
use crate::buffer::Buffer;
use crate::errors;
use crate::generation::HostGeneration;
use crate::handle::Handle;

/// The proxy of an object that a message contains: the existing one, or a new one.
pub(crate) fn proxy<'py>(
    py: Python<'py>,
    addon: &Arc<LoadedAddon>,
    generation: &Arc<HostGeneration>,
    (id, kind, class_id): (SlotId, HostKind, u32),
) -> PyResult<Bound<'py, PyAny>> {
    if let Some(known) = generation.proxy(py, id) {
        // Exported functions and classes have no handle.
        if let Some(Reference::Lent(handle)) = reference_of(&known)? {
            handle.count_in(generation);
        }
        return Ok(known);
    }
    let handle = Handle::new(addon, generation, id, class_id, 1)?;
    let new = match kind {
        HostKind::Function => {
            let target = function::Target::Lent(handle);
            Bound::new(py, JSFunction { target })?.into_any()
        }
        HostKind::Class => Bound::new(py, JSClass::new(class::Target::Lent(handle)))?.into_any(),
        HostKind::Object => {
            let class = OnceLock::new();
            Bound::new(py, JSObject { handle, class })?.into_any()
        }
        HostKind::Promise => Bound::new(py, Promise::new(handle))?.into_any(),
        HostKind::Symbol => Bound::new(py, opaque::Symbol { handle })?.into_any(),
        HostKind::External => Bound::new(py, opaque::External { handle })?.into_any(),
        HostKind::Error => return Err(errors::violation("a lent error without its message")),
    };
    generation.remember(id, &new)?;
    if let Ok(promise) = new.cast::<Promise>() {
        Promise::stored(promise);
        adopt_provisionally(addon, py)?;
    }
    Ok(new)
}

/// The object of the host behind a proxy; None for other values and for buffers without one.
pub(crate) fn reference_of<'a>(value: &'a Bound<'_, PyAny>) -> PyResult<Option<Reference<'a>>> {
    let handle = if let Ok(object) = value.cast_exact::<JSObject>() {
        &object.get().handle
    } else if let Ok(function) = value.cast_exact::<JSFunction>() {
        return function.get().reference(value.py()).map(Some);
    } else if let Ok(class) = value.cast_exact::<JSClass>() {
        return Ok(Some(class.get().reference()));
    } else if let Ok(buffer) = value.cast_exact::<Buffer>() {
        return Ok(buffer.get().handle.as_ref().map(Reference::Lent));
    } else if let Ok(promise) = value.cast_exact::<Promise>() {
        &promise.get().handle
    } else if let Ok(symbol) = value.cast_exact::<opaque::Symbol>() {
        &symbol.get().handle
    } else if let Ok(external) = value.cast_exact::<opaque::External>() {
        &external.get().handle
    } else if let Ok(iterator) = value.cast_exact::<JSIterator>() {
        &iterator.get().object.get().handle
    } else if let Ok(addon) = value.cast::<Addon>() {
        return Ok(Some(Reference::Exports(&addon.get().addon)));
    } else {
        return Ok(None);
    };
    Ok(Some(Reference::Lent(handle)))
}
