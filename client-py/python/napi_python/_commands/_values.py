"""Values of addons as JSON, and values of JSON for addons.

What JSON does not have is an object with one key that begins with `$`, as docs/commands.md says.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
import sys
from pathlib import Path
from typing import Any, Final

from napi_python import _text
from napi_python._commands import _console
from napi_python._native import Buffer

# How deep values are shown.
_DEPTH_MAX: Final = 64
# Numbers of JSON that every reader keeps as they are.
_INTEGER_MAX: Final = 1 << 53


def arguments(words: list[str]) -> list[object]:
    """Reads the arguments of a call: JSON, `@FILE` for the bytes of a file, `-` for those of stdin.

    Raises:
        UsageError: One of them is none of these.

    """
    if words.count("-") > 1:
        raise _console.UsageError("only one argument can be '-', the bytes of the standard input")
    return [_argument(number, word) for number, word in enumerate(words, 1)]


def _argument(number: int, word: str) -> object:
    if word == "-":
        return sys.stdin.buffer.read()
    if word.startswith("@"):
        try:
            return Path(word[1:]).read_bytes()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise _console.UsageError(
                f"argument {number}: cannot read the file {word[1:]}: {why}"
            ) from error
    try:
        return json.loads(word)
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise _console.UsageError(
            f"argument {number} must be JSON, got {_text.cut(word, _text.NAME_MAX)}: {why}; "
            f"write a text in double quotes within single ones, as '\"text\"', a file as @FILE"
        ) from error


def as_bytes(value: object) -> bytes | None:
    """Returns the bytes of a buffer; None for other values, and for arrays of other numbers."""
    if isinstance(value, Buffer):
        with memoryview(value) as view:
            return bytes(view) if view.format in {"B", "c", "<B"} else None
    return None


def as_json(value: object) -> Any:  # noqa: ANN401 - what JSON has
    """Returns a value in the form of JSON."""
    return _as_json(value, [])


def _as_json(value: object, outer: list[int]) -> Any:  # noqa: ANN401, PLR0911 - one for each kind
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        # An int of a class of its own is a bigint, which JSON has as a number.
        return int(value) if abs(value) <= _INTEGER_MAX else {"$bigint": str(int(value))}
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$number": str(value)}
    if isinstance(value, dt.datetime):
        return {"$date": value.isoformat()}
    if (data := as_bytes(value)) is not None:
        return {"$bytes": base64.b64encode(data).decode("ascii")}
    if id(value) in outer or len(outer) >= _DEPTH_MAX:
        return {"$cycle" if id(value) in outer else "$deep": _text.brief(value)}
    outer.append(id(value))
    try:
        return _container(value, outer)
    finally:
        outer.pop()


def _container(value: object, outer: list[int]) -> Any:  # noqa: ANN401, PLR0911
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value):
            return {key: _as_json(item, outer) for key, item in value.items()}
        return {"$map": [[_as_json(k, outer), _as_json(v, outer)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return [_as_json(item, outer) for item in value]
    if isinstance(value, set | frozenset):
        return {"$set": [_as_json(item, outer) for item in value]}
    if isinstance(value, Buffer):
        with memoryview(value) as view:
            return [_as_json(item, outer) for item in view.tolist()]
    if isinstance(value, BaseException):
        return {"$error": f"{type(value).__name__}: {value}"}
    return {"$object": _text.brief(value)}
