"""What Python does with a JavaScript object beside its properties: dicts, `with`, `async with`."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from napi_python import _native
from napi_python._errors import AddonCrashed, StaleHandleError
from napi_python._native import JSObject, Promise
from napi_python._values import Object

if TYPE_CHECKING:
    from collections.abc import Callable

_ENTRIES: Final = '"use strict"; (object) => Object.entries(object)'

# Calls the first method that there is, or tells whether there is one.
_CLOSE: Final = """"use strict"; (object, isAsync, isTry) => {
    const names = [...isAsync ? [Symbol.asyncDispose] : [], Symbol.dispose, "close", "end"];
    const name = names.find((name) => typeof object[name] === "function");
    if (isTry) return name !== undefined;
    return name === undefined ? undefined : object[name]();
}"""


def to_dict(value: JSObject) -> Object:
    """Returns the enumerable own properties of an object, as `{...value}` has them."""
    return Object(_native._run_beside(value, _ENTRIES)(value))  # noqa: SLF001 - one package


def merged(left: object, right: object) -> Object:
    """Returns `left | right`, one of which is a JavaScript object; NotImplemented for others."""
    first, second = _mapping(left), _mapping(right)
    if first is None or second is None:
        return NotImplemented  # type: ignore[no-any-return]
    return Object({**first, **second})


def _mapping(value: object) -> Mapping[Any, Any] | None:
    if isinstance(value, JSObject):
        return to_dict(value)
    return value if isinstance(value, Mapping) else None


def enter(value: JSObject, is_async: bool) -> JSObject:  # noqa: FBT001 - called from native code
    """Begins `with` or `async with`.

    Raises:
        TypeError: The object has none of the methods that end it.

    """
    if not _closer(value)(value, is_async, True):  # noqa: FBT003 - of a script
        what = "Symbol.asyncDispose, Symbol.dispose" if is_async else "Symbol.dispose"
        statement = "async with" if is_async else "with"
        text = (
            f"this JavaScript object can't be used in `{statement}`: it has none of the methods "
            f"{what}, close, end"
        )
        raise TypeError(text)
    return value


def leave(value: JSObject, is_async: bool, error: BaseException | None) -> Any:  # noqa: FBT001, ANN401
    """Ends `with`, or begins the end of `async with`; returns what the method returned."""
    # What ended the process is raised already.
    gone = () if error is None else (AddonCrashed, StaleHandleError)
    with contextlib.suppress(*gone):
        try:
            return _closer(value)(value, is_async, False)  # noqa: FBT003 - of a script
        except Exception as closing:
            # Native code raises without the exception that is being handled.
            closing.__context__ = error
            raise
    return None


async def enter_async(value: JSObject) -> JSObject:
    """Begins `async with`."""
    return enter(value, is_async=True)


async def leave_async(value: JSObject, error: BaseException | None) -> None:
    """Ends `async with`: a promise that the method returns is awaited."""
    closing = leave(value, True, error)  # noqa: FBT003 - as native code calls it
    if isinstance(closing, Promise):
        await closing


def _closer(value: JSObject) -> Callable[..., Any]:
    function: Callable[..., Any] = _native._run_beside(value, _CLOSE)  # noqa: SLF001
    return function
