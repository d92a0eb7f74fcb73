//! An engine that is dropped gives back all its memory, whatever its scripts have left. In a process
//! of its own, because the heap is the process's.
//!
//! Upholds I-23.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are not recognised as tests"
)]
#![expect(
    unsafe_code,
    reason = "an engine with an owner, and the C library's heap"
)]

use std::rc::Rc;

use hostd_engine::{
    Engine, EngineError, FinalizerToken, FunctionSpec, Invocation, JsResult, Key, Options,
    RemoteClass, RemoteHooks, Runtime, SlotData, Value,
};

const OPTIONS: Options = Options {
    stack_bytes: 1 << 20,
    memory_limit: None,
};
const WARM_UP: usize = 20;
const ENGINES: usize = 300;
/// Bytes that the C library may need for itself, far less than one engine has.
const SLACK: usize = 64 << 10;

/// What a script leaves: cycles, closures, microtasks that never run, weak references and registries,
/// buffers, a generator that is not at its end, an error with its stack.
const SCRIPT: &str = "
    globalThis.cycle = { self: null, f: () => cycle };
    cycle.self = cycle;
    Promise.resolve(1).then(() => cycle).then(async () => { await new Promise(() => {}); });
    globalThis.weak = new WeakRef({ x: [1.5, 'text', 10n ** 40n] });
    new FinalizationRegistry(() => {}).register({}, 'held');
    globalThis.map = new WeakMap([[cycle, new Map([[1, new Set([cycle])]])]]);
    globalThis.shared = new SharedArrayBuffer(4096);
    globalThis.view = new Uint8Array(shared);
    globalThis.generator = (function* () { yield cycle; })();
    generator.next();
    globalThis.error = new RangeError('r');
    new Proxy(Symbol, {});
";

struct Absent(#[expect(dead_code, reason = "it is to be dropped")] Value);

impl RemoteHooks for Absent {
    fn get(&self, _: Runtime, _: u64, _: &Key) -> JsResult<Option<Value>> {
        Ok(None)
    }
    fn has(&self, _: Runtime, _: u64, _: &Key) -> JsResult<bool> {
        Ok(false)
    }
    fn set(&self, _: Runtime, _: u64, _: &Key, _: &Value) -> JsResult<bool> {
        Ok(false)
    }
    fn delete(&self, _: Runtime, _: u64, _: &Key) -> JsResult<bool> {
        Ok(false)
    }
    fn own_keys(&self, _: Runtime, _: u64) -> JsResult<Vec<Key>> {
        Ok(Vec::new())
    }
    fn length(&self, _: Runtime, _: [usize; 3]) -> JsResult {
        Ok(Value::from(0))
    }
    fn call(&self, _: Runtime, _: u64, _: &Value, _: &[Value]) -> JsResult {
        Ok(Value::UNDEFINED)
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "native functions have one signature"
)]
fn identity(_: Runtime, call: &Invocation<'_>) -> JsResult {
    Ok(call.this.clone())
}

fn fill(rt: Runtime) -> JsResult<()> {
    rt.eval_script(SCRIPT, "left.js")?;
    let global = rt.global();
    let put = |name: &str, value: Value| rt.put(&global, &rt.key_utf8(name.as_bytes())?, value);
    let token = FinalizerToken::default();
    let observed = rt.object()?;
    rt.attach_late_finalizer(&observed, token)?;
    rt.set_slot(
        &observed,
        SlotData {
            wrap: Some(1),
            ..SlotData::default()
        },
    )?;
    put("observed", observed)?;
    put("external", rt.external([1, 2, 3])?)?;
    put("buffer", rt.array_buffer_from(vec![1; 4096])?)?;
    put(
        "native",
        rt.function(FunctionSpec::new(identity, 1, [0; 3]))?,
    )?;
    put("remote", rt.remote_object(RemoteClass::Object, 1, token)?)?;
    let (constructor, _) = rt.class(FunctionSpec::new(identity, 1, [0; 3]), rt.new_brand())?;
    put("instance", rt.construct(&constructor, &[])?)?;
    rt.map_items(&rt.map(vec![(Value::TRUE, global.clone())])?)?;
    rt.set_remote_hooks(Rc::new(Absent(global.clone())));
    let kept = global.clone();
    rt.set_job_error_hook(Some(Rc::new(move |_, _| drop(kept.clone()))));
    let (promise, deferred) = rt.promise()?;
    rt.resolve(deferred, &promise)?;
    Ok(())
}

/// Makes an engine, fills it, and drops it.
fn engine() {
    // SAFETY: what came from the engine is dropped by `fill`.
    let engine = unsafe { Engine::new(OPTIONS) }.unwrap();
    fill(engine.runtime()).unwrap();
}

fn in_use() -> usize {
    // SAFETY: it only reads the state of the heap.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}

#[test]
fn an_engine_gives_its_memory_back() {
    (0..WARM_UP).for_each(|_| engine());
    let before = in_use();
    (0..ENGINES).for_each(|_| engine());
    let grown = in_use().saturating_sub(before);
    assert!(grown < SLACK, "{ENGINES} engines left {grown} bytes");

    // SAFETY: the value that is dropped later keeps the engine from being freed, which is tested.
    let engine = unsafe { Engine::new(OPTIONS) }.unwrap();
    let kept = engine.runtime().object().unwrap();
    drop(engine);
    assert!(Runtime::current().is_none());
    drop(kept);

    assert_eq!(
        Runtime::new(OPTIONS)
            .map(|_| Runtime::new(OPTIONS).err())
            .unwrap(),
        Some(EngineError::AlreadyRunning)
    );
}
