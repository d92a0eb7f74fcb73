"""What the addon changes in mutable arguments during a call is changed in place."""

from __future__ import annotations

import array
import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from conftest import Script


def test_list_is_changed_in_place(js: Script) -> None:
    kept = print
    value: list[Any] = [1, kept, "a"]
    js("(a) => { a[0] = 10; a.push('new', {n: 1}); }")(value)
    assert value == [10, kept, "a", "new", {"n": 1}]
    assert value[1] is kept, "unchanged slots keep their objects"


def test_list_shrinks(js: Script) -> None:
    value = [1, 2, 3, 4]
    js("(a) => { a.length = 2; a.reverse(); }")(value)
    assert value == [2, 1]


def test_packed_list_is_changed_in_place(js: Script) -> None:
    ints = [3, 1, 2]
    floats = [0.5, 0.25]
    js("(a, b) => { a.sort(); b[0] = 'text'; }")(ints, floats)
    assert ints == [1, 2, 3]
    assert floats == ["text", 0.25]


def test_dict_is_changed_in_place(js: Script) -> None:
    value: dict[Any, Any] = {"a": 1, "b": 2, 3: "three"}
    js("(o) => { o.a = 'changed'; delete o.b; o.c = [1]; o[3] = 'drei'; }")(value)
    assert value == {"a": "changed", 3: "drei", "c": [1]}


def test_set_is_changed_in_place(js: Script) -> None:
    value = {1, 2}
    js("(s) => { s.add(3); s.delete(1); }")(value)
    assert value == {2, 3}


def test_change_at_depth_keeps_the_containers(js: Script) -> None:
    inner: list[int] = [1]
    outer = {"deep": {"inner": inner}}
    js("(o) => { o.deep.inner.push(2); }")(outer)
    assert outer["deep"]["inner"] is inner
    assert inner == [1, 2]


def test_moved_containers_are_the_very_objects(js: Script) -> None:
    a: list[Any] = ["a"]
    b: list[Any] = ["b"]
    both = [a, b]
    js("(both) => { both.reverse(); both[0].push(both[1]); }")(both)
    assert both[0] is b
    assert both[1] is a
    assert b[1] is a


def test_buffers_are_changed_in_place(js: Script) -> None:
    fill = js("(b) => { b[1] = 7; }")
    some_bytes = bytearray(b"abc")
    fill(some_bytes)
    assert some_bytes == b"a\x07c"
    some_array = array.array("d", [1.0, 2.0])
    fill(some_array)
    assert list(some_array) == [1.0, 7.0]
    some_numpy = np.zeros(3, dtype=np.int32)
    fill(some_numpy)
    assert some_numpy.tolist() == [0, 7, 0]
    view = memoryview(bytearray(b"xyz"))
    fill(view)
    assert bytes(view) == b"x\x07z"


def test_scattered_buffer_is_changed_in_place(js: Script) -> None:
    whole = np.arange(8, dtype=np.int16)
    js("(b) => { for (let i = 0; i < b.length; i++) b[i] += 100; }")(whole[::2])
    assert whole.tolist() == [100, 1, 102, 3, 104, 5, 106, 7]


def test_immutable_arguments_stay_as_they_are(js: Script) -> None:
    @dataclasses.dataclass
    class Point:
        x: int

    fixed = (1, 2)
    point = Point(1)
    some_bytes = b"ab"
    js("(t, p, b) => { t.push(3); p.x = 9; b[0] = 0; }")(fixed, point, some_bytes)
    assert fixed == (1, 2)
    assert point == Point(1)
    assert some_bytes == b"ab"


def test_read_only_array_stays_as_it_is(js: Script) -> None:
    fixed = np.zeros(2)
    fixed.flags.writeable = False
    js("(b) => { b[0] = 1; }")(fixed)
    assert fixed.tolist() == [0, 0]


def test_changes_are_seen_by_callbacks(js: Script) -> None:
    value = [1]
    seen: list[list[int]] = []
    js("(a, f) => { a.push(2); f(); a.push(3); f(); a.push(4); }")(
        value, lambda: seen.append(list(value))
    )
    assert seen == [[1, 2], [1, 2, 3]]
    assert value == [1, 2, 3, 4]


def test_changes_survive_a_throw(js: Script) -> None:
    value = [1]
    with pytest.raises(RuntimeError, match="after"):
        js("(a) => { a.push(2); throw new Error('after'); }")(value)
    assert value == [1, 2]


def test_later_changes_are_not_seen(js: Script) -> None:
    value = [1]
    js("(a) => { globalThis.late = a; }")(value)
    js("late.push(2)")
    assert value == [1]
