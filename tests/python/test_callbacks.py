"""Python callables in JavaScript."""

from __future__ import annotations

import functools
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from napi_python import JSError, JSTypeError

if TYPE_CHECKING:
    from conftest import Script
    from napi_python import Addon


def test_callback_gets_arguments_and_gives_a_result(js: Script) -> None:
    assert js("(f) => f(1, 'a', [null], {k: 2})")(lambda *args: list(args)) == [
        1,
        "a",
        [None],
        {"k": 2},
    ]


def test_callables_of_every_kind_can_be_called(js: Script) -> None:
    class Adder:
        def __call__(self, x: int) -> int:
            return x + 1

        def method(self, x: int) -> int:
            return x + 2

    call = js("(f, x) => f(x)")
    assert call(Adder(), 1) == 2
    assert call(Adder().method, 1) == 3
    assert call(functools.partial(max, 5), 1) == 5
    assert call(len, "abc") == 3
    assert call(str, 5) == "5"


def test_exception_of_a_callback_comes_back_as_the_very_object(js: Script) -> None:
    error = LookupError("mine")

    def fails() -> None:
        raise error

    with pytest.raises(LookupError) as caught:
        js("(f) => f()")(fails)
    assert caught.value is error
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert "fails" in names


def test_javascript_sees_the_exception_as_an_error(js: Script) -> None:
    def fails() -> None:
        raise ValueError("bad value")

    look = js(
        """(f) => { try { f(); } catch (e) {
            return [e instanceof Error, e instanceof RangeError, e.name, e.message]; } }"""
    )
    assert look(fails) == [True, True, "ValueError", "bad value"]


def test_caught_exception_can_be_given_back(js: Script) -> None:
    error = KeyError("k")

    def fails() -> None:
        raise error

    assert js("(f) => { try { f(); } catch (e) { return e; } }")(fails) is error


def test_exception_passes_through_several_layers(js: Script) -> None:
    call = js("(f) => f()")
    error = OSError("deep")

    def inner() -> None:
        raise error

    def outer() -> Any:
        return call(inner)

    with pytest.raises(OSError, match="deep") as caught:
        call(outer)
    assert caught.value is error


def test_base_exceptions_pass_through(js: Script) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        js("(f) => f()")(stop)
    assert js("1") == 1


def test_unsupported_result_is_an_error_at_the_callback(js: Script) -> None:
    look = js("(f) => { try { f(); } catch (e) { return e.message; } }")
    assert "dict key" in look(lambda: {(1, 2): 3})
    with pytest.raises(TypeError, match="dict key"):
        js("(f) => f()")(lambda: {(1, 2): 3})


def test_callback_that_outlives_its_call_is_called_later(js: Script) -> None:
    js("(f) => { globalThis.kept = f; }")(lambda x: x * 2)
    assert js("kept(21)") == 42


def test_same_callable_is_the_same_function(js: Script) -> None:
    def function() -> None: ...

    assert js("(a, b) => a === b")(function, function)
    js("(f) => { globalThis.known = f; }")(function)
    assert js("(f) => f === known")(function)
    assert js("known") is function


def test_callable_is_called_not_constructed(js: Script) -> None:
    with pytest.raises((TypeError, JSTypeError)):
        js("(f) => new f()")(lambda: 1)


def test_re_entrancy_to_a_certain_depth(js: Script) -> None:
    call = js("(f, n) => f(n)")

    def down(n: int) -> int:
        return 0 if n == 0 else 1 + call(down, n - 1)

    assert call(down, 20) == 20


def test_function_of_javascript_is_called_by_python_in_a_callback(js: Script) -> None:
    assert js("(f) => f((x) => x + 1)")(lambda g: g(41)) == 42


def test_this_of_a_callback_is_of_no_matter(js: Script) -> None:
    assert js("(f) => ({f}).f(3)")(lambda x: x) == 3


def test_rust_sample_maps_and_sums(rust: Addon) -> None:
    assert rust.mapAndSum([1, 2, 3], lambda x: x * 2) == 12
    assert rust.callWithValue(2, lambda x: x + 0.5) == 2.5


def test_error_thrown_in_javascript_reaches_python_through_python(js: Script) -> None:
    def through() -> Any:
        return js("() => { throw new RangeError('r'); }")()

    with pytest.raises(JSError, match="r") as caught:
        js("(f) => f()")(through)
    assert caught.value.name == "RangeError"
