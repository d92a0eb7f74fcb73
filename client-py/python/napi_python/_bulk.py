"""Many calls of a function in few messages."""

from __future__ import annotations

import itertools
import operator
import sys
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Generic,
    Literal,
    Self,
    TypeGuard,
    TypeVar,
    final,
    overload,
)

from napi_python._aio import aio
from napi_python._native import Addon, JSClass, JSFunction, _call_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from napi_python._references import ExportReference

_R = TypeVar("_R")
_R_co = TypeVar("_R_co", covariant=True)

_ROWS_MAX: Final = 4096
"""How many rows a message has at most."""


@final
class BulkResults(Generic[_R_co]):
    """The results of `bulk`, in the order of the rows: an iterator, and an asynchronous one.

    Each row is called once, when its result or one of those before it is asked for.
    """

    def __init__(self, chunks: Generator[list[Any], None, None]) -> None:
        """Reads the results of messages."""
        self._chunks = chunks
        self._results: Iterator[_R_co] = itertools.chain.from_iterable(chunks)
        self._ready: Iterator[_R_co] | None = None

    def __iter__(self) -> Iterator[_R_co]:
        """Returns an iterator over the results that were not read yet.

        Raises:
            RuntimeError: They are read by `async for`.

        """
        if self._ready is not None:
            raise RuntimeError("results of bulk() are read by for or by async for, not by both")
        return self._results

    def __next__(self) -> _R_co:
        """Returns the next result; calls further rows if there is none yet.

        Raises:
            Exception: What the function raised, at the place of its result.

        """
        return next(iter(self))

    def __aiter__(self) -> Self:
        """Returns itself."""
        return self

    async def __anext__(self) -> _R_co:
        """Returns the next result; rows are called in a thread, as by `aio`."""
        if self._ready is None:
            self._ready = iter(())
        while True:
            for result in self._ready:
                return result
            chunk = await aio(next)(self._chunks, None)
            if chunk is None:
                raise StopAsyncIteration
            self._ready = iter(chunk)


@overload
def bulk(
    function: Callable[..., _R],
    rows: Iterable[object],
    /,
    *,
    star: bool = False,
    return_exceptions: Literal[False] = False,
) -> BulkResults[_R]: ...
@overload
def bulk(
    function: Callable[..., _R],
    rows: Iterable[object],
    /,
    *,
    star: bool = False,
    return_exceptions: bool,
) -> BulkResults[_R | Exception]: ...
def bulk(
    function: Callable[..., Any],
    rows: Iterable[Any],
    /,
    *,
    star: bool = False,
    return_exceptions: bool = False,
) -> BulkResults[Any]:
    """Calls a function of an addon once for each row, many rows in one message.

    `list(bulk(addon.f, rows))` is `[addon.f(row) for row in rows]`, and with `star=True` it is
    `[addon.f(*row) for row in rows]`, without a message for each call. The rows are read and called
    as results are asked for, at most 4096 ahead; a message has few rows if they take long or are
    large. `async for result in bulk(...)` does not block the loop meanwhile.

    `operator.attrgetter(name)` as the function reads a property of each row, an object of an addon.

    What the calls of one message share: microtasks and ticks run after the last of them, changes of
    mutable arguments come back with the results, a deadline is one for all, and if the addon
    crashes, their results are lost.

    Args:
        function: A function, method or class of an addon, a reference to one, or
            `operator.attrgetter` of one name.
        rows: The argument of each call; with `star`, the arguments.
        star: Whether each row is an iterable of arguments.
        return_exceptions: Whether an exception of a call becomes its result. Otherwise it is raised
            after the results before it, and later rows are not called.

    Raises:
        TypeError: `function` is nothing of an addon, or a row is not what it needs.
        ValueError: `operator.attrgetter` of several names.

    """
    if isinstance(function, operator.attrgetter):
        target: object = _attribute_of(function)
        if star:
            raise TypeError("star=True is for calls: operator.attrgetter reads one object a row")
    elif isinstance(function, (JSFunction, JSClass, Addon)) or _is_reference(function):
        # A reference is opened by its first row, as by a call.
        target = function
    else:
        kind = type(function).__name__
        raise TypeError(
            "bulk() needs a function or a class of an addon, or operator.attrgetter, not "
            f"{kind}; call one of Python in a loop"
        )
    return BulkResults(_chunks(target, iter(rows), star, return_exceptions))


def _attribute_of(getter: operator.attrgetter[Any]) -> str:
    names: tuple[str, ...] = tuple(getter.__reduce__()[1])
    if len(names) != 1 or "." in names[0]:
        raise ValueError("bulk() reads one attribute: operator.attrgetter of a name without dots")
    return names[0]


def _is_reference(value: object) -> TypeGuard[ExportReference]:
    # Its module registers a converter, which has a price: it is not imported for this.
    module = sys.modules.get("napi_python._references")
    return module is not None and isinstance(value, module.ExportReference)


def _meant(target: object) -> object:
    """Returns the export that is meant by a reference, which it opens."""
    return target._target() if _is_reference(target) else target  # noqa: SLF001 - of this package


def _chunks(
    target: object,
    rows: Iterator[Any],
    star: bool,  # noqa: FBT001 - as the options are
    return_exceptions: bool,  # noqa: FBT001
) -> Generator[list[Any], None, None]:
    """Calls rows, as many at a time as the host gets done in a short time."""
    if star:
        rows = map(tuple, rows)
    waiting: list[Any] = []
    size = 1
    failed: Exception | None = None
    while True:
        if failed is None:
            try:
                # What was read before an exception is kept.
                waiting.extend(itertools.islice(rows, max(0, size - len(waiting))))
            except Exception as error:  # noqa: BLE001 - raised after the rows before it
                failed = error
        if not waiting:
            break
        chunk = tuple(waiting[:size])
        results, failures = _call_rows(_meant(target), chunk, star, not return_exceptions)
        if failures and not return_exceptions:
            yield results
            raise failures[0][1]
        for place, reason in failures:
            if not isinstance(reason, Exception):
                yield results[:place]
                raise reason
            results[place] = reason
        done = len(results)
        del waiting[:done]
        size = min(2 * done, _ROWS_MAX) if done == len(chunk) else done
        yield results
    if failed is not None:
        raise failed
