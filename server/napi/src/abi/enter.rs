//! What every exported function does before and after its body, written once per entry mode.
//!
//! The order is Node's. `env` NULL or unknown: `napi_invalid_arg`, unrecorded. In a basic finalizer
//! `env` and `js` functions end the process. Then, for `js` only:
//! exception pending: `napi_pending_exception`; JavaScript cannot run: `napi_cannot_run_js`, for
//! modules below version 10 `napi_pending_exception`; clear the record. Arguments are checked after
//! that, by the body's closure. The outcome goes to the last-error record. A panic is caught here,
//! answers `napi_generic_failure` and poisons the environment: it answers nothing else from then on.
//!
//! The modes are generic over the body so that the few instructions of the usual path are inlined
//! into each shim; everything unusual is out of line and compiled once.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::status::{NapiResult, Status};
use super::types::napi_env;
use crate::env::{Cx, Env, flags};
use crate::host;

/// What is known of an exported function at run time.
#[derive(Debug)]
pub(crate) struct Row {
    /// Its name.
    pub(crate) name: &'static str,
}

/// Enters a function that refuses while an exception is pending or JavaScript cannot run.
#[inline]
pub(crate) fn js(env: napi_env, row: &'static Row, body: impl FnOnce(&Cx) -> NapiResult) -> Status {
    let Some(cx) = Cx::find(env, row) else {
        return unknown_env(env, row);
    };
    if cx.env.flags() != 0
        && let Some(status) = refuse_js(cx.env, row)
    {
        return status;
    }
    cx.env.record(Status::Ok);
    finish(&cx, run(&cx, body))
}

/// Enters a function that works with a pending exception, but not in a basic finalizer.
#[inline]
pub(crate) fn env(
    env: napi_env,
    row: &'static Row,
    body: impl FnOnce(&Cx) -> NapiResult,
) -> Status {
    let Some(cx) = Cx::find(env, row) else {
        return unknown_env(env, row);
    };
    if cx.env.flags() & (flags::POISONED | flags::BASIC_ONLY) != 0 {
        return refuse_env(cx.env, row);
    }
    finish(&cx, run(&cx, body))
}

/// Enters a function that basic finalizers may call.
#[inline]
pub(crate) fn basic(
    env: napi_env,
    row: &'static Row,
    body: impl FnOnce(&Cx) -> NapiResult,
) -> Status {
    let Some(cx) = Cx::find(env, row) else {
        return unknown_env(env, row);
    };
    if cx.env.flags() & flags::POISONED != 0 {
        return poisoned(cx.env);
    }
    finish(&cx, run(&cx, body))
}

/// Enters a function whose success leaves the last-error record as it is.
#[inline]
pub(crate) fn peek(
    env: napi_env,
    row: &'static Row,
    body: impl FnOnce(&Cx) -> NapiResult,
) -> Status {
    let Some(cx) = Cx::find(env, row) else {
        return unknown_env(env, row);
    };
    match run(&cx, body) {
        Ok(()) => Status::Ok,
        failure => finish(&cx, failure),
    }
}

/// Enters a function without environment. It may be on any thread.
pub(crate) fn free(row: &'static Row, body: impl FnOnce() -> NapiResult) -> Status {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => Status::Ok,
        Ok(Err(status)) => {
            if status == Status::InvalidArg {
                host::debug::refused_anywhere(row);
            }
            status
        }
        Err(_) => {
            tracing::error!(function = row.name, "panic in a Node-API function");
            Status::GenericFailure
        }
    }
}

#[inline]
fn run(cx: &Cx, body: impl FnOnce(&Cx) -> NapiResult) -> NapiResult {
    let outer = cx.host.swap_row(Some(cx.row));
    let result = catch_unwind(AssertUnwindSafe(|| body(cx)));
    cx.host.swap_row(outer);
    match result {
        Ok(result) => result,
        Err(_) => Err(panicked(cx)),
    }
}

#[inline]
fn finish(cx: &Cx, result: NapiResult) -> Status {
    match result {
        Ok(()) => {
            cx.env.record(Status::Ok);
            Status::Ok
        }
        Err(status) => failed(cx, status),
    }
}

#[cold]
fn failed(cx: &Cx, status: Status) -> Status {
    if status.is_recorded() && !cx.env.take_unrecorded() {
        cx.env.record(status);
    }
    tracing::trace!(function = cx.row.name, ?status, "failed");
    status
}

#[cold]
fn panicked(cx: &Cx) -> Status {
    cx.env.poison();
    tracing::error!(
        function = cx.row.name,
        "panic in a Node-API function; the addon's environment is unusable from now on"
    );
    Status::GenericFailure
}

#[cold]
fn poisoned(env: &Env) -> Status {
    env.record(Status::GenericFailure);
    Status::GenericFailure
}

/// Why an `env` function may not run. In a basic finalizer it ends the process, as in Node.
#[cold]
fn refuse_env(env: &Env, row: &'static Row) -> Status {
    if env.flags() & flags::BASIC_ONLY != 0 {
        if let Some(host) = host::current() {
            // It does not come back: this is for the record of the crash.
            host.swap_row(Some(row));
        }
        crate::api::fatal::not_basic();
    }
    poisoned(env)
}

/// Why a `js` function may not run, if so.
#[cold]
fn refuse_js(env: &Env, row: &'static Row) -> Option<Status> {
    let flags = env.flags();
    if flags & flags::BASIC_ONLY != 0 {
        return Some(refuse_env(env, row));
    }
    let status = if flags & flags::POISONED != 0 {
        Status::GenericFailure
    } else if flags & flags::PENDING != 0 {
        Status::PendingException
    } else if flags & flags::NO_JS != 0 {
        env.cannot_run_js()
    } else {
        return None;
    };
    env.record(status);
    Some(status)
}

#[cold]
fn unknown_env(env: napi_env, row: &'static Row) -> Status {
    if env.0 != 0 {
        if let Some(host) = host::current() {
            host.warn_once(row, "was given a napi_env that is not one");
        } else {
            tracing::warn!(
                function = row.name,
                "was called on a thread without JavaScript: the addon must not do that"
            );
        }
    }
    Status::InvalidArg
}

/// Turns a table of rows into exported functions.
///
/// A row is `mode module::name(C parameters) => (a check per argument of the body);`. The row
/// `env array::napi_is_array(value: napi_value, result: *mut bool) => (handle(value), out(result));`
/// becomes
///
/// ```text
/// pub unsafe extern "C" fn napi_is_array(env: napi_env, value: napi_value, result: *mut bool) -> napi_status {
///     const ROW: &Row = &Row { name: "napi_is_array" };
///     enter::env(env, ROW, |cx| {
///         api::array::napi_is_array(cx, unsafe { check::handle(value) }?, unsafe { check::out(result) }?)
///     })
/// }
/// ```
///
/// and a line of the table.
macro_rules! napi_exports {
    (
        $(#[$doc:meta])*
        static $table:ident: $header:literal;
        $($mode:ident $module:ident::$name:ident($($arg:ident: $ty:ty),*)
            => ($($check:ident($($from:ident),*)),*);)*
    ) => {
        $(
            #[doc = concat!("<https://nodejs.org/api/n-api.html#", stringify!($name), ">")]
            ///
            /// # Safety
            ///
            /// A1 and A2: the pointers are what the header says.
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name(env: napi_env, $($arg: $ty),*) -> napi_status {
                const ROW: &$crate::abi::enter::Row =
                    &$crate::abi::enter::Row { name: stringify!($name) };
                $crate::abi::enter::$mode(env, ROW, |cx| {
                    $crate::api::$module::$name(
                        cx,
                        // SAFETY: A1, A2 (the addon passes what the header requires).
                        $(unsafe { $crate::abi::check::$check($($from),*) }?),*
                    )
                })
            }
        )*
        $(#[$doc])*
        #[used]
        pub static $table: &[$crate::abi::exports::Symbol] = &[
            $($crate::abi::exports::Symbol::new(
                &$crate::abi::enter::Row { name: stringify!($name) },
                $header,
                $crate::abi::enter::entry::$mode,
                $name as *const (),
            ),)*
        ];
    };
}

/// Turns a table of rows without environment into exported functions.
///
/// As [`napi_exports`], without mode and `env`: the body gets the checked arguments only.
macro_rules! napi_free_exports {
    (
        $(#[$doc:meta])*
        static $table:ident: $header:literal;
        $($module:ident::$name:ident($($arg:ident: $ty:ty),*)
            => ($($check:ident($($from:ident),*)),*);)*
    ) => {
        $(
            #[doc = concat!("<https://nodejs.org/api/n-api.html#", stringify!($name), ">")]
            ///
            /// # Safety
            ///
            /// A1 and A2: the pointers are what the header says.
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name($($arg: $ty),*) -> napi_status {
                const ROW: &$crate::abi::enter::Row =
                    &$crate::abi::enter::Row { name: stringify!($name) };
                $crate::abi::enter::free(ROW, || {
                    $crate::api::$module::$name(
                        // SAFETY: A1, A2 (the addon passes what the header requires).
                        $(unsafe { $crate::abi::check::$check($($from),*) }?),*
                    )
                })
            }
        )*
        $(#[$doc])*
        #[used]
        pub static $table: &[$crate::abi::exports::Symbol] = &[
            $($crate::abi::exports::Symbol::new(
                &$crate::abi::enter::Row { name: stringify!($name) },
                $header,
                $crate::abi::exports::Entry::None,
                $name as *const (),
            ),)*
        ];
    };
}

pub(crate) use {napi_exports, napi_free_exports};

/// The modes' names as the tables spell them.
#[expect(non_upper_case_globals, reason = "looked up by the mode word of a row")]
pub(crate) mod entry {
    use crate::abi::exports::Entry;

    pub(crate) const js: Entry = Entry::Js;
    pub(crate) const env: Entry = Entry::Env;
    pub(crate) const basic: Entry = Entry::Basic;
    pub(crate) const peek: Entry = Entry::Peek;
}
