//! Walks along the prototypes of an object, which proxies may make endless, and `instanceof`.

use crate::{JsResult, Runtime, Value};

/// How many proxies V8 passes on one walk; one more is an error.
const PROXIES_MAX: u32 = 100 * 1024;

/// A walk, from the object itself.
pub(crate) struct Prototypes {
    rt: Runtime,
    /// The current object, or null behind the last one.
    holder: Value,
    proxies: u32,
}

impl Prototypes {
    pub(crate) fn of(rt: Runtime, object: &Value) -> Prototypes {
        Prototypes {
            rt,
            holder: object.clone(),
            proxies: 0,
        }
    }

    /// The current object; `None` at the end.
    pub(crate) fn holder(&self) -> Option<&Value> {
        self.holder.is_object().then_some(&self.holder)
    }

    /// Goes on to the next prototype; a proxy's trap runs.
    pub(crate) fn advance(&mut self) -> JsResult<()> {
        if self.rt.is_proxy(&self.holder) {
            self.proxies += 1;
            if self.proxies > PROXIES_MAX {
                return Err(self.rt.range_error("Maximum call stack size exceeded"));
            }
        }
        self.holder = self.rt.prototype(&self.holder)?;
        Ok(())
    }
}

impl Runtime {
    /// `value instanceof constructor`.
    pub fn instance_of(self, value: &Value, constructor: &Value) -> JsResult<bool> {
        self.count_read();
        // The engine's own walk would never end if the proxies form a circle.
        if self.inherits_from_proxy(value) && self.is_unbound_function(constructor) {
            self.instance_by_method(value, constructor)
        } else {
            self.instance_by_engine(value, constructor)
        }
    }

    /// Returns whether a constructor is another one, or makes objects that inherit from the other's
    /// `prototype`.
    pub fn extends(self, class: &Value, base: &Value) -> JsResult<bool> {
        self.count_read();
        if class.identity() == base.identity() {
            return Ok(true);
        }
        let key = &self.intrinsics().keys.prototype;
        let (made, wanted) = (self.get(class, key)?, self.get(base, key)?);
        self.inherits(&made, &wanted)
    }

    /// Returns whether an object is among the prototypes of a value.
    fn inherits(self, value: &Value, wanted: &Value) -> JsResult<bool> {
        if !value.is_object() || !wanted.is_object() {
            return Ok(false);
        }
        let mut walk = Prototypes::of(self, value);
        while walk.holder().is_some() {
            walk.advance()?;
            if walk.holder().and_then(Value::identity) == wanted.identity() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn inherits_from_proxy(self, value: &Value) -> bool {
        let mut holder = value.clone();
        while holder.is_object() {
            if self.is_proxy(&holder) {
                return true;
            }
            holder = self.prototype(&holder).unwrap_or_default();
        }
        false
    }

    /// Returns whether it is a function that `bind` did not make.
    fn is_unbound_function(self, value: &Value) -> bool {
        self.is_function(value) && value.class_id() != self.intrinsics().bound_class
    }

    fn instance_by_method(self, value: &Value, constructor: &Value) -> JsResult<bool> {
        let intrinsics = self.intrinsics();
        let method = self.get(constructor, &intrinsics.keys.has_instance)?;
        if !method.is_nullish() && method.identity() != intrinsics.has_instance.identity() {
            let args = std::slice::from_ref(value);
            let answer = self.call(&method, constructor, args)?;
            return Ok(self.to_bool(&answer));
        }
        let wanted = self.get(constructor, &intrinsics.keys.prototype)?;
        if !wanted.is_object() {
            return Err(self.type_error("operand 'prototype' property is not an object"));
        }
        self.inherits(value, &wanted)
    }
}
