//! Functions: making and calling them, and the arguments and receiver of a callback.

use hostd_engine::{FunctionSpec, JsResult, Value};

use crate::abi::address;
use crate::abi::callback::Callback;
use crate::abi::checked::{Arguments, Data, Handle, OptOut, Out};
use crate::abi::frame;
use crate::abi::status::NapiResult;
use crate::abi::types::{napi_callback_info, napi_value};
use crate::env::{Cx, handles};
use crate::host::{self, TAG_CALLBACK};

use std::ffi::c_void;

impl Cx {
    /// How to make a function that calls into this addon.
    pub(super) fn spec<'a>(&self, callback: Callback, data: Data) -> FunctionSpec<'a> {
        let words = frame::words(callback, data, self.env.raw);
        FunctionSpec::new(host::callback, TAG_CALLBACK, words)
    }

    /// Makes a function that calls into this addon.
    pub(super) fn new_function(
        &self,
        name: Option<&Value>,
        callback: Callback,
        data: Data,
    ) -> JsResult {
        self.rt().function(FunctionSpec {
            name,
            ..self.spec(callback, data)
        })
    }

    /// The arguments of a call; a `RangeError` if there are more than a stack holds.
    #[inline]
    pub(super) fn arguments<'a>(
        &self,
        args: Option<&'a [napi_value]>,
    ) -> NapiResult<&'a [napi_value]> {
        args.ok_or_else(|| self.throw(self.rt().stack_overflow()))
    }
}

/// Makes a function that calls into the addon.
pub(crate) fn napi_create_function(
    cx: &Cx,
    name: &[u8],
    callback: Callback,
    data: Data,
    result: Out<napi_value>,
) -> NapiResult {
    super::string::fits(name.len())?;
    let name = cx.js(cx.rt().string_utf8(name))?;
    let function = cx.js(cx.new_function(Some(&name), callback, data))?;
    result.set(cx.push_new(function))
}

/// Calls a function.
pub(crate) fn napi_call_function(
    cx: &Cx,
    recv: Handle,
    func: Handle,
    args: Option<&[napi_value]>,
    result: OptOut<napi_value>,
) -> NapiResult {
    let this = cx.value(recv)?;
    let function = cx.function(func)?;
    let args = cx.arguments(args)?;
    let value = cx.with_values(args, |args| cx.rt().call(&function, &this, args))?;
    let value = cx.js(value)?;
    result.set_with(|| cx.push(value));
    Ok(())
}

/// `new constructor(...args)`.
pub(crate) fn napi_new_instance(
    cx: &Cx,
    constructor: Handle,
    args: Option<&[napi_value]>,
    result: Out<napi_value>,
) -> NapiResult {
    let constructor = cx.function(constructor)?;
    let args = cx.arguments(args)?;
    let value = cx.with_values(args, |args| cx.rt().construct(&constructor, args))?;
    let value = cx.js(value)?;
    result.set(cx.push(value))
}

/// The arguments, receiver and data of a callback.
pub(crate) fn napi_get_cb_info(
    cx: &Cx,
    info: napi_callback_info,
    arguments: Arguments<'_>,
    this: OptOut<napi_value>,
    data: OptOut<*mut c_void>,
) -> NapiResult {
    let Arguments { count, mut values } = arguments;
    let receiver_only = count.is_none();
    let read = cx.host.frames.read(info, |frame| {
        let args = frame.args();
        for (index, value) in args.iter().take(values.capacity()).enumerate() {
            values.put(index, cx.push(value.clone()));
        }
        for index in args.len()..values.capacity() {
            values.put(index, handles::UNDEFINED);
        }
        if let Some(count) = count {
            count.set(args.len());
        }
        this.set_with(|| {
            let this = cx.push(sloppy(cx, frame.this()));
            if receiver_only {
                address::publish_this(info, this);
            }
            this
        });
        data.set_with(|| frame.data().0);
    });
    read.ok_or_else(|| cx.stale("napi_callback_info"))
}

/// `this` as sloppy code sees it: nothing is the global object, primitives are boxed.
fn sloppy(cx: &Cx, this: &Value) -> Value {
    if this.is_object() {
        this.clone()
    } else if this.is_nullish() {
        cx.rt().global()
    } else {
        cx.rt().to_object(this).unwrap_or_default()
    }
}

/// The `new.target` of a callback; NULL in a plain call.
pub(crate) fn napi_get_new_target(
    cx: &Cx,
    info: napi_callback_info,
    result: Out<napi_value>,
) -> NapiResult {
    let target = cx
        .host
        .frames
        .read(info, |frame| frame.new_target().cloned());
    let target = target.ok_or_else(|| cx.stale("napi_callback_info"))?;
    result.set(target.map_or(napi_value(0), |target| cx.push(target)))
}
