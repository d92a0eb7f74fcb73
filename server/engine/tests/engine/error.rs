//! Errors and what is thrown.

use hostd_engine::{ErrorConstructor, FunctionSpec, Invocation, JsResult, Runtime, Value};

use crate::{call_js, engine, js, text, thrown_text};

fn fails(rt: Runtime, _: &Invocation<'_>) -> JsResult {
    Err(rt.type_error("from native"))
}

fn stack(rt: Runtime, error: &Value) -> String {
    match rt.get_named(error, "stack") {
        Ok(stack) => text(rt, &stack),
        Err(thrown) => panic!("{thrown:?}"),
    }
}

#[test]
fn every_class_makes_its_error() {
    let rt = engine();
    for (class, name) in [
        (ErrorConstructor::Error, "Error"),
        (ErrorConstructor::TypeError, "TypeError"),
        (ErrorConstructor::RangeError, "RangeError"),
        (ErrorConstructor::SyntaxError, "SyntaxError"),
        (ErrorConstructor::ReferenceError, "ReferenceError"),
        (ErrorConstructor::EvalError, "EvalError"),
        (ErrorConstructor::UriError, "URIError"),
        (ErrorConstructor::InternalError, "InternalError"),
    ] {
        let error = rt.error(class, "méssage").unwrap();
        assert!(rt.is_error(&error));
        assert_eq!(text(rt, &error), format!("{name}: méssage"));
        let same = call_js(
            rt,
            "(e, n) => e instanceof globalThis[n]",
            &[error, rt.string_utf8(name.as_bytes()).unwrap()],
        );
        assert_eq!(same.as_bool(), Some(true));
    }
}

#[test]
fn the_stack_begins_with_a_header_as_in_v8() {
    let rt = engine();
    let error = js(
        rt,
        "function inner() { return new RangeError('deep') }\nfunction outer() { return inner() }\nouter()",
    );
    let stack = stack(rt, &error);
    let lines: Vec<&str> = stack.lines().collect();
    assert_eq!(lines[0], "RangeError: deep");
    assert!(lines[1].starts_with("    at inner (test.js:1:"), "{stack}");
    assert!(lines[2].starts_with("    at outer (test.js:2:"), "{stack}");
    assert!(lines[3].contains("test.js:3:"), "{stack}");
}

#[test]
fn errors_without_frames_have_the_header() {
    let rt = engine();
    assert_eq!(
        stack(rt, &rt.error(ErrorConstructor::TypeError, "alone").unwrap()),
        "TypeError: alone"
    );
    assert_eq!(
        stack(rt, &rt.error(ErrorConstructor::Error, "").unwrap()),
        "Error"
    );
    let function = rt.function(FunctionSpec::new(fails, 1, [0; 3])).unwrap();
    let error = call_js(
        rt,
        "f => { try { f() } catch (e) { return e } }",
        &[function],
    );
    assert!(
        stack(rt, &error).starts_with("TypeError: from native\n    at "),
        "{}",
        stack(rt, &error)
    );
}

#[test]
fn errors_of_the_engine_have_the_header_too() {
    let rt = engine();
    let error = js(rt, "try { null.x } catch (e) { e }");
    assert!(stack(rt, &error).starts_with("TypeError: cannot read property 'x' of null\n    at "));
    let error = rt.eval_script("let 1", "bad.js").unwrap_err();
    assert!(
        stack(rt, &error.0).starts_with("SyntaxError: "),
        "{}",
        stack(rt, &error.0)
    );
    assert!(
        stack(rt, &error.0).contains("    at <parser> (bad.js:1:5)"),
        "{}",
        stack(rt, &error.0)
    );
}

#[test]
fn the_stack_is_formatted_when_it_is_read() {
    let rt = engine();
    let source = "(() => { const e = new Error('a'); e.message = 'b'; return e })()";
    assert!(stack(rt, &js(rt, source)).starts_with("Error: b\n    at "));
    let calls = js(
        rt,
        "let calls = 0;
        class Counting extends Error { get message() { calls += 1; return 'told' } }
        const counting = new Counting();
        [calls, counting.stack.split('\\n')[0], calls].join()",
    );
    assert_eq!(text(rt, &calls), "0,Error: told,1");
}

#[test]
fn a_stack_that_is_untouched_runs_no_script() {
    let rt = engine();
    let untouched = |source| {
        let stack = rt.stack_untouched(&js(rt, source)).unwrap();
        stack.map(|stack| text(rt, &stack))
    };
    let first = |source| untouched(source).map(|text| text.lines().next().unwrap().to_owned());
    js(
        rt,
        "var calls = 0;
        Error.prepareStackTrace = () => { calls += 1; return 'prepared' };
        var touched = new Error('touched'); touched.stack;
        var accessor = new TypeError();
        for (const key of ['name', 'message']) {
            Object.defineProperty(accessor, key, { get() { calls += 1; return 'told' } });
        }",
    );
    for (source, expected) in [
        ("touched", Some("prepared")),
        ("new Error('m')", Some("Error: m")),
        (
            "Object.assign(new Error('a'), {message: 'b', name: 'C'})",
            Some("C: b"),
        ),
        (
            "Object.assign(new Error('a'), {name: Symbol('s')})",
            Some("Error: a"),
        ),
        (
            "Object.assign(new Error('a'), {message: {toString() { calls += 1 }}})",
            Some("Error"),
        ),
        ("accessor", Some("Error")),
        ("Object.assign(new Error('a'), {stack: 'set'})", Some("set")),
        (
            "Object.defineProperty(new Error('a'), 'stack', {value: 'own'})",
            Some("own"),
        ),
        (
            "Object.defineProperty(new Error('a'), 'stack', {get() { calls += 1 }})",
            None,
        ),
        (
            "(() => { const e = new Error('a'); delete e.stack; return e })()",
            None,
        ),
        ("({stack: 'text'})", Some("text")),
        ("({})", None),
    ] {
        assert_eq!(first(source).as_deref(), expected, "{source}");
    }
    assert_eq!(
        js(rt, "calls").as_i32(),
        Some(1),
        "the one read by the script"
    );
    let again = js(
        rt,
        "Error.prepareStackTrace = undefined; var e = new Error('a'); e",
    );
    rt.stack_untouched(&again).unwrap();
    let header = js(rt, "e.message = 'b'; e.stack");
    assert!(
        text(rt, &header).starts_with("Error: b"),
        "the text is not kept"
    );
}

#[test]
fn an_error_that_dies_unread_leaves_nothing() {
    let rt = engine();
    js(
        rt,
        "function f() { for (let i = 0; i < 100; i++) { try { throw new Error('m') } catch {} } }; f()",
    );
    let before = rt.memory().objects;
    js(rt, "f()");
    assert_eq!(rt.memory().objects, before);
}

#[test]
fn elements_on_the_prototype_of_arrays_are_no_part_of_a_stack() {
    let rt = engine();
    let header = js(
        rt,
        "Error.stackTraceLimit = 0;
        Object.defineProperty(Array.prototype, 0, { get() { throw new Error('asked') } });
        new Error('m').stack",
    );
    assert_eq!(text(rt, &header), "Error: m");
}

#[test]
fn foreign_code_may_format_stacks_itself() {
    let rt = engine();
    let stack = js(
        rt,
        "Error.prepareStackTrace = (e, sites) => 'mine ' + Array.isArray(sites); new Error('x').stack",
    );
    assert_eq!(text(rt, &stack), "mine true");
}

#[test]
fn the_brand_is_native_not_the_prototype() {
    let rt = engine();
    for (source, is_error) in [
        ("Object.create(Error.prototype)", false),
        ("class E extends TypeError {}; new E()", true),
        ("new AggregateError([])", true),
        ("({name: 'Error'})", false),
        ("Object.setPrototypeOf(new Error(), null)", true),
    ] {
        assert_eq!(rt.is_error(&js(rt, source)), is_error, "{source}");
    }
}

#[test]
fn anything_can_be_thrown() {
    let rt = engine();
    assert_eq!(
        thrown_text(rt, rt.eval_script("throw 'text'", "t.js")),
        "text"
    );
    let thrown = rt.eval_script("throw undefined", "t.js").unwrap_err();
    assert!(thrown.0.is_undefined());
}

#[test]
fn an_exhausted_stack_still_has_a_trace() {
    let rt = engine();
    let script = "(function f() { try { f() } catch (e) { throw e } })()";
    let thrown = rt.eval_script(script, "deep.js").unwrap_err();
    let stack = stack(rt, &thrown.0);
    assert!(
        stack.starts_with("RangeError: Maximum call stack size exceeded\n    at "),
        "{stack}"
    );
}
