"""Python values are converted as docs/contract.md says, or refused with their position."""

from __future__ import annotations

import argparse
import array
import asyncio
import collections
import collections.abc
import configparser
import contextlib
import copy
import ctypes
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import functools
import inspect
import io
import ipaddress
import itertools
import math
import mmap
import os
import pathlib
import queue
import random
import re
import socket
import string
import threading
import time
import types
import uuid
import weakref
import zoneinfo
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from unittest import mock

import attrs
import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pydantic
import pytest
from conftest import addon_path
from napi_python import Addon, WrongThreadError, by_ref, expose, host, load_addon, register

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Script

DESCRIBE = """(value) => {
    const of = (v) => Object.is(v, -0) ? "-0"
        : typeof v === "bigint" ? `${v}n`
        : typeof v === "string" ? JSON.stringify(v)
        : typeof v === "function" ? "function"
        : v instanceof Date ? `Date ${v.getTime()}`
        : v instanceof Promise ? "Promise"
        : v instanceof Map ? `Map ${[...v].map(of)}`
        : v instanceof Set ? `Set ${[...v].map(of)}`
        : Buffer.isBuffer(v) ? `Buffer ${[...v]}`
        : ArrayBuffer.isView(v) ? `${v.constructor.name} ${[...v]}`
        : v instanceof Error ? `${v.name} ${v.message}`
        : Array.isArray(v) ? `[${v.map(of)}]`
        : typeof v === "object" && v !== null && Symbol.iterator in v ? `iterator ${[...v].map(of)}`
        : typeof v === "object" && v !== null
            ? `{${Object.entries(v).map(([k, x]) => `${k}:${of(x)}`)}}`
        : String(v);
    return of(value);
}"""


@pytest.fixture(scope="module")
def describe(js: Script) -> Any:
    """Tells what JavaScript sees."""
    return js(DESCRIBE)


@pytest.fixture(scope="module")
def public(mode: str) -> Iterator[Addon]:
    with load_addon(addon_path("primitive"), remote="public") as loaded:
        yield loaded


class Refused(NamedTuple):
    """What the TypeError says beside the place and the type."""

    hint: str = "convert it to plain data"


REFUSED = Refused()


class Weight(enum.Enum):
    HALF = 0.5
    WORD = "word"
    PAIR = (1, "b")
    NONE = None
    LIST = [1, 2]  # noqa: RUF012 - a value of a member
    WHEN = dt.date(2024, 2, 29)


class Coordinate(bytes, enum.Enum):
    """A member whose value is not what it is an instance of, as the manual of enum has it."""

    X = (7, b"unit")

    def __new__(cls, number: int, unit: bytes) -> Self:
        member = bytes.__new__(cls, unit)
        member._value_ = number
        return member


class Mode(enum.Flag):
    READ = 1
    WRITE = 2


class Permission(enum.IntFlag):
    R = 4
    W = 2


class Name(enum.StrEnum):
    ADA = "ada"


class Ratio(float, enum.Enum):
    THIRD = 0.25


class Pair(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass(slots=True)
class Slotted:
    x: int
    when: dt.timedelta
    shared: dataclasses.InitVar[int] = 0


@attrs.define
class Attrs:
    x: int
    _y: str = "hidden"


class Inner(pydantic.BaseModel):
    when: dt.date


class Model(pydantic.BaseModel):
    name: str
    inner: Inner
    secret: str = pydantic.Field(default="s", exclude=True)


class Root(pydantic.RootModel[list[int]]):
    pass


class MyMapping(collections.abc.Mapping[str, int]):
    def __getitem__(self, key: str) -> int:
        return {"a": 1}[key]

    def __iter__(self) -> Iterator[str]:
        return iter(["a"])

    def __len__(self) -> int:
        return 1


class MyUserDict(collections.UserDict[str, int]):
    pass


class Plain:
    def __init__(self) -> None:
        self.x = 1


class CallablePath:
    """Callable, and a path: it was passed to be called."""

    def __call__(self) -> int:
        return 1

    def __fspath__(self) -> str:
        return "/a"


class Item(ctypes.Structure):
    _fields_ = [("x", ctypes.c_int)]


def generator() -> Iterator[int]:
    yield 1
    yield 2


async def coroutine() -> int:
    return 1


def _memory_map() -> mmap.mmap:
    memory = mmap.mmap(-1, 4)
    memory.write(b"abcd")
    return memory


def _entry() -> os.DirEntry[str]:
    with os.scandir("/proc/self") as entries:
        return next(entry for entry in entries if entry.name == "fd")


def _parser() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read_string("[part]\nkey = value\n")
    return parser


KEPT = Plain()
WEAK: weakref.WeakValueDictionary[str, Plain] = weakref.WeakValueDictionary(x=KEPT)
NAIVE = dt.datetime(2024, 5, 6, 7, 8, 9)  # noqa: DTZ001 - naive is what is tested
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")

# What is made anew for each test: some can be used once only.
CASES: dict[str, tuple[Any, str | Refused]] = {
    "date": (lambda: dt.date(2024, 2, 29), '"2024-02-29"'),
    "time": (lambda: dt.time(12, 30, 15, 250_000), '"12:30:15.250000"'),
    "time with zone": (lambda: dt.time(1, tzinfo=dt.UTC), '"01:00:00+00:00"'),
    "timedelta": (lambda: dt.timedelta(seconds=1.5), "1500"),
    "timedelta of microseconds": (lambda: dt.timedelta(microseconds=1), "0.001"),
    "timedelta, negative": (lambda: -dt.timedelta(days=1), "-86400000"),
    "datetime": (lambda: dt.datetime(1970, 1, 1, 0, 0, 1, tzinfo=dt.UTC), "Date 1000"),
    "datetime with zone": (
        lambda: dt.datetime(2024, 7, 1, 12, tzinfo=BERLIN),
        f"Date {dt.datetime(2024, 7, 1, 10, tzinfo=dt.UTC).timestamp() * 1000:.0f}",
    ),
    "datetime, naive": (lambda: NAIVE, f"Date {NAIVE.timestamp() * 1000:.0f}"),
    "timezone": (lambda: dt.UTC, REFUSED),
    "ZoneInfo": (lambda: BERLIN, '"Europe/Berlin"'),
    "UUID": (lambda: uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
    "range": (lambda: range(1, 10, 3), "[1,4,7]"),
    "range beyond any size": (lambda: range(10**30), Refused("values in one message")),
    "range beyond the limit": (lambda: range(10**9), Refused("values in one message")),
    "deque": (lambda: collections.deque([1, "a"]), '[1,"a"]'),
    "dict keys": (lambda: {"a": 1}.keys(), '["a"]'),
    "dict values": (lambda: {"a": 1}.values(), "[1]"),
    "dict items": (lambda: {"a": 1}.items(), '[["a",1]]'),
    "OrderedDict keys": (lambda: collections.OrderedDict(a=1).keys(), '["a"]'),
    "UserDict items": (lambda: collections.UserDict(a=1).items(), '[["a",1]]'),
    "SimpleNamespace": (lambda: types.SimpleNamespace(x=1, _y=[2]), "{x:1,_y:[2]}"),
    "argparse.Namespace": (lambda: argparse.Namespace(x=1), REFUSED),
    "Decimal": (lambda: decimal.Decimal("0.1"), "0.1"),
    "Decimal, integral": (lambda: decimal.Decimal(2**60), "1152921504606847000"),
    "Decimal, infinite": (lambda: decimal.Decimal("-Infinity"), "-Infinity"),
    "Decimal, NaN": (lambda: decimal.Decimal("NaN"), "NaN"),
    "Decimal, signaling NaN": (lambda: decimal.Decimal("sNaN"), Refused("signaling")),
    "Decimal, too large": (lambda: decimal.Decimal("1E+400"), Refused("too large")),
    "Decimal, too small": (lambda: decimal.Decimal("1E-400"), Refused("more digits")),
    "Decimal, too precise": (
        lambda: decimal.Decimal("12345678901234567.89"),
        Refused("more digits"),
    ),
    "Fraction": (lambda: fractions.Fraction(1, 4), "0.25"),
    "Fraction, rounded": (lambda: fractions.Fraction(1, 3), str(1 / 3)),
    "Fraction, too large": (lambda: fractions.Fraction(10**400), Refused("too large")),
    "complex": (lambda: 1j, Refused("value.real")),
    "Enum of float": (lambda: Weight.HALF, "0.5"),
    "Enum of str": (lambda: Weight.WORD, '"word"'),
    "Enum of tuple": (lambda: Weight.PAIR, '[1,"b"]'),
    "Enum of None": (lambda: Weight.NONE, "null"),
    "Enum of list": (lambda: Weight.LIST, "[1,2]"),
    "Enum of date": (lambda: Weight.WHEN, '"2024-02-29"'),
    "Enum with its own value": (lambda: Coordinate.X, "7"),
    "Flag": (lambda: Mode.READ | Mode.WRITE, "3"),
    "IntFlag": (lambda: Permission.R | Permission.W, "6"),
    "StrEnum": (lambda: Name.ADA, '"ada"'),
    "float Enum": (lambda: Ratio.THIRD, "0.25"),
    "namedtuple": (lambda: Pair(1, 2), "[1,2]"),
    "struct_time": (lambda: time.gmtime(0)[:3], "[1970,1,1]"),
    "MappingProxyType": (lambda: types.MappingProxyType({"a": 1}), "{a:1}"),
    "ChainMap": (lambda: collections.ChainMap({"a": 1}, {"a": 2, "b": 3}), "{a:1,b:3}"),
    "OrderedDict": (lambda: collections.OrderedDict(z=1, a=2), "{z:1,a:2}"),
    "defaultdict": (lambda: collections.defaultdict(list, a=[1]), "{a:[1]}"),
    "Counter": (lambda: collections.Counter("aab"), "{a:2,b:1}"),
    "UserDict": (lambda: collections.UserDict(a=1), "{a:1}"),
    "subclass of UserDict": (lambda: MyUserDict(a=1), "{a:1}"),
    "UserList": (lambda: collections.UserList([1, [2]]), "[1,[2]]"),
    "UserString": (lambda: collections.UserString("s"), '"s"'),
    "WeakValueDictionary": (lambda: weakref.WeakValueDictionary(), "{}"),
    "WeakSet": (lambda: weakref.WeakSet(), "Set "),
    "ConfigParser section": (lambda: _parser()["part"], '{key:"value"}'),
    "Mapping of the user's": (MyMapping, REFUSED),
    "array": (lambda: array.array("i", [1, 2]), "Int32Array 1,2"),
    "array of characters": (lambda: array.array("u", "ab"), Refused("has the format")),
    "Path": (lambda: pathlib.Path("/a/b"), '"/a/b"'),
    "PureWindowsPath": (lambda: pathlib.PureWindowsPath("a/b"), '"a\\\\b"'),
    "DirEntry": (_entry, '"/proc/self/fd"'),
    "IPv4Address": (lambda: ipaddress.ip_address("10.0.0.1"), '"10.0.0.1"'),
    "IPv6Network": (lambda: ipaddress.ip_network("fe80::/10"), '"fe80::/10"'),
    "IPv4Interface": (lambda: ipaddress.ip_interface("10.0.0.1/8"), '"10.0.0.1/8"'),
    "memoryview": (lambda: memoryview(b"ab"), "Buffer 97,98"),
    "memoryview without dimensions": (lambda: memoryview(ctypes.c_int(1)), Refused("tolist")),
    "mmap": (_memory_map, "Uint8Array 97,98,99,100"),
    "ctypes array": (lambda: (ctypes.c_uint16 * 2)(1, 2), "Uint16Array 1,2"),
    "ctypes scalar": (lambda: ctypes.c_int(1), REFUSED),
    "ctypes structure": (lambda: Item(1), REFUSED),
    "file": (lambda: io.FileIO(__file__), Refused("value.read()")),
    "BytesIO": (lambda: io.BytesIO(b"a"), Refused("value.read()")),
    "StringIO": (lambda: io.StringIO("a"), Refused("value.read()")),
    "re.Pattern": (lambda: re.compile("a"), Refused("value.pattern")),
    "re.Match": (lambda: re.match("a", "a"), REFUSED),
    "generator": (generator, "iterator 1,2"),
    "map": (lambda: map(str, [1]), 'iterator "1"'),
    "itertools.count": (lambda: itertools.islice(itertools.count(), 2), "iterator 0,1"),
    "coroutine": (coroutine, "Promise"),
    "module": (lambda: math, REFUSED),
    "class": (lambda: Plain, "function"),
    "function": (lambda: generator, "function"),
    "method": (lambda: "a".upper, "function"),
    "partial": (lambda: functools.partial(print), "function"),
    "callable path": (CallablePath, "function"),
    "mock": (mock.MagicMock, "function"),
    "exception": (lambda: ValueError("bad"), "ValueError bad"),
    "object": (object, REFUSED),
    "instance": (Plain, REFUSED),
    "type alias": (lambda: types.SimpleNamespace, "function"),
    "property": (lambda: property(), REFUSED),
    "Lock": (threading.Lock, REFUSED),
    "Queue": (queue.Queue, REFUSED),
    "Random": (random.Random, REFUSED),
    "socket": (socket.socket, REFUSED),
    "Template": (lambda: string.Template("a"), REFUSED),
    "ExitStack": (contextlib.ExitStack, REFUSED),
    "frame": (lambda: inspect.currentframe(), REFUSED),
    "slice": (lambda: slice(1, 2), REFUSED),
    "Ellipsis": (lambda: ..., REFUSED),
    "NotImplemented": (lambda: NotImplemented, REFUSED),
    "weak proxy": (lambda: weakref.proxy(KEPT), REFUSED),
    "dataclass with slots": (lambda: Slotted(1, dt.timedelta(0)), "{x:1,when:0}"),
    "attrs class": (lambda: Attrs(1), '{x:1,_y:"hidden"}'),
    "pydantic model": (
        lambda: Model(name="n", inner=Inner(when=dt.date(2024, 1, 2))),
        '{name:"n",inner:{when:"2024-01-02"}}',
    ),
    "pydantic root model": (lambda: Root([1, 2]), "[1,2]"),
    "np.float16": (lambda: np.float16(0.5), "0.5"),
    "np.float32": (lambda: np.float32(0.5), "0.5"),
    "np.float64": (lambda: np.float64(0.5), "0.5"),
    "np.longdouble": (lambda: np.longdouble(0.5), "0.5"),
    "np.longdouble, too large": (lambda: np.longdouble("1e400"), Refused("too large")),
    "np.int64": (lambda: np.int64(2**60), f"{2**60}n"),
    "np.uint8": (lambda: np.uint8(7), "7"),
    "np.bool": (lambda: np.bool_(False), "false"),
    "np.str_": (lambda: np.str_("s"), '"s"'),
    "np.bytes_": (lambda: np.bytes_(b"a"), "Buffer 97"),
    "np.complex64": (lambda: np.complex64(1), Refused("value.real")),
    "np.complex128": (lambda: np.complex128(1), Refused("value.real")),
    "np.datetime64": (lambda: np.datetime64("2024-01-01"), Refused("time zone")),
    "np.timedelta64": (lambda: np.timedelta64(1, "s"), Refused("astype")),
    "0-d array": (lambda: np.array(1.5), "1.5"),
    "0-d array of int": (lambda: np.array(7), "7"),
    "0-d array of datetime64": (lambda: np.array("2024", "M8[ns]"), Refused("time zone")),
    "0-d array of objects": (lambda: np.array(dt.date(2024, 1, 2), object), '"2024-01-02"'),
    "array of one number": (lambda: np.array([1.5]), "Float64Array 1.5"),
    "array of datetime64": (lambda: np.array(["2024"], "M8[D]"), Refused("dtype datetime64")),
    "array of objects": (lambda: np.array([1, "a"], object), Refused("to a list")),
    "array of text": (lambda: np.array(["a"]), Refused("to a list")),
    "structured array": (lambda: np.zeros(1, [("x", "i4")]), Refused("to a list")),
    "structured scalar": (lambda: np.zeros(1, [("x", "i4")])[0], REFUSED),
    "masked array": (lambda: np.ma.array([1, 2], mask=[False, True]), Refused("filled")),
    "pd.Timestamp": (lambda: pd.Timestamp(1, unit="s", tz="UTC"), "Date 1000"),
    "pd.Timestamp, naive": (lambda: pd.Timestamp(NAIVE), f"Date {NAIVE.timestamp() * 1000:.0f}"),
    "pd.Timedelta": (lambda: pd.Timedelta(seconds=1.5), "1500"),
    "pd.NaT": (lambda: pd.NaT, "Date NaN"),
    "pd.NA": (lambda: pd.NA, Refused("undefined")),
    "pd.DataFrame": (lambda: pd.DataFrame({"a": [1]}), Refused("to_dict")),
    "pd.Series": (lambda: pd.Series([1.5]), Refused("to_list")),
    "pd.Index": (lambda: pd.Index([1]), Refused("to_list")),
    "pd.Interval": (lambda: pd.Interval(0, 1), REFUSED),
}


@pytest.mark.parametrize("name", CASES)
def test_value_is_converted_or_refused(name: str, describe: Any) -> None:
    make, expected = CASES[name]
    value = make()
    if isinstance(expected, str):
        assert describe(value) == expected
    else:
        with pytest.raises((TypeError, ValueError)) as caught:
            describe(None, [{"when": value}])
        text = " ".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
        assert "argument 2, item 0, key 'when'" in text
        assert expected.hint in text
        if "limit" not in text and "format" not in text and "filled" not in text:
            assert "a value of type" in text
    if isinstance(value, io.IOBase | socket.socket | types.CoroutineType | mmap.mmap):
        value.close()


def test_refusal_names_the_ways_out(describe: Any) -> None:
    with pytest.raises(TypeError) as caught:
        describe(Plain())
    text = str(caught.value)
    assert text.startswith("argument 1: a value of type ")
    for way in ("expose(value", "by_ref(value)", "napi_python.register()"):
        assert way in text
    with pytest.raises(TypeError) as caught:
        describe(math)
    assert "expose" not in str(caught.value), "a module can't be exposed"


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda x: {"rows": [1, 2, 3, {"when": x}]}, "key 'rows', item 3, key 'when'"),
        (lambda x: (1, x), "item 1"),
        (lambda x: {x}, "item of a set"),
        (lambda x: {1: x}, "key 1"),
        (lambda x: collections.deque([0, x]), "item 1"),
        (lambda x: types.SimpleNamespace(a=x), "key 'a'"),
        (lambda x: Slotted(x, dt.timedelta(0)), "key 'x'"),
        (lambda x: functools.reduce(lambda inner, _: [inner], range(40), x), "item 0, …, item 0"),
    ],
)
def test_refusal_says_where(make: Any, path: str, describe: Any) -> None:
    with pytest.raises(TypeError) as caught:
        describe(None, make(Plain()))
    assert str(caught.value).startswith("argument 2, ")
    assert path in str(caught.value).partition(":")[0]


def test_refused_keyword_argument_is_named(describe: Any) -> None:
    with pytest.raises(TypeError, match=r"^keyword argument 'when', item 0: a value of type"):
        describe(1, when=[Plain()])


def test_error_of_the_value_itself_gets_a_note(describe: Any) -> None:
    class Fails:
        def __index__(self) -> int:
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine") as caught:
        describe({"n": Fails()})
    assert caught.value.__notes__ == ["while converting argument 1, key 'n'"]


def test_refused_results_are_named(js: Script) -> None:
    with pytest.raises(TypeError, match=r"^result of the callback, item 0: a value of type"):
        js("(f) => f()")(lambda: [Plain()])
    with pytest.raises(TypeError, match=r"^attribute 'x': a value of type"):
        js("(o) => o.x")(expose(types.SimpleNamespace(x=Plain()), "x"))
    with pytest.raises(TypeError, match=r"^attribute 'a': a value of type"):
        js("(o) => o.a")(by_ref({"a": Plain()}))
    with pytest.raises(TypeError, match=r"^item of the iterator, key 'value': a value of type"):
        js("(i) => [...i]")(iter([Plain()]))
    target = js("new (class A {})")
    with pytest.raises(TypeError, match=r"^attribute 'x': a value of type"):
        target.x = Plain()


def test_refused_result_of_an_awaitable_rejects_its_promise(js: Script) -> None:
    async def work() -> object:
        return {"a": Plain()}

    async def main() -> None:
        with pytest.raises(TypeError, match=r"result of the awaitable, key 'a': a value of type"):
            await js("async (p) => await p")(work())

    asyncio.run(main())


def test_public_shows_classes_written_in_python_only(public: Addon) -> None:
    read: Any = host(public).run_script("(o) => [typeof o, o.x]")
    assert read(Plain()) == ["object", 1]
    for value in (object(), threading.Lock(), re.compile("a"), 1j, math, io.BytesIO(), array.array):
        if not callable(value):
            with pytest.raises(TypeError, match="a value of type"):
                read(value)


@pytest.mark.parametrize(
    "value", [Plain(), object(), math, threading.Lock(), io.BytesIO()], ids=repr
)
def test_opaque_token_is_the_very_object_and_shows_nothing(value: Any, js: Script) -> None:
    assert js("(t) => [typeof t, Object.keys(t).length, t.x, t.__class__]")(by_ref(value)) == [
        "object",
        0,
        None,
        None,
    ]
    assert js("(t) => t")(by_ref(value)) is value
    assert js("(a, b) => a === b")(by_ref(value), by_ref(value))


@pytest.mark.parametrize("value", [1, "a", b"a", None, 1.5, True, 1j, print, Plain], ids=repr)
def test_value_without_identity_is_refused_as_a_token(value: Any) -> None:
    with pytest.raises(TypeError, match="mapping or a sequence"):
        by_ref(value)


def test_alias_of_a_converted_object_stays_one(js: Script) -> None:
    space = types.SimpleNamespace(x=1)
    rows = collections.deque([space, space])
    assert js("(a, b, c) => a[0] === a[1] && a[0] === b && a === c")(rows, space, rows)


def test_cycle_through_a_converted_object_survives(js: Script) -> None:
    space = types.SimpleNamespace()
    space.self = collections.deque([space])
    assert js("(s) => s.self[0] === s")(space)


@pytest.mark.parametrize(
    ("value", "source", "expected"),
    [
        (
            collections.deque([1, 2]),
            "(v) => { v[0] = 9; v.push(3); }",
            collections.deque([9, 2, 3]),
        ),
        (
            collections.deque([1, 2], maxlen=2),
            "(v) => { v.push(3); }",
            collections.deque([2, 3], maxlen=2),
        ),
        (collections.UserList([1, 2]), "(v) => { v.length = 1; }", collections.UserList([1])),
        (
            collections.UserDict({"a": 1, 2: 2}),
            "(v) => { v.b = 1; v[2] = 3; delete v.a; }",
            collections.UserDict({"b": 1, 2: 3}),
        ),
        (types.SimpleNamespace(a=1), "(v) => { v.a = 2; }", types.SimpleNamespace(a=1)),
        (range(2), "(v) => { v.push(3); }", range(2)),
        (collections.ChainMap({"a": 1}), "(v) => { delete v.a; }", collections.ChainMap({"a": 1})),
    ],
    ids=lambda value: type(value).__name__,
)
def test_changes_are_written_back(value: Any, source: str, expected: Any, js: Script) -> None:
    # The test runs in several modes.
    value = copy.copy(value)
    js(source)(value)
    assert value == expected


# register()


@pytest.fixture
def registered() -> Iterator[Any]:
    """Registers converters for one test."""
    classes: list[type] = []

    def add(cls: type, convert: Any) -> None:
        register(cls, convert)
        classes.append(cls)

    yield add
    for cls in classes:
        register(cls, None)


class Base:
    pass


class Middle(Base):
    pass


class Leaf(Middle):
    pass


def test_registered_converter_holds_for_subclasses(registered: Any, describe: Any) -> None:
    registered(Base, lambda value: type(value).__name__)
    assert describe([Base(), Leaf()]) == '["Base","Leaf"]'


def test_nearest_registered_base_wins_whenever_it_comes(registered: Any, describe: Any) -> None:
    registered(Base, lambda _: "base")
    assert describe(Leaf()) == '"base"'
    registered(Middle, lambda _: "middle")
    assert describe(Leaf()) == '"middle"'
    registered(Leaf, lambda _: "leaf")
    assert describe([Leaf(), Middle(), Base()]) == '["leaf","middle","base"]'
    register(Leaf, None)
    assert describe(Leaf()) == '"middle"'


def test_registered_converter_goes_before_the_rules(registered: Any, describe: Any) -> None:
    class MyList(list[int]):
        pass

    registered(MyList, lambda value: {"items": list(value)})
    registered(decimal.Decimal, str)
    registered(dt.datetime, lambda value: value.isoformat())
    registered(Weight, lambda member: member.name)
    registered(Slotted, lambda _: 1)
    registered(np.datetime64, lambda value: value.astype("M8[s]").item())
    assert describe(MyList([1])) == "{items:[1]}"
    assert describe(decimal.Decimal("1E+400")) == '"1E+400"'
    assert describe(NAIVE) == '"2024-05-06T07:08:09"'
    assert describe(Weight.HALF) == '"HALF"'
    assert describe(Slotted(1, dt.timedelta(0))) == "1"
    assert describe(np.datetime64("2024-05-06T07:08:09")) == '"2024-05-06T07:08:09"'


def test_result_of_a_converter_may_be_exposed(registered: Any, js: Script) -> None:
    registered(Plain, lambda value: expose(value, "x"))
    plain = Plain()
    assert js("(p) => (p.x = 5, p)")(plain) is plain
    assert plain.x == 5


def test_alias_of_a_registered_object_stays_one(registered: Any, js: Script) -> None:
    registered(Plain, vars)
    plain = Plain()
    assert js("(a, b) => a === b && a.x === 1")(plain, plain)


@pytest.mark.parametrize("endless", [lambda value: value, lambda value: [value], lambda _: Base()])
def test_endless_conversion_is_an_error(endless: Any, registered: Any, describe: Any) -> None:
    registered(Base, endless)
    with pytest.raises(Exception, match=r"does not end|levels of nesting"):
        describe(Base())
    assert describe(1) == "1"


def test_error_of_a_converter_is_raised_as_it_is(registered: Any, describe: Any) -> None:
    def fails(_: object) -> object:
        raise LookupError("mine")

    registered(Base, fails)
    with pytest.raises(LookupError, match="mine") as caught:
        describe([Base()])
    assert caught.value.__notes__ == ["while converting argument 1, item 0"]


@pytest.mark.parametrize(
    "cls", [object, int, str, dict, list, tuple, bytes, type, types.FunctionType, type(None)]
)
def test_fixed_conversions_stay(cls: type) -> None:
    with pytest.raises(TypeError, match="is fixed"):
        register(cls, str)


def test_register_checks_its_arguments() -> None:
    with pytest.raises(TypeError, match="takes a class"):
        register(5, str)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="must be callable"):
        register(Base, 5)  # type: ignore[arg-type]


def test_threads_may_register_while_others_convert(registered: Any, describe: Any) -> None:
    classes = [type(f"Class{number}", (Base,), {}) for number in range(50)]
    registered(Base, lambda _: "base")
    wrong: list[str] = []

    def convert() -> None:
        try:
            for cls in classes * 4:
                found = describe(cls())
                if found not in ('"base"', f'"{cls.__name__}"'):
                    wrong.append(found)
        except WrongThreadError as error:
            wrong.append(str(error))

    threads = [threading.Thread(target=convert) for _ in range(3)]
    for thread in threads:
        thread.start()
    for cls in classes:
        registered(cls, lambda value: type(value).__name__)
    for thread in threads:
        thread.join()
    assert not wrong
    assert [describe(cls()) for cls in classes] == [f'"{cls.__name__}"' for cls in classes]
