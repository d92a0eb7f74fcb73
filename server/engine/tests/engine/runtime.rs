//! The engine itself: one per thread, its limits.

use hostd_engine::{EngineError, Options, Runtime, Value};

use crate::{engine, engine_of, js, text, thrown_text};

#[test]
fn a_thread_has_one_engine() {
    assert!(Runtime::current().is_none());
    let rt = engine();
    let again = Runtime::new(Options {
        stack_bytes: 1 << 20,
        memory_limit: None,
    });
    assert_eq!(again.unwrap_err(), EngineError::AlreadyRunning);
    assert!(rt.strict_equals(&Runtime::current().unwrap().global(), &rt.global()));
}

#[test]
fn the_engine_is_the_version_these_facts_hold_for() {
    assert_eq!(engine().version(), "0.16.2");
}

#[test]
fn endless_recursion_of_scripts_is_a_range_error() {
    let rt = engine();
    let answer = thrown_text(
        rt,
        rt.eval_script("(function f() { return 1 + f() })()", "r.js"),
    );
    assert!(
        answer.contains("Maximum call stack size exceeded"),
        "{answer}"
    );
    assert!(rt.stack_ok());
}

#[test]
fn the_memory_limit_is_an_exception() {
    let rt = engine_of(Some(8 << 20));
    let answer = thrown_text(
        rt,
        rt.eval_script(
            "const a = []; for (;;) a.push(new Array(1000).fill(1.5))",
            "m.js",
        ),
    );
    assert!(answer.contains("out of memory"), "{answer}");
    rt.gc();
    assert_eq!(js(rt, "2").as_i32(), Some(2));
}

#[test]
fn external_memory_is_summed() {
    let rt = engine();
    assert_eq!(rt.adjust_external(1000), 1000);
    assert_eq!(rt.adjust_external(-400), 600);
    let object = js(rt, "(() => { const a = {}; a.a = a; return a })()");
    let weak = rt.weak(&object).unwrap();
    drop(object);
    rt.adjust_external(65 << 20);
    assert!(!weak.is_alive(), "64 MiB more must force a collection");
    assert!(rt.memory().allocated > 0 && rt.memory().external > 65 << 20);
}

#[test]
fn values_print_for_debugging() {
    let rt = engine();
    assert_eq!(format!("{:?}", Value::from(1)), "Value(Number)");
    assert_eq!(format!("{:?}", rt.key_utf8(b"k").unwrap()), "Key(k)");
    let thrown = rt
        .eval_script("throw new Error('shown')", "t.js")
        .unwrap_err();
    assert_eq!(format!("{thrown:?}"), "Thrown(Error: shown)");
}

#[test]
fn a_slice_of_values_is_as_dense_as_the_engines() {
    assert_eq!(size_of::<Value>(), 16);
    let rt = engine();
    let args: Vec<Value> = (0..300).map(Value::from).collect();
    let sum = js(rt, "(...all) => all.reduce((a, b) => a + b, 0)");
    assert_eq!(
        rt.call(&sum, &Value::UNDEFINED, &args).unwrap().as_i32(),
        Some(44_850)
    );
    assert_eq!(text(rt, &Value::from(true)), "true");
}

#[test]
fn many_values_come_and_go_without_a_leak() {
    let rt = engine();
    let round = || {
        for number in 0..2000 {
            let object = rt.object().unwrap();
            let key = rt.key_utf8(format!("key{number}").as_bytes()).unwrap();
            rt.set(&object, &key, rt.string_utf8("té".as_bytes()).unwrap())
                .unwrap();
            let value = rt.get(&object, &key).unwrap();
            drop(rt.utf16(&value).unwrap());
            drop(rt.own_keys(&object).unwrap());
            drop(rt.own_property(&object, &key).unwrap());
            drop(rt.weak(&object).unwrap());
            drop(rt.array_from(vec![value, object]).unwrap());
        }
        rt.gc();
        rt.memory()
    };
    let first = round();
    let second = round();
    assert!(second.objects <= first.objects + 5, "{first:?} {second:?}");
    assert!(
        second.allocated <= first.allocated + 20_000,
        "{first:?} {second:?}"
    );
}
