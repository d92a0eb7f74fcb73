"""Events of a JavaScript object as an asynchronous iterator, as `events.on` of Node has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self, final

from napi_python import _native
from napi_python._iterate_async import read_async, settled

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable

    from napi_python._native import Addon, JSFunction, JSObject, Symbol

_LIMIT: Final = 1024
_LIMIT_MIN: Final = 2

# Node's iterator keeps the events that are not read yet; this counts them. An emitter that can be
# paused is paused one event before the limit.
_SOURCE: Final = """"use strict"; (emitter, name, limit, close, signal) => {
    const { on } = process.getBuiltinModule("events");
    const canPause = typeof emitter.pause === "function" && typeof emitter.resume === "function";
    const iterator = on(emitter, name, {
        close, signal: signal ?? undefined,
        ...canPause && { highWaterMark: limit - 1, lowWaterMark: limit >> 1 },
    });
    let left = 0;
    const isEmitter = typeof emitter.on === "function";
    const count = () => {
        if (++left <= limit) return;
        end();
        iterator.throw(new Error(
            `${limit} events ${JSON.stringify(String(name))} wait and another one came: `
            + "the emitter can't be paused; read them faster, or pass a higher limit="));
    };
    const end = () => isEmitter ? emitter.removeListener(name, count)
        : emitter.removeEventListener(name, count);
    isEmitter ? emitter.on(name, count) : emitter.addEventListener(name, count);
    return {
        async next() {
            left--;
            try {
                const step = await iterator.next();
                if (step.done) end();
                return step;
            } catch (error) {
                end();
                throw error;
            }
        },
        return() { end(); return iterator.return(); },
    };
}"""


@final
class Events:
    """The events of an emitter: an asynchronous iterator of the lists of their arguments."""

    def __init__(self, iterator: JSObject) -> None:
        """Reads an iterator of a host."""
        self._iterator = iterator
        self._generator: AsyncGenerator[list[Any], None] = read_async(iterator)

    def __aiter__(self) -> AsyncIterator[list[Any]]:
        """Returns a generator, which asyncio closes if a loop is left early."""
        return self._generator

    async def __anext__(self) -> list[Any]:
        """Returns the arguments of the next event."""
        return await anext(self._generator)

    async def aclose(self) -> None:
        """Stops listening and drops the events that were not read."""
        await self._generator.aclose()
        # A generator that was not started ends without a step.
        await settled(getattr(self._iterator, "return")())

    async def __aenter__(self) -> Self:
        """Returns itself."""
        return self

    async def __aexit__(self, *_exception: object) -> None:
        """Stops listening."""
        await self.aclose()


def on(
    emitter: JSObject | JSFunction | Addon,
    name: str | Symbol,
    /,
    *,
    limit: int = _LIMIT,
    close: Iterable[str] = (),
    signal: JSObject | None = None,
) -> Events:
    """Listens to the events of an emitter, and returns them as an asynchronous iterator.

    `async for [chunk] in on(stream, "data", close=["end"])` has the list of the arguments of each
    event, as `events.on` of Node has. It listens from this call on. An event `error` of an
    `EventEmitter` is raised once the events before it are read. Leaving the loop, `aclose()` or
    `async with` stops listening.

    Args:
        emitter: An `EventEmitter` or an `EventTarget`.
        name: The name of the event.
        limit: How many events may wait until they are read. An emitter with `pause()` and
            `resume()` is paused meanwhile; of any other, one event more ends the iteration with
            a `JSError`.
        close: The names of events that end the iteration.
        signal: An `AbortSignal` that ends the iteration with an `AbortError`, a `JSError`.

    Raises:
        TypeError: `emitter` is no object of a host, or neither kind of emitter.
        ValueError: `limit` is below 2.

    """
    if limit < _LIMIT_MIN:
        raise ValueError(f"limit must be an int >= {_LIMIT_MIN}, got {limit!r}")
    if isinstance(close, str):
        raise TypeError(f"close must be names of events in a list, got {close!r}")
    listen = _native._run_beside(emitter, _SOURCE)  # noqa: SLF001 - one package
    return Events(listen(emitter, name, limit, list(close), signal))
