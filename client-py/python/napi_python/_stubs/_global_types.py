"""The types that JavaScript and Node have everywhere, in both directions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napi_python._stubs import _model as m

if TYPE_CHECKING:
    from collections.abc import Callable

    from napi_python._stubs._expressions import Expression
    from napi_python._stubs._flat import Environment
    from napi_python._stubs._types import Types

    Arguments = tuple[m.Type, ...]
    Translate = Callable[[Types, Arguments, str, Environment], Expression]

KEYWORDS: Final = {
    "string": "str",
    "number": "float",
    "boolean": "bool",
    "bigint": "BigInt",
    "symbol": "Symbol",
    "void": "None",
    "undefined": "None",
    "null": "None",
    "never": "Never",
    "any": "Any",
    "unknown": "Any",
    "this": "Self",
}
_TYPED_ARRAYS: Final = [
    "Buffer",
    "NodeBuffer",
    "Uint8Array",
    "Uint8ClampedArray",
    "Int8Array",
    "Int16Array",
    "Uint16Array",
    "Int32Array",
    "Uint32Array",
    "Float16Array",
    "Float32Array",
    "Float64Array",
    "BigInt64Array",
    "BigUint64Array",
]
_ERRORS: Final = [
    "Error",
    "TypeError",
    "RangeError",
    "SyntaxError",
    "EvalError",
    "ReferenceError",
    "URIError",
    "AggregateError",
]
#: The name in both directions.
_SAME: Final = {"Date": "datetime", "RegExp": "JSObject", "String": "str", "Number": "float"}
_SAME_TOO: Final = {"Boolean": "bool", "BigInt": "BigInt", "Symbol": "Symbol"}
#: What Python may pass, and what it gets, for types of one item.
_ITERATIONS: Final = {
    "Iterable": ("Iterable", "Iterable"),
    "Iterator": ("Iterator", "Iterator"),
    "IterableIterator": ("Iterator", "Iterator"),
    "IteratorObject": ("Iterator", "Iterator"),
    "ArrayIterator": ("Iterator", "Iterator"),
    "MapIterator": ("Iterator", "Iterator"),
    "SetIterator": ("Iterator", "Iterator"),
    "Generator": ("Iterator", "Iterator"),
    "AsyncIterable": ("AsyncIterator", "AsyncIterable"),
    "AsyncIterator": ("AsyncIterator", "AsyncIterator"),
    "AsyncIterableIterator": ("AsyncIterator", "AsyncIterator"),
    "AsyncGenerator": ("AsyncIterator", "AsyncIterator"),
    "Array": ("Sequence", "list"),
    "ReadonlyArray": ("Sequence", "list"),
    "ArrayLike": ("Sequence", "list"),
    "Set": ("AbstractSet", "set"),
    "ReadonlySet": ("AbstractSet", "set"),
    "Promise": ("Awaitable", "Promise"),
    "PromiseLike": ("Awaitable", "Promise"),
}
_BUFFERS: Final = ("ArrayBuffer", "SharedArrayBuffer", "DataView")
_TRANSPARENT: Final = ("Readonly", "Required", "NoInfer", "ThisType")
_TEXTS: Final = ("Uppercase", "Lowercase", "Capitalize", "Uncapitalize")


def _argument(
    types: Types, arguments: Arguments, place: int, side: str, environment: Environment
) -> str:
    if place < len(arguments):
        return types.text(arguments[place], side, environment)
    return types.names.seen("Any")


def _buffer_view(
    types: Types, _args: Arguments, side: str, _environment: Environment
) -> Expression:
    return types.part("BytesLike" if side == "in" else "Buffer")


def _error(types: Types, _args: Arguments, side: str, _environment: Environment) -> Expression:
    return types.part("BaseException" if side == "in" else "Exception")


def _array_buffer_like(
    types: Types, _args: Arguments, side: str, _environment: Environment
) -> Expression:
    found = types.part("Buffer")
    if side == "in":
        found = types.part("ArrayBuffer") | types.part("SharedArrayBuffer") | found
    return found


def _map(types: Types, arguments: Arguments, side: str, environment: Environment) -> Expression:
    if side == "in":
        return types.part("JSObject")
    key = _argument(types, arguments, 0, side, environment)
    return types.generic("dict", key, _argument(types, arguments, 1, side, environment))


def _record(types: Types, arguments: Arguments, side: str, environment: Environment) -> Expression:
    if len(arguments) > 1 and types.flattener.keys(arguments[0], environment) is not None:
        type_ = m.Mapped("", arguments[0], arguments[1], optional=None)
        found = types.definitions.anonymous(type_, side, environment)
        if found is not None:
            return found
    return types.mapping(side, _argument(types, arguments, 1, side, environment))


def _awaited(types: Types, arguments: Arguments, side: str, environment: Environment) -> Expression:
    inner = arguments[0] if arguments else m.Keyword("any")
    if isinstance(inner, m.Ref) and inner.path == ("Promise",) and inner.arguments:
        inner = inner.arguments[0]
    return types.expression(inner, side, environment)


def _exclude(types: Types, arguments: Arguments, side: str, environment: Environment) -> Expression:
    if len(arguments) > 1:
        found = types.flattener.keys(arguments[0], environment)
        without = types.flattener.keys(arguments[1], environment)
        if found is not None and without is not None:
            left = tuple(m.Value(key) for key in found if key not in without)
            return types.expression(m.Union(left), side, environment)
    return types.unknown("Exclude")


def _non_nullable(
    types: Types, arguments: Arguments, side: str, environment: Environment
) -> Expression:
    found = types.expression(arguments[0], side, environment) if arguments else types.part("Any")
    return type(found)(tuple(part for part in found.parts if part != "None"), found.dicts)


def _function(types: Types, _args: Arguments, _side: str, _environment: Environment) -> Expression:
    return types.generic("Callable", "...", types.names.seen("Any"))


_OTHERS: Final[dict[str, Translate]] = {
    **dict.fromkeys(_TYPED_ARRAYS, _buffer_view),
    **dict.fromkeys(_ERRORS, _error),
    "ArrayBufferView": _buffer_view,
    "ArrayBufferLike": _array_buffer_like,
    "Map": _map,
    "ReadonlyMap": _map,
    "Record": _record,
    "Awaited": _awaited,
    "Exclude": _exclude,
    "NonNullable": _non_nullable,
    "Function": _function,
    "CallableFunction": _function,
}


def translate(
    types: Types, name: str, arguments: Arguments, side: str, environment: Environment
) -> Expression | None:
    """Returns a type of Python for a global name, None if it is not known here."""
    same = _SAME.get(name) or _SAME_TOO.get(name)
    if same is not None:
        return types.part(same)
    if name in _TEXTS:
        return types.expression(m.Keyword("string"), side, environment)
    if name in _ITERATIONS:
        written = _ITERATIONS[name][side == "out"]
        return types.generic(written, _argument(types, arguments, 0, side, environment))
    if name in _BUFFERS:
        found = types.part("Buffer")
        return types.part(name) | found if side == "in" else found
    if (
        name in _TRANSPARENT
        and arguments
        and types.flattener.flat(arguments[0], environment) is None
    ):
        return types.expression(arguments[0], side, environment)
    known = _OTHERS.get(name)
    return None if known is None else known(types, arguments, side, environment)
