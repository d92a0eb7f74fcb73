//! Maps and sets. The C interface cannot read them, so the captured `forEach` calls a native
//! function that collects their contents.

use hostd_quickjs as q;

use crate::function::OWN_TAG;
use crate::{FunctionSpec, Invocation, JsResult, Runtime, Value};

/// The callback of `Map.prototype.forEach`: (value, key).
fn collect(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    if let [value, key, ..] = call.args {
        let mut collected = rt.state.collected.borrow_mut();
        rt.reserve(&mut collected, 2)?;
        collected.push(key.clone());
        collected.push(value.clone());
    }
    Ok(Value::UNDEFINED)
}

impl Runtime {
    pub(crate) fn make_collector(self) -> JsResult {
        self.function(FunctionSpec::new(collect, OWN_TAG, [0; 3]).not_constructible())
    }

    /// Returns whether it is a `Map`.
    pub fn is_map(self, value: &Value) -> bool {
        // SAFETY: E2; it returns false for other values.
        unsafe { q::JS_IsMap(value.0) }
    }

    /// Returns whether it is a `Set`.
    pub fn is_set(self, value: &Value) -> bool {
        // SAFETY: E2; it returns false for other values.
        unsafe { q::JS_IsSet(value.0) }
    }

    /// The keys and values of a `Map`, alternating, in its order.
    pub fn map_items(self, map: &Value) -> JsResult<Vec<Value>> {
        self.collect_from(&self.intrinsics().map_for_each, map)
    }

    /// The values of a `Set`, in its order.
    pub fn set_values(self, set: &Value) -> JsResult<Vec<Value>> {
        let flat = self.collect_from(&self.intrinsics().set_for_each, set)?;
        self.list_from(flat.into_iter().step_by(2))
    }

    /// Makes a `Map`; later entries of equal keys win.
    pub fn map(self, entries: Vec<(Value, Value)>) -> JsResult {
        let map = self.construct_native(&self.intrinsics().map, &[])?;
        for (key, value) in entries {
            self.call_native(&self.intrinsics().map_set, &map, &[key, value])?;
        }
        Ok(map)
    }

    /// Makes a `Set`.
    pub fn set_of(self, values: Vec<Value>) -> JsResult {
        let set = self.construct_native(&self.intrinsics().set, &[])?;
        for value in values {
            self.call_native(&self.intrinsics().set_add, &set, &[value])?;
        }
        Ok(set)
    }

    fn collect_from(self, for_each: &Value, holder: &Value) -> JsResult<Vec<Value>> {
        let Some(collector) = self.state.collector.get() else {
            return Err(self.type_error("the collector is not there yet"));
        };
        let outer = self.state.collected.take();
        let outcome = self.call_native(for_each, holder, std::slice::from_ref(collector));
        let collected = self.state.collected.replace(outer);
        outcome.map(|_| collected)
    }
}
