"""How values are converted, in both directions."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
import math
import pathlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from napi_python import BigInt, JSObject, Object, undefined

if TYPE_CHECKING:
    from conftest import Script


@pytest.fixture(scope="module")
def describe(js: Script) -> Any:
    """Tells what JavaScript sees."""
    return js(
        """(value) => {
            const of = (v) => Object.is(v, -0) ? "-0"
                : typeof v === "bigint" ? `${v}n`
                : typeof v === "string" ? JSON.stringify(v)
                : v instanceof Date ? `Date ${v.getTime()}`
                : v instanceof Map ? `Map ${[...v].map(of)}`
                : v instanceof Set ? `Set ${[...v].map(of)}`
                : Buffer.isBuffer(v) ? `Buffer ${[...v]}`
                : ArrayBuffer.isView(v) ? `${v.constructor.name} ${[...v]}`
                : Array.isArray(v) ? `[${v.map(of)}]`
                : typeof v === "object" && v !== null
                    ? `{${Object.entries(v).map(([k, x]) => `${k}:${of(x)}`)}}`
                : String(v);
            return of(value);
        }"""
    )


@pytest.fixture(scope="module")
def echo(js: Script) -> Any:
    return js("(value) => value")


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Text(str, enum.Enum):  # noqa: UP042 - the older way is what is tested
    ONE = "uno"


class Nine:
    def __index__(self) -> int:
        return 9


class Half:
    def __float__(self) -> float:
        return 0.5


class Pair(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass
class Point:
    x: int
    y: float
    name: str = "p"


TO_JS: list[tuple[Any, str]] = [
    (None, "null"),
    (undefined, "undefined"),
    (True, "true"),
    (False, "false"),
    (0, "0"),
    (-1, "-1"),
    (2**31, "2147483648"),
    (2**53 - 1, "9007199254740991"),
    (-(2**53 - 1), "-9007199254740991"),
    (2**53, "9007199254740992n"),
    (-(2**53), "-9007199254740992n"),
    (2**64, "18446744073709551616n"),
    (-(2**200), f"-{2**200}n"),
    (BigInt(5), "5n"),
    (BigInt(0), "0n"),
    (BigInt(-7), "-7n"),
    (1.5, "1.5"),
    (-0.0, "-0"),
    (math.inf, "Infinity"),
    (math.nan, "NaN"),
    (np.int64(7), "7"),
    (np.uint8(255), "255"),
    (np.float32(0.5), "0.5"),
    (np.float64(2.5), "2.5"),
    (np.bool_(True), "true"),
    (Nine(), "9"),
    (Half(), "0.5"),
    ("", '""'),
    ("h\u00e9llo \U0001f600", '"h\u00e9llo \U0001f600"'),
    ("a\0b", '"a\\u0000b"'),
    ("\ud800x", '"\\ud800x"'),
    (pathlib.PurePosixPath("/a/b"), '"/a/b"'),
    (Colour.RED, '"red"'),
    (Level.HIGH, "3"),
    (Text.ONE, '"uno"'),
    (dt.datetime(1970, 1, 1, 0, 0, 1, tzinfo=dt.UTC), "Date 1000"),
    (dt.datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=dt.UTC), "Date -1"),
    ([], "[]"),
    ([1, "a", None], '[1,"a",null]'),
    ([1, 2, 3], "[1,2,3]"),
    ([1, 2**40, 0.5], "[1,1099511627776,0.5]"),
    ([1, 2**60], "[1,1152921504606846976n]"),
    ((1, 2), "[1,2]"),
    (Pair(1, 2), "[1,2]"),
    ({"a": 1, 2: "b"}, '{2:"b",a:1}'),
    ({"\ud800": 1}, "{\ud800:1}"),
    (collections.OrderedDict(z=1, a=2), "{z:1,a:2}"),
    ({1}, "Set 1"),
    (frozenset({"x"}), 'Set "x"'),
    (b"\x00\xff", "Buffer 0,255"),
    (bytearray(b"ab"), "Buffer 97,98"),
    (memoryview(b"ab"), "Buffer 97,98"),
    (Point(1, 0.5), '{x:1,y:0.5,name:"p"}'),
]


@pytest.mark.parametrize(("value", "expected"), TO_JS, ids=lambda value: repr(value)[:40])
def test_python_value_is_seen_by_javascript_as(value: Any, expected: str, describe: Any) -> None:
    assert describe(value) == expected


def test_missing_argument_is_undefined(describe: Any) -> None:
    assert describe() == "undefined"


def test_naive_datetime_is_local_time(describe: Any) -> None:
    moment = dt.datetime(2024, 5, 6, 7, 8, 9)  # noqa: DTZ001 - naive is what is tested
    assert describe(moment) == f"Date {int(moment.timestamp() * 1000)}"


TO_PYTHON: list[tuple[str, Any]] = [
    ("undefined", None),
    ("null", None),
    ("true", True),
    ("0", 0),
    ("42", 42),
    ("-42.0", -42),
    ("4294967296", 2**32),
    ("9007199254740991", 2**53 - 1),
    ("9007199254740992", float(2**53)),
    ("1e300", 1e300),
    ("0.1", 0.1),
    ("Infinity", math.inf),
    ("5n", 5),
    ("-(2n ** 200n)", -(2**200)),
    ("''", ""),
    ("'h\u00e9llo \U0001f600'", "h\u00e9llo \U0001f600"),
    ("'\\ud800x'", "\ud800x"),
    ("[]", []),
    ("[1, 2.5, 3]", [1, 2.5, 3]),
    ("[1, 2, 3]", [1, 2, 3]),
    ("[1, 'a', [null]]", [1, "a", [None]]),
    ("[1,,3]", [1, None, 3]),
    ("({a: 1, b: {c: 2}})", {"a": 1, "b": {"c": 2}}),
    ("new Map([[1, 'a'], ['b', 2]])", {1: "a", "b": 2}),
    ("new Map([[{}, 1]])", [({}, 1)]),
    ("new Map([[1, 'a'], [true, 'b']])", [(1, "a"), (True, "b")]),
    ("new Set([1, 'a'])", {1, "a"}),
    ("new Set([[1]])", [[1]]),
    ("new Set([1, true])", [1, True]),
    ("new Date(1000)", dt.datetime(1970, 1, 1, 0, 0, 1, tzinfo=dt.UTC)),
    ("Buffer.from([1, 2])", b"\x01\x02"),
    ("new Uint8Array([1, 2])", b"\x01\x02"),
]


@pytest.mark.parametrize(("source", "expected"), TO_PYTHON, ids=lambda value: repr(value)[:40])
def test_javascript_value_is_seen_by_python_as(source: str, expected: Any, js: Script) -> None:
    found = js(source)
    assert found == expected
    if type(expected) in (bool, int, float, str, list, set):
        assert isinstance(found, type(expected))
        assert isinstance(found, bool) == isinstance(expected, bool)


def test_minus_zero_stays_a_float(js: Script) -> None:
    found = js("-0")
    assert isinstance(found, float)
    assert math.copysign(1, found) == -1


def test_nan_is_a_float(js: Script) -> None:
    assert math.isnan(js("NaN"))


def test_bigint_goes_back_as_a_bigint(js: Script, describe: Any) -> None:
    found = js("5n")
    assert type(found) is BigInt
    assert found + 1 == 6
    assert describe(found) == "5n"


def test_plain_object_is_read_by_attribute_too(js: Script) -> None:
    found = js("({name: 'n', keys: 1})")
    assert type(found) is Object
    assert found.name == "n"
    assert found["keys"] == 1
    assert callable(found.keys), "the methods of dict win"
    with pytest.raises(AttributeError, match="missing"):
        found.missing  # noqa: B018 - read for its error
    assert js("({})") == {}


@pytest.mark.parametrize("source", ["new Date(NaN)", "new Date(8.64e15)"])
def test_date_beyond_datetime_is_an_object(source: str, js: Script) -> None:
    found = js(source)
    assert isinstance(found, JSObject)
    assert js("(d) => d instanceof Date")(found)


def test_date_survives_the_round_trip(echo: Any) -> None:
    moment = dt.datetime(2024, 2, 29, 12, 30, 15, 123000, tzinfo=dt.UTC)
    assert echo(moment) == moment


@pytest.mark.parametrize(
    "source",
    [
        "({get a() { return 1; }})",
        "({f() {}})",
        "({[Symbol.iterator]: 1})",
        "Object.create({a: 1})",
        "Object.assign([1], {extra: 1})",
        "new (class A {})",
    ],
)
def test_value_that_is_not_plain_data_is_an_object(source: str, js: Script) -> None:
    assert isinstance(js(source), JSObject)


def test_prototype_null_is_plain(js: Script) -> None:
    assert js("Object.assign(Object.create(null), {a: 1})") == {"a": 1}


def test_proto_key_is_defined_not_set(js: Script) -> None:
    check = js("(o) => [Object.keys(o), Object.getPrototypeOf(o) === Object.prototype, o.polluted]")
    assert check({"__proto__": {"polluted": 1}}) == [["__proto__"], True, None]


def test_aliases_stay_aliases_within_a_message(js: Script, echo: Any) -> None:
    shared: dict[str, Any] = {}
    assert js("(a, b) => a === b")(shared, shared)
    assert js("([a, b]) => a === b")([shared, shared])
    first, second = echo([shared, shared])
    assert first is second


def test_equal_empty_tuples_are_two_arrays(js: Script) -> None:
    assert js("(a, b) => a !== b")((), ())


def test_cycles_survive(js: Script, echo: Any) -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert js("(a) => a[0] === a")(loop)
    back = echo(loop)
    assert back[0] is back
    ring: dict[str, Any] = {}
    ring["self"] = {"up": ring}
    back = echo(ring)
    assert back["self"]["up"] is back


def test_nothing_is_remembered_between_calls(js: Script) -> None:
    remember = js(
        "(() => { let kept; return (v) => { const same = kept === v; kept = v; return same; }; })()"
    )
    value: dict[str, int] = {}
    remember(value)
    assert remember(value) is False


def test_keyword_arguments_are_one_trailing_object(js: Script) -> None:
    spread = js("(...args) => args")
    assert spread(1, flag=True, name="n") == [1, {"flag": True, "name": "n"}]
    assert spread() == []


def test_array_and_typed_arrays_of_numpy(describe: Any) -> None:
    assert describe(np.array([1, 2], dtype=np.int16)) == "Int16Array 1,2"
    assert describe(np.array([1.5], dtype=np.float32)) == "Float32Array 1.5"
    assert describe(np.array([1], dtype=np.int64)) == "BigInt64Array 1"
    assert describe(np.arange(6, dtype=np.uint8)[::2]) == "Uint8Array 0,2,4"


def test_subclass_of_a_container_is_read_by_its_base(js: Script, echo: Any) -> None:
    class Sneaky(list[int]):
        def __iter__(self) -> Any:
            raise AssertionError("not to be run")

        def __len__(self) -> int:
            return 1000

        def __getitem__(self, index: Any) -> Any:
            raise AssertionError("not to be run")

    class Tricky(dict[str, int]):
        def items(self) -> Any:
            raise AssertionError("not to be run")

        def keys(self) -> Any:
            raise AssertionError("not to be run")

    assert echo(Sneaky([1, 2])) == [1, 2]
    assert echo(Tricky(a=1)) == {"a": 1}


HIDE = "const hide = (o, key, own) => Object.defineProperty(o, key, {configurable: true, ...own}); "


@pytest.mark.parametrize(
    ("made", "value"),
    [
        ("hide({a: 1}, 'hidden', {value: 2})", {"a": 1}),
        (
            "hide(hide({name: 'n', 2: 'x'}, 0, {value: 'n'}), 1, {value: 5})",
            {"2": "x", "name": "n"},
        ),
        ("hide({a: 1}, Symbol.for('hidden'), {value: 2})", {"a": 1}),
        ("hide(hide({a: 1}, 'b', {value: 2}), 'b', {enumerable: true})", {"a": 1, "b": 2}),
        ("[hide({a: 1}, 'hidden', {value: 2}), {b: 3}]", [{"a": 1}, {"b": 3}]),
        ("hide([1, 2], 'hidden', {value: 3})", [1, 2]),
        ("hide(new Map([['a', 1]]), 'hidden', {value: 3})", {"a": 1}),
        ("hide(new Set([1]), 'hidden', {value: 3})", {1}),
        ("hide(Object.assign(Object.create(null), {a: 1}), 'hidden', {value: 2})", {"a": 1}),
        ("Object.freeze({a: 1})", {"a": 1}),
        ("{}", {}),
    ],
)
def test_only_enumerable_properties_are_copied(made: str, value: Any, js: Script) -> None:
    found = js(f"(() => {{ {HIDE} return {made}; }})()".replace("return {};", "return ({});"))
    assert found == value
    assert type(found) is type(value) or isinstance(found, Object)
    keys = js(f"(() => {{ {HIDE} return Object.keys(({made})); }})()")
    if isinstance(found, Object):
        assert list(found) == keys


@pytest.mark.parametrize(
    "made",
    [
        "hide({}, 'a', {value: 2})",
        "hide({a: 1}, 'm', {value() { return 2; }})",
        "hide({a: 1}, 'm', {get() { return 2; }})",
        "hide({a: 1}, Symbol.for('m'), {get() { return 2; }})",
        "hide([1], 'm', {value() { return 2; }})",
        "hide([1], 'm', {get() { return 2; }})",
        "hide(new Map(), 'm', {value() { return 2; }})",
        "Object.assign(new Map(), {a: 1})",
        "Object.assign(new Set(), {1: 1})",
    ],
)
def test_hidden_behaviour_keeps_an_object_where_it_is(made: str, js: Script) -> None:
    found = js(f"(() => {{ {HIDE} return {made}; }})()")
    assert isinstance(found, JSObject)
    if "value()" in made:
        assert found.m() == 2


def test_hidden_properties_are_not_written_back(js: Script) -> None:
    given: dict[str, object] = {"a": 1}
    js(
        """(o) => { o.b = 2; Object.defineProperty(o, 'hidden', {value: 3});
        Object.defineProperty(o, 'a', {value: 4}); }"""
    )(given)
    assert given == {"a": 4, "b": 2}
