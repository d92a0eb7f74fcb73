//! Captures the original built-ins of a new engine.

use crate::error::ErrorConstructor;
use crate::intrinsics::{Intrinsics, KnownKeys};
use crate::state::EngineError;
use crate::{Content, Runtime, Value};

type Captured<T> = Result<T, EngineError>;

fn member(rt: Runtime, object: &Value, name: &'static str) -> Captured<Value> {
    let missing = |_| EngineError::Missing(name);
    let key = rt.key_utf8(name.as_bytes()).map_err(missing)?;
    let value = rt.get(object, &key).map_err(missing)?;
    if value.is_undefined() {
        Err(EngineError::Missing(name))
    } else {
        Ok(value)
    }
}

fn getter(rt: Runtime, object: &Value, name: &'static str) -> Captured<Value> {
    let missing = |_| EngineError::Missing(name);
    let key = rt.key_utf8(name.as_bytes()).map_err(missing)?;
    match rt
        .own_property(object, &key)
        .map_err(missing)?
        .map(|property| property.content)
    {
        Some(Content::Accessor {
            getter: Some(getter),
            ..
        }) => Ok(getter),
        _ => Err(EngineError::Missing(name)),
    }
}

impl KnownKeys {
    fn new(rt: Runtime, symbol: &Value) -> Captured<KnownKeys> {
        let key = |name: &'static str| {
            rt.key_utf8(name.as_bytes())
                .map_err(|_| EngineError::Missing(name))
        };
        Ok(KnownKeys {
            length: key("length")?,
            name: key("name")?,
            message: key("message")?,
            prototype: key("prototype")?,
            constructor: key("constructor")?,
            then: key("then")?,
            to_json: key("toJSON")?,
            has_instance: rt
                .key_value(&member(rt, symbol, "hasInstance")?)
                .map_err(|_| EngineError::Missing("hasInstance"))?,
        })
    }
}

impl Intrinsics {
    pub(crate) fn capture(rt: Runtime) -> Captured<Intrinsics> {
        let global = rt.global();
        let prototype_of = |class: &Value, name| member(rt, &member(rt, class, "prototype")?, name);
        let mut errors = [const { Value::UNDEFINED }; 8];
        for (slot, name) in errors.iter_mut().zip(ErrorConstructor::NAMES) {
            *slot = member(rt, &global, name)?;
        }
        let type_error_prototype = member(
            rt,
            &errors[ErrorConstructor::TypeError as usize],
            "prototype",
        )?;
        let weak_map = member(rt, &global, "WeakMap")?;
        let symbol = member(rt, &global, "Symbol")?;
        let bigint = member(rt, &global, "BigInt")?;
        let map = member(rt, &global, "Map")?;
        let set = member(rt, &global, "Set")?;
        let data_view = member(rt, &global, "DataView")?;
        let data_view_prototype = member(rt, &data_view, "prototype")?;
        let construct = |class: &Value, args: &[Value], name| {
            rt.construct_native(class, args)
                .map_err(|_| EngineError::Missing(name))
        };
        let uint8_prototype = member(rt, &member(rt, &global, "Uint8Array")?, "prototype")?;
        let typed_array_prototype = rt
            .prototype(&uint8_prototype)
            .map_err(|_| EngineError::Missing("%TypedArray%"))?;
        let plain = rt.object().map_err(|_| EngineError::OutOfMemory)?;
        let object_class = plain.class_id();
        let proxy = construct(
            &member(rt, &global, "Proxy")?,
            &[plain.clone(), plain],
            "Proxy",
        )?;
        let array = rt.array().map_err(|_| EngineError::OutOfMemory)?;
        let shared_array_buffer = member(rt, &global, "SharedArrayBuffer")?;
        let shared_prototype = member(rt, &shared_array_buffer, "prototype")?;
        let array_buffer = member(rt, &global, "ArrayBuffer")?;
        let array_buffer_prototype = member(rt, &array_buffer, "prototype")?;
        let shared = construct(&shared_array_buffer, &[Value::from(0)], "SharedArrayBuffer")?;
        let function = member(rt, &global, "Function")?;
        let function_prototype = member(rt, &function, "prototype")?;
        let bind = member(rt, &function_prototype, "bind")?;
        let bound = rt
            .call_native(&bind, &function, &[])
            .map_err(|_| EngineError::Missing("bind"))?;
        let dom_exception = member(rt, &global, "DOMException")?;
        let dom_exception = construct(&dom_exception, &[], "DOMException")?;
        let keys = KnownKeys::new(rt, &symbol)?;
        let has_instance = rt
            .get(&function_prototype, &keys.has_instance)
            .map_err(|_| EngineError::Missing("hasInstance"))?;
        Ok(Intrinsics {
            type_error_prototype,
            errors,
            object_prototype: member(rt, &member(rt, &global, "Object")?, "prototype")?,
            array_prototype: member(rt, &member(rt, &global, "Array")?, "prototype")?,
            weak_map_set: prototype_of(&weak_map, "set")?,
            weak_map,
            reflect_set: member(rt, &member(rt, &global, "Reflect")?, "set")?,
            symbol_for: member(rt, &symbol, "for")?,
            symbol_key_for: member(rt, &symbol, "keyFor")?,
            symbol_description: getter(rt, &member(rt, &symbol, "prototype")?, "description")?,
            symbol,
            bigint_to_string: prototype_of(&bigint, "toString")?,
            bigint,
            date_get_time: prototype_of(&member(rt, &global, "Date")?, "getTime")?,
            map_set: prototype_of(&map, "set")?,
            map_for_each: prototype_of(&map, "forEach")?,
            map,
            set_add: prototype_of(&set, "add")?,
            set_for_each: prototype_of(&set, "forEach")?,
            set,
            data_view_buffer: getter(rt, &data_view_prototype, "buffer")?,
            data_view_offset: getter(rt, &data_view_prototype, "byteOffset")?,
            data_view_length: getter(rt, &data_view_prototype, "byteLength")?,
            data_view,
            typed_array_length: getter(rt, &typed_array_prototype, "byteLength")?,
            typed_array_buffer: getter(rt, &typed_array_prototype, "buffer")?,
            typed_array_offset: getter(rt, &typed_array_prototype, "byteOffset")?,
            function_prototype,
            function,
            has_instance,
            bound_class: bound.class_id(),
            dom_exception_class: dom_exception.class_id(),
            eval: member(rt, &global, "eval")?,
            proxy_class: proxy.class_id(),
            object_class,
            array_class: array.class_id(),
            shared_array_buffer_class: shared.class_id(),
            shared_array_buffer,
            shared_array_buffer_growable: getter(rt, &shared_prototype, "growable")?,
            array_buffer_resizable: getter(rt, &array_buffer_prototype, "resizable")?,
            empty_string: rt.string_utf8(b"").map_err(|_| EngineError::OutOfMemory)?,
            keys,
        })
    }
}
