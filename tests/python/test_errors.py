"""JavaScript errors as Python exceptions."""

from __future__ import annotations

import copy
import logging
import pickle
import subprocess
import sys
import traceback
from typing import TYPE_CHECKING, Any

import napi_python as np_
import pytest
from conftest import addon_path
from napi_python import (
    AddonCrashed,
    AddonError,
    AddonTimeout,
    JSError,
    JSRangeError,
    JSSyntaxError,
    JSTypeError,
    LoadError,
    NapiError,
    SandboxViolation,
    StaleHandleError,
    load_addon,
)

if TYPE_CHECKING:
    from conftest import Script
    from napi_python import Addon


@pytest.mark.parametrize(
    ("source", "cls", "builtin"),
    [
        ("new Error('m')", JSError, RuntimeError),
        ("new TypeError('m')", JSTypeError, TypeError),
        ("new RangeError('m')", JSRangeError, ValueError),
        ("new SyntaxError('m')", JSSyntaxError, SyntaxError),
    ],
)
def test_error_is_of_the_class(source: str, cls: Any, builtin: Any, js: Script) -> None:
    with pytest.raises(cls) as caught:
        js(f"throw {source}")
    assert isinstance(caught.value, builtin)
    assert isinstance(caught.value, AddonError)
    error: Any = caught.value
    assert type(error) is cls
    assert error.message == "m"
    assert str(error) == "m"
    assert error.name == source.split("(", maxsplit=1)[0].removeprefix("new ")
    assert "Error: m" in error.stack
    assert error.value is None


def test_error_carries_code_cause_and_own_properties(js: Script) -> None:
    with pytest.raises(JSError) as caught:
        js(
            """throw Object.assign(new Error("m", {cause: new TypeError("why")}),
            {code: "E_X", errno: 5, __class__: 1, args: 2})"""
        )
    error: Any = caught.value
    assert error.code == "E_X"
    assert error.errno == 5
    assert isinstance(error.cause, JSTypeError)
    assert error.__cause__ is error.cause
    assert error.args == ("m",), "own properties don't hide Python's"
    assert type(error) is JSError
    assert error.properties["args"] == 2


def test_error_with_a_name_of_its_own(js: Script) -> None:
    with pytest.raises(JSError, match="MyError: m") as caught:
        js("class MyError extends Error { name = 'MyError'; }; throw new MyError('m')")
    assert caught.value.name == "MyError"


@pytest.mark.parametrize(
    ("source", "value"), [("5", 5), ("'text'", "text"), ("({a: 1})", {"a": 1}), ("null", None)]
)
def test_anything_else_thrown_is_the_value(source: str, value: Any, js: Script) -> None:
    with pytest.raises(JSError) as caught:
        js(f"throw {source}")
    assert caught.value.value == value
    assert caught.value.name is None


def test_error_as_a_value_is_an_exception_instance(js: Script) -> None:
    error = js("new TypeError('not thrown')")
    assert isinstance(error, JSTypeError)
    assert js("(e) => e instanceof TypeError && e.message === 'not thrown'")(error)


def test_error_passed_back_is_the_very_object(js: Script) -> None:
    js("globalThis.theError = new Error('x')")
    error = js("theError")
    assert js("(e) => e === theError")(error)


def test_python_exception_as_an_argument_is_an_error(js: Script) -> None:
    look = js("(e) => [e instanceof TypeError, e.name, e.message]")
    assert look(TypeError("mine")) == [True, "TypeError", "mine"]


def test_syntax_error_of_a_script(js: Script) -> None:
    with pytest.raises(JSSyntaxError):
        js("let = ;")


def test_errors_of_the_rust_sample(rust: Addon) -> None:
    with pytest.raises(JSError, match=r"[Dd]ivi"):
        rust.divide(1, 0)
    with pytest.raises(JSError):
        rust.add("not a number", 1)


MADE = [
    AddonError("m"),
    JSError("m", name="Error", message="m", code="C", properties={"extra": [1]}),
    JSTypeError("m"),
    JSRangeError("m"),
    JSSyntaxError("m"),
    LoadError("m", path="/x"),
    AddonCrashed("m", signal=11, signal_name="SIGSEGV", export="f", stderr="last"),
    SandboxViolation("m", signal=31),
    AddonTimeout("m", seconds=2.0),
    StaleHandleError("m"),
    np_.ProtocolError("m"),
]


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_error_survives_pickling_and_copying(error: AddonError) -> None:
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is type(error)
        assert str(again) == "m"
        assert again.__dict__ == error.__dict__


def test_error_from_javascript_is_picklable_whatever_it_carries(js: Script) -> None:
    with pytest.raises(JSError) as caught:
        js("throw Object.assign(new Error('m'), {thing: new (class A {}), f() {}, n: 1})")
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is JSError
    assert again.n == 1
    assert isinstance(again.thing, str)


def test_families() -> None:
    assert NapiError is AddonError
    assert issubclass(LoadError, ImportError)
    assert issubclass(AddonCrashed, ConnectionError)
    assert issubclass(AddonTimeout, TimeoutError)
    assert issubclass(SandboxViolation, AddonCrashed)
    assert issubclass(StaleHandleError, ReferenceError)


def test_facts_that_a_builtin_base_has_too() -> None:
    load = LoadError("m", path="/x", detail="d")
    for error in (load, pickle.loads(pickle.dumps(load))):
        assert (error.path, error.detail, error.msg) == ("/x", "d", "m")
    syntax = JSSyntaxError("m", filename="f", lineno=1, offset=2, text="t", stack="S")
    assert (syntax.msg, syntax.filename, syntax.lineno, syntax.stack) == ("m", "f", 1, "S")


def test_unknown_facts_are_none() -> None:
    error = AddonCrashed("m")
    assert error.signal is None
    assert error.backtrace is None
    with pytest.raises(TypeError, match="no attribute"):
        AddonCrashed("m", colour="red")


STACKS = [
    ("const e = new Error('a'); e.message = 'b'; return e", "Error: b", "b"),
    ("const e = new Error('a'); e.stack; e.message = 'b'; return e", "Error: a", "b"),
    ("const e = new Error('a'); e.name = 'Late'; return e", "Late: a", "a"),
    ("const e = new Error('a'); e.stack = 'text'; return e", "text", "a"),
    ("const e = new Error('a'); e.message = '\\ud800'; return e", "Error: \ud800", "\ud800"),
    ("const e = new RangeError('a'); Error.captureStackTrace(e); return e", "RangeError: a", "a"),
]


@pytest.mark.parametrize(("body", "header", "message"), STACKS)
def test_stack_is_formatted_when_it_is_first_read(
    body: str, header: str, message: str, js: Script
) -> None:
    error = js(f"(() => {{ {body} }})()")
    assert error.stack.split("\n")[0] == header
    assert error.message == message


def test_sending_an_error_runs_none_of_its_accessors(js: Script) -> None:
    error = js(
        """globalThis.asked = 0;
        Error.prepareStackTrace = () => { asked += 1; return 'prepared'; };
        globalThis.made = new (class extends Error { get message() { asked += 1; return 'm'; } })();
        made"""
    )
    assert error.stack.startswith("Error\n    at ")
    assert js("asked") == 0
    assert js("made.stack") == "prepared"
    assert js("asked") == 1
    assert js("made").stack == "prepared"


def test_stack_of_an_error_that_went_through_python(js: Script) -> None:
    error = js("globalThis.sent = new Error('m'); sent.stack = 'mine'; sent")
    assert js("(e) => e === sent && e.stack")(error) == "mine"
    look = js("(e) => [e.stack, Object.getOwnPropertyNames(e).includes('stack')]")
    assert look(JSError("m", name="Error", stack="from Python")) == ["from Python", True]
    [stack, own] = look(ValueError("v"))
    assert stack.startswith("ValueError: v")
    assert own


PLACES = [
    ("1 +\n  @ 2", ("<run_script>", 2, 3, "  @ 2")),
    ("1;\r\n2;\r3;\u20284 4", ("<run_script>", 4, 3, "4 4")),
    ("'é\U0001f600' é", ("<run_script>", 1, 6, "'é\U0001f600' é")),
    ("'\ud800' x", ("<run_script>", 1, 10, "'\\ud800' x")),
    ("let = ;" + " " * 2000, ("<run_script>", 1, 7, None)),
    ("new Function('let = ;')", ("<input>", 3, 7, None)),
    ("eval('\\n a b')", ("<input>", 2, 4, None)),
    ("JSON.parse('[1,\\n x]')", ("<input>", 2, 2, None)),
    ("throw new SyntaxError('x')", (None, None, None, None)),
    ("(() => { throw new SyntaxError('x') })()", (None, None, None, None)),
    ("new RegExp('(')", (None, None, None, None)),
    ("const e = new SyntaxError('x'); e.stack = 5; throw e", (None, None, None, None)),
    ("const e = new SyntaxError(''); throw e", (None, None, None, None)),
    ("throw new SyntaxError('\\ud800')", (None, None, None, None)),
    ("throw Object.assign(new SyntaxError('x'), {name: 'Mine'})", (None, None, None, None)),
]


@pytest.mark.parametrize(("source", "place"), PLACES, ids=lambda value: repr(value)[:30])
def test_syntax_error_has_its_message_and_place(source: str, place: Any, js: Script) -> None:
    with pytest.raises(JSSyntaxError) as caught:
        js(source)
    error = caught.value
    assert (error.filename, error.lineno, error.offset, error.text) == place
    assert error.msg == str(error)
    assert error.msg
    for shown in (
        traceback.format_exception(error),
        traceback.format_exception_only(error),
        [logging.Formatter().formatException((type(error), error, None))],
        [caught.exconly()],
        [str(caught.getrepr())],
    ):
        text = "".join(shown)
        assert str(error) in text
        assert "no detail available" not in text
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (again.filename, again.lineno, again.offset, again.text) == place
        assert again.msg == error.msg


def test_syntax_error_of_an_addon_has_no_place() -> None:
    with load_addon(addon_path("error")) as addon:
        for error in (
            addon.node_api_throw_syntax_error("CODE", "wrong").thrown,
            addon.node_api_create_syntax_error("CODE", "wrong").result,
        ):
            assert isinstance(error, JSSyntaxError)
            assert (error.msg, error.code) == ("wrong", "CODE")
            assert (error.filename, error.lineno, error.offset, error.text) == (None,) * 4


def test_syntax_error_that_nothing_catches_is_printed() -> None:
    script = (
        "import sys; from napi_python import host, load_addon\n"
        f"host(load_addon({str(addon_path('error'))!r})).run_script('1 +\\n  @ 2')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert 'File "<run_script>", line 2' in done.stderr
    assert "unexpected token" in done.stderr.splitlines()[-1]
    assert done.stderr.splitlines()[-2].strip() == "^"


def test_error_has_its_enumerable_properties_only(js: Script) -> None:
    error = js(
        """Object.defineProperties(new Error('m'), {
            shown: {value: 1, enumerable: true}, hidden: {value: 2},
            asked: {get() { throw 1; }, enumerable: true},
            [Symbol.for('s')]: {value: 3, enumerable: true}})"""
    )
    assert error.properties == {"shown": 1}
    assert js("new AggregateError([1, 2], 'm')").errors == [1, 2]


def test_error_that_contains_itself(js: Script) -> None:
    error = js("""(() => {
        const e = new TypeError('m');
        e.self = e; e.list = Array(40); e.list.fill(e.list); e.cause = [e]; e.name = 'N';
        return e;
    })()""")
    assert isinstance(error, JSTypeError)
    assert (error.message, str(error)) == ("m", "N: m")
    assert error.self is error
    assert error.cause[0] is error
    assert "N: m" in "".join(traceback.format_exception(error))
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert again.message == "m"
        assert isinstance(again.self, JSTypeError)
        assert again.list[0] is again.list[39][7]
    with pytest.raises(JSTypeError) as caught:
        js("(() => { const e = new TypeError('m'); e.cause = e; throw e; })()")
    assert caught.value.cause is caught.value
    assert caught.value.__cause__ is None
    assert js("1") == 1
