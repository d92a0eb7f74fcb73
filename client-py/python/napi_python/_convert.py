"""Converts Python objects to JavaScript for which native code has no rule.

Native code calls `reduce`. The rule of a class is looked up once. Standard types and types of other
packages are identified by module and name, so that no such module is imported here.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
import numbers
import sys
import threading
import types
import weakref
from collections.abc import Callable, Mapping, MappingView, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, TypeVar, cast

from napi_python import _policy
from napi_python._native import (
    Addon,
    Buffer,
    CudaBuffer,
    CudaHandle,
    External,
    JSClass,
    JSFunction,
    JSIterator,
    JSObject,
    Promise,
    Symbol,
)
from napi_python._values import BigInt, Undefined

_T = TypeVar("_T")

# What the second value of `reduce` is converted to; native code has the same numbers.
_VALUE: Final = 0
_ARRAY: Final = 1
_OBJECT: Final = 2
_SET: Final = 3
_DATE: Final = 4
_LENT: Final = 5
_REFUSED: Final = 6

_Reduced = tuple[int, object]
_Rule = Callable[[Any], _Reduced]


# Registered converters.

_FIXED: Final = (
    object,
    type,
    type(None),
    bool,
    int,
    float,
    str,
    bytes,
    bytearray,
    list,
    tuple,
    dict,
    set,
    frozenset,
    types.FunctionType,
    Undefined,
    _policy.Exposed,
    _policy.ByRef,
    Addon,
    Buffer,
    External,
    JSClass,
    JSFunction,
    JSIterator,
    JSObject,
    Promise,
    Symbol,
)

_changing: Final = threading.Lock()
# Native code calls `converter_of` only while this is not empty.
_converters: Final[dict[type, Callable[[Any], object]]] = {}
# The converter of a class or of its nearest base. Replaced whenever a converter is registered,
# so that a concurrent lookup fills the old one.
_nearest: weakref.WeakKeyDictionary[type, Callable[[Any], object] | None] = (
    weakref.WeakKeyDictionary()
)


def register(cls: type[_T], convert: Callable[[_T], object] | None, /) -> None:
    """Registers how instances of a class are converted to JavaScript.

    It applies to every addon of this process and to subclasses, unless a nearer base in the method
    resolution order is registered, and takes precedence over the conversions that docs/contract.md
    lists. The result of `convert` is converted in turn; changes by the addon are not written back.

    Args:
        cls: The class.
        convert: Called with each instance; None removes the registration.

    Raises:
        TypeError: If `cls` is not a class, or one whose conversion is fixed (int, str, list, dict
            and the like, and the classes of this package), or `convert` is not callable.

    """
    if not isinstance(cls, type):
        raise TypeError(f"register() takes a class, not {cls!r}")
    if cls in _FIXED:
        raise TypeError(f"the conversion of {cls.__name__} is fixed; register a subclass of it")
    if convert is not None and not callable(convert):
        raise TypeError(f"a converter must be callable, not a {type(convert).__name__}")
    global _nearest  # noqa: PLW0603 - state of the process
    with _changing:
        if convert is None:
            _converters.pop(cls, None)
        else:
            _converters[cls] = convert
        _nearest = weakref.WeakKeyDictionary()


def converter_of(cls: type) -> Callable[[Any], object] | None:
    """Returns the converter registered for a class or its nearest base, None without one."""
    nearest = _nearest
    if cls not in nearest:
        found = (_converters.get(base) for base in cls.__mro__)
        nearest[cls] = next((convert for convert in found if convert is not None), None)
    return nearest[cls]


# Rules.

_MILLISECOND: Final = dt.timedelta(milliseconds=1)


def _text(value: object) -> _Reduced:
    return _VALUE, str(value)


def _zone(value: Any) -> _Reduced:  # noqa: ANN401 - a ZoneInfo, without importing it
    if value.key is None:
        return _refused(value, "a time zone without a name has no JavaScript counterpart")
    return _VALUE, value.key


def _real(value: Any) -> _Reduced:  # noqa: ANN401 - any number
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isinf(number) and value != number:
        return _refused(value, "it is too large for a JavaScript number; pass str(value)")
    return _VALUE, number


def _decimal(value: Any) -> _Reduced:  # noqa: ANN401 - a Decimal, without importing it
    if value.is_snan():
        return _refused(value, "a signaling NaN has no JavaScript counterpart")
    reduced = _real(value)
    number = reduced[1]
    # Either the number is the same, or its shortest text is.
    if (
        isinstance(number, float)
        and value.is_finite()
        and value != type(value)(number)
        and value != type(value)(repr(number))
    ):
        return _refused(
            value,
            "it has more digits than a JavaScript number keeps; pass str(value) to keep them, or "
            "float(value) to round it",
        )
    return reduced


def _items(kind: int, value: object) -> _Reduced:
    return kind, value


def _attrs(value: Any) -> _Reduced:  # noqa: ANN401 - an instance of an attrs class
    names = (field.name for field in type(value).__attrs_attrs__)
    return _OBJECT, {name: getattr(value, name) for name in names}


def _pydantic(value: Any) -> _Reduced:  # noqa: ANN401 - a model
    return _VALUE, value.model_dump()


def _numpy_array(value: Any) -> _Reduced:  # noqa: ANN401 - an ndarray
    if value.ndim == 0:
        return _VALUE, value[()]
    return _refused(
        value,
        f"there is no JavaScript typed array of dtype {value.dtype}; pass value.tolist(), or "
        "value.astype(...) of integers or floats",
    )


def _cuda_buffer(value: CudaBuffer) -> _Reduced:
    return _OBJECT, {"pointer": BigInt(value.ptr), "size": value.size, "device": value.device}


def _cuda_handle(value: CudaHandle) -> _Reduced:
    names = ("handle", "offset", "size", "device")
    return _OBJECT, {name: getattr(value, name) for name in names}


# By the outermost module and the name of a class.
_RULES: Final[dict[tuple[str, str], _Rule]] = {
    ("builtins", "memoryview"): lambda value: _refused(value, "pass value.tolist()"),
    ("collections", "UserString"): lambda value: (_VALUE, value.data),
    ("collections", "deque"): functools.partial(_items, _ARRAY),
    ("datetime", "date"): lambda value: (_VALUE, value.isoformat()),
    ("datetime", "time"): lambda value: (_VALUE, value.isoformat()),
    ("datetime", "timedelta"): lambda value: (_VALUE, float(value / _MILLISECOND)),
    ("decimal", "Decimal"): _decimal,
    ("ipaddress", "IPv4Address"): _text,
    ("ipaddress", "IPv4Network"): _text,
    ("ipaddress", "IPv6Address"): _text,
    ("ipaddress", "IPv6Network"): _text,
    ("napi_python", "CudaBuffer"): _cuda_buffer,
    ("napi_python", "CudaHandle"): _cuda_handle,
    ("numpy", "ndarray"): _numpy_array,
    ("pandas", "NaTType"): lambda _: (_DATE, math.nan),
    ("types", "SimpleNamespace"): lambda value: (_OBJECT, vars(value)),
    ("uuid", "UUID"): _text,
    ("zoneinfo", "ZoneInfo"): _zone,
}

_COMPLEX: Final = "pass [value.real, value.imag]"
_TABLE: Final = "pass value.to_dict('list') or value.to_numpy()"
_COLUMN: Final = "pass value.to_list() or value.to_numpy()"

# Advice for instances of some classes without a rule.
_HINTS: Final[dict[tuple[str, str], str]] = {
    ("_io", "_IOBase"): (
        "pass its path, what value.read() returns, or (line for line in value) for an iterator"
    ),
    ("builtins", "complex"): _COMPLEX,
    ("numpy", "complexfloating"): _COMPLEX,
    ("numpy", "datetime64"): (
        "it has no time zone; pass value.astype('datetime64[ms]').item() for a local time"
    ),
    ("numpy", "timedelta64"): "pass value.astype('timedelta64[us]').item()",
    ("pandas", "DataFrame"): _TABLE,
    ("pandas", "Index"): _COLUMN,
    ("pandas", "NAType"): "pass None, undefined or math.nan",
    ("pandas", "Series"): _COLUMN,
    ("re", "Pattern"): "pass value.pattern",
}


def _module(cls: type) -> str:
    """Returns the outermost module of a class."""
    name: object = cls.__module__
    return name.partition(".")[0] if isinstance(name, str) else ""


def _by_name(table: Mapping[tuple[str, str], _T], cls: type) -> _T | None:
    """Returns the entry of a table for a class or its nearest base, None without one."""
    found = (table.get((_module(base), base.__qualname__)) for base in cls.__mro__)
    return next((entry for entry in found if entry is not None), None)


# The flag of a class with abstract methods.
_ABSTRACT_TYPE: Final = 1 << 20


def _is_standard(cls: type, abstract: type) -> bool:
    """Tells whether a class is, or derives from, a concrete one of the standard library."""
    return any(
        issubclass(base, abstract)
        and not base.__flags__ & _ABSTRACT_TYPE
        and _module(base) in sys.stdlib_module_names
        for base in cls.__mro__
    )


def _find(cls: type) -> _Rule | None:
    rule = _by_name(_RULES, cls)
    if rule is not None:
        return rule
    if hasattr(cls, "__attrs_attrs__"):
        return _attrs
    if hasattr(cls, "__pydantic_serializer__") and hasattr(cls, "model_dump"):
        return _pydantic
    kinds = ((Mapping, _OBJECT), (MappingView, _ARRAY), (AbstractSet, _SET), (Sequence, _ARRAY))
    for abstract, kind in kinds:
        if _is_standard(cls, abstract):
            return functools.partial(_items, kind)
    hint = _by_name(_HINTS, cls)
    if hint is not None or not hasattr(cls, "__float__") or hasattr(cls, "__len__"):
        return None
    is_complex = issubclass(cls, numbers.Complex) and not issubclass(cls, numbers.Real)
    return None if is_complex else _real


_rules: weakref.WeakKeyDictionary[type, _Rule | None] = weakref.WeakKeyDictionary()


def reduce(value: object, public: bool) -> _Reduced:  # noqa: FBT001 - called from native code
    """Returns a kind for native code, and the value as one that native code can convert."""
    cls = type(value)
    if cls not in _rules:
        _rules[cls] = _find(cls)
    rule = _rules[cls]
    if rule is not None:
        return rule(value)
    kind = _policy.classify(value, public)
    if kind is not None:
        return _LENT, kind
    return _refused(value, _by_name(_HINTS, cls))


def _refused(value: object, hint: str | None) -> _Reduced:
    cls = type(value)
    module: object = cls.__module__
    name = cls.__qualname__
    if isinstance(module, str) and module not in ("builtins", "__main__"):
        name = f"{module}.{name}"
    text = f"a value of type {name} can't be converted to JavaScript: "
    text += hint or "convert it to plain data"
    text += ", register a converter for its type with napi_python.register(), or pass "
    if not isinstance(value, _policy.NEVER_LIVE):
        text += "expose(value, 'name', ...) to show attributes of the object itself, or "
    return _REFUSED, f"{text}by_ref(value) to pass it as an opaque token"


# Write-back of what is neither list nor dict.

_REFILLED: Final = frozenset({("collections", "deque"), ("collections", "UserList")})


def refillable(target: object) -> list[object] | None:
    """Returns a copy of the items of a sequence that `refill` changes, None for any other."""
    names = {(base.__module__, base.__qualname__) for base in type(target).__mro__}
    return None if names.isdisjoint(_REFILLED) else list(cast("list[object]", target))


def refill(target: Any, items: list[object]) -> None:  # noqa: ANN401 - a deque or UserList
    """Replaces the items of a sequence."""
    target.clear()
    target.extend(items)


def update(target: Any, sets: list[tuple[str, object]], deletes: list[str]) -> None:  # noqa: ANN401
    """Changes the items of a mapping; only a `UserDict` is written back."""
    names = {(base.__module__, base.__qualname__) for base in type(target).__mro__}
    if ("collections", "UserDict") not in names:
        return
    for key, item in sets:
        target[_key_in(target, key)] = item
    for key in deletes:
        target.pop(_key_in(target, key), None)


def _key_in(target: Mapping[Any, object], key: str) -> str | int:
    """Returns the int key that became this string on the way, if there is one, else the string."""
    number = int(key) if key.removeprefix("-").isdecimal() and key.isascii() else None
    if number is None or str(number) != key or key in target or number not in target:
        return key
    return number
