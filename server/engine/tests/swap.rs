//! Several engines on one thread, one at a time.
#![expect(unsafe_code, reason = "engines with owners, taken off their thread")]

use hostd_engine::{Engine, Options, ParkedEngine, Runtime};

const OPTIONS: Options = Options {
    stack_bytes: 1 << 20,
    memory_limit: None,
};

#[test]
fn engines_take_turns_on_one_thread() {
    // SAFETY: E1; the engines are dropped below, after all that came from them.
    let first = unsafe { Engine::new(OPTIONS) }.unwrap();
    let rt = first.runtime();
    let value = rt
        .eval_script("globalThis.name = 'first'; [name]", "first.js")
        .unwrap();
    let mut parked = ParkedEngine::default();
    // SAFETY: E18; it is put back below, on this thread.
    unsafe { parked.swap() };
    assert!(Runtime::current().is_none());
    // SAFETY: E1; as above.
    let second = unsafe { Engine::new(OPTIONS) }.unwrap();
    let found = second
        .runtime()
        .eval_script("typeof name", "second.js")
        .unwrap();
    assert_eq!(second.runtime().utf8(&found).unwrap().as_str(), "undefined");
    drop(found);
    drop(second);
    // SAFETY: E18; nothing is on this thread, and the first engine is alive.
    unsafe { parked.swap() };
    let text = rt.utf8(&rt.get_index(&value, 0).unwrap()).unwrap();
    assert_eq!(text.as_str(), "first");
    drop(text);
    drop(value);
    drop(first);
}
