"""`bulk`: many calls of a function in few messages."""

from __future__ import annotations

import gc
import itertools
import operator
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import addon_path
from napi_python import (
    Addon,
    AddonError,
    AddonTimeout,
    BulkResults,
    JSError,
    JSRangeError,
    JSTypeError,
    bulk,
    deadline,
    host,
    load_addon,
    require,
)

if TYPE_CHECKING:
    from conftest import Script

COUNTER = """(class {
    constructor(n) { this.n = n }
    add(k) { return this.n += k }
    get big() { if (this.n > 1) throw new RangeError(`${this.n}`); return 0 }
})"""


def calls(addon: Addon) -> int:
    """Returns how many requests a host has served."""
    served: int = host(addon).stats()["calls"]
    return served


def test_results_are_those_of_single_calls(js: Script) -> None:
    double = js("(x) => x * 2")
    rows = range(10_000)
    assert list(bulk(double, rows)) == [double(row) for row in range(10)] + [
        row * 2 for row in range(10, 10_000)
    ]


def test_rows_are_spread_with_star(js: Script) -> None:
    gather = js("(...all) => all")
    rows: list[Any] = [(1, 2), [3, 4], (), ("a", None, 1.5), {"k": 1}, "xy", iter([7])]
    found = list(bulk(gather, rows, star=True))
    assert found == [[1, 2], [3, 4], [], ["a", None, 1.5], ["k"], ["x", "y"], [7]]


def test_many_calls_take_few_requests() -> None:
    with load_addon(addon_path("bench")) as addon:
        before = calls(addon)
        rows = [(n, n) for n in range(10_000)]
        assert list(bulk(addon.add, rows, star=True)) == [2 * n for n in range(10_000)]
        assert calls(addon) - before < 200


def test_rows_are_read_as_results_are_asked_for(js: Script) -> None:
    read: list[int] = []

    def rows() -> Iterator[int]:
        for number in itertools.count():
            read.append(number)
            yield number

    results = bulk(js("(x) => -x"), rows())
    assert read == []
    assert list(itertools.islice(results, 20)) == [-n for n in range(20)]
    assert len(read) <= 64


def test_exception_comes_at_its_place_and_ends_the_calls(js: Script) -> None:
    called: list[int] = []
    check = js("(note, x) => { note(x); if (x === 5) throw new RangeError('five'); return x }")
    results = bulk(check, [(called.append, n) for n in range(100)], star=True)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(JSRangeError, match="five"):
        next(results)
    assert called == [0, 1, 2, 3, 4, 5]
    assert list(results) == []


def test_exceptions_are_results_on_request(js: Script) -> None:
    check = js("(x) => { if (x % 3 === 0) throw new TypeError(`${x}`); return x }")
    results = list(bulk(check, range(1000), return_exceptions=True))
    for place, result in enumerate(results):
        if place % 3:
            assert result == place
        else:
            assert isinstance(result, JSTypeError)
            assert str(result).startswith(str(place))


def test_exception_is_that_of_a_single_call(js: Script) -> None:
    fail = js("(x) => { const e = new Error('no'); e.code = 'E_NO'; e.row = x; throw e }")
    with pytest.raises(JSError) as single:
        fail(1)
    [bulked] = bulk(fail, [1], return_exceptions=True)
    assert isinstance(bulked, JSError)
    assert (bulked.code, bulked.row) == (single.value.code, single.value.row) == ("E_NO", 1)
    assert "Error: no" in str(bulked.stack)


def test_thrown_values_and_python_exceptions_pass_through(js: Script) -> None:
    with pytest.raises(JSError, match="threw None"):
        list(bulk(js("() => { throw undefined }"), [1]))
    own = KeyError("own")

    def fail(_: int) -> None:
        raise own

    with pytest.raises(KeyError) as raised:
        list(bulk(js("(f) => f(1)"), [fail]))
    assert raised.value is own


def test_exceptions_that_are_no_results_are_raised(js: Script) -> None:
    def leave() -> None:
        raise SystemExit(3)

    rows: list[Callable[[], object]] = [lambda: 1, lambda: 2, leave, lambda: 4]
    results = bulk(js("(f) => f()"), rows, return_exceptions=True)
    found: list[Any] = []
    with pytest.raises(SystemExit):
        found.extend(results)
    assert found == [1, 2]


def test_row_that_cannot_be_converted_fails_alone(js: Script) -> None:
    double = js("(x) => x * 2")
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    rows = [1, 2, 3, 4, 5, deep, 7]
    with pytest.raises(Exception) as single:
        double(deep)
    results = bulk(double, rows)
    assert [next(results) for _ in range(5)] == [2, 4, 6, 8, 10]
    with pytest.raises(type(single.value)) as bulked:
        next(results)
    assert str(bulked.value) == str(single.value)
    found = list(bulk(double, rows, return_exceptions=True))
    assert found[:5] == [2, 4, 6, 8, 10]
    assert type(found[5]) is type(single.value)
    assert found[6] == 14
    # Lists of 100 000 levels are dropped by hand: dropping them at once takes as many levels of C.
    while deep:
        deep = deep.pop()


def test_exception_of_the_rows_comes_after_the_rows_before_it(js: Script) -> None:
    def rows() -> Iterator[int]:
        yield from range(100)
        raise LookupError("rows")

    found: list[int] = []
    with pytest.raises(LookupError, match="rows"):
        found.extend(bulk(js("(x) => x"), rows()))
    assert found == list(range(100))
    with pytest.raises(TypeError, match="iterable"):
        list(bulk(js("(x) => x"), [(1,), 2], star=True))


def test_methods_keep_their_object(js: Script) -> None:
    counter = js(COUNTER)(0)
    assert list(bulk(counter.add, [1, 2, 3])) == [1, 3, 6]
    add = counter.add
    assert list(bulk(add, [(1,), (2,)], star=True)) == [7, 9]


def test_exported_functions_get_the_exports_as_this(tmp_path: Path) -> None:
    (tmp_path / "own.cjs").write_text(
        "exports.isOwn = function (x) { return this === exports && x === 1 }"
    )
    with require("./own.cjs", root=tmp_path) as own:
        assert own.isOwn(1) is True
        assert list(bulk(own.isOwn, [1, 2])) == [True, False]


def test_classes_are_constructed(js: Script) -> None:
    counter = js(COUNTER)
    made = list(bulk(counter, range(5)))
    assert [one.n for one in made] == [0, 1, 2, 3, 4]
    assert all(isinstance(one, counter) for one in made)


def test_property_of_many_objects(js: Script) -> None:
    counter = js(COUNTER)
    made = [counter(n) for n in range(50)]
    assert list(bulk(operator.attrgetter("n"), made)) == list(range(50))
    results = bulk(operator.attrgetter("big"), made)
    assert [next(results), next(results)] == [0, 0]
    with pytest.raises(JSRangeError, match="2"):
        next(results)
    found = list(bulk(operator.attrgetter("none"), made[:2], return_exceptions=True))
    assert [type(one) for one in found] == [AttributeError] * 2
    with pytest.raises(AttributeError) as single:
        _ = made[0].none
    assert str(found[0]) == str(single.value)
    # A method is bound to its object, as an attribute is.
    assert [add(1) for add in bulk(operator.attrgetter("add"), made[:3])] == [1, 2, 3]


def test_what_is_no_function_of_an_addon_is_refused(js: Script) -> None:
    for wrong in (len, print, None, 3, js("({f: 1})")):
        with pytest.raises(TypeError, match="bulk"):
            bulk(wrong, [1])  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        bulk(js("(x) => x"), 3)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="one attribute"):
        bulk(operator.attrgetter("a", "b"), [])
    with pytest.raises(ValueError, match="one attribute"):
        bulk(operator.attrgetter("a.b"), [])
    with pytest.raises(TypeError, match="star"):
        bulk(operator.attrgetter("a"), [], star=True)
    with pytest.raises(TypeError, match="objects of an addon"):
        list(bulk(operator.attrgetter("a"), [1]))


def test_no_rows_are_no_calls(js: Script) -> None:
    assert list(bulk(js("() => { throw 1 }"), [])) == []
    results: BulkResults[Any] = bulk(js("() => 1"), iter(()), star=True)
    assert next(results, None) is None


def test_mutable_arguments_are_written_back(js: Script) -> None:
    rows: list[dict[str, int]] = [{} for _ in range(100)]
    list(bulk(js("(o) => { o.seen = true; }"), rows))
    assert rows == [{"seen": True}] * 100


def test_results_are_one_object_where_javascript_has_one(js: Script) -> None:
    made = js(COUNTER)(1)
    first, second = bulk(js("(o) => o"), [made, made])
    assert first is second is made


def test_calls_in_callbacks_and_bulk_inside_of_bulk(js: Script) -> None:
    double = js("(x) => x * 2")
    through = js("(f, x) => f(x)")

    def inner(x: int) -> int:
        return sum(bulk(double, range(x)))

    results = list(bulk(through, [(inner, n) for n in range(20)], star=True))
    assert results == [n * (n - 1) for n in range(20)]


def test_large_results_and_rows_are_split(js: Script, addon: Addon) -> None:
    text = js("(() => { const s = 'x'.repeat(1 << 20); return () => s })()")
    before = calls(addon)
    assert sum(len(result) for result in bulk(text, [()] * 40, star=True)) == 40 << 20
    assert calls(addon) - before >= 20
    size = js("(s) => s === 1 ? 1 : s.length")
    big = "y" * (1 << 20)
    before = calls(addon)
    assert list(bulk(size, [1] * 5000 + [big] * 40)) == [1] * 5000 + [1 << 20] * 40
    assert calls(addon) - before >= 40


def test_slow_rows_are_returned_early() -> None:
    with load_addon(addon_path("bench")) as addon:
        spin = host(addon).run_script(
            "(x) => { const t = performance.now(); while (performance.now() < t + x); return x }"
        )
        list(bulk(spin, [0] * 4000))
        before = calls(addon)
        assert list(bulk(spin, [0] * 64 + [4] * 64)) == [0] * 64 + [4] * 64
        # 64 rows of 4 ms are more than one message's 2 ms, looked at every 8 rows.
        assert calls(addon) - before >= 12


def test_deadline_ends_a_message_of_calls() -> None:
    with load_addon(addon_path("bench")) as addon:
        spin = host(addon).run_script("() => { while (true); }")
        with pytest.raises(AddonTimeout), deadline(0.2):
            list(bulk(spin, [1, 2, 3]))


def test_closed_addon_refuses() -> None:
    addon = load_addon(addon_path("bench"))
    results = bulk(addon.add, [(1, 1)] * 100, star=True)
    assert next(results) == 2
    host(addon).close()
    with pytest.raises(AddonError, match="closed"):
        list(results)


def test_nothing_is_kept(js: Script) -> None:
    class Held:
        def __call__(self) -> int:
            return 1

    held = [Held() for _ in range(50)]
    kept = [weakref.ref(one) for one in held]
    assert list(bulk(js("(f) => f()"), held)) == [1] * 50
    held.clear()
    # What the host does not use any more is released with its next answer.
    js("() => 1")()
    gc.collect()
    js("() => 1")()
    assert [one for one in kept if one() is not None] == []


def test_module_that_is_a_function_can_be_called(tmp_path: Path) -> None:
    (tmp_path / "twice.cjs").write_text("module.exports = (x) => x * 2")
    with require("./twice.cjs", root=tmp_path) as twice:
        assert list(bulk(twice, range(5))) == [0, 2, 4, 6, 8]
