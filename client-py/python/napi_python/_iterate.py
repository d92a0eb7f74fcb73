"""Steps of Python iterators for addons.

An addon requests steps of an iterator; it never gets the object or any attribute of it.
"""

from __future__ import annotations

import types
from collections.abc import Generator
from typing import Any

from napi_python._errors import js_thrown
from napi_python._native import NEXT, RETURN, THROW
from napi_python._values import undefined

Step = dict[str, Any]


def given(value: object) -> Step:
    """Returns the result of a step that has a value."""
    return {"done": False, "value": value}


def finished(value: object) -> Step:
    """Returns the result of the last step."""
    return {"done": True, "value": undefined if value is None else value}


def thrown(value: object) -> BaseException:
    """Returns what `throw` of a generator gets for a value that an addon throws."""
    return value if isinstance(value, BaseException) else js_thrown(value)


def step(iterator: Any, which: int, value: object) -> Step:  # noqa: ANN401 - any iterator
    """Takes one step of an iterator for an addon: `next`, or of a generator `return` or `throw`.

    Native code requests the latter two of generators only.
    """
    try:
        if which == NEXT:
            return given(_next(iterator, value))
        if which == RETURN:
            result = iterator.close()
            return finished(value if result is None else result)
        if which == THROW:
            return given(iterator.throw(thrown(value)))
    except StopIteration as stop:
        return finished(stop.value)
    raise TypeError(f"unknown iterator step {which}")


def _next(iterator: Any, value: object) -> object:  # noqa: ANN401 - any iterator
    if value is None or not isinstance(iterator, Generator):
        return next(iterator)
    # The argument of the first `next` is ignored, in JavaScript as in Python.
    is_fresh = (
        isinstance(iterator, types.GeneratorType)
        and iterator.gi_frame is not None
        and not (iterator.gi_running or iterator.gi_suspended)
    )
    return next(iterator) if is_fresh else iterator.send(value)
