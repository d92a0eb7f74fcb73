//! Times the operations that every Node-API call is made of: `cargo run --release --example micro`.
#![expect(
    clippy::unnecessary_wraps,
    reason = "native functions have one signature"
)]
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use hostd_engine::{
    FinalizerToken, FunctionSpec, Invocation, JsResult, Options, Runtime, SlotData, Value,
};

fn add(_: Runtime, call: &Invocation<'_>) -> JsResult {
    match call.args {
        [left, right, ..] => Ok(Value::from(
            left.as_f64().unwrap_or(0.0) + right.as_f64().unwrap_or(0.0),
        )),
        _ => Ok(Value::UNDEFINED),
    }
}

fn nothing(_: Runtime, _: &Invocation<'_>) -> JsResult {
    Ok(Value::UNDEFINED)
}

/// Prints the best of five rounds, in nanoseconds per operation.
fn time<T>(name: &str, mut operation: impl FnMut() -> JsResult<T>) -> JsResult<()> {
    const ROUND: u32 = 200_000;
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        for _ in 0..ROUND {
            black_box(operation()?);
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(ROUND));
    }
    println!("{name:36} {best:8.1}");
    Ok(())
}

fn run(rt: Runtime) -> JsResult<()> {
    let key = rt.key_utf8(b"value")?;
    let object = rt.object()?;
    rt.put(&object, &key, Value::from(1))?;
    let array = rt.array_from((0..100).map(Value::from).collect())?;
    let text = rt.string_utf8(b"hello world")?;
    let accented = rt.string_utf8("héllo wörld".as_bytes())?;

    time("int", || Ok(Value::from(black_box(5))))?;
    time("number", || Ok(Value::from(black_box(5.5))))?;
    let number = Value::from(5.5);
    time("as_f64", || Ok(black_box(&number).as_f64()))?;
    time("kind of an object", || Ok(rt.kind(black_box(&object))))?;
    time("clone and drop of an object", || Ok(object.clone()))?;
    time("object", || rt.object())?;
    time("array of 100", || {
        rt.array_from((0..100).map(Value::from).collect())
    })?;
    time("string_utf8, 11 bytes ASCII", || {
        rt.string_utf8(b"hello world")
    })?;
    time("string_utf8, 13 bytes accented", || {
        rt.string_utf8("héllo wörld".as_bytes())
    })?;
    time("utf8, 11 bytes ASCII", || Ok(rt.utf8(&text)?.len()))?;
    time("utf8, 13 bytes accented", || Ok(rt.utf8(&accented)?.len()))?;
    time("utf16, 11 units", || Ok(rt.utf16(&text)?.len()))?;
    time("key_utf8", || rt.key_utf8(b"value"))?;
    time("get by key", || rt.get(&object, &key))?;
    time("set by key", || rt.set(&object, &key, Value::from(2)))?;
    time("set by name", || {
        rt.set(&object, &rt.key_utf8(b"value")?, Value::from(2))
    })?;
    time("get by name", || rt.get(&object, &rt.key_utf8(b"value")?))?;
    time("get_index", || rt.get_index(&array, 50))?;
    time("set_index", || rt.set_index(&array, 50, Value::from(1)))?;
    time("own_property", || rt.own_property(&object, &key))?;
    time("own_keys of one", || rt.own_keys(&object))?;
    calls(rt)?;
    hidden(rt, &object)?;
    buffers(rt)
}

fn calls(rt: Runtime) -> JsResult<()> {
    let name = rt.string_utf8(b"add")?;
    let native = rt.function(FunctionSpec::new(add, 1, [0; 3]).name(&name))?;
    let args = [Value::from(1), Value::from(2)];
    time("function (make and free)", || {
        rt.function(FunctionSpec::new(add, 1, [0; 3]).name(&name))
    })?;
    time("call of a native add", || {
        rt.call(&native, &Value::UNDEFINED, &args)
    })?;
    let brand = rt.new_brand();
    let (class, _) = rt.class(FunctionSpec::new(nothing, 1, [0; 3]), brand)?;
    let instance = rt.construct(&class, &[])?;
    let method = rt.function(FunctionSpec::new(nothing, 1, [0; 3]).receiver(brand))?;
    time("construct a native class", || rt.construct(&class, &[]))?;
    time("call of a branded method", || {
        rt.call(&method, &instance, &[])
    })?;
    time("promise, made and resolved", || {
        let (promise, deferred) = rt.promise()?;
        rt.resolve(deferred, &Value::NULL)?;
        Ok(promise)
    })?;
    time("error", || {
        rt.error(hostd_engine::ErrorConstructor::TypeError, "message")
    })?;
    let script = rt.eval_bootstrap("(a, b) => a + b", "micro.js")?;
    time("call of a JavaScript add", || {
        rt.call(&script, &Value::UNDEFINED, &args)
    })
}

fn hidden(rt: Runtime, object: &Value) -> JsResult<()> {
    let external = rt.external([1, 2, 3])?;
    let data = SlotData {
        wrap: Some(1),
        ..SlotData::default()
    };
    time("slot of a plain object, none there", || Ok(rt.slot(object)))?;
    rt.set_slot(&external, data)?;
    time("slot of an external", || Ok(rt.slot(&external)))?;
    time("slot of an external", || Ok(rt.slot(&external)))?;
    rt.set_slot(object, data)?;
    time("slot of a plain object", || Ok(rt.slot(object)))?;
    time("external (make and free)", || rt.external([1, 2, 3]))?;
    time("external_words", || Ok(rt.external_words(&external)))?;
    time("weak to a plain object", || rt.weak(object))?;
    let weak = rt.weak(object)?;
    time("weak get", || Ok(weak.get()))?;
    let mut tokens = Vec::new();
    time("finalizer on a new object, with death", || {
        let object = rt.object()?;
        rt.attach_finalizer(&object, FinalizerToken::default())?;
        drop(object);
        tokens.clear();
        rt.take_finalized(&mut tokens);
        Ok(())
    })
}

fn buffers(rt: Runtime) -> JsResult<()> {
    time("array buffer of 4 KiB", || rt.array_buffer(4096))?;
    time("array buffer of 64 KiB", || rt.array_buffer(65_536))?;
    let buffer = rt.array_buffer(4096)?;
    let view = rt.typed_array(hostd_engine::ElementType::Uint8, &buffer, 0, 4096)?;
    time("data_pointer of a buffer", || Ok(rt.data_pointer(&buffer)))?;
    time("data_pointer of a typed array", || {
        Ok(rt.data_pointer(&view))
    })?;
    time("bigint_i64", || rt.bigint_i64(black_box(1 << 40)))?;
    time("bigint of three words", || {
        rt.bigint_words(true, &[1, 2, 3])
    })
}

fn main() -> ExitCode {
    let start = Instant::now();
    let rt = match Runtime::new(Options {
        stack_bytes: 4 << 20,
        memory_limit: None,
    }) {
        Ok(rt) => rt,
        Err(error) => {
            println!("{error}");
            return ExitCode::FAILURE;
        }
    };
    println!(
        "{:36} {:8.1}",
        "engine start, in microseconds",
        start.elapsed().as_secs_f64() * 1e6
    );
    match run(rt) {
        Ok(()) => ExitCode::SUCCESS,
        Err(thrown) => {
            println!("{thrown:?}");
            ExitCode::FAILURE
        }
    }
}
