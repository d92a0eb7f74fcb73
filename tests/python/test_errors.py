"""JavaScript errors as Python exceptions."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import napi_python as np_
import pytest
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
