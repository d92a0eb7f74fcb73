"""Calls an export that is named on the command line, and waits for a promise that it returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from napi_python import _text
from napi_python._commands import _console
from napi_python._native import Addon, JSClass, JSFunction, Promise

if TYPE_CHECKING:
    from collections.abc import Callable

# How many names are suggested where one is not there.
_NAMES_MAX: Final = 20
ITSELF: Final = "."
"""The path of the exports themselves."""


def export(addon: Addon, path: str, label: str) -> object:
    """Returns what a path such as "name" or "space.Class.method" names.

    Raises:
        CommandError: There is nothing of that name.

    """
    if path == ITSELF:
        return addon
    found: object = addon
    before: list[str] = []
    for name in path.split("."):
        try:
            # The names of an object that is copied are its keys.
            found = found[name] if isinstance(found, dict) else getattr(found, name)
        except (AttributeError, KeyError):
            where = ".".join([label, *before])
            names = [str(one) for one in (found if isinstance(found, dict) else dir(found))]
            shown = ", ".join(map(_text.name, names[:_NAMES_MAX]))
            more = f" and {len(names) - _NAMES_MAX} more" if len(names) > _NAMES_MAX else ""
            text = f"{where} has no {_text.name(name)}; it has {shown or 'nothing'}{more}"
            raise _console.CommandError(text) from None
        before.append(name)
    return found


def bind(addon: Addon, path: str, label: str, arguments: list[object]) -> Callable[[], Any]:
    """Returns a function that makes the call and returns what comes of it.

    Without arguments an export that is no function is what it returns.

    Raises:
        CommandError: There is nothing to be called by that name.

    """
    target: Any = export(addon, path, label)
    if not isinstance(target, Addon | JSFunction | JSClass):
        if arguments:
            kind = type(target).__name__
            text = f"{label}.{path} is no function, but {kind}: it takes no arguments"
            raise _console.CommandError(text)
        return lambda: target
    return lambda: target(*arguments)


def settled(value: object, timeout: float | None) -> object:
    """Returns what a promise settles to, and other values as they are."""
    return value.result(timeout) if isinstance(value, Promise) else value
