//! Errors and exceptions.

use hostd_engine::{ErrorConstructor, JsResult, Thrown, Value};

use super::string::{fits, string};
use crate::abi::checked::{Handle, Out};
use crate::abi::status::{NapiResult, Status};
use crate::abi::types::{napi_extended_error_info, napi_value};
use crate::env::{Cx, handles};

/// The last-error record, which this call leaves as it is.
pub(crate) fn napi_get_last_error_info(
    cx: &Cx,
    result: Out<*const napi_extended_error_info>,
) -> NapiResult {
    result.set(cx.env.last_error())
}

/// The functions that make and throw errors of a class.
macro_rules! of_class {
    ($($create:ident $throw:ident $class:ident;)*) => {$(
        #[doc = concat!("Makes a `", stringify!($class), "`.")]
        pub(crate) fn $create(
            cx: &Cx,
            code: Option<Handle>,
            message: Handle,
            result: Out<napi_value>,
        ) -> NapiResult {
            create(cx, ErrorConstructor::$class, code, message, result)
        }

        #[doc = concat!("Throws a `", stringify!($class), "`.")]
        pub(crate) fn $throw(cx: &Cx, code: Option<&[u8]>, message: &[u8]) -> NapiResult {
            throw(cx, ErrorConstructor::$class, code, message)
        }
    )*};
}

of_class! {
    napi_create_error napi_throw_error Error;
    napi_create_type_error napi_throw_type_error TypeError;
    napi_create_range_error napi_throw_range_error RangeError;
    node_api_create_syntax_error node_api_throw_syntax_error SyntaxError;
}

fn create(
    cx: &Cx,
    class: ErrorConstructor,
    code: Option<Handle>,
    message: Handle,
    result: Out<napi_value>,
) -> NapiResult {
    let message = string(cx, message)?;
    let code = code.map(|code| string(cx, code)).transpose()?;
    let error = cx.no_throw(coded(cx, class, code, &message))?;
    result.set(cx.push(error))
}

/// An error with an own, enumerable `code`, if there is one.
fn coded(cx: &Cx, class: ErrorConstructor, code: Option<Value>, message: &Value) -> JsResult {
    let error = cx.rt().error_with(class, message)?;
    if let Some(code) = code {
        let key = cx.rt().key_utf8(b"code")?;
        cx.rt().set(&error, &key, code)?;
    }
    Ok(error)
}

impl Cx {
    /// Leaves an error of our own making pending.
    #[cold]
    pub(super) fn throw_coded(&self, class: ErrorConstructor, code: &str, message: &str) -> Status {
        self.throw(text_error(
            self,
            class,
            Some(code.as_bytes()),
            message.as_bytes(),
        ))
    }
}

fn text_error(cx: &Cx, class: ErrorConstructor, code: Option<&[u8]>, message: &[u8]) -> Thrown {
    let make = || {
        let code = code.map(|code| cx.rt().string_utf8(code)).transpose()?;
        coded(cx, class, code, &cx.rt().string_utf8(message)?)
    };
    make().map_or_else(|thrown| thrown, Thrown)
}

/// Throws a value: it is pending until the callback returns.
pub(crate) fn napi_throw(cx: &Cx, error: Handle) -> NapiResult {
    let error = cx.value(error)?;
    cx.env.set_exception(Thrown(error));
    Ok(())
}

fn throw(cx: &Cx, class: ErrorConstructor, code: Option<&[u8]>, message: &[u8]) -> NapiResult {
    fits(message.len())?;
    fits(code.map_or(0, <[u8]>::len))?;
    cx.env.set_exception(text_error(cx, class, code, message));
    Ok(())
}

/// Returns whether an exception is pending.
pub(crate) fn napi_is_exception_pending(cx: &Cx, result: Out<bool>) -> NapiResult {
    result.set(cx.env.is_exception_pending())
}

/// Takes the pending exception; `undefined` without one.
pub(crate) fn napi_get_and_clear_last_exception(cx: &Cx, result: Out<napi_value>) -> NapiResult {
    let exception = cx.env.take_exception();
    result.set(exception.map_or(handles::UNDEFINED, |thrown| cx.push(thrown.0)))
}
