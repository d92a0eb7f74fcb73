//! Captures the original built-ins of a new engine.

use hostd_quickjs as q;

use crate::error::ErrorConstructor;
use crate::intrinsics::{Intrinsics, KnownKeys};
use crate::state::EngineError;
use crate::{Content, Key, Runtime, Value};

type Captured<T> = Result<T, EngineError>;

/// A new engine, read by paths from its global object such as `Map.prototype.set`.
struct Original {
    rt: Runtime,
    global: Value,
}

impl Original {
    fn key(&self, path: &'static str, name: &str) -> Captured<Key> {
        let key = self.rt.key_utf8(name.as_bytes());
        key.map_err(|_| EngineError::Missing(path))
    }

    fn at(&self, path: &'static str) -> Captured<Value> {
        let mut value = self.global.clone();
        for name in path.split('.') {
            let found = self.rt.get(&value, &self.key(path, name)?);
            value = found.map_err(|_| EngineError::Missing(path))?;
        }
        if value.is_undefined() {
            return Err(EngineError::Missing(path));
        }
        Ok(value)
    }

    fn getter(&self, object: &Value, name: &'static str) -> Captured<Value> {
        let property = self.rt.own_property(object, &self.key(name, name)?);
        match property.ok().flatten().map(|property| property.content) {
            Some(Content::Accessor {
                getter: Some(getter),
                ..
            }) => Ok(getter),
            _ => Err(EngineError::Missing(name)),
        }
    }

    /// The getters of a view's buffer, offset and length in bytes.
    fn view_getters(&self, prototype: &Value) -> Captured<[Value; 3]> {
        Ok([
            self.getter(prototype, "buffer")?,
            self.getter(prototype, "byteOffset")?,
            self.getter(prototype, "byteLength")?,
        ])
    }

    /// The class of what a constructor makes.
    fn class_of(&self, constructor: &'static str, args: &[Value]) -> Captured<q::JSClassID> {
        let object = self.rt.construct_native(&self.at(constructor)?, args);
        let object = object.map_err(|_| EngineError::Missing(constructor))?;
        Ok(object.class_id())
    }

    fn keys(&self) -> Captured<KnownKeys> {
        let key = |name| self.key(name, name);
        let has_instance = self.at("Symbol.hasInstance")?;
        Ok(KnownKeys {
            length: key("length")?,
            name: key("name")?,
            message: key("message")?,
            prototype: key("prototype")?,
            constructor: key("constructor")?,
            then: key("then")?,
            to_json: key("toJSON")?,
            has_instance: (self.rt.key_value(&has_instance))
                .map_err(|_| EngineError::Missing("Symbol.hasInstance"))?,
        })
    }
}

impl Intrinsics {
    pub(crate) fn capture(rt: Runtime) -> Captured<Intrinsics> {
        let global = rt.global();
        let original = Original { rt, global };
        let at = |path| original.at(path);
        let mut errors = [const { Value::UNDEFINED }; 8];
        for (slot, name) in errors.iter_mut().zip(ErrorConstructor::NAMES) {
            *slot = at(name)?;
        }
        let typed_array_prototype = (rt.prototype(&at("Uint8Array.prototype")?))
            .map_err(|_| EngineError::Missing("%TypedArray%"))?;
        let plain = rt.object().map_err(|_| EngineError::OutOfMemory)?;
        let array = rt.array().map_err(|_| EngineError::OutOfMemory)?;
        let function = at("Function")?;
        let bound = (rt.call_native(&at("Function.prototype.bind")?, &function, &[]))
            .map_err(|_| EngineError::Missing("Function.prototype.bind"))?;
        let keys = original.keys()?;
        let function_prototype = at("Function.prototype")?;
        let has_instance = (rt.get(&function_prototype, &keys.has_instance))
            .map_err(|_| EngineError::Missing("Symbol.hasInstance"))?;
        Ok(Intrinsics {
            type_error_prototype: at("TypeError.prototype")?,
            errors,
            object_prototype: at("Object.prototype")?,
            array_prototype: at("Array.prototype")?,
            weak_map_set: at("WeakMap.prototype.set")?,
            weak_map: at("WeakMap")?,
            reflect_set: at("Reflect.set")?,
            symbol_for: at("Symbol.for")?,
            symbol_key_for: at("Symbol.keyFor")?,
            symbol_description: original.getter(&at("Symbol.prototype")?, "description")?,
            symbol: at("Symbol")?,
            bigint_to_string: at("BigInt.prototype.toString")?,
            bigint: at("BigInt")?,
            date_get_time: at("Date.prototype.getTime")?,
            map_set: at("Map.prototype.set")?,
            map_for_each: at("Map.prototype.forEach")?,
            map: at("Map")?,
            set_add: at("Set.prototype.add")?,
            set_for_each: at("Set.prototype.forEach")?,
            set: at("Set")?,
            data_view_getters: original.view_getters(&at("DataView.prototype")?)?,
            data_view: at("DataView")?,
            typed_array_getters: original.view_getters(&typed_array_prototype)?,
            function_prototype,
            function,
            has_instance,
            bound_class: bound.class_id(),
            dom_exception_class: original.class_of("DOMException", &[])?,
            eval: at("eval")?,
            proxy_class: original.class_of("Proxy", &[plain.clone(), plain.clone()])?,
            object_class: plain.class_id(),
            array_class: array.class_id(),
            shared_array_buffer_class: original.class_of("SharedArrayBuffer", &[Value::from(0)])?,
            shared_array_buffer: at("SharedArrayBuffer")?,
            shared_array_buffer_growable: original
                .getter(&at("SharedArrayBuffer.prototype")?, "growable")?,
            array_buffer_resizable: original.getter(&at("ArrayBuffer.prototype")?, "resizable")?,
            empty_string: rt.string_utf8(b"").map_err(|_| EngineError::OutOfMemory)?,
            keys,
        })
    }
}
