//! Remote objects: their properties come from hooks.

use std::cell::RefCell;
use std::rc::Rc;

use hostd_engine::{
    FinalizerToken, FunctionSpec, Invocation, JsResult, Key, RemoteClass, RemoteHooks, Runtime,
    Value,
};

use crate::{call_js, engine, js, text};

/// A remote object with the properties `a` and `0`, which records the calls of its hooks.
#[derive(Default)]
struct Recorder {
    log: RefCell<Vec<String>>,
}

impl Recorder {
    fn note(&self, rt: Runtime, what: &str, id: u64, key: &Key) -> String {
        let key = rt
            .key_text(key)
            .map_or(String::new(), |text| text.to_string());
        self.log.borrow_mut().push(format!("{what} {id} {key}"));
        key
    }

    fn take(&self) -> String {
        self.log.take().join(",")
    }
}

impl RemoteHooks for Recorder {
    fn get(&self, rt: Runtime, id: u64, key: &Key) -> JsResult<Option<Value>> {
        match self.note(rt, "get", id, key).as_str() {
            "a" => Ok(Some(Value::from(1))),
            "0" => rt.string_utf8(b"zero").map(Some),
            "throws" => Err(rt.range_error("remote")),
            "panics" => panic!("on purpose"),
            _ => Ok(None),
        }
    }

    fn has(&self, rt: Runtime, id: u64, key: &Key) -> JsResult<bool> {
        Ok(matches!(self.note(rt, "has", id, key).as_str(), "a" | "0"))
    }

    fn set(&self, rt: Runtime, id: u64, key: &Key, value: &Value) -> JsResult<bool> {
        let key = self.note(rt, "set", id, key);
        Ok(key != "fixed" && value.is_number())
    }

    fn delete(&self, rt: Runtime, id: u64, key: &Key) -> JsResult<bool> {
        Ok(self.note(rt, "delete", id, key) != "fixed")
    }

    fn own_keys(&self, rt: Runtime, _: u64) -> JsResult<Vec<Key>> {
        Ok(vec![rt.key_index(0)?, rt.key_utf8(b"a")?])
    }

    fn length(&self, rt: Runtime, words: [usize; 3]) -> JsResult {
        self.log.borrow_mut().push("length".to_owned());
        match words[0] {
            0 => Err(rt.range_error("no length")),
            length => Ok(Value::from(i32::try_from(length).unwrap_or(0))),
        }
    }

    fn call(&self, rt: Runtime, id: u64, this: &Value, args: &[Value]) -> JsResult {
        let text = format!("called {id} {:?} {}", rt.kind(this), args.len());
        rt.string_utf8(text.as_bytes())
    }
}

const TOKEN: FinalizerToken = FinalizerToken {
    tag: 5,
    words: [1, 2, 3],
};

fn remote(rt: Runtime, class: RemoteClass) -> (Value, Rc<Recorder>) {
    let recorder = Rc::new(Recorder::default());
    rt.set_remote_hooks(recorder.clone());
    match rt.remote_object(class, 7, TOKEN) {
        Ok(object) => (object, recorder),
        Err(thrown) => panic!("{thrown:?}"),
    }
}

#[test]
fn properties_come_from_the_hooks() {
    let rt = engine();
    let (object, recorder) = remote(rt, RemoteClass::Object);
    assert_eq!(rt.remote_id(&object), Some(7));
    assert_eq!(
        text(
            rt,
            &call_js(rt, "o => o.a + o[0] + o.b", std::slice::from_ref(&object))
        ),
        "1zeroundefined"
    );
    assert_eq!(recorder.take(), "get 7 a,get 7 0,get 7 b");
    assert_eq!(
        text(
            rt,
            &call_js(
                rt,
                "o => ['a' in o, 'b' in o, Object.keys(o), JSON.stringify({...o})].join()",
                std::slice::from_ref(&object)
            )
        ),
        "true,false,0,a,{\"0\":\"zero\",\"a\":1}"
    );
    assert_eq!(rt.remote_id(&rt.object().unwrap()), None);
}

#[test]
fn names_that_the_engine_looks_up_are_local() {
    let rt = engine();
    let (object, recorder) = remote(rt, RemoteClass::Object);
    let script = "o => [typeof o.then, o.constructor === Object, typeof o.toJSON, typeof o[Symbol.iterator], typeof o[Symbol.toPrimitive]].join()";
    assert_eq!(
        text(rt, &call_js(rt, script, std::slice::from_ref(&object))),
        "undefined,true,undefined,undefined,undefined"
    );
    assert_eq!(recorder.take(), "");
    let (promise, deferred) = rt.promise().unwrap();
    rt.resolve(deferred, &object).unwrap();
    assert_eq!(recorder.take(), "");
    drop(promise);
}

#[test]
fn writes_go_out_and_refusals_come_back() {
    let rt = engine();
    let (object, recorder) = remote(rt, RemoteClass::Object);
    let script = "o => { o.x = 1; 'use strict'; return Object.getOwnPropertyNames(o).join() }";
    assert_eq!(
        text(rt, &call_js(rt, script, std::slice::from_ref(&object))),
        "0,a"
    );
    assert!(recorder.take().starts_with("set 7 x"));
    let key = rt.key_utf8(b"fixed").unwrap();
    assert!(!rt.set(&object, &key, Value::from(1)).unwrap());
    assert!(
        rt.set(&object, &rt.key_utf8(b"y").unwrap(), Value::from(1))
            .unwrap()
    );
    assert!(rt.set_index(&object, 4, Value::from(1)).unwrap());
    assert!(!rt.delete(&object, &key).unwrap());
    recorder.take();
    let strict = "o => { 'use strict'; try { o.fixed = 1 } catch (e) { return String(e) } }";
    assert_eq!(
        text(rt, &call_js(rt, strict, std::slice::from_ref(&object))),
        "TypeError: the remote object refuses to be changed"
    );
    let symbol =
        "o => { try { o[Symbol.iterator] = 1 } catch (e) { return Reflect.ownKeys(o).length } }";
    assert_eq!(
        call_js(rt, symbol, std::slice::from_ref(&object)).as_i32(),
        Some(2)
    );
}

#[test]
fn exceptions_and_panics_come_back() {
    let rt = engine();
    let (object, _) = remote(rt, RemoteClass::Object);
    let get = "(o, k) => { try { return o[k] } catch (e) { return String(e) } }";
    let key = rt.string_utf8(b"throws").unwrap();
    assert_eq!(
        text(rt, &call_js(rt, get, &[object.clone(), key])),
        "RangeError: remote"
    );
    let key = rt.string_utf8(b"panics").unwrap();
    assert!(text(rt, &call_js(rt, get, &[object, key])).starts_with("InternalError"));
}

#[test]
fn remote_functions_are_called() {
    let rt = engine();
    let (function, _) = remote(rt, RemoteClass::Function);
    assert!(rt.is_function(&function));
    let script = "f => [typeof f, f(1, 2), f.call(5), f.a].join()";
    assert_eq!(
        text(rt, &call_js(rt, script, std::slice::from_ref(&function))),
        "function,called 7 Undefined 2,called 7 Number 0,1"
    );
    let (object, _) = remote(rt, RemoteClass::Object);
    assert!(!rt.is_function(&object));
}

#[test]
fn a_property_set_below_a_remote_prototype_is_local() {
    let rt = engine();
    let (object, recorder) = remote(rt, RemoteClass::Object);
    let script = "o => { const x = Object.create(o); x.own = 5; return JSON.stringify(x) + x.a }";
    assert_eq!(text(rt, &call_js(rt, script, &[object])), "{\"own\":5}1");
    assert!(!recorder.take().contains("set"));
}

#[test]
fn the_token_comes_at_its_death() {
    let rt = engine();
    let (object, _) = remote(rt, RemoteClass::Object);
    let weak = rt.weak(&object).unwrap();
    let mut tokens = Vec::new();
    rt.take_finalized(&mut tokens);
    assert!(tokens.is_empty());
    drop(object);
    rt.take_finalized(&mut tokens);
    assert_eq!(tokens, [TOKEN]);
    assert!(!weak.is_alive());
}

#[test]
fn a_remote_object_survives_everything_scripts_do_to_objects() {
    let rt = engine();
    let (object, _) = remote(rt, RemoteClass::Object);
    js(rt, "null");
    let script = "o => { Object.setPrototypeOf(o, null); try { Object.freeze(o) } catch {} for (const k in o) {} new WeakMap().set(o, 1);
        structuredCloneIsMissing = typeof structuredClone; return Object.entries(Object.assign({}, o)).length }";
    assert_eq!(call_js(rt, script, &[object]).as_i32(), Some(2));
}

#[test]
fn length_of_a_function_is_read_once_and_when_it_is_needed() {
    let rt = engine();
    let (_, recorder) = remote(rt, RemoteClass::Object);
    let function = |length| {
        let spec = FunctionSpec::new(nothing, 1, [length, 0, 0]);
        rt.function(spec.remote_length().not_constructible())
            .unwrap()
    };
    let check = |length, script: &str, expected: &str, calls: &str| {
        let answer = call_js(rt, script, &[function(length)]);
        assert_eq!(text(rt, &answer), expected, "{script}");
        assert_eq!(recorder.take(), calls, "{script}");
    };
    let own = "f => JSON.stringify(Object.getOwnPropertyDescriptor(f, 'length'))";
    let expected = r#"{"value":3,"writable":false,"enumerable":false,"configurable":true}"#;
    check(3, own, expected, "length");
    check(3, "f => f.length + f.length", "6", "length");
    check(3, "f => [f(), f.name, 'length' in f].join()", ",,true", "");
    check(3, "f => (delete f.length, f.length)", "0", "");
    check(
        3,
        "f => (Object.preventExtensions(f), [f.length, f.length].join())",
        "3,3",
        "length,length",
    );
    let fails = "f => { try { f.length } catch (e) { return e.name + ('length' in f) } }";
    check(0, fails, "RangeErrortrue", "length");
    let redefine = "f => { try { Object.defineProperty(f, 'length', {value: 1}) } \
                    catch (e) { return e.name } }";
    check(0, redefine, "RangeError", "length");
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "native functions have one signature"
)]
fn nothing(_: Runtime, _: &Invocation<'_>) -> JsResult {
    Ok(Value::UNDEFINED)
}
