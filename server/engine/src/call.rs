//! Calls: of functions, methods and constructors, native or not, and what they count for.

use rquickjs_sys as q;

use crate::{JsResult, Key, Runtime, Value};

impl Runtime {
    /// Calls a function.
    #[inline]
    pub fn call(self, function: &Value, this: &Value, args: &[Value]) -> JsResult {
        if !self.count_call(function) {
            return self.call_native(function, this, args);
        }
        let result = self.call_native(function, this, args);
        // What it did after it last called out is to be seen, too.
        self.count_mutation();
        result
    }

    /// Calls the method of that name.
    pub fn invoke(self, object: &Value, key: &Key, args: &[Value]) -> JsResult {
        let method = self.get(object, key)?;
        self.call(&method, object, args)
    }

    /// `new constructor(...args)`.
    #[inline]
    pub fn construct(self, constructor: &Value, args: &[Value]) -> JsResult {
        let counted = self.count_call(constructor);
        let result = self.construct_native(constructor, args);
        if counted {
            self.count_mutation();
        }
        result
    }

    /// `Reflect.construct(constructor, args, new_target)`.
    pub fn construct_with(
        self,
        constructor: &Value,
        new_target: &Value,
        args: &[Value],
    ) -> JsResult {
        self.count_call(constructor);
        let Ok(count) = i32::try_from(args.len()) else {
            return Err(self.range_error("too many arguments"));
        };
        // SAFETY: E1, E2; the engine does not write to the arguments.
        let raw = unsafe {
            q::JS_CallConstructor2(
                self.ctx(),
                constructor.0,
                new_target.0,
                count,
                args.as_ptr().cast::<q::JSValue>().cast_mut(),
            )
        };
        self.adopt(raw)
    }

    /// Calls without counting a change: for captured built-ins that change nothing of the user's.
    #[inline]
    pub(crate) fn call_native(self, function: &Value, this: &Value, args: &[Value]) -> JsResult {
        let Ok(count) = i32::try_from(args.len()) else {
            return Err(self.range_error("too many arguments"));
        };
        // SAFETY: E1, E2; the engine does not write to the arguments.
        let raw = unsafe {
            q::JS_Call(
                self.ctx(),
                function.0,
                this.0,
                count,
                args.as_ptr().cast::<q::JSValue>().cast_mut(),
            )
        };
        self.adopt(raw)
    }

    /// Constructs without counting a change.
    pub(crate) fn construct_native(self, constructor: &Value, args: &[Value]) -> JsResult {
        let Ok(count) = i32::try_from(args.len()) else {
            return Err(self.range_error("too many arguments"));
        };
        // SAFETY: E1, E2; the engine does not write to the arguments.
        let raw = unsafe {
            q::JS_CallConstructor(
                self.ctx(),
                constructor.0,
                count,
                args.as_ptr().cast::<q::JSValue>().cast_mut(),
            )
        };
        self.adopt(raw)
    }

    /// Native functions count what they change themselves; true for all others.
    #[inline]
    fn count_call(self, function: &Value) -> bool {
        let class = function.class_id();
        if class == self.state.classes.function() || self.state.classes.is_remote(class) {
            return false;
        }
        self.count_mutation();
        let makes_code = |maker: &Value| maker.identity() == function.identity();
        if self.state.read_weight.get() == 0
            && (makes_code(&self.intrinsics().function) || makes_code(&self.intrinsics().eval))
        {
            self.state.read_weight.set(1);
        }
        true
    }
}
