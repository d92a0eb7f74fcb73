//! Objects and arrays as a whole: making them, their kind, prototype, freezing and sealing.

use hostd_quickjs as q;

use crate::{Attributes, Content, Descriptor, JsResult, Key, Runtime, Value};

impl Runtime {
    /// `{}`.
    #[inline]
    pub fn object(self) -> JsResult {
        // SAFETY: E1; the context and its runtime are live while there is a handle.
        self.adopt(unsafe { q::JS_NewObject(self.ctx()) })
    }

    /// `Object.create(prototype)`; the prototype is an object or null.
    pub fn object_with_prototype(self, prototype: &Value) -> JsResult {
        // SAFETY: E1, E2; the call borrows live values of this context.
        self.adopt(unsafe { q::JS_NewObjectProto(self.ctx(), prototype.0) })
    }

    /// A plain object with these own properties, in this order. The longer of the two lists is cut,
    /// and the last of equal names wins.
    pub fn object_from(self, keys: &[Key], values: Vec<Value>) -> JsResult {
        let object = self.object()?;
        for (key, value) in keys.iter().zip(values) {
            self.put(&object, key, value)?;
        }
        Ok(object)
    }

    /// `[]`.
    #[inline]
    pub fn array(self) -> JsResult {
        // SAFETY: E1; the context and its runtime are live while there is a handle.
        self.adopt(unsafe { q::JS_NewArray(self.ctx()) })
    }

    /// An array of `length` holes.
    pub fn array_with_length(self, length: u32) -> JsResult {
        let array = self.array()?;
        // SAFETY: E1, E2; the array is live and was just made by us.
        self.answer(unsafe { q::JS_SetLength(self.ctx(), array.0, i64::from(length)) })?;
        Ok(array)
    }

    /// An array of these values.
    pub fn array_from(self, values: Vec<Value>) -> JsResult {
        let Ok(count) = i32::try_from(values.len()) else {
            return Err(self.range_error("Invalid array length"));
        };
        let mut values = std::mem::ManuallyDrop::new(values);
        // SAFETY: E1, E2; the engine takes over every count, also when it fails.
        let raw = unsafe { q::JS_NewArrayFrom(self.ctx(), count, values.as_ptr().cast()) };
        // SAFETY: E2; the elements were moved out above, only the allocation is left.
        unsafe { values.set_len(0) };
        drop(std::mem::ManuallyDrop::into_inner(values));
        self.adopt(raw)
    }

    /// Returns whether it is an array; a proxy of one is not.
    #[inline]
    pub fn is_array(self, value: &Value) -> bool {
        value.is_object() && value.class_id() == self.intrinsics().array_class
    }

    /// The length of an array; `None` for other values.
    #[inline]
    pub fn array_length(self, value: &Value) -> Option<u32> {
        if !self.is_array(value) {
            return None;
        }
        let length = self.get_raw(value, &self.intrinsics().keys.length).ok()?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "an array's length is a u32"
        )]
        #[expect(clippy::cast_sign_loss, reason = "an array's length is a u32")]
        length.as_f64().map(|length| length as u32)
    }

    /// Returns whether it is a proxy.
    #[inline]
    pub fn is_proxy(self, value: &Value) -> bool {
        // SAFETY: E2; it returns false for other values.
        unsafe { q::JS_IsProxy(value.0) }
    }

    /// The target and the handler of a proxy.
    pub fn proxy_parts(self, proxy: &Value) -> JsResult<(Value, Value)> {
        // SAFETY: E1, E2; the call borrows a live value.
        let target = unsafe { q::JS_GetProxyTarget(self.ctx(), proxy.0) };
        let target = self.adopt(target)?;
        // SAFETY: E1, E2; as above.
        let handler = unsafe { q::JS_GetProxyHandler(self.ctx(), proxy.0) };
        Ok((target, self.adopt(handler)?))
    }

    /// The prototype; a proxy's trap runs.
    #[inline]
    pub fn prototype(self, object: &Value) -> JsResult {
        // SAFETY: E1, E2; the call borrows live values of this context.
        self.adopt(unsafe { q::JS_GetPrototype(self.ctx(), object.0) })
    }

    /// The prototype without running JavaScript; null for a proxy.
    #[inline]
    pub fn prototype_no_trap(self, object: &Value) -> JsResult {
        if self.is_proxy(object) {
            Ok(Value::NULL)
        } else {
            self.prototype(object)
        }
    }

    /// Sets the prototype; refusal is a `TypeError`.
    pub fn set_prototype(self, object: &Value, prototype: &Value) -> JsResult<()> {
        self.count_mutation();
        // SAFETY: E1, E2; the call borrows live values of this context.
        self.answer(unsafe { q::JS_SetPrototype(self.ctx(), object.0, prototype.0) })
            .map(drop)
    }

    /// Returns whether properties may be added; a proxy's trap runs.
    pub fn is_extensible(self, object: &Value) -> JsResult<bool> {
        // SAFETY: E1, E2; the call borrows live values of this context.
        self.answer(unsafe { q::JS_IsExtensible(self.ctx(), object.0) })
    }

    /// `Object.freeze(object)`, as V8 does it: a typed array with elements throws at the end.
    pub fn freeze(self, object: &Value) -> JsResult<()> {
        self.restrict(object, true)
    }

    /// `Object.seal(object)`, as V8 does it: a typed array with elements throws at the end, unless
    /// it was sealed already.
    pub fn seal(self, object: &Value) -> JsResult<()> {
        self.restrict(object, false)
    }

    fn restrict(self, object: &Value, freeze: bool) -> JsResult<()> {
        self.count_mutation();
        self.make_lazy_prototype(object);
        if self.is_typed_array(object) {
            return self.restrict_typed_array(object, freeze);
        }
        let restrict = if freeze {
            q::JS_FreezeObject
        } else {
            q::JS_SealObject
        };
        // SAFETY: E1, E2; the call borrows live values of this context.
        self.answer(unsafe { restrict(self.ctx(), object.0) })
            .map(drop)
    }

    /// Freezes or seals a typed array. One whose length may change throws before anything is done;
    /// one with elements throws when all else is done, unless it was sealed already.
    fn restrict_typed_array(self, object: &Value, freeze: bool) -> JsResult<()> {
        let verb = if freeze { "freeze" } else { "seal" };
        let was_extensible = self.is_extensible(object)?;
        if !self.prevent_extensions(object)? {
            return Err(self.type_error(&format!("Cannot {verb}")));
        }
        let changed = self.restrict_named(object, freeze)? || was_extensible;
        let has_elements = self.byte_length(object).is_some_and(|length| length > 0);
        if has_elements && (freeze || changed) {
            let message = format!("Cannot {verb} array buffer views with elements");
            return Err(self.type_error(&message));
        }
        Ok(())
    }

    /// Freezes or seals the properties of an object except for the elements; false if they were
    /// sealed.
    fn restrict_named(self, object: &Value, freeze: bool) -> JsResult<bool> {
        let mut changed = false;
        for key in self
            .own_keys(object)?
            .iter()
            .filter(|key| !key.is_element())
        {
            let Some(property) = self.own_property(object, &key)? else {
                continue;
            };
            changed |= property.attributes.configurable;
            let attributes = Attributes {
                configurable: false,
                writable: property.attributes.writable && !freeze,
                ..property.attributes
            };
            let descriptor = match &property.content {
                Content::Value(value) => Descriptor::Value(value, attributes),
                Content::Accessor { getter, setter } => Descriptor::Accessor {
                    getter: getter.as_ref(),
                    setter: setter.as_ref(),
                    attributes,
                },
            };
            self.define(object, &key, descriptor)?;
        }
        Ok(changed)
    }

    /// `Object.preventExtensions(object)`; false if the object refused.
    pub fn prevent_extensions(self, object: &Value) -> JsResult<bool> {
        self.count_mutation();
        // SAFETY: E1, E2; the call borrows live values of this context.
        self.answer(unsafe { q::JS_PreventExtensions(self.ctx(), object.0) })
    }

    /// `value instanceof constructor` by the engine's own function.
    pub(crate) fn instance_by_engine(self, value: &Value, constructor: &Value) -> JsResult<bool> {
        // SAFETY: E1, E2; the call borrows live values of this context.
        self.answer(unsafe { q::JS_IsInstanceOf(self.ctx(), value.0, constructor.0) })
    }

    /// Returns whether it is an object of the kind that `{}` makes, whose prototype is the original
    /// `Object.prototype` or null. No JavaScript runs.
    pub fn is_plain_object(self, value: &Value) -> bool {
        let intrinsics = self.intrinsics();
        value.is_object()
            && value.class_id() == intrinsics.object_class
            && self.prototype(value).is_ok_and(|prototype| {
                prototype.is_null()
                    || prototype.identity() == intrinsics.object_prototype.identity()
            })
    }

    /// Returns whether it is an array whose prototype is the original `Array.prototype` and whose
    /// own properties are elements and hidden data only; holes are allowed.
    pub fn is_plain_array(self, value: &Value) -> JsResult<bool> {
        let intrinsics = self.intrinsics();
        if !self.is_array(value)
            || self.prototype(value)?.identity() != intrinsics.array_prototype.identity()
        {
            return Ok(false);
        }
        // SAFETY: E2; the call borrows a live value.
        if unsafe { q::JS_IsDenseArray(value.0) } {
            return Ok(true);
        }
        let keys = self.own_keys(value)?;
        // Elements come first in the list.
        let others = keys.iter_enumerable().rev();
        for (key, enumerable) in others.take_while(|(key, _)| !key.is_element()) {
            if *key != intrinsics.keys.length
                && (enumerable || !self.is_hidden_data(value, &key)?)
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns whether an own property is hidden data: not enumerable, no function, no accessor.
    pub fn is_hidden_data(self, object: &Value, key: &Key) -> JsResult<bool> {
        let property = self.own_property(object, key)?;
        Ok(property.is_none_or(|property| {
            let is_data =
                matches!(&property.content, Content::Value(value) if !self.is_function(value));
            is_data && !property.attributes.enumerable
        }))
    }
}
