//! Setting properties: Node's `Set` is sloppy, the engine's is strict.
//!
//! The engine's own set is the fast path. When it throws, the throw counts only if JavaScript code
//! (a setter, a trap, a conversion) could have made it; else the engine itself refused, which a
//! sloppy set passes over. Proxies and remote objects go through the captured `Reflect.set`, whose
//! answer tells a refusal from a throw; those on the prototype chain are told apart by the error.

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
        if *key == self.intrinsics().keys.length && self.has_fixed_length(object) {
            return Ok(false);
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
    pub(crate) fn answers_for_itself(self, object: &Value) -> bool {
        if !object.is_object() {
            return false;
        }
        let class = object.class_id();
        class == self.intrinsics().proxy_class || self.state.classes.is_remote(class)
    }

    /// Whether it is an array whose length cannot be set: the engine converts what is set first.
    fn has_fixed_length(self, object: &Value) -> bool {
        self.is_array(object)
            && matches!(
                self.own_property(object, &self.intrinsics().keys.length),
                Ok(Some(Property { attributes, .. })) if !attributes.writable
            )
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

    /// Whether the engine made the error in this very call, and for a refusal: no JavaScript code
    /// did, for an error that is made now has the same call sites.
    fn is_made_here(self, thrown: &Value) -> bool {
        const REFUSALS: [&str; 5] = [
            "no setter for property",
            "not an object",
            "object is not extensible",
            "proxy: cannot set property",
            "setter is forbidden",
        ];
        let keys = &self.intrinsics().keys;
        let message = self.get_raw(thrown, &keys.message);
        let Ok(Ok(message)) = message.map(|message| self.utf8(&message)) else {
            return false;
        };
        let message = message.as_str();
        if !REFUSALS.contains(&message) && !message.ends_with("' is read-only") {
            return false;
        }
        let sites = |error: &Value| {
            let stack = self.stack_untouched(error).ok()??;
            let text = self.utf8(&Some(stack).filter(Value::is_string)?).ok()?;
            let sites = text.as_str().split_once("\n    at ")?.1;
            Some(sites.to_owned())
        };
        // The error of a constructor may lack the outermost site, which its own frame displaced.
        match (sites(thrown), sites(&self.type_error("").0)) {
            (Some(thrown), Some(now)) => thrown.starts_with(&now),
            (thrown, _) => thrown.is_none(),
        }
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
            return false;
        }
        if self.is_typed_array(object) && !number && self.key_is_numeric(key) {
            return false;
        }
        let mut holder = object.clone();
        while holder.is_object() {
            if self.is_proxy(&holder) {
                return self.is_made_here(thrown);
            }
            if self.answers_for_itself(&holder) {
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
