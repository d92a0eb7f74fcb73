//! Native classes and brands.

use hostd_engine::{Brand, FunctionSpec, Invocation, JsResult, Runtime, Value};

use crate::{call_js, engine, text, thrown_text};

fn nothing(_: Runtime, _: &Invocation<'_>) -> JsResult {
    Ok(Value::UNDEFINED)
}

fn yes(_: Runtime, _: &Invocation<'_>) -> JsResult {
    Ok(Value::TRUE)
}

fn new_target(_: Runtime, call: &Invocation<'_>) -> JsResult {
    Ok(Value::from(call.new_target.is_some()))
}

/// A class with one method that demands its brand.
fn counter(rt: Runtime) -> (Value, Value, Brand) {
    let brand = rt.new_brand();
    let build = || -> JsResult<(Value, Value)> {
        let name = rt.string_utf8(b"Counter")?;
        let (class, prototype) =
            rt.class(FunctionSpec::new(nothing, 1, [0; 3]).name(&name), brand)?;
        let method = rt.function(FunctionSpec::new(yes, 2, [0; 3]).receiver(brand))?;
        rt.put(&prototype, &rt.key_utf8(b"inc")?, method)?;
        Ok((class, prototype))
    };
    match build() {
        Ok((class, prototype)) => (class, prototype, brand),
        Err(thrown) => panic!("{thrown:?}"),
    }
}

#[test]
fn methods_demand_an_object_of_the_class() {
    let rt = engine();
    let (class, _, _) = counter(rt);
    let good = "C => new C().inc() && new (class D extends C {})().inc() && Reflect.construct(C, [], Object).constructor === Object";
    assert_eq!(
        call_js(rt, good, std::slice::from_ref(&class)).as_bool(),
        Some(true)
    );
    for receiver in [
        "({})",
        "C.prototype",
        "Object.create(new C())",
        "new Proxy(new C(), {})",
        "undefined",
    ] {
        let script = format!(
            "C => {{ try {{ C.prototype.inc.call({receiver}); return 'called' }} catch (e) {{ return String(e) }} }}"
        );
        let answer = call_js(rt, &script, std::slice::from_ref(&class));
        assert_eq!(
            text(rt, &answer),
            "TypeError: Illegal invocation",
            "{receiver}"
        );
    }
}

#[test]
fn the_brand_of_another_class_is_another() {
    let rt = engine();
    let (class, _, brand) = counter(rt);
    let (other, _, other_brand) = counter(rt);
    let instance = rt.construct(&class, &[]).unwrap();
    assert!(rt.has_brand(&instance, brand));
    assert!(!rt.has_brand(&instance, other_brand));
    let method = rt
        .get_named(&rt.get_named(&other, "prototype").unwrap(), "inc")
        .unwrap();
    assert_eq!(
        thrown_text(rt, rt.call(&method, &instance, &[])),
        "TypeError: Illegal invocation"
    );
    assert_eq!(rt.native_function(&class).unwrap().brand, Some(brand));
}

#[test]
fn a_class_may_be_called_without_new() {
    let rt = engine();
    let brand = rt.new_brand();
    let (class, prototype) = rt
        .class(FunctionSpec::new(new_target, 1, [0; 3]), brand)
        .unwrap();
    assert_eq!(
        rt.call(&class, &Value::UNDEFINED, &[]).unwrap().as_bool(),
        Some(false)
    );
    let script = "(C, p) => C.prototype === p && p.constructor === C && Object.getOwnPropertyNames(C).join()";
    assert_eq!(
        text(rt, &call_js(rt, script, &[class, prototype])),
        "length,name,prototype"
    );
}
