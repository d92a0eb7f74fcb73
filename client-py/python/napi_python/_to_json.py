"""What `json.dumps` of Python takes for values of JavaScript, as `JSON.stringify` does."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from napi_python import _native
from napi_python._native import Addon, JSObject
from napi_python._values import Object

# What `JSON.stringify` writes for an object: the result of `toJSON`, the items of an array, or the
# properties without those that JSON cannot have.
_SOURCE: Final = """"use strict"; (object) => {
    if (typeof object.toJSON === "function") return ["value", object.toJSON("")];
    const absent = ["undefined", "function", "symbol"];
    const isAbsent = (value) => absent.includes(typeof value);
    if (Array.isArray(object))
        return ["value", Array.from(object, (item) => isAbsent(item) ? null : item)];
    return ["entries", Object.entries(object).filter(([, value]) => !isAbsent(value))];
}"""


def to_json(value: object) -> Any:  # noqa: ANN401 - whatever JSON has
    """Returns what JSON has for a value: `json.dumps(value, default=to_json)`.

    A JavaScript object is what its `toJSON()` returns, or its enumerable own properties without
    functions, symbols and `undefined`; a `datetime` is the text that a `Date` is in JSON, a `set` a
    list.

    Raises:
        TypeError: JSON has no form for the value.

    """
    if isinstance(value, JSObject | Addon):
        kind, found = _native._run_beside(value, _SOURCE)(value)  # noqa: SLF001 - one package
        return Object(found) if kind == "entries" else found
    if isinstance(value, dt.datetime):
        utc = value.astimezone(dt.UTC).replace(tzinfo=None)
        return f"{utc.isoformat(timespec='milliseconds')}Z"
    if isinstance(value, set | frozenset):
        return list(value)
    kind = type(value).__name__
    hint = "; pass bytes(x).hex(), list(x) or the like" if kind == "Buffer" else ""
    raise TypeError(f"a {kind} has no form in JSON{hint}")
