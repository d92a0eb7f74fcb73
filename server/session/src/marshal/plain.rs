//! What crosses by value, and what an object is called that crosses by reference.
//!
//! By value: arrays without other properties, objects without a class, accessors, symbols or
//! functions, dates, maps, sets, buffers, errors. What something native hangs on, or what has a
//! class of its own, is an object with behaviour. Hidden data, which is not enumerable, stays behind;
//! a hidden function or accessor is behaviour.

use hostd_engine::{Content, DataProperties, JsResult, Keys, OwnData, Runtime, Value};
use hostd_protocol::ids::SlotId;
use hostd_protocol::value::HostKind;

use crate::tables::ObjectTables;

/// How an object crosses.
#[derive(Debug)]
pub(crate) enum Plain {
    /// By reference.
    No,
    /// An array of that length.
    Array(u32),
    /// A plain object: its enumerable properties.
    Data(DataProperties),
    /// A plain object that has integer keys or hidden symbols: its enumerable string keys and the
    /// values in their order.
    Object(Keys, Vec<Value>),
    Date(f64),
    /// A map: its keys and values in turns.
    Map(Vec<Value>),
    Set(Vec<Value>),
    Buffer,
    /// An error of this host.
    Error,
    /// An object of the client: goes back as itself.
    Remote(SlotId),
}

pub(super) fn classify(tables: &ObjectTables, value: &Value) -> JsResult<Plain> {
    let rt = tables.rt;
    if rt.is_function(value) {
        return Ok(tables.remote_slot(value).map_or(Plain::No, Plain::Remote));
    }
    if rt.is_array(value) {
        return array(tables, value);
    }
    if rt.is_proxy(value) {
        return Ok(Plain::No);
    }
    if rt.is_plain_object(value) {
        return object(tables, value);
    }
    if let Some(id) = tables.remote_slot(value) {
        return Ok(Plain::Remote(id));
    }
    if rt.is_error(value) {
        return Ok(Plain::Error);
    }
    if is_buffer(rt, value) {
        return Ok(Plain::Buffer);
    }
    if let Some(milliseconds) = rt.date_value(value) {
        return Ok(Plain::Date(milliseconds));
    }
    let intrinsics = &tables.intrinsics;
    let prototype = rt.prototype(value)?.identity();
    let is_map = rt.is_map(value) && prototype == intrinsics.map_prototype.identity();
    let is_set = rt.is_set(value) && prototype == intrinsics.set_prototype.identity();
    if !(is_map || is_set) || tables.host.is_pinned(value) || !has_only_hidden_data(rt, value)? {
        return Ok(Plain::No);
    }
    Ok(if is_map {
        Plain::Map(rt.map_items(value)?)
    } else {
        Plain::Set(rt.set_values(value)?)
    })
}

/// Whether the own properties of a map or a set are hidden data.
fn has_only_hidden_data(rt: Runtime, value: &Value) -> JsResult<bool> {
    for (key, enumerable) in rt.own_keys(value)?.iter_enumerable() {
        if enumerable || !rt.is_hidden_data(value, &key)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// An array crosses by value if it has elements and hidden data only.
fn array(tables: &ObjectTables, value: &Value) -> JsResult<Plain> {
    let rt = tables.rt;
    let plain = !tables.host.is_pinned(value) && rt.is_plain_array(value)?;
    let length = rt.array_length(value).filter(|_| plain);
    Ok(length.map_or(Plain::No, Plain::Array))
}

/// An object crosses by value if all of it is data. One that has hidden data only would arrive empty,
/// and crosses by reference.
fn object(tables: &ObjectTables, value: &Value) -> JsResult<Plain> {
    let rt = tables.rt;
    if tables.host.is_pinned(value) {
        return Ok(Plain::No);
    }
    match rt.own_data(value)? {
        OwnData::Listed(properties) => return Ok(Plain::Data(properties)),
        OwnData::Behaviour => return Ok(Plain::No),
        OwnData::Unknown => {}
    }
    let mut keys = rt.own_keys(value)?;
    let mut has_hidden = false;
    let mut values = Vec::new();
    rt.reserve(&mut values, keys.len())?;
    for key in keys.iter() {
        let Some(property) = rt.own_property(value, &key)? else {
            return Ok(Plain::No);
        };
        let Content::Value(item) = property.content else {
            return Ok(Plain::No);
        };
        if rt.is_function(&item) {
            return Ok(Plain::No);
        }
        if !property.attributes.enumerable {
            has_hidden = true;
            continue;
        }
        if rt.key_is_symbol(&key) {
            return Ok(Plain::No);
        }
        values.push(item);
    }
    if has_hidden {
        if values.is_empty() {
            return Ok(Plain::No);
        }
        keys = rt.own_enumerable_keys(value)?;
    }
    Ok(Plain::Object(keys, values))
}

pub(super) fn is_hole(rt: Runtime, array: &Value, place: u32) -> JsResult<bool> {
    let key = rt.key_index(place)?;
    Ok(!rt.has_own(array, &key)?)
}

pub(super) fn is_buffer(rt: Runtime, value: &Value) -> bool {
    rt.is_typed_array(value)
        || rt.is_array_buffer(value)
        || rt.is_data_view(value)
        || rt.is_shared_array_buffer(value)
}

/// What an object is called that crosses by reference, and its class.
pub(crate) fn nature(tables: &ObjectTables, value: &Value) -> (HostKind, u32) {
    let rt = tables.rt;
    if value.is_symbol() {
        return (HostKind::Symbol, 0);
    }
    if rt.is_function(value) {
        return function_nature(tables, value);
    }
    if rt.is_promise(value) {
        return (HostKind::Promise, 0);
    }
    if rt.is_external(value) {
        return (HostKind::External, 0);
    }
    let class = match rt.prototype_no_trap(value) {
        Ok(prototype) if has_class(rt, &prototype) => tables.class_id(&prototype),
        _ => 0,
    };
    (HostKind::Object, class)
}

fn has_class(rt: Runtime, prototype: &Value) -> bool {
    prototype.is_object() && prototype.identity() != rt.object_prototype().identity()
}

/// A function is a class if Node-API or the keyword `class` made it one; built-in constructors,
/// too, have a `prototype` that cannot be replaced.
fn function_nature(tables: &ObjectTables, value: &Value) -> (HostKind, u32) {
    match class_prototype(tables, value) {
        Some(prototype) => (HostKind::Class, tables.class_id(&prototype)),
        None => (HostKind::Function, 0),
    }
}

/// The `prototype` of a class; nothing for a function that is none.
pub(crate) fn class_prototype(tables: &ObjectTables, value: &Value) -> Option<Value> {
    let rt = tables.rt;
    if rt.is_proxy(value) || !rt.is_function(value) {
        return None;
    }
    let native = rt.native_function(value);
    if native.is_some_and(|function| function.brand.is_none()) {
        return None;
    }
    let key = &tables.intrinsics.prototype;
    let property = rt.own_property(value, key).ok()??;
    if native.is_none() && property.attributes.writable {
        return None;
    }
    match property.content {
        Content::Value(prototype) if prototype.is_object() => Some(prototype),
        _ => None,
    }
}
