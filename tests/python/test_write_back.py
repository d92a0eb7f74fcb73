"""What one side changes in mutable arguments during a call is changed in place at the other."""

from __future__ import annotations

import array
import dataclasses
import gc
import threading
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import reached
from napi_python import expose, host

if TYPE_CHECKING:
    from conftest import Script
    from napi_python import Addon


def test_list_is_changed_in_place(js: Script) -> None:
    kept = print
    value: list[Any] = [1, kept, "a"]
    js("(a) => { a[0] = 10; a.push('new', {n: 1}); }")(value)
    assert value == [10, kept, "a", "new", {"n": 1}]
    assert value[1] is kept, "unchanged slots keep their objects"


def test_refused_change_leaves_the_set_and_the_host(addon: Addon, js: Script) -> None:
    value, calls = {1, 2}, list[object]()
    for body in ("s.add([1]); f();", "s.add([1]);"):
        with pytest.raises(TypeError, match="unhashable type: 'list'"):
            js(f"(s, f) => {{ {body} }}")(value, lambda: calls.append(1))
        assert value == {1, 2}
    assert not calls, "the callback did not begin"
    caught = js("(s, f) => { s.add([1]); try { f(); } catch (e) { s.clear(); return e.message; } }")
    assert "unhashable" in caught(value, lambda: calls.append(1))
    assert value == set()
    assert host(addon).generation == 1


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


# --- The other direction: what a Python callback changes in its arguments. -----------------------


def test_callback_changes_an_array_in_place(js: Script) -> None:
    def change(values: list[Any]) -> None:
        values[0] = "first"
        del values[1]
        values.extend([{"n": 1}, None])

    look = js("(f) => { const a = [1, 2, 3]; const same = a; f(a); return [same === a, a]; }")
    assert look(change) == [True, ["first", 3, {"n": 1}, None]]


def test_callback_changes_objects_in_place(js: Script) -> None:
    def change(value: Any) -> None:
        value["a"] = "changed"
        del value["b"]
        value[7] = "seven"
        value["__proto__"] = 1
        value["self"] = value

    look = js(
        """(f) => { const o = {a: 1, b: 2, c: 3}; f(o);
            const own = Object.getOwnPropertyDescriptor(o, '__proto__');
            return [Object.keys(o), o.a, o[7], o.self === o, own.value,
                    Object.getPrototypeOf(o) === Object.prototype]; }"""
    )
    assert look(change) == [["7", "a", "c", "__proto__", "self"], "changed", "seven", True, 1, True]


def test_callback_changes_maps_and_sets_in_place(js: Script) -> None:
    def change(mapping: dict[Any, Any], items: set[Any]) -> None:
        mapping["new"] = mapping.pop("old")
        items.discard(1)
        items.add("two")

    look = js(
        """(f) => { const m = new Map([['old', [1]], [2, 'b']]), s = new Set([1]);
            f(m, s); return [[...m], [...s]]; }"""
    )
    assert look(change) == [[[2, "b"], ["new", [1]]], ["two"]]


def test_callback_changes_maps_and_sets_that_are_lists_in_python(js: Script) -> None:
    def change(pairs: list[Any], items: list[Any]) -> None:
        pairs.append([{"k": 2}, 2])
        items.append(3)

    look = js(
        """(f) => { const m = new Map([[{k: 1}, 1]]), s = new Set([[1], 2]);
            f(m, s); return [m instanceof Map, [...m], s instanceof Set, [...s]]; }"""
    )
    changed = [True, [[{"k": 1}, 1], [{"k": 2}, 2]], True, [[1], 2, 3]]
    assert look(change) == changed


def test_callback_changes_at_depth_keep_the_containers(js: Script) -> None:
    def change(outer: Any) -> None:
        outer["deep"]["inner"].append(2)

    look = js(
        """(f) => { const inner = [1]; const o = {deep: {inner}}; f(o);
            return [o.deep.inner === inner, inner]; }"""
    )
    assert look(change) == [True, [1, 2]]


def test_containers_that_a_callback_moves_are_the_very_objects(js: Script) -> None:
    def change(both: list[Any], alias: list[Any]) -> None:
        assert both[0] is alias
        both.reverse()
        both[0].append(both[1])
        fresh = [alias]
        both += [fresh, fresh, both]

    look = js(
        """(f) => { const a = ['a'], b = ['b'], both = [a, b]; f(both, a);
            return [both[0] === b, both[1] === a, b[1] === a, both[2] === both[3],
                    both[2][0] === a, both[4] === both]; }"""
    )
    assert look(change) == [True] * 6


def test_changes_of_a_callback_survive_its_exception(js: Script) -> None:
    def change(values: list[int]) -> None:
        values.append(2)
        raise ValueError("after")

    look = js("(f) => { const a = [1]; try { f(a); } catch (e) { return [a, e.message]; } }")
    assert look(change) == [[1, 2], "after"]


def test_changes_of_a_callback_are_seen_by_the_calls_that_it_makes(js: Script) -> None:
    js("globalThis.kept = [1]")
    length = js("() => kept.length")
    seen = []

    def change(values: list[int]) -> None:
        values.append(2)
        seen.append(length())
        js("kept.push('lost')")  # Python does not see this, and the next change overwrites it.
        values.append(3)
        seen.append(length())
        seen.append(length())
        values.pop(0)

    js("(f) => f(kept)")(change)
    assert seen == [2, 3, 3]
    assert js("kept") == [2, 3]


def test_nested_callbacks_write_back_their_own_arguments(js: Script) -> None:
    call = js("(f) => { const a = []; f(a); return a; }")

    def down(depth: int, values: list[Any]) -> None:
        values.append(depth)
        if depth:
            values.append(call(lambda inner: down(depth - 1, inner)))

    assert call(lambda values: down(3, values)) == [3, [2, [1, [0]]]]


def test_changes_of_a_callback_reach_the_callers_list(js: Script) -> None:
    mine = [1]
    js("(a, f) => { f(a); a.push(3); }")(mine, lambda values: values.append(2))
    assert mine == [1, 2, 3]


def test_setters_and_generators_write_back(js: Script) -> None:
    class Store:
        @property
        def items(self) -> list[Any]:
            return []

        @items.setter
        def items(self, value: list[Any]) -> None:
            value.append("set")

    def steps() -> Any:
        while True:
            sent = yield
            if sent is not None:
                sent.append("sent")

    look = js(
        """(store, it) => { const a = [], b = []; store.items = a; it.next(); it.next(b);
            return [a, b]; }"""
    )
    assert look(expose(Store(), "items"), steps()) == [["set"], ["sent"]]


def test_change_that_cannot_be_sent_back_names_the_argument(js: Script) -> None:
    look = js("(f) => { const a = [1]; try { f(0, a); } catch (e) { return [e.message, a]; } }")
    message, values = look(lambda _, values: values.append({(1, 2): 3}))
    assert "argument 2" in message
    assert "dict key" in message
    assert values == [1]

    identity = js("(x) => x")

    def change(values: Any) -> str:
        values["bad"] = {(1, 2): 3}
        with pytest.raises(TypeError, match=r"argument 1 .*dict key"):
            identity(1)
        del values["bad"]
        assert identity(2) == 2
        return "went on"

    assert js("(f) => f({})")(change) == "went on"


def test_original_that_refuses_the_change_names_the_argument(js: Script) -> None:
    look = js(
        """(f) => { const o = Object.freeze([1]);
            try { f(o); } catch (e) { return [e.name, e.message, o]; } }"""
    )
    name, message, values = look(lambda values: values.append(2))
    assert name == "TypeError"
    assert "argument 1" in message
    assert values == [1]
    with pytest.raises(TypeError, match="argument 1"):
        js("(f) => f(Object.freeze({}))")(lambda value: value.update(a=1))


def test_only_changes_are_sent(js: Script) -> None:
    # An accessor on the original says which elements are assigned.
    look = js(
        """(f) => { const a = [1, 2, 3], set = [];
            globalThis.trap = () => { for (let i = 0; i < 3; i++) { const v = a[i];
                Object.defineProperty(a, i, {get: () => v, set: () => set.push(i)}); } };
            f(a); return set; }"""
    )

    def change(values: list[int]) -> None:
        js("trap()")
        values[1] = 20

    assert look(change) == [1]
    assert look(lambda _: js("trap()") and None) == []


def test_callback_of_a_timer_writes_back(addon: Addon, js: Script) -> None:
    called = threading.Event()

    def change(values: list[int]) -> None:
        values.append(2)
        called.set()

    js("(f) => { setTimeout(() => { const a = [1]; f(a); globalThis.fromTimer = a; }, 0); }")(
        change
    )
    assert reached(addon, called.is_set)
    assert js("fromTimer") == [1, 2]


def test_container_that_was_added_is_copied_once(js: Script) -> None:
    # Documented in docs/contract.md, the same in both directions.
    outer: list[Any] = []
    js("(a, f) => { const r = [1]; a.push(r); f(); r.push(2); a.push(3); }")(outer, lambda: None)
    assert outer == [[1], 3]

    def change(values: list[Any]) -> None:
        row = [1]
        values.append(row)
        js("0")
        row.append(2)
        values.append(3)

    assert js("(f) => { const a = []; f(a); return a; }")(change) == [[1], 3]


def test_async_callback_writes_back_changes_before_its_first_step(js: Script) -> None:
    def change(values: list[int]) -> Any:
        values.append(1)

        async def later() -> int:
            values.append(2)
            return len(values)

        return later()

    look = js("(f) => { const a = []; const p = f(a); return p.then((n) => [n, a]); }")
    assert look(change).result(10) == [2, [1]]


def test_arguments_are_not_kept_after_the_call(js: Script) -> None:
    class Item:
        pass

    gone = []

    def change(values: list[Any]) -> None:
        item = Item()
        gone.append(weakref.ref(item))
        values.append(lambda: item)
        js("1")
        values.clear()

    js("(f) => f([])")(change)
    js("gc()")
    js("1")
    gc.collect()
    assert gone[0]() is None
