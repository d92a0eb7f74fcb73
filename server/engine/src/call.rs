//! Calls of functions, methods and constructors, and their part in the count of mutations.

use hostd_quickjs as q;

use crate::function::FunctionPayload;
use crate::remote::RemotePayload;
use crate::{JsResult, Key, Runtime, Value};

impl Runtime {
    /// Calls a function.
    #[inline]
    pub fn call(self, function: &Value, this: &Value, args: &[Value]) -> JsResult {
        if !self.count_call(function) {
            return self.call_native(function, this, args);
        }
        let result = self.call_native(function, this, args);
        // Counted again: the function may have changed something after its own last call.
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

    /// Calls without counting a change: for captured built-ins that change nothing of the user's.
    #[inline]
    pub(crate) fn call_native(self, function: &Value, this: &Value, args: &[Value]) -> JsResult {
        let (count, values) = self.raw_args(args)?;
        // SAFETY: E1, E2; the engine does not write to the arguments.
        self.adopt(unsafe { q::JS_Call(self.ctx(), function.0, this.0, count, values) })
    }

    /// Constructs without counting a change.
    pub(crate) fn construct_native(self, constructor: &Value, args: &[Value]) -> JsResult {
        let (count, values) = self.raw_args(args)?;
        // SAFETY: E1, E2; the engine does not write to the arguments.
        self.adopt(unsafe { q::JS_CallConstructor(self.ctx(), constructor.0, count, values) })
    }

    /// Arguments as the engine takes them: it declares them mutable, but does not write to them.
    #[inline]
    pub(crate) fn raw_args(self, args: &[Value]) -> JsResult<(i32, *mut q::JSValue)> {
        match i32::try_from(args.len()) {
            Ok(count) => Ok((count, args.as_ptr().cast::<q::JSValue>().cast_mut())),
            Err(_) => Err(self.range_error("too many arguments")),
        }
    }

    /// Counts a call as a mutation, and returns true, unless the function is native: native
    /// functions count their own changes.
    #[inline]
    fn count_call(self, function: &Value) -> bool {
        let class = function.class_id();
        let classes = &self.state.classes;
        if classes.has::<FunctionPayload>(class) || classes.has::<RemotePayload>(class) {
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
