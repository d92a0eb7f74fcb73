//! Setting properties: Node-API's set is sloppy, the engine's is strict.
//!
//! The engine's own set is the fast path. If it throws, the exception is passed on only if
//! JavaScript code (a setter, a trap, a conversion) could have thrown it; else the engine itself
//! refused, which a sloppy set ignores. Proxies and remote objects are set by the captured
//! `Reflect.set`, which returns false for a refusal; where one is a prototype, the error itself
//! shows the difference.

use hostd_quickjs as q;

use crate::remote::RemotePayload;
use crate::{Content, JsResult, Key, Property, Runtime, Thrown, Value};

impl Runtime {
    /// `object[key] = value` in sloppy code: true unless the object refused silently.
    #[inline]
    pub fn set(self, object: &Value, key: &Key, value: Value) -> JsResult<bool> {
        self.count_mutation();
        if self.has_set_hook(object) {
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
        self.after_failure(object, key, number, self.pending())
    }

    /// `object[index] = value` in sloppy code.
    #[inline]
    pub fn set_index(self, object: &Value, index: u32, value: Value) -> JsResult<bool> {
        self.count_mutation();
        if self.has_set_hook(object) {
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
        self.after_failure(object, &key, number, thrown)
    }

    /// `object[key] = value` in strict code: a refusal is a `TypeError`.
    #[inline]
    pub fn set_strict(self, object: &Value, key: &Key, value: Value) -> JsResult<()> {
        self.count_mutation();
        // SAFETY: E1, E2, E8; the engine takes the value's count over.
        let code = unsafe { q::JS_SetProperty(self.ctx(), object.0, key.atom, value.into_raw()) };
        self.answer(code).map(drop)
    }

    /// Returns whether a set calls a trap or a hook: of a proxy or a remote object.
    #[inline]
    pub(crate) fn has_set_hook(self, object: &Value) -> bool {
        if !object.is_object() {
            return false;
        }
        let class = object.class_id();
        class == self.intrinsics().proxy_class || self.state.classes.has::<RemotePayload>(class)
    }

    /// Returns whether it is an array whose length cannot be set. The engine would convert the new
    /// length first, which may throw.
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

    /// The result of a set that threw: false if the engine refused, else the exception.
    #[cold]
    fn after_failure(
        self,
        object: &Value,
        key: &Key,
        number: bool,
        thrown: Thrown,
    ) -> JsResult<bool> {
        if self.is_refusal(object, key, number, &thrown.0) {
            Ok(false)
        } else {
            Err(thrown)
        }
    }

    /// Returns whether the engine made the error in this very call, and for a refusal. No
    /// JavaScript code made it if an error made now has the same call sites.
    fn is_refusal_of_this_call(self, thrown: &Value) -> bool {
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
        // The error made now may lack the outermost site, because its constructor's frame counts.
        match (sites(thrown), sites(&self.type_error("").0)) {
            (Some(thrown), Some(now)) => thrown.starts_with(&now),
            (thrown, _) => thrown.is_none(),
        }
    }

    fn is_refusal(self, object: &Value, key: &Key, number: bool, thrown: &Value) -> bool {
        let intrinsics = self.intrinsics();
        let own_type_error = self.is_error(thrown)
            && self
                .prototype_no_trap(thrown)
                .is_ok_and(|proto| proto.identity() == intrinsics.type_error_prototype.identity());
        if !own_type_error || object.is_nullish() {
            return false;
        }
        if *key == intrinsics.keys.length && self.is_array(object) && !number {
            // The conversion of the new length may have thrown.
            return false;
        }
        if self.is_typed_array(object) && !number && self.key_is_numeric(key) {
            return false;
        }
        let mut holder = object.clone();
        while holder.is_object() {
            if self.is_proxy(&holder) {
                return self.is_refusal_of_this_call(thrown);
            }
            if self.has_set_hook(&holder) {
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
            match self.prototype_no_trap(&holder) {
                Ok(next) => holder = next,
                Err(_) => return false,
            }
        }
        true
    }
}
