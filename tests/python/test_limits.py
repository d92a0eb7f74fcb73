"""Bad input: each is refused with a message that says what to do, and nothing else breaks."""

from __future__ import annotations

import array
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napi_python import AddonError

if TYPE_CHECKING:
    from conftest import Script


@pytest.fixture(scope="module")
def echo(js: Script) -> Any:
    return js("(value) => value")


@pytest.mark.parametrize(
    ("key", "named"), [((1, 2), r"\(1, 2\)"), (None, "None"), (1.5, "1.5"), (True, "True")]
)
def test_dict_key_that_is_no_str_or_int_is_named(key: Any, named: str, echo: Any) -> None:
    with pytest.raises(TypeError, match=rf"dict key {named} .*must be str or int"):
        echo({key: 1})


def test_int_and_str_keys_that_are_one_in_javascript_are_refused(echo: Any) -> None:
    with pytest.raises(TypeError, match="same key in JavaScript"):
        echo({1: "a", "1": "b"})


def test_nesting_past_the_limit_names_the_limit(echo: Any) -> None:
    deep: list[Any] = []
    for _ in range(200):
        deep = [deep]
    with pytest.raises(ValueError, match="nesting exceed the limit of 64"):
        echo(deep)
    assert echo([1]) == [1], "the next call is fine"


def test_nesting_past_the_limit_from_javascript_is_an_error(js: Script) -> None:
    with pytest.raises((ValueError, AddonError), match=r"nest|depth|deep"):
        js("(() => { let a = []; for (let i = 0; i < 200; i++) a = [a]; return a; })()")
    assert js("1") == 1


def test_list_that_shrinks_while_it_is_read_is_noticed(echo: Any) -> None:
    class Shrinks:
        def __init__(self, target: list[Any]) -> None:
            self.target = target

        def __index__(self) -> int:
            self.target.clear()
            return 1

    victim: list[Any] = ["first"]
    victim += [Shrinks(victim), 3, 4]
    with pytest.raises(RuntimeError, match="list changed while it was converted"):
        echo(victim)


@pytest.mark.parametrize("grow", [True, False])
def test_dict_that_changes_while_it_is_read_is_noticed(grow: bool, echo: Any) -> None:
    class Changes:
        def __init__(self, target: dict[str, Any]) -> None:
            self.target = target

        def __index__(self) -> int:
            if grow:
                self.target.update({str(i): i for i in range(100)})
            else:
                self.target.clear()
            return 1

    victim: dict[str, Any] = {}
    victim.update(a=Changes(victim), b=2)
    with pytest.raises(RuntimeError, match="dict changed while it was converted"):
        echo(victim)


def test_set_that_changes_while_it_is_read_is_noticed(echo: Any) -> None:
    class Grows:
        def __index__(self) -> int:
            victim.add("more")
            victim.add("and more")
            return 1

    victim: set[Any] = {Grows(), "x"}
    with pytest.raises(RuntimeError, match="set changed while it was converted"):
        echo(victim)


def test_index_that_raises_raises_that(echo: Any) -> None:
    class Bad:
        def __index__(self) -> int:
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        echo([Bad()])
    assert echo([1]) == [1]


@pytest.mark.parametrize(
    "value",
    [
        np.array([1 + 2j]),
        np.array([object()], dtype=object),
        np.array([1], dtype=">i4"),
        memoryview(array.array("u", "x")) if "u" in array.typecodes else np.array(["x"]),
    ],
    ids=["complex", "object", "big endian", "text"],
)
def test_buffer_without_a_typed_array_is_refused(value: Any, echo: Any) -> None:
    with pytest.raises(TypeError, match="no JavaScript typed array"):
        echo(value)


def test_path_of_bytes_is_refused_with_advice(echo: Any) -> None:
    class Path:
        def __fspath__(self) -> bytes:
            return b"/x"

    with pytest.raises(TypeError, match="fsdecode"):
        echo(Path())


def test_nul_in_names_survives(js: Script) -> None:
    assert js("(o) => Object.keys(o)")({"a\0b": 1}) == ["a\0b"]
    thing = js("new (class { constructor() { this['a\\0b'] = 7; } })")
    assert thing["a\0b"] == 7


def test_calls_nested_too_deep_are_an_error_on_the_way(js: Script) -> None:
    call = js("(f) => f()")

    def again() -> Any:
        return call(again)

    with pytest.raises((ValueError, RecursionError, AddonError)):
        call(again)
    assert js("1 + 1") == 2
