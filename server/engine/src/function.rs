//! Native functions: how they are made, called by the engine, and get their `prototype`.
//!
//! The engine's own C functions cannot tell a plain call from `new` without losing `this` or the
//! data, so native functions have a class of their own. The engine checks no stack for it and makes
//! no frame, so the stack is checked here. `prototype` is made when it is first read, as in V8.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use hostd_quickjs as q;

use crate::classes::{Class, Payload};
use crate::property::data_descriptor;
use crate::record::Base;
use crate::{Attributes, Brand, Descriptor, JsResult, Runtime, Thrown, Value};

/// The tag of this crate's own native functions. They need little stack and run when it is nearly
/// exhausted too, to make the stack trace of that very error.
pub(crate) const OWN_TAG: u8 = u8::MAX;

/// What a native function runs.
pub type NativeCall = fn(Runtime, &Invocation<'_>) -> JsResult;

/// One call of a native function.
#[derive(Debug)]
pub struct Invocation<'a> {
    /// The function object itself.
    pub callee: &'a Value,
    /// Which kind of native function it is, as its maker numbers them.
    pub tag: u8,
    /// Its data.
    pub words: [usize; 3],
    /// `this` as given: `undefined` stays `undefined`. In a construction, the new object.
    pub this: &'a Value,
    /// The arguments given.
    pub args: &'a [Value],
    /// What `new` was applied to; `None` in a plain call.
    pub new_target: Option<&'a Value>,
}

/// The data of a native function, read from its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NativeFunction {
    /// Which kind of native function it is.
    pub tag: u8,
    /// Its data.
    pub words: [usize; 3],
    /// The brand of the objects that it makes as a constructor.
    pub brand: Option<Brand>,
}

/// How to make a native function.
#[derive(Clone, Copy, Debug)]
pub struct FunctionSpec<'a> {
    /// What it runs.
    pub call: NativeCall,
    /// Which kind of native function it is, as its maker numbers them; 255 is this crate's own.
    pub tag: u8,
    /// Its data.
    pub words: [usize; 3],
    /// Its `name`, a string; `None` for the empty one.
    pub name: Option<&'a Value>,
    /// Its `length`; `None` if [`RemoteHooks::length`](crate::RemoteHooks::length) reads it when it is
    /// first needed.
    pub length: Option<u16>,
    /// The brand that `this` must have; any other is a `TypeError` "Illegal invocation".
    pub receiver: Option<Brand>,
    /// Whether `new f()` works.
    pub constructible: bool,
}

impl<'a> FunctionSpec<'a> {
    /// A constructible function without a name, as all functions of Node-API are.
    pub fn new(call: NativeCall, tag: u8, words: [usize; 3]) -> FunctionSpec<'a> {
        FunctionSpec {
            call,
            tag,
            words,
            name: None,
            length: Some(0),
            receiver: None,
            constructible: true,
        }
    }

    /// With that name.
    #[must_use]
    pub fn name(mut self, name: &'a Value) -> FunctionSpec<'a> {
        self.name = Some(name);
        self
    }

    /// With that brand required of `this`.
    #[must_use]
    pub fn receiver(mut self, brand: Brand) -> FunctionSpec<'a> {
        self.receiver = Some(brand);
        self
    }

    /// With a `length` that is read when it is first needed.
    #[must_use]
    pub fn remote_length(mut self) -> FunctionSpec<'a> {
        self.length = None;
        self
    }

    /// Without `new` and without a `prototype`.
    #[must_use]
    pub fn not_constructible(mut self) -> FunctionSpec<'a> {
        self.constructible = false;
        self
    }
}

#[repr(C)]
pub(crate) struct FunctionPayload {
    base: Base,
    call: NativeCall,
    words: [usize; 3],
    /// The brand of what it constructs, 0 for none.
    brand: u32,
    /// The brand required of `this`, 0 for none.
    receiver: u32,
    tag: u8,
    constructible: bool,
    has_prototype: Cell<bool>,
    /// Its `length` was not read yet.
    lacks_length: Cell<bool>,
}

impl Payload for FunctionPayload {
    const FIRST: Class = Class::Function;
}

/// The engine's hook for calls of native functions.
pub(crate) unsafe extern "C" fn call_hook(
    _: *mut q::JSContext,
    function: q::JSValue,
    this: q::JSValue,
    count: i32,
    values: *mut q::JSValue,
    flags: i32,
) -> q::JSValue {
    let Some(rt) = Runtime::current() else {
        return q::JS_EXCEPTION;
    };
    let callee = Value::lent(&function);
    let Some(payload) = rt.payload::<FunctionPayload>(callee) else {
        return rt.raise(rt.type_error("not a native function"));
    };
    if !rt.stack_ok() && payload.tag != OWN_TAG {
        return rt.raise(rt.stack_overflow());
    }
    let this = Value::lent(&this);
    let args = lent_args(count, &values);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        if flags.cast_unsigned() & q::JS_CALL_FLAG_CONSTRUCTOR == 0 {
            invoke(rt, payload, callee, this, args)
        } else {
            construct(rt, payload, callee, this, args)
        }
    }));
    match outcome {
        Ok(Ok(value)) => value.into_raw(),
        Ok(Err(thrown)) => rt.raise(thrown),
        Err(_) => rt.raise(rt.panicked()),
    }
}

/// The arguments that the engine lends for the time of a call.
#[inline]
pub(crate) fn lent_args(count: i32, values: &*mut q::JSValue) -> &[Value] {
    match usize::try_from(count) {
        Ok(count) if count > 0 && !values.is_null() => {
            // SAFETY: E2, E6; there are count values that live until the callback returns, and the
            // borrow of the caller's own argument ends before that.
            unsafe { std::slice::from_raw_parts(values.cast::<Value>(), count) }
        }
        _ => &[],
    }
}

#[inline]
fn invoke(
    rt: Runtime,
    payload: &FunctionPayload,
    callee: &Value,
    this: &Value,
    args: &[Value],
) -> JsResult {
    if payload.receiver != 0 && !rt.has_brand(this, Brand(payload.receiver)) {
        return Err(rt.type_error("Illegal invocation"));
    }
    let (tag, words) = (payload.tag, payload.words);
    (payload.call)(
        rt,
        &Invocation {
            callee,
            tag,
            words,
            this,
            args,
            new_target: None,
        },
    )
}

fn construct(
    rt: Runtime,
    payload: &FunctionPayload,
    callee: &Value,
    new_target: &Value,
    args: &[Value],
) -> JsResult {
    let intrinsics = rt.intrinsics();
    let prototype = rt.get(new_target, &intrinsics.keys.prototype)?;
    let prototype = if prototype.is_object() {
        &prototype
    } else {
        &intrinsics.object_prototype
    };
    let this = rt.instance(prototype, payload.brand)?;
    let (tag, words) = (payload.tag, payload.words);
    let new_target = Some(new_target);
    let invocation = Invocation {
        callee,
        tag,
        words,
        this: &this,
        args,
        new_target,
    };
    let result = (payload.call)(rt, &invocation)?;
    Ok(if result.is_object() { result } else { this })
}

/// The engine's flags of `length` and `name`.
const HIDDEN: u32 = q::JS_PROP_CONFIGURABLE;

/// The hooks that make `prototype`, and a `length` that is remote, when it is first read, defined or
/// deleted. Listing the keys does not make them (E9), so `Object.getOwnPropertyNames(f)` lacks them
/// until then.
pub(crate) static EXOTIC_METHODS: q::JSClassExoticMethods = q::JSClassExoticMethods {
    get_own_property: Some(own_property_hook),
    get_own_property_names: None,
    delete_property: Some(delete_hook),
    define_own_property: Some(define_hook),
    has_property: None,
    get_property: None,
    set_property: None,
};

/// Called for keys that do not exist. Refuses to delete a `prototype` that was not made yet, and
/// makes it; reports any other key as deleted, a `length` that was not read among them.
unsafe extern "C" fn delete_hook(
    _: *mut q::JSContext,
    function: q::JSValue,
    key: q::JSAtom,
) -> i32 {
    if let Some(payload) = lazy_length_at(&function, key) {
        payload.lacks_length.set(false);
        return 1;
    }
    i32::from(lazy_prototype_at(&function, key).is_none())
}

/// Makes a property that was not made yet, and lets the engine define it anew.
unsafe extern "C" fn define_hook(
    ctx: *mut q::JSContext,
    function: q::JSValue,
    key: q::JSAtom,
    value: q::JSValue,
    getter: q::JSValue,
    setter: q::JSValue,
    flags: i32,
) -> i32 {
    if lazy_length_at(&function, key).is_some()
        && let Some(Err(thrown)) = read_length(&function)
    {
        return raise_code(thrown);
    }
    lazy_prototype_at(&function, key);
    let flags = flags | q::JS_PROP_NO_EXOTIC.cast_signed();
    // SAFETY: E1, E2, E6, E8; the engine takes counts of its own.
    unsafe { q::JS_DefineProperty(ctx, function, key, value, getter, setter, flags) }
}

/// Makes the `prototype` if that is the key and it was not made yet.
fn lazy_prototype_at(function: &q::JSValue, key: q::JSAtom) -> Option<Value> {
    let rt = Runtime::current()?;
    let is_prototype = key == rt.try_intrinsics()?.keys.prototype.atom;
    is_prototype.then(|| lazy_prototype(rt, Value::lent(function)))?
}

/// The function if `length` is the key and was not read yet.
fn lazy_length_at(function: &q::JSValue, key: q::JSAtom) -> Option<&FunctionPayload> {
    let rt = Runtime::current()?;
    if key != rt.try_intrinsics()?.keys.length.atom {
        return None;
    }
    let payload = rt.payload::<FunctionPayload>(Value::lent(function))?;
    payload.lacks_length.get().then_some(payload)
}

/// Reads the `length` and makes it a property. JavaScript may run meanwhile, and may read it too.
fn read_length(function: &q::JSValue) -> Option<JsResult> {
    let rt = Runtime::current()?;
    let function = Value::lent(function);
    let payload = rt.payload::<FunctionPayload>(function)?;
    let length = rt.remote_length(payload.words);
    if let Ok(length) = &length
        && payload.lacks_length.replace(false)
    {
        let flags = HIDDEN | q::JS_PROP_NO_EXOTIC;
        let key = &rt.intrinsics().keys.length;
        // A function that is not extensible any more keeps reading it.
        let made = rt.put_with_flags(function, key, length.clone(), flags);
        payload.lacks_length.set(!matches!(made, Ok(true)));
    }
    Some(length)
}

fn raise_code(thrown: Thrown) -> i32 {
    if let Some(rt) = Runtime::current() {
        rt.raise(thrown);
    }
    -1
}

unsafe extern "C" fn own_property_hook(
    _: *mut q::JSContext,
    found: *mut q::JSPropertyDescriptor,
    function: q::JSValue,
    key: q::JSAtom,
) -> i32 {
    // SAFETY: E6; the engine passes null or a descriptor to fill.
    let found = unsafe { found.as_mut() };
    if lazy_length_at(&function, key).is_some() {
        let Some(found) = found else { return 1 };
        return match read_length(&function) {
            Some(Ok(length)) => {
                *found = data_descriptor(length, HIDDEN);
                1
            }
            Some(Err(thrown)) => raise_code(thrown),
            None => 0,
        };
    }
    let Some(prototype) = lazy_prototype_at(&function, key) else {
        return 0;
    };
    if let Some(found) = found {
        *found = data_descriptor(prototype, q::JS_PROP_WRITABLE);
    }
    1
}

/// Makes the `prototype` of a constructible function that has none yet.
fn lazy_prototype(rt: Runtime, function: &Value) -> Option<Value> {
    let payload = rt.payload::<FunctionPayload>(function)?;
    if !payload.constructible || payload.has_prototype.replace(true) {
        return None;
    }
    rt.make_prototype(function).ok()
}

impl Runtime {
    /// Makes a native function.
    pub fn function(self, spec: FunctionSpec<'_>) -> JsResult {
        self.function_with_brand(spec, 0)
    }

    /// Makes a native class: a constructor whose objects have the brand, and its `prototype`.
    /// Called without `new` it gets the receiver as `this`.
    pub fn class(self, mut spec: FunctionSpec<'_>, brand: Brand) -> JsResult<(Value, Value)> {
        spec.constructible = true;
        let constructor = self.function_with_brand(spec, brand.0)?;
        if let Some(payload) = self.payload::<FunctionPayload>(&constructor) {
            payload.has_prototype.set(true);
        }
        let prototype = self.make_prototype(&constructor)?;
        Ok((constructor, prototype))
    }

    fn function_with_brand(self, spec: FunctionSpec<'_>, brand: u32) -> JsResult {
        let intrinsics = self.intrinsics();
        let payload = FunctionPayload {
            base: Base::default(),
            call: spec.call,
            words: spec.words,
            brand,
            receiver: spec.receiver.map_or(0, |brand| brand.0),
            tag: spec.tag,
            constructible: spec.constructible,
            has_prototype: Cell::new(false),
            lacks_length: Cell::new(spec.length.is_none()),
        };
        let prototype = &intrinsics.function_prototype;
        let function = self.object_of_class(Class::Function, prototype, payload)?;
        let hidden = HIDDEN | q::JS_PROP_NO_EXOTIC;
        if let Some(length) = spec.length {
            let length = Value::from(i32::from(length));
            self.put_with_flags(&function, &intrinsics.keys.length, length, hidden)?;
        }
        let name = spec.name.unwrap_or(&intrinsics.empty_string).clone();
        self.put_with_flags(&function, &intrinsics.keys.name, name, hidden)?;
        if spec.constructible {
            // SAFETY: E1, E2; the function is live and was just made by us.
            unsafe { q::JS_SetConstructorBit(self.ctx(), function.0, true) };
        }
        Ok(function)
    }

    /// Makes the `prototype` of a native function that is about to become non-extensible.
    pub(crate) fn make_lazy_prototype(self, object: &Value) {
        if object.is_object() {
            lazy_prototype(self, object);
        }
    }

    fn make_prototype(self, function: &Value) -> JsResult {
        let keys = &self.intrinsics().keys;
        let prototype = self.object()?;
        let link = Descriptor::Value(function, Attributes::HIDDEN);
        self.define_fresh(&prototype, &keys.constructor, link)?;
        let writable = Attributes {
            writable: true,
            ..Attributes::NONE
        };
        self.define_fresh(
            function,
            &keys.prototype,
            Descriptor::Value(&prototype, writable),
        )?;
        Ok(prototype)
    }

    /// The data of a native function; `None` for other values.
    #[inline]
    pub fn native_function(self, value: &Value) -> Option<NativeFunction> {
        let payload = self.payload::<FunctionPayload>(value)?;
        let brand = (payload.brand != 0).then_some(Brand(payload.brand));
        Some(NativeFunction {
            tag: payload.tag,
            words: payload.words,
            brand,
        })
    }
}
