//! Remote objects: exotic objects whose properties are in another process, reached by hooks.
//!
//! Symbols and the names that the engine itself looks up (`then`, `constructor`, `toJSON`) are
//! absent without a call of the hooks; the look-up goes on along the prototypes. They cannot be set
//! either, so a remote object has no property of its own on this side (E9). The engine does not
//! pass a hook whether the assigning code is strict, so a refused assignment in a script always
//! throws.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use hostd_quickjs as q;

use crate::classes::{Class, Payload};
use crate::finalizer::queue;
use crate::function::lent_args;
use crate::key::KeyRef;
use crate::property::data_descriptor;
use crate::record::Base;
use crate::{FinalizerToken, JsResult, Key, RemoteHooks, Runtime, Thrown, Value};

/// Whether a remote object can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RemoteClass {
    /// Properties only.
    Object,
    /// Properties and calls; `typeof` says function.
    Function,
}

#[repr(C)]
pub(crate) struct RemotePayload {
    base: Base,
    id: u64,
    token: FinalizerToken,
}

impl Payload for RemotePayload {
    const FIRST: Class = Class::RemoteObject;
    const LAST: Class = Class::RemoteFunction;

    fn retire(&mut self) {
        queue(self.token);
    }
}

impl Runtime {
    /// Sets the operations of the remote objects of this thread.
    pub fn set_remote_hooks(self, hooks: Rc<dyn RemoteHooks>) {
        drop(self.state.remote.replace(Some(hooks)));
    }

    /// Makes a remote object; its token is queued when it dies.
    pub fn remote_object(self, class: RemoteClass, id: u64, token: FinalizerToken) -> JsResult {
        let intrinsics = self.intrinsics();
        let (class, prototype) = match class {
            RemoteClass::Object => (Class::RemoteObject, &intrinsics.object_prototype),
            RemoteClass::Function => (Class::RemoteFunction, &intrinsics.function_prototype),
        };
        let base = Base::default();
        self.object_of_class(class, prototype, RemotePayload { base, id, token })
    }

    /// The id of a remote object; `None` for other values.
    #[inline]
    pub fn remote_id(self, value: &Value) -> Option<u64> {
        self.payload::<RemotePayload>(value)
            .map(|payload| payload.id)
    }

    /// Reads the `length` of a native function by the hooks; a panic becomes an exception.
    pub(crate) fn remote_length(self, words: [usize; 3]) -> JsResult {
        if !self.stack_ok() {
            return Err(self.stack_overflow());
        }
        let Some(hooks) = self.state.remote.borrow().clone() else {
            return Ok(Value::from(0));
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| hooks.length(self, words)));
        outcome.unwrap_or_else(|_| Err(self.panicked()))
    }

    /// Calls a hook for a remote object; a panic becomes an exception.
    fn call_hook<T>(
        self,
        object: &Value,
        call: impl FnOnce(&dyn RemoteHooks, u64) -> JsResult<T>,
    ) -> JsResult<T> {
        if !self.stack_ok() {
            return Err(self.stack_overflow());
        }
        let hooks = self.state.remote.borrow().clone();
        let (Some(id), Some(hooks)) = (self.remote_id(object), hooks) else {
            return Err(self.type_error("nothing answers for this remote object"));
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| call(&*hooks, id)));
        outcome.unwrap_or_else(|_| Err(self.panicked()))
    }

    /// Returns whether the key is absent from every remote object.
    fn is_local_key(self, key: &Key) -> bool {
        if key.as_index().is_some() {
            return false;
        }
        let keys = &self.intrinsics().keys;
        *key == keys.then
            || *key == keys.constructor
            || *key == keys.to_json
            || self.key_is_symbol(key)
    }

    fn raise_code(self, thrown: Thrown) -> i32 {
        self.raise(thrown);
        -1
    }

    /// The engine's code for the outcome of a hook: 1, 0, or -1 with the exception pending.
    fn code(self, outcome: JsResult<bool>) -> i32 {
        outcome.map_or_else(|thrown| self.raise_code(thrown), i32::from)
    }
}

pub(crate) static EXOTIC_METHODS: q::JSClassExoticMethods = q::JSClassExoticMethods {
    get_own_property: Some(own_property_hook),
    get_own_property_names: Some(own_names_hook),
    delete_property: Some(delete_hook),
    define_own_property: Some(define_hook),
    has_property: None,
    get_property: None,
    set_property: Some(set_hook),
};

unsafe extern "C" fn own_property_hook(
    _: *mut q::JSContext,
    found: *mut q::JSPropertyDescriptor,
    object: q::JSValue,
    key: q::JSAtom,
) -> i32 {
    let Some(rt) = Runtime::current() else {
        return 0;
    };
    let (object, key) = (Value::lent(&object), KeyRef::lend(key));
    if rt.is_local_key(&key) {
        return 0;
    }
    // SAFETY: E6; the engine passes null or a descriptor to fill.
    let Some(found) = (unsafe { found.as_mut() }) else {
        return rt.code(rt.call_hook(object, |hooks, id| hooks.has(rt, id, &key)));
    };
    let value = rt.call_hook(object, |hooks, id| hooks.get(rt, id, &key));
    rt.code(value.map(|value| {
        let value = value.map(|value| data_descriptor(value, q::JS_PROP_C_W_E));
        value.map(|value| *found = value).is_some()
    }))
}

unsafe extern "C" fn own_names_hook(
    ctx: *mut q::JSContext,
    table: *mut *mut q::JSPropertyEnum,
    length: *mut u32,
    object: q::JSValue,
) -> i32 {
    let Some(rt) = Runtime::current() else {
        return -1;
    };
    let keys = match rt.call_hook(Value::lent(&object), |hooks, id| hooks.own_keys(rt, id)) {
        Ok(keys) => keys,
        Err(thrown) => return rt.raise_code(thrown),
    };
    let Ok(count) = u32::try_from(keys.len()) else {
        return rt.raise_code(rt.range_error("too many properties"));
    };
    let bytes = keys.len().max(1) * size_of::<q::JSPropertyEnum>();
    // SAFETY: E1; the engine frees the table by its own allocator.
    let list = unsafe { q::js_malloc(ctx, bytes as _) }.cast::<q::JSPropertyEnum>();
    if list.is_null() {
        return -1;
    }
    for (index, key) in keys.into_iter().enumerate() {
        let atom = std::mem::ManuallyDrop::new(key).atom;
        let entry = q::JSPropertyEnum {
            is_enumerable: true,
            atom,
        };
        // SAFETY: E8; the table has room for every key.
        let place = unsafe { list.add(index) };
        // SAFETY: E8; the key's count goes to the engine.
        unsafe { place.write(entry) };
    }
    // SAFETY: E6; out-pointers of the engine.
    unsafe { table.write(list) };
    // SAFETY: E6; out-pointers of the engine.
    unsafe { length.write(count) };
    0
}

unsafe extern "C" fn delete_hook(_: *mut q::JSContext, object: q::JSValue, key: q::JSAtom) -> i32 {
    let Some(rt) = Runtime::current() else {
        return -1;
    };
    let key = KeyRef::lend(key);
    if rt.is_local_key(&key) {
        return 1;
    }
    rt.code(rt.call_hook(Value::lent(&object), |hooks, id| hooks.delete(rt, id, &key)))
}

/// `Object.defineProperty` of a value is a set; accessors and local keys are refused (E9).
unsafe extern "C" fn define_hook(
    _: *mut q::JSContext,
    object: q::JSValue,
    key: q::JSAtom,
    value: q::JSValue,
    _: q::JSValue,
    _: q::JSValue,
    flags: i32,
) -> i32 {
    let Some(rt) = Runtime::current() else {
        return -1;
    };
    if flags.cast_unsigned() & q::JS_PROP_HAS_VALUE == 0 {
        return refuse(rt, flags);
    }
    let (object, value) = (Value::lent(&object), Value::lent(&value));
    write(rt, object, &KeyRef::lend(key), value, flags)
}

unsafe extern "C" fn set_hook(
    ctx: *mut q::JSContext,
    object: q::JSValue,
    key: q::JSAtom,
    value: q::JSValue,
    receiver: q::JSValue,
    flags: i32,
) -> i32 {
    let Some(rt) = Runtime::current() else {
        return -1;
    };
    let (object, lent) = (Value::lent(&object), Value::lent(&receiver));
    if object.identity() == lent.identity() {
        return write(rt, object, &KeyRef::lend(key), Value::lent(&value), flags);
    }
    // The remote object is a prototype of the receiver, which gets an own property.
    let all = q::JS_PROP_C_W_E
        | q::JS_PROP_HAS_VALUE
        | q::JS_PROP_HAS_WRITABLE
        | q::JS_PROP_HAS_ENUMERABLE
        | q::JS_PROP_HAS_CONFIGURABLE;
    let all = all.cast_signed() | (flags & q::JS_PROP_THROW.cast_signed());
    let none = q::JS_UNDEFINED;
    // SAFETY: E1, E2, E6, E8; the engine takes counts of its own.
    unsafe { q::JS_DefineProperty(ctx, receiver, key, value, none, none, all) }
}

fn write(rt: Runtime, object: &Value, key: &Key, value: &Value, flags: i32) -> i32 {
    if rt.is_local_key(key) {
        return refuse(rt, flags);
    }
    match rt.call_hook(object, |hooks, id| hooks.set(rt, id, key, value)) {
        Ok(true) => 1,
        Ok(false) => refuse(rt, flags),
        Err(thrown) => rt.raise_code(thrown),
    }
}

/// A refusal: false, or a `TypeError` if the engine's flags require one.
fn refuse(rt: Runtime, flags: i32) -> i32 {
    let throws = q::JS_PROP_THROW | q::JS_PROP_THROW_STRICT;
    if flags.cast_unsigned() & throws == 0 {
        return 0;
    }
    rt.raise_code(rt.type_error("the remote object refuses to be changed"))
}

/// The engine's hook for calls of remote functions.
pub(crate) unsafe extern "C" fn call_hook(
    _: *mut q::JSContext,
    function: q::JSValue,
    this: q::JSValue,
    count: i32,
    values: *mut q::JSValue,
    _: i32,
) -> q::JSValue {
    let Some(rt) = Runtime::current() else {
        return q::JS_EXCEPTION;
    };
    let (this, args) = (Value::lent(&this), lent_args(count, &values));
    let function = Value::lent(&function);
    match rt.call_hook(function, |hooks, id| hooks.call(rt, id, this, args)) {
        Ok(value) => value.into_raw(),
        Err(thrown) => rt.raise(thrown),
    }
}
