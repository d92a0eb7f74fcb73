//! Native functions: calls, construction, recursion, panics.

use hostd_engine::{
    ErrorConstructor, FunctionSpec, Invocation, JsResult, NativeFunction, Runtime, Value,
};

use crate::{call_js, engine, js, text, thrown_text};

fn describe(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let new = if call.new_target.is_some() {
        "new "
    } else {
        ""
    };
    let kind = rt.kind(call.this);
    let line = format!(
        "{new}{:?} {} {} {:?}",
        kind,
        call.args.len(),
        call.tag,
        call.words
    );
    if call.new_target.is_some() {
        let key = rt.key_utf8(b"line")?;
        rt.put(call.this, &key, rt.string_utf8(line.as_bytes())?)?;
        return Ok(Value::UNDEFINED);
    }
    rt.string_utf8(line.as_bytes())
}

fn recurse(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    rt.call(call.callee, call.this, call.args)
}

fn panics(_: Runtime, _: &Invocation<'_>) -> JsResult {
    panic!("on purpose")
}

fn throws(rt: Runtime, _: &Invocation<'_>) -> JsResult {
    Err(rt.throw(ErrorConstructor::RangeError, "thrown natively"))
}

fn returns_first(_: Runtime, call: &Invocation<'_>) -> JsResult {
    Ok(call.args.first().cloned().unwrap_or_default())
}

#[test]
fn a_plain_call_passes_this_args_and_data() {
    let rt = engine();
    let function = rt
        .function(FunctionSpec::new(describe, 7, [1, 2, 3]))
        .unwrap();
    let answer = rt
        .call(&function, &Value::from(1), &[Value::NULL, Value::TRUE])
        .unwrap();
    assert_eq!(text(rt, &answer), "Number 2 7 [1, 2, 3]");
    let answer = call_js(
        rt,
        "f => f.call(undefined)",
        std::slice::from_ref(&function),
    );
    assert_eq!(text(rt, &answer), "Undefined 0 7 [1, 2, 3]");
    let native = NativeFunction {
        tag: 7,
        words: [1, 2, 3],
        brand: None,
    };
    assert_eq!(rt.native_function(&function), Some(native));
    assert_eq!(rt.native_function(&js(rt, "() => 1")), None);
}

#[test]
fn every_function_can_be_constructed() {
    let rt = engine();
    let function = rt.function(FunctionSpec::new(describe, 1, [0; 3])).unwrap();
    let instance = rt.construct(&function, &[Value::NULL]).unwrap();
    assert_eq!(
        text(rt, &rt.get_named(&instance, "line").unwrap()),
        "new Object 1 1 [0, 0, 0]"
    );
    assert!(rt.instance_of(&instance, &function).unwrap());
    let answer = call_js(
        rt,
        "f => { class D extends f {}; const d = new D(); return d instanceof D && d instanceof f && d.constructor === D && d.line }",
        &[function],
    );
    assert_eq!(text(rt, &answer), "new Object 0 1 [0, 0, 0]");
}

#[test]
fn what_a_constructor_returns_counts_if_it_is_an_object() {
    let rt = engine();
    let function = rt
        .function(FunctionSpec::new(returns_first, 1, [0; 3]))
        .unwrap();
    let other = rt.object().unwrap();
    let made = rt
        .construct(&function, std::slice::from_ref(&other))
        .unwrap();
    assert!(rt.strict_equals(&made, &other));
    let made = rt.construct(&function, &[Value::from(3)]).unwrap();
    assert!(rt.instance_of(&made, &function).unwrap());
}

#[test]
fn the_prototype_appears_when_looked_at() {
    let rt = engine();
    let function = rt.function(FunctionSpec::new(describe, 1, [0; 3])).unwrap();
    let script = "f => { const p = f.prototype; p.extra = 1; const d = Object.getOwnPropertyDescriptor(f, 'prototype');
        return [p === f.prototype, p.constructor === f, d.writable, d.enumerable, d.configurable, new f().extra, Object.keys(p)].join() }";
    assert_eq!(
        text(rt, &call_js(rt, script, std::slice::from_ref(&function))),
        "true,true,true,false,false,1,extra"
    );
    let script = "f => { f.prototype = {made: 5}; return new f().made + ',' + f.hasOwnProperty('prototype') }";
    let other = rt.function(FunctionSpec::new(describe, 1, [0; 3])).unwrap();
    assert_eq!(text(rt, &call_js(rt, script, &[other])), "5,true");
    let third = rt.function(FunctionSpec::new(describe, 1, [0; 3])).unwrap();
    let script = "f => 'prototype' in f && delete f.x && Object.getOwnPropertyNames(f).join()";
    assert_eq!(
        text(rt, &call_js(rt, script, &[third])),
        "length,name,prototype"
    );
}

#[test]
fn the_prototype_is_fixed_before_anybody_looked_at_it() {
    let rt = engine();
    let scripts = [
        ("f => delete f.prototype", "false"),
        (
            "f => Reflect.defineProperty(f, 'prototype', {get() {}})",
            "false",
        ),
        (
            "f => (Object.defineProperty(f, 'prototype', {value: 1}), \
             Object.getOwnPropertyDescriptor(f, 'prototype').writable)",
            "true",
        ),
        (
            "f => Reflect.defineProperty(f, 'other', {value: 1}) && f.other",
            "1",
        ),
    ];
    for (script, expected) in scripts {
        let function = rt.function(FunctionSpec::new(describe, 1, [0; 3])).unwrap();
        let found = call_js(rt, script, &[function]);
        assert_eq!(text(rt, &found), expected, "{script}");
    }
    let function = rt.function(FunctionSpec::new(describe, 1, [0; 3])).unwrap();
    rt.freeze(&function).unwrap();
    let script = "f => Object.getOwnPropertyDescriptor(f, 'prototype').writable";
    assert_eq!(text(rt, &call_js(rt, script, &[function])), "false");
}

#[test]
fn a_frozen_function_can_still_be_listed_and_constructed() {
    let rt = engine();
    let function = rt.function(FunctionSpec::new(describe, 1, [0; 3])).unwrap();
    let script = "f => { Object.freeze(f); return Reflect.ownKeys(f).length + typeof new f() }";
    assert_eq!(text(rt, &call_js(rt, script, &[function])), "2object");
}

#[test]
fn a_function_that_is_no_constructor_says_so() {
    let rt = engine();
    let spec = FunctionSpec::new(describe, 1, [0; 3]).not_constructible();
    let function = rt.function(spec).unwrap();
    assert!(!rt.is_constructor(&function));
    assert!(thrown_text(rt, rt.construct(&function, &[])).starts_with("TypeError"));
    assert!(rt.get_named(&function, "prototype").unwrap().is_undefined());
}

#[test]
fn names_and_lengths_are_as_given() {
    let rt = engine();
    let name = rt.string_utf8("né".as_bytes()).unwrap();
    let spec = FunctionSpec {
        length: Some(2),
        ..FunctionSpec::new(describe, 1, [0; 3]).name(&name)
    };
    let function = rt.function(spec).unwrap();
    let answer = call_js(rt, "f => f.name + f.length + typeof f + f", &[function]);
    assert_eq!(
        text(rt, &answer),
        "né2functionfunction né() {\n    [native code]\n}"
    );
    let plain = rt.function(FunctionSpec::new(describe, 1, [0; 3])).unwrap();
    assert_eq!(
        text(rt, &call_js(rt, "f => f.name + f.length", &[plain])),
        "0"
    );
}

#[test]
fn endless_native_recursion_is_a_range_error() {
    let rt = engine();
    let function = rt.function(FunctionSpec::new(recurse, 1, [0; 3])).unwrap();
    let answer = thrown_text(rt, rt.call(&function, &Value::UNDEFINED, &[]));
    assert_eq!(answer, "RangeError: Maximum call stack size exceeded");
    // The engine is usable afterwards.
    assert_eq!(js(rt, "1 + 1").as_i32(), Some(2));
    let mixed = call_js(
        rt,
        "f => { function g() { return f.call(g) } try { g() } catch (e) { return e instanceof RangeError } }",
        &[function],
    );
    assert_eq!(mixed.as_bool(), Some(true));
}

#[test]
fn a_panic_becomes_an_internal_error() {
    let rt = engine();
    let function = rt.function(FunctionSpec::new(panics, 1, [0; 3])).unwrap();
    let answer = thrown_text(rt, rt.call(&function, &Value::UNDEFINED, &[]));
    assert!(answer.starts_with("InternalError"), "{answer}");
}

#[test]
fn exceptions_pass_through_both_ways() {
    let rt = engine();
    let function = rt.function(FunctionSpec::new(throws, 1, [0; 3])).unwrap();
    let answer = call_js(
        rt,
        "f => { try { f() } catch (e) { return String(e) } }",
        &[function],
    );
    assert_eq!(text(rt, &answer), "RangeError: thrown natively");
    let script = js(rt, "(function () { throw 42 })");
    let thrown = rt.call(&script, &Value::UNDEFINED, &[]).unwrap_err();
    assert_eq!(thrown.0.as_i32(), Some(42));
}

#[test]
fn calling_what_is_no_function_is_a_type_error() {
    let rt = engine();
    assert!(
        thrown_text(rt, rt.call(&Value::from(1), &Value::UNDEFINED, &[])).starts_with("TypeError")
    );
}

#[test]
fn reflect_construct_takes_the_other_prototype() {
    let rt = engine();
    let function = rt.function(FunctionSpec::new(describe, 1, [0; 3])).unwrap();
    let other = js(rt, "class Other {}; Other");
    let script = "(f, other) => Reflect.construct(f, [], other)";
    let made = call_js(rt, script, &[function.clone(), other.clone()]);
    assert!(rt.instance_of(&made, &other).unwrap());
    assert!(!rt.instance_of(&made, &function).unwrap());
}
