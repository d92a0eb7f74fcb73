//! Own and inherited properties: get, has, delete, define, describe.
//!
//! Setting has its own file, `set`: its rules are Node's, not the engine's.

use hostd_quickjs as q;

use crate::{JsResult, Key, Runtime, Value};

/// The attributes of a property.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes {
    /// Whether it may be set (data properties only).
    pub writable: bool,
    /// Whether `for in` and `Object.keys` list it.
    pub enumerable: bool,
    /// Whether it may be deleted and redefined.
    pub configurable: bool,
}

impl Attributes {
    /// Those of an ordinary assignment.
    pub const ALL: Attributes = Attributes {
        writable: true,
        enumerable: true,
        configurable: true,
    };
    /// None, the default of `Object.defineProperty`.
    pub const NONE: Attributes = Attributes {
        writable: false,
        enumerable: false,
        configurable: false,
    };
    /// Those of a built-in method.
    pub const HIDDEN: Attributes = Attributes {
        writable: true,
        enumerable: false,
        configurable: true,
    };

    fn bits(self) -> u32 {
        let bit = |given, bit| if given { bit } else { 0 };
        bit(self.writable, q::JS_PROP_WRITABLE)
            | bit(self.enumerable, q::JS_PROP_ENUMERABLE)
            | bit(self.configurable, q::JS_PROP_CONFIGURABLE)
    }
}

/// What to define.
#[derive(Clone, Copy, Debug)]
pub enum Descriptor<'a> {
    /// A data property.
    Value(&'a Value, Attributes),
    /// An accessor property; a missing function stays as it is, or is `undefined` in a new one.
    /// `writable` is ignored.
    Accessor {
        /// The getter.
        getter: Option<&'a Value>,
        /// The setter.
        setter: Option<&'a Value>,
        /// The attributes.
        attributes: Attributes,
    },
}

/// An own property.
#[derive(Debug)]
pub struct Property {
    /// The value, or the accessor functions.
    pub content: Content,
    /// Its attributes.
    pub attributes: Attributes,
}

/// What an own property holds.
#[derive(Debug)]
pub enum Content {
    /// A data property's value.
    Value(Value),
    /// An accessor property's functions.
    Accessor {
        /// The getter.
        getter: Option<Value>,
        /// The setter.
        setter: Option<Value>,
    },
}

/// The engine's descriptor of a data property, which a hook returns.
pub(crate) fn data_descriptor(value: Value, flags: u32) -> q::JSPropertyDescriptor {
    q::JSPropertyDescriptor {
        flags: flags.cast_signed(),
        value: value.into_raw(),
        getter: q::JS_UNDEFINED,
        setter: q::JS_UNDEFINED,
    }
}

impl Runtime {
    /// Reads a property without counting: for reads that run no foreign code.
    #[inline]
    pub(crate) fn get_raw(self, object: &Value, key: &Key) -> JsResult {
        // SAFETY: E1, E2, E8; the call borrows live values and an atom that we own a count of.
        self.adopt(unsafe { q::JS_GetProperty(self.ctx(), object.0, key.atom) })
    }

    /// `object[key]`, running getters and traps. Primitives work; undefined and null throw.
    #[inline]
    pub fn get(self, object: &Value, key: &Key) -> JsResult {
        self.count_read();
        self.get_raw(object, key)
    }

    /// `object[index]`.
    #[inline]
    pub fn get_index(self, object: &Value, index: u32) -> JsResult {
        self.count_read();
        // SAFETY: E1, E2; the call borrows live values of this context.
        self.adopt(unsafe { q::JS_GetPropertyUint32(self.ctx(), object.0, index) })
    }

    /// `object[name]` for an ASCII or UTF-8 name.
    pub fn get_named(self, object: &Value, name: &str) -> JsResult {
        let key = self.key_utf8(name.as_bytes())?;
        self.get(object, &key)
    }

    /// `key in object`.
    pub fn has(self, object: &Value, key: &Key) -> JsResult<bool> {
        self.count_read();
        // SAFETY: E1, E2, E8; the call borrows live values and an atom that we own a count of.
        self.answer(unsafe { q::JS_HasProperty(self.ctx(), object.0, key.atom) })
    }

    /// `Object.hasOwn(object, key)`.
    pub fn has_own(self, object: &Value, key: &Key) -> JsResult<bool> {
        self.count_read();
        // SAFETY: E1, E2, E8; a null descriptor is not written.
        let code =
            unsafe { q::JS_GetOwnProperty(self.ctx(), std::ptr::null_mut(), object.0, key.atom) };
        self.answer(code)
    }

    /// Describes an own property; getters do not run, a proxy's trap does.
    pub fn own_property(self, object: &Value, key: &Key) -> JsResult<Option<Property>> {
        self.count_read();
        let mut found = data_descriptor(Value::UNDEFINED, 0);
        // SAFETY: E1, E2, E8; the out-pointer lives on our stack.
        let code = unsafe { q::JS_GetOwnProperty(self.ctx(), &raw mut found, object.0, key.atom) };
        if !self.answer(code)? {
            return Ok(None);
        }
        let (value, getter, setter) =
            (Value(found.value), Value(found.getter), Value(found.setter));
        let flags = found.flags.unsigned_abs();
        let attributes = Attributes {
            writable: flags & q::JS_PROP_WRITABLE != 0,
            enumerable: flags & q::JS_PROP_ENUMERABLE != 0,
            configurable: flags & q::JS_PROP_CONFIGURABLE != 0,
        };
        let content = if flags & q::JS_PROP_GETSET == 0 {
            Content::Value(value)
        } else {
            let given = |function: Value| (!function.is_undefined()).then_some(function);
            Content::Accessor {
                getter: given(getter),
                setter: given(setter),
            }
        };
        Ok(Some(Property {
            content,
            attributes,
        }))
    }

    /// Reads a data property along the prototypes without running JavaScript. `None` where the
    /// property is absent or an accessor, or behind a proxy or a remote object.
    pub fn data_property(self, object: &Value, key: &Key) -> Option<Value> {
        let mut holder = object.clone();
        while holder.is_object() && !self.has_set_hook(&holder) {
            if let Some(property) = self.own_property(&holder, key).ok()? {
                return match property.content {
                    Content::Value(value) => Some(value),
                    Content::Accessor { .. } => None,
                };
            }
            holder = self.prototype(&holder).ok()?;
        }
        None
    }

    /// `delete object[key]`, sloppy: false if the object keeps it.
    pub fn delete(self, object: &Value, key: &Key) -> JsResult<bool> {
        self.count_mutation();
        // SAFETY: E1, E2, E8; without JS_PROP_THROW refusal is no exception.
        self.answer(unsafe { q::JS_DeleteProperty(self.ctx(), object.0, key.atom, 0) })
    }

    /// `Reflect.defineProperty`: false if the object refuses; only proxies throw.
    pub fn define(self, object: &Value, key: &Key, descriptor: Descriptor<'_>) -> JsResult<bool> {
        self.count_mutation();
        // The engine would grow the length of an array before it refuses the new element.
        if self.is_array(object)
            && key.is_element()
            && !self.is_extensible(object)?
            && !self.has_own(object, key)?
        {
            return Ok(false);
        }
        self.define_fresh(object, key, descriptor)
    }

    /// Defines without counting a change: for objects that no other code has a reference to yet.
    pub(crate) fn define_fresh(
        self,
        object: &Value,
        key: &Key,
        descriptor: Descriptor<'_>,
    ) -> JsResult<bool> {
        const HAS_FLAGS: u32 = q::JS_PROP_HAS_CONFIGURABLE | q::JS_PROP_HAS_ENUMERABLE;
        let undefined = Value::UNDEFINED;
        let (value, getter, setter, flags) = match descriptor {
            Descriptor::Value(value, attributes) => {
                let has = HAS_FLAGS | q::JS_PROP_HAS_VALUE | q::JS_PROP_HAS_WRITABLE;
                (value, &undefined, &undefined, has | attributes.bits())
            }
            Descriptor::Accessor {
                getter,
                setter,
                attributes,
            } => {
                let bits = Attributes {
                    writable: false,
                    ..attributes
                }
                .bits();
                let has = |given: Option<_>, flag| if given.is_some() { flag } else { 0 };
                let has =
                    HAS_FLAGS | has(getter, q::JS_PROP_HAS_GET) | has(setter, q::JS_PROP_HAS_SET);
                (
                    &undefined,
                    getter.unwrap_or(&undefined),
                    setter.unwrap_or(&undefined),
                    has | bits,
                )
            }
        };
        // SAFETY: E1, E2, E8; the engine takes counts of its own.
        let code = unsafe {
            q::JS_DefineProperty(
                self.ctx(),
                object.0,
                key.atom,
                value.0,
                getter.0,
                setter.0,
                flags.cast_signed(),
            )
        };
        self.answer(code)
    }

    /// Defines an ordinary data property (writable, enumerable, configurable). It calls no setter,
    /// so it is the way to fill a new object. False if the object refuses.
    #[inline]
    pub fn put(self, object: &Value, key: &Key, value: Value) -> JsResult<bool> {
        self.count_mutation();
        self.put_with_flags(object, key, value, q::JS_PROP_C_W_E)
    }

    /// Defines a data property with the engine's flags, without counting a change.
    #[inline]
    pub(crate) fn put_with_flags(
        self,
        object: &Value,
        key: &Key,
        value: Value,
        flags: u32,
    ) -> JsResult<bool> {
        let (value, flags) = (value.into_raw(), flags.cast_signed());
        // SAFETY: E1, E2, E8; the engine takes the value's count over.
        let code =
            unsafe { q::JS_DefinePropertyValue(self.ctx(), object.0, key.atom, value, flags) };
        self.answer(code)
    }

    /// Defines an ordinary element of an array or object.
    #[inline]
    pub fn put_index(self, object: &Value, index: u32, value: Value) -> JsResult<bool> {
        self.count_mutation();
        // SAFETY: E1, E2; the engine takes the value's count over.
        let code = unsafe {
            q::JS_DefinePropertyValueUint32(
                self.ctx(),
                object.0,
                index,
                value.into_raw(),
                q::JS_PROP_C_W_E.cast_signed(),
            )
        };
        self.answer(code)
    }
}
