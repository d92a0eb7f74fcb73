//! Tests of the engine's vocabulary, one module per concept. Each test has a thread, and so an
//! engine, of its own.
#![expect(clippy::panic, reason = "helpers of tests")]
#![expect(
    clippy::unnecessary_wraps,
    reason = "native functions have one signature"
)]

mod arraybuffer;
mod bigint;
mod buffer_view;
mod class;
mod collection;
mod data_properties;
mod date;
mod error;
mod external;
mod finalizer;
mod function;
mod job;
mod key;
mod keys;
mod large_blocks;
mod mutation;
mod number;
mod nursery;
mod object;
mod promise;
mod property;
mod remote;
mod runtime;
mod script;
mod set;
mod slot;
mod string;
mod symbol;
mod weak;

use hostd_engine::{KeyQuery, Options, Runtime, Value};

/// What `Reflect.ownKeys` lists.
const OWN: KeyQuery = KeyQuery {
    symbols: true,
    enumerable: false,
    ..KeyQuery::OWN_ENUMERABLE
};

/// An engine for the test's thread.
fn engine() -> Runtime {
    engine_of(None)
}

/// An engine whose heap has at most so many bytes.
fn engine_of(memory_limit: Option<usize>) -> Runtime {
    match Runtime::new(Options {
        stack_bytes: 1 << 20,
        memory_limit,
    }) {
        Ok(rt) => rt,
        Err(error) => panic!("{error}"),
    }
}

/// Runs a script that must not throw.
fn js(rt: Runtime, source: &str) -> Value {
    match rt.eval_script(source, "test.js") {
        Ok(value) => value,
        Err(thrown) => panic!("{thrown:?}"),
    }
}

/// Calls a function written in JavaScript.
fn call_js(rt: Runtime, function: &str, args: &[Value]) -> Value {
    let function = js(rt, &format!("({function})"));
    match rt.call(&function, &Value::UNDEFINED, args) {
        Ok(value) => value,
        Err(thrown) => panic!("{thrown:?}"),
    }
}

/// The text of a value.
fn text(rt: Runtime, value: &Value) -> String {
    match rt.utf8(value) {
        Ok(text) => text.as_str().to_owned(),
        Err(thrown) => panic!("{thrown:?}"),
    }
}

/// The text of what was thrown.
fn thrown_text<T: std::fmt::Debug>(rt: Runtime, result: hostd_engine::JsResult<T>) -> String {
    match result {
        Ok(value) => panic!("no exception but {value:?}"),
        Err(thrown) => text(rt, &thrown.0),
    }
}
