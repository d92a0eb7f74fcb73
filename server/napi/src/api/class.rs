//! Classes, and native data behind objects.

use std::ffi::{c_int, c_void};

use hostd_engine::{
    Attributes, Content, Descriptor, FunctionSpec, JsResult, Property, SlotData, Value,
};

use super::property::{define, descriptor_key};
use crate::abi::callback::{Callback, Finalize};
use crate::abi::checked::{self, Data, Descriptors, Handle, OptOut, Out};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::{napi_ref, napi_value};
use crate::env::Cx;
use crate::env::finalizer::{Call, Finalizer, Owner};

/// `napi_static`.
const STATIC: c_int = 1 << 10;

/// Makes a class: a constructor, static properties on it, the others on its prototype.
///
/// Methods of the prototype demand a receiver that this constructor (or one of a subclass) made;
/// accessors and static methods do not.
///
/// <https://nodejs.org/api/n-api.html#napi_define_class>
pub(crate) fn napi_define_class(
    cx: &Cx,
    name: &[u8],
    constructor: Callback,
    data: Data,
    properties: Descriptors<'_>,
    result: Out<napi_value>,
) -> NapiResult {
    let rt = cx.rt();
    super::string::fits(name.len())?;
    let name = cx.js(rt.string_utf8(name))?;
    let brand = rt.new_brand();
    let (class, prototype) = cx.js(rt.class(cx.spec(constructor, data).name(&name), brand))?;
    let is_static = |property: &checked::Descriptor<'_>| property.attributes & STATIC != 0;
    for property in properties.iter().filter(|property| !is_static(property)) {
        let method = method_of(cx, &property, |spec| spec.receiver(brand))?;
        define(cx, &prototype, &property, method)?;
    }
    cx.js(put_constructor_last(cx, &class, &prototype))?;
    // Where a static property fails, the class is there, as in Node.
    result.set(cx.push(class.clone()))?;
    for property in properties.iter().filter(is_static) {
        define(cx, &class, &property, None)?;
    }
    Ok(())
}

/// Lists `constructor` behind the class's own properties, as Node does, unless one of these is it.
fn put_constructor_last(cx: &Cx, class: &Value, prototype: &Value) -> JsResult<()> {
    let rt = cx.rt();
    let key = rt.key_utf8(b"constructor")?;
    let Some(Property {
        content: Content::Value(found),
        attributes,
    }) = rt.own_property(prototype, &key)?
    else {
        return Ok(());
    };
    if attributes == Attributes::HIDDEN && found.identity() == class.identity() {
        rt.delete(prototype, &key)?;
        rt.define(prototype, &key, Descriptor::Value(class, attributes))?;
    }
    Ok(())
}

/// The function of a prototype method, named after its property.
fn method_of<'a>(
    cx: &Cx,
    property: &checked::Descriptor<'_>,
    demand: impl FnOnce(FunctionSpec<'a>) -> FunctionSpec<'a>,
) -> NapiResult<Option<Value>> {
    let Some(callback) = property.method else {
        return Ok(None);
    };
    let key = descriptor_key(cx, property)?;
    let name = cx.js(cx.rt().key_to_value(&key))?;
    let spec = demand(cx.spec(callback, property.data));
    let name = name.is_string().then_some(&name);
    cx.js(cx.rt().function(FunctionSpec { name, ..spec }))
        .map(Some)
}

/// Puts a native pointer behind an object, once.
///
/// <https://nodejs.org/api/n-api.html#napi_wrap>
pub(crate) fn napi_wrap(
    cx: &Cx,
    object: Handle,
    native: Data,
    finalize: Option<Finalize>,
    hint: Data,
    result: OptOut<napi_ref>,
) -> NapiResult {
    let object = object_of(cx, object)?;
    if result.wanted() && finalize.is_none() {
        return Err(Status::InvalidArg);
    }
    let slot = cx.rt().slot(&object).unwrap_or_default();
    if slot.wrap.is_some() {
        return Err(Status::InvalidArg);
    }
    let finalizer = Finalizer::new(cx.env, Owner::Wrap, Call::from(finalize), native, hint);
    let id = cx.attach(&object, finalizer)?;
    cx.js(cx.rt().set_slot(
        &object,
        SlotData {
            wrap: Some(id as u64),
            ..slot
        },
    ))?;
    if result.wanted() {
        let reference = cx.new_reference(object, 0, Some(id))?;
        result.set(reference)?;
    }
    Ok(())
}

/// The native pointer behind an object.
///
/// <https://nodejs.org/api/n-api.html#napi_unwrap>
pub(crate) fn napi_unwrap(cx: &Cx, object: Handle, result: Out<*mut c_void>) -> NapiResult {
    let (_, id) = wrap_of(cx, object)?;
    let finalizers = cx.host.finalizers.borrow();
    let wrap = finalizers.get(id).ok_or(Status::InvalidArg)?;
    result.set(wrap.data.0)
}

/// Takes the native pointer from behind an object; its finalizer will not run.
///
/// <https://nodejs.org/api/n-api.html#napi_remove_wrap>
pub(crate) fn napi_remove_wrap(cx: &Cx, object: Handle, result: OptOut<*mut c_void>) -> NapiResult {
    let (object, id) = wrap_of(cx, object)?;
    let slot = cx.rt().slot(&object).unwrap_or_default();
    cx.js(cx.rt().set_slot(&object, SlotData { wrap: None, ..slot }))?;
    let wrap = cx.detach(id).ok_or(Status::InvalidArg)?;
    result.set(wrap.data.0)
}

/// An object and the id of its wrap.
fn wrap_of(cx: &Cx, object: Handle) -> NapiResult<(Value, usize)> {
    let object = object_of(cx, object)?;
    let wrap = cx
        .rt()
        .slot(&object)
        .and_then(|slot| slot.wrap)
        .ok_or(Status::InvalidArg)?;
    Ok((
        object,
        usize::try_from(wrap).map_err(|_| Status::InvalidArg)?,
    ))
}

fn object_of(cx: &Cx, object: Handle) -> NapiResult<Value> {
    let object = cx.value(object)?;
    if object.is_object() {
        Ok(object)
    } else {
        Err(Status::InvalidArg)
    }
}
