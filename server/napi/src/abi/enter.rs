//! What every exported function does before and after its body, written once per entry mode.
//!
//! The order is Node's. `env` NULL or unknown: `napi_invalid_arg`, unrecorded. In a basic finalizer
//! `env` and `js` functions end the process. Then, for `js` only: exception pending:
//! `napi_pending_exception`; JavaScript cannot run: `napi_cannot_run_js`, for modules below version
//! 10 `napi_pending_exception`; clear the record. Arguments are checked after that, by the body's
//! closure. The outcome goes to the last-error record. A panic is caught here, returns
//! `napi_generic_failure` and poisons the environment, whose functions all fail from then on.
//!
//! The modes are generic over the body so that the few instructions of the common case are inlined
//! into each shim. The others (a refusal, another environment than that of the last call) are out
//! of line and make the call again, so that the common case need not save registers for them.

use std::panic::{AssertUnwindSafe, catch_unwind};

pub(crate) use super::row::Row;
use super::status::{NapiResult, Status};
use super::types::napi_env;
use crate::env::{Cx, Env, flags};
use crate::host::{self, profiler};

/// Enters a function that refuses while an exception is pending or JavaScript cannot run.
#[inline]
pub(crate) fn js(
    env: napi_env,
    row: &'static Row,
    body: impl FnOnce(&Cx) -> NapiResult,
    again: impl FnOnce() -> Status,
) -> Status {
    match Cx::usual(env, row) {
        Some(cx) if cx.env.flags() == 0 => {
            cx.env.record(Status::Ok);
            run(&cx, body)
        }
        _ => unusual(env, row, refuse_js, again),
    }
}

/// Enters a function that works with a pending exception, but not in a basic finalizer.
#[inline]
pub(crate) fn env(
    env: napi_env,
    row: &'static Row,
    body: impl FnOnce(&Cx) -> NapiResult,
    again: impl FnOnce() -> Status,
) -> Status {
    match Cx::usual(env, row) {
        Some(cx) if cx.env.flags() & (flags::POISONED | flags::BASIC_ONLY) == 0 => run(&cx, body),
        _ => unusual(env, row, refuse_env, again),
    }
}

/// Enters a function that basic finalizers may call.
#[inline]
pub(crate) fn basic(
    env: napi_env,
    row: &'static Row,
    body: impl FnOnce(&Cx) -> NapiResult,
    again: impl FnOnce() -> Status,
) -> Status {
    match Cx::usual(env, row) {
        Some(cx) if cx.env.flags() & flags::POISONED == 0 => run(&cx, body),
        _ => unusual(env, row, refuse_basic, again),
    }
}

/// Tries the fast path of an `env` function: a body that calls no other function, so that registers
/// need not be saved, and that returns `None` without an effect where that is not enough. False if
/// the slow path is needed.
#[inline]
pub(crate) fn fast(
    env: napi_env,
    row: &'static Row,
    body: impl FnOnce(&Cx) -> Option<NapiResult>,
) -> bool {
    let Some(cx) = Cx::usual(env, row) else {
        return false;
    };
    if cx.env.flags() & (flags::POISONED | flags::BASIC_ONLY) != 0 {
        return false;
    }
    // For the crash record, in case a pointer is bad.
    let outer = cx.host.swap_row(Some(cx.row));
    let done = matches!(body(&cx), Some(Ok(())));
    cx.host.swap_row(outer);
    if done {
        cx.env.record(Status::Ok);
    }
    done
}

/// Keeps the slow path out of line.
#[inline(never)]
pub(crate) fn slow(call: impl FnOnce() -> Status) -> Status {
    call()
}

/// Enters a function whose success leaves the last-error record as it is.
#[inline]
pub(crate) fn peek(
    env: napi_env,
    row: &'static Row,
    body: impl FnOnce(&Cx) -> NapiResult,
    again: impl FnOnce() -> Status,
) -> Status {
    match Cx::usual(env, row) {
        Some(cx) => match caught(&cx, body) {
            Ok(()) => Status::Ok,
            Err(status) => failed(cx.env, row, status),
        },
        None => unusual(env, row, |_, _| None, again),
    }
}

/// Refuses the call, or remembers the caller so that the call works when made again, notes it if recent
/// calls are kept, and measures it if a profile is made.
#[cold]
fn unusual(
    env: napi_env,
    row: &'static Row,
    refuse: fn(&Env, &'static Row) -> Option<Status>,
    again: impl FnOnce() -> Status,
) -> Status {
    if let Some(status) = prepare(env, row, refuse) {
        return status;
    }
    let measured = profiler::enter_function(row);
    let status = noted(row, again);
    profiler::leave_function(measured);
    status
}

/// Makes a call, which is noted if recent ones are kept.
fn noted(row: &'static Row, call: impl FnOnce() -> Status) -> Status {
    let host = host::current();
    if let Some(recent) = host.and_then(|host| host.recent.as_ref()) {
        recent.note(row);
    }
    let status = call();
    if let Some(host) = host {
        host.note_next();
    }
    status
}

fn prepare(
    env: napi_env,
    row: &'static Row,
    refuse: fn(&Env, &'static Row) -> Option<Status>,
) -> Option<Status> {
    match host::caller(env) {
        Some(caller) => refuse(caller.env, row),
        None => Some(unknown_env(env, row)),
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
fn run(cx: &Cx, body: impl FnOnce(&Cx) -> NapiResult) -> Status {
    match caught(cx, body) {
        Ok(()) => {
            cx.env.record(Status::Ok);
            Status::Ok
        }
        Err(status) => failed(cx.env, cx.row, status),
    }
}

#[inline]
fn caught(cx: &Cx, body: impl FnOnce(&Cx) -> NapiResult) -> NapiResult {
    let outer = cx.host.swap_row(Some(cx.row));
    let result = catch_unwind(AssertUnwindSafe(|| body(cx)));
    cx.host.swap_row(outer);
    match result {
        Ok(result) => result,
        Err(_) => Err(panicked(cx.env, cx.row)),
    }
}

#[cold]
fn failed(env: &Env, row: &'static Row, status: Status) -> Status {
    if status.is_recorded() && !env.take_unrecorded() {
        env.record(status);
    }
    tracing::trace!(function = row.name, ?status, "failed");
    status
}

#[cold]
fn panicked(env: &Env, row: &'static Row) -> Status {
    env.poison();
    tracing::error!(
        function = row.name,
        "panic in a Node-API function; the addon's environment is unusable from now on"
    );
    Status::GenericFailure
}

/// Why a `basic` function may not run, if so.
fn refuse_basic(env: &Env, _: &'static Row) -> Option<Status> {
    if env.flags() & flags::POISONED == 0 {
        return None;
    }
    env.record(Status::GenericFailure);
    Some(Status::GenericFailure)
}

/// Why an `env` function may not run, if so. In a basic finalizer it ends the process, as in Node.
fn refuse_env(env: &Env, row: &'static Row) -> Option<Status> {
    if env.flags() & flags::BASIC_ONLY != 0 {
        if let Some(host) = host::current() {
            // For the crash record: `not_basic` does not return.
            host.swap_row(Some(row));
        }
        crate::api::fatal::not_basic();
    }
    refuse_basic(env, row)
}

/// Why a `js` function may not run, if so.
fn refuse_js(env: &Env, row: &'static Row) -> Option<Status> {
    if let Some(status) = refuse_env(env, row) {
        return Some(status);
    }
    let flags = env.flags();
    let status = if flags & flags::PENDING != 0 {
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
            host.warn_once(row, None, "was given a napi_env that is not one");
        } else {
            tracing::warn!(
                function = row.name,
                "was called on a thread without JavaScript: the addon must not do that"
            );
        }
    }
    Status::InvalidArg
}

/// The fast path of a row that has one, then the slow path.
macro_rules! fast_or_slow {
    ([] $module:ident $env:ident $row:ident ($($checked:expr),*) $slow:expr) => {
        $slow
    };
    ([$fast:ident] $module:ident $env:ident $row:ident ($($checked:expr),*) $slow:expr) => {
        if $crate::abi::enter::fast($env, $row, |cx| {
            $crate::api::$module::$fast(cx, $($checked.ok()?),*)
        }) {
            $crate::abi::status::Status::Ok
        } else {
            $crate::abi::enter::slow(move || $slow)
        }
    };
}

/// The exported function of a row.
macro_rules! shim {
    (free $module:ident $name:ident($($check:ident($($arg:ident: $ty:ty),*)),*) []) => {
        #[doc = concat!("<https://nodejs.org/api/n-api.html#", stringify!($name), ">")]
        ///
        /// # Safety
        ///
        /// A1 and A2: the pointers are what the header requires.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($($arg: $ty),*),*) -> napi_status {
            const ROW: &$crate::abi::row::Row = &$crate::abi::row::Row { name: stringify!($name) };
            $crate::abi::enter::free(ROW, || {
                $crate::api::$module::$name(
                    // SAFETY: A1, A2; the addon passes what the header requires.
                    $(unsafe { $crate::abi::check::$check($($arg),*) }?),*
                )
            })
        }
    };
    ($mode:ident $module:ident $name:ident($($check:ident($($arg:ident: $ty:ty),*)),*) [$($fast:ident)?]) => {
        #[doc = concat!("<https://nodejs.org/api/n-api.html#", stringify!($name), ">")]
        ///
        /// # Safety
        ///
        /// A1 and A2: the pointers are what the header requires.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(env: napi_env, $($($arg: $ty),*),*) -> napi_status {
            const ROW: &$crate::abi::row::Row = &$crate::abi::row::Row { name: stringify!($name) };
            $crate::abi::enter::fast_or_slow!(
                [$($fast)?] $module env ROW
                // SAFETY: A1, A2; the addon passes what the header requires.
                ($(unsafe { $crate::abi::check::$check($($arg),*) }),*)
                $crate::abi::enter::$mode(
                    env,
                    ROW,
                    move |cx| {
                        $crate::api::$module::$name(
                            cx,
                            // SAFETY: A1, A2; the addon passes what the header requires.
                            $(unsafe { $crate::abi::check::$check($($arg),*) }?),*
                        )
                    },
                    // SAFETY: A1, A2; the caller's contract, passed on.
                    move || unsafe { $name(env, $($($arg),*),*) },
                )
            )
        }
    };
}

/// Turns a table of rows into exported functions.
///
/// A row is `mode module::name(a check of C parameters per argument of the body);`. The row
/// `env array::napi_get_array_length(handle(value: napi_value), out(result: *mut u32));` becomes
///
/// ```text
/// pub unsafe extern "C" fn napi_get_array_length(env: napi_env, value: napi_value, result: *mut u32) -> napi_status {
///     const ROW: &Row = &Row { name: "napi_get_array_length" };
///     enter::env(
///         env,
///         ROW,
///         move |cx| api::array::napi_get_array_length(cx, unsafe { check::handle(value) }?, unsafe { check::out(result) }?),
///         move || unsafe { napi_get_array_length(env, value, result) },
///     )
/// }
/// ```
///
/// and a line of the table. A function of the mode `free` has no environment: its body gets the
/// checked arguments only. With `or fast_name` behind it, `api::array::fast_name` is tried first, see
/// [`fast`].
macro_rules! napi_exports {
    (
        $(#[$doc:meta])*
        static $table:ident: $header:literal;
        $($mode:ident $module:ident::$name:ident($($check:ident($($arg:ident: $ty:ty),*)),*)
            $(or $fast:ident)?;)*
    ) => {
        $($crate::abi::enter::shim! {
            $mode $module $name($($check($($arg: $ty),*)),*) [$($fast)?]
        })*
        $(#[$doc])*
        #[used]
        pub static $table: &[$crate::abi::row::Symbol] = &[
            $($crate::abi::row::Symbol::new(
                &$crate::abi::row::Row { name: stringify!($name) },
                $header,
                $crate::abi::enter::entry::$mode,
                $name as *const (),
            ),)*
        ];
    };
}

pub(crate) use {fast_or_slow, napi_exports, shim};

/// The modes' names as the tables spell them.
#[expect(non_upper_case_globals, reason = "named by the mode word of a row")]
pub(crate) mod entry {
    use crate::abi::row::Entry;

    pub(crate) const js: Entry = Entry::Js;
    pub(crate) const env: Entry = Entry::Env;
    pub(crate) const basic: Entry = Entry::Basic;
    pub(crate) const peek: Entry = Entry::Peek;
    pub(crate) const free: Entry = Entry::None;
}
