//! Classes, and native data behind objects.

use std::collections::HashMap;
use std::ffi::{c_int, c_void};

use hostd_engine::{Attributes, Brand, Descriptor, FunctionSpec, Key, SlotData, Value};

use super::property::{attributes_of, define, descriptor_key};
use crate::abi::callback::{Callback, Finalize};
use crate::abi::checked::{self, Data, Descriptors, Handle, OptOut, Out};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::{napi_ref, napi_value};
use crate::env::Cx;
use crate::env::finalizer::Owner;

/// `napi_static`.
const STATIC: c_int = 1 << 10;
/// V8 keeps elements without attributes in an array while no gap between them is longer.
const ELEMENT_GAP_MAX: u32 = 1024;

/// Makes a class: a constructor, static properties on it, the others on its prototype.
///
/// Methods of the prototype demand a receiver that this constructor (or one of a subclass) made;
/// accessors and static methods do not. The message of the last-error record names a property that
/// cannot be defined.
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
    let class_name = cx.js(rt.string_utf8(name))?;
    let brand = rt.new_brand();
    let spec = cx.spec(constructor, data).name(&class_name);
    let (class, prototype) = cx.js(rt.class(spec, brand))?;
    let constructor = cx.js(rt.key_utf8(b"constructor"))?;
    // It is listed behind the members, unless one of them has this name.
    cx.js(rt.delete(&prototype, &constructor))?;
    let members = Members::of(cx, name, properties)?;
    for (key, property) in &members.list {
        let method = method_of(cx, key, property, brand)?;
        define(cx, &prototype, key, property, method)
            .map_err(|status| explain(cx, status, name, property, Some(key)))?;
    }
    if !members.positions.contains_key(&constructor) {
        let link = Descriptor::Value(&class, Attributes::HIDDEN);
        cx.js(rt.define(&prototype, &constructor, link))?;
    }
    // Where a static property fails, the class is there, as in Node.
    result.set(cx.push(class.clone()))?;
    for property in properties.iter().filter(is_static) {
        let key = member_key(cx, name, &property)?;
        define(cx, &class, &key, &property, None)
            .map_err(|status| explain(cx, status, name, &property, Some(&key)))?;
    }
    Ok(())
}

fn is_static(property: &checked::Descriptor<'_>) -> bool {
    property.attributes & STATIC != 0
}

fn is_accessor(property: &checked::Descriptor<'_>) -> bool {
    property.getter.is_some() || property.setter.is_some()
}

fn member_key(cx: &Cx, class: &[u8], property: &checked::Descriptor<'_>) -> NapiResult<Key> {
    descriptor_key(cx, property).map_err(|status| explain(cx, status, class, property, None))
}

/// The properties of a prototype, each key once, in the order in which the keys appear first.
///
/// Node puts them on a template of V8's, which has rules of its own where a key comes twice: an
/// accessor replaces what is there, and a method or value does not.
struct Members<'a> {
    list: Vec<(Key, checked::Descriptor<'a>)>,
    positions: HashMap<Key, usize>,
}

impl<'a> Members<'a> {
    fn of(cx: &Cx, class: &[u8], properties: Descriptors<'a>) -> NapiResult<Self> {
        let mut members = Self {
            list: Vec::new(),
            positions: HashMap::new(),
        };
        for property in properties.iter().filter(|property| !is_static(property)) {
            members.add(cx, member_key(cx, class, &property)?, property)?;
        }
        Ok(members)
    }

    fn add(&mut self, cx: &Cx, key: Key, property: checked::Descriptor<'a>) -> NapiResult {
        let first = self.positions.get(&key).copied();
        match first.and_then(|position| self.list.get_mut(position)) {
            None => {
                let room = self.positions.try_reserve(1);
                cx.js(room.map_err(|_| cx.rt().out_of_memory()))?;
                self.positions.insert(key.clone(), self.list.len());
                cx.js(cx.rt().push(&mut self.list, (key, property)))?;
            }
            Some((key, first)) if replaces(key, first, &property) => *first = property,
            Some(_) => {}
        }
        Ok(())
    }
}

/// Returns whether a template of V8's takes the second of two properties with one key.
fn replaces(key: &Key, first: &checked::Descriptor<'_>, second: &checked::Descriptor<'_>) -> bool {
    let plain = |property| !is_accessor(property) && attributes_of(property) == Attributes::ALL;
    is_accessor(second)
        || (plain(first)
            && plain(second)
            && key
                .as_element()
                .is_some_and(|index| index < ELEMENT_GAP_MAX))
}

/// The function of a prototype method, named after its property, which demands an instance.
fn method_of(
    cx: &Cx,
    key: &Key,
    property: &checked::Descriptor<'_>,
    brand: Brand,
) -> NapiResult<Option<Value>> {
    let Some(callback) = property.method.filter(|_| !is_accessor(property)) else {
        return Ok(None);
    };
    let name = cx.js(cx.rt().key_to_value(key))?;
    let spec = cx.spec(callback, property.data).receiver(brand);
    let name = name.is_string().then_some(&name);
    cx.js(cx.rt().function(FunctionSpec { name, ..spec }))
        .map(Some)
}

/// Names the property that cannot be defined, and its class, in the message of the last-error
/// record.
#[cold]
fn explain(
    cx: &Cx,
    status: Status,
    class: &[u8],
    property: &checked::Descriptor<'_>,
    key: Option<&Key>,
) -> Status {
    if status == Status::PendingException {
        return status;
    }
    let kind = if is_static(property) {
        "static property"
    } else {
        "property"
    };
    let class = quoted(&String::from_utf8_lossy(class));
    let Some(key) = key else {
        return cx.explained(status, &format!("{kind} of class {class}: it has no name"));
    };
    let key = cx.rt().key_text(key);
    let key = quoted(key.as_deref().unwrap_or_default());
    let is_alive = |value: Handle| cx.host.handles.borrow().value(value.0).is_some();
    let why = match (
        is_accessor(property) || property.method.is_some(),
        property.value,
    ) {
        (false, None) => "it has no method, getter, setter or value",
        (false, Some(value)) if !is_alive(value) => "its value is not a live handle",
        _ => "the class has one that is not configurable",
    };
    cx.explained(status, &format!("{kind} {key} of class {class}: {why}"))
}

/// A name in quotes, cut where it is long.
fn quoted(name: &str) -> String {
    const CHARACTERS_MAX: usize = 100;
    match name.char_indices().nth(CHARACTERS_MAX) {
        None => format!("{name:?}"),
        Some((end, _)) => format!("{:?}...", name.get(..end).unwrap_or_default()),
    }
}

/// Puts a native pointer behind an object, once.
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
    let id = cx.attach(&object, cx.finalizer(Owner::Wrap, finalize, native, hint))?;
    let wrap = Some(id as u64);
    cx.js(cx.rt().set_slot(&object, SlotData { wrap, ..slot }))?;
    cx.weak_reference(object, id, result)
}

/// The native pointer behind an object.
pub(crate) fn napi_unwrap(cx: &Cx, object: Handle, result: Out<*mut c_void>) -> NapiResult {
    let (_, id) = wrap_of(cx, object)?;
    let finalizers = cx.host.finalizers.borrow();
    let wrap = finalizers.get(id).ok_or(Status::InvalidArg)?;
    result.set(wrap.data.0)
}

/// Takes the native pointer from behind an object; its finalizer will not run.
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
    let wrap = cx.rt().slot(&object).and_then(|slot| slot.wrap);
    let id = wrap.and_then(|wrap| usize::try_from(wrap).ok());
    Ok((object, id.ok_or(Status::InvalidArg)?))
}

fn object_of(cx: &Cx, object: Handle) -> NapiResult<Value> {
    cx.value_if(object, Value::is_object, Status::InvalidArg)
}
