//! Setting properties: Node's `Set` is sloppy, the engine's is strict.
//!
//! The engine's own set is the fast path. When it throws, the throw counts only if JavaScript code
//! (a setter, a trap, a conversion) could have made it; else the engine itself refused, which a
//! sloppy set passes over. Proxies and remote objects go through the captured `Reflect.set`, whose
//! answer tells a refusal from a throw.

use rquickjs_sys as q;

use crate::{Content, JsResult, Key, Property, Runtime, Thrown, Value};

impl Runtime {
    /// `object[key] = value` in sloppy code: true unless the object refused silently.
    #[inline]
    pub fn set(self, object: &Value, key: &Key, value: Value) -> JsResult<bool> {
        self.count_mutation();
        if self.answers_for_itself(object) {
            return self.set_reflect(object, &self.key_to_value(key)?, value);
        }
        let number = value.is_number();
        // SAFETY: E1, E2, E8; the engine takes the value's count over.
        let code = unsafe { q::JS_SetProperty(self.ctx(), object.0, key.atom, value.into_raw()) };
        if code >= 0 {
            return Ok(true);
        }
        self.refused(object, key, number)
    }

    /// `object[index] = value` in sloppy code.
    #[inline]
    pub fn set_index(self, object: &Value, index: u32, value: Value) -> JsResult<bool> {
        self.count_mutation();
        if self.answers_for_itself(object) {
            let key = self.key_index(index)?;
            return self.set_reflect(object, &self.key_to_value(&key)?, value);
        }
        let number = value.is_number();
        // SAFETY: E1, E2; the engine takes the value's count over.
        let code =
            unsafe { q::JS_SetPropertyUint32(self.ctx(), object.0, index, value.into_raw()) };
        if code >= 0 {
            return Ok(true);
        }
        let thrown = self.pending();
        let key = self.key_index(index)?;
        self.judge(object, &key, number, thrown)
    }

    /// `object[key] = value` in strict code: a refusal is a `TypeError`.
    #[inline]
    pub fn set_strict(self, object: &Value, key: &Key, value: Value) -> JsResult<()> {
        self.count_mutation();
        // SAFETY: E1, E2, E8; the engine takes the value's count over.
        let code = unsafe { q::JS_SetProperty(self.ctx(), object.0, key.atom, value.into_raw()) };
        self.answer(code).map(drop)
    }

    /// Proxies and remote objects answer a set by code of their own.
    #[inline]
    fn answers_for_itself(self, object: &Value) -> bool {
        if !object.is_object() {
            return false;
        }
        let class = object.class_id();
        class == self.intrinsics().proxy_class || self.state.classes.is_remote(class)
    }

    fn set_reflect(self, object: &Value, key: &Value, value: Value) -> JsResult<bool> {
        let args = [object.clone(), key.clone(), value];
        let answer = self.call_native(&self.intrinsics().reflect_set, &Value::UNDEFINED, &args)?;
        Ok(answer.as_bool() == Some(true))
    }

    #[cold]
    fn refused(self, object: &Value, key: &Key, number: bool) -> JsResult<bool> {
        let thrown = self.pending();
        self.judge(object, key, number, thrown)
    }

    /// Decides whether a failed set was a refusal of the engine (false) or a real throw.
    fn judge(self, object: &Value, key: &Key, number: bool, thrown: Thrown) -> JsResult<bool> {
        if self.is_refusal(object, key, number, &thrown.0) {
            Ok(false)
        } else {
            Err(thrown)
        }
    }

    /// Whether a typed array could take the key for a number, and so convert what is set.
    fn may_be_numeric(self, key: &Key) -> bool {
        let Ok(name) = self.key_to_value(key) else {
            return true;
        };
        if !name.is_string() {
            return false;
        }
        self.wtf8(&name).map_or(true, |text| {
            let text = text.as_bytes();
            let digits = |byte: &u8| byte.is_ascii_digit() || b"+-.e".contains(byte);
            text.iter().all(digits) || matches!(text, b"NaN" | b"Infinity" | b"-Infinity")
        })
    }

    fn is_refusal(self, object: &Value, key: &Key, number: bool, thrown: &Value) -> bool {
        let intrinsics = self.intrinsics();
        let own_type_error = self.is_error(thrown)
            && self
                .prototype_quiet(thrown)
                .is_ok_and(|proto| proto.identity() == intrinsics.type_error_prototype.identity());
        if !own_type_error || object.is_nullish() {
            return false;
        }
        if *key == intrinsics.keys.length && self.is_array(object) && !number {
            // A length that can be set is converted first, which may throw.
            return matches!(
                self.own_property(object, key),
                Ok(Some(Property { attributes, .. })) if !attributes.writable
            );
        }
        let mut holder = object.clone();
        while holder.is_object() {
            if self.answers_for_itself(&holder) {
                return false;
            }
            if self.is_typed_array(&holder) && !number && self.may_be_numeric(key) {
                return false;
            }
            match self.own_property(&holder, key) {
                Err(_) => return false,
                Ok(Some(property)) => {
                    return match property.content {
                        Content::Value(_) => true,
                        Content::Accessor { setter, .. } => setter.is_none(),
                    };
                }
                Ok(None) => {}
            }
            match self.prototype_quiet(&holder) {
                Ok(next) => holder = next,
                Err(_) => return false,
            }
        }
        true
    }
}
