"""Steps of Python iterators for addons, and asynchronous iterators of addons for Python.

An addon requests steps of an iterator; it never gets the object or any attribute of it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import types
from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING, Any, Final, final

from napi_python._errors import js_thrown
from napi_python._loops import Remembered, loop_for, start
from napi_python._native import NEXT, RETURN, THROW, JSObject, Promise
from napi_python._values import undefined

if TYPE_CHECKING:
    import concurrent.futures

_Step = dict[str, Any]


def _given(value: object) -> _Step:
    return {"done": False, "value": value}


def _finished(value: object) -> _Step:
    return {"done": True, "value": undefined if value is None else value}


def _thrown(value: object) -> BaseException:
    return value if isinstance(value, BaseException) else js_thrown(value)


def step(iterator: Any, which: int, value: object) -> _Step:  # noqa: ANN401 - any iterator
    """Takes one step of an iterator for an addon: `next`, or of a generator `return` or `throw`.

    Native code requests the latter two of generators only.
    """
    try:
        if which == NEXT:
            return _given(_next(iterator, value))
        if which == RETURN:
            result = iterator.close()
            return _finished(value if result is None else result)
        if which == THROW:
            return _given(iterator.throw(_thrown(value)))
    except StopIteration as stop:
        return _finished(stop.value)
    raise TypeError(f"unknown iterator step {which}")


def _next(iterator: Any, value: object) -> object:  # noqa: ANN401 - any iterator
    if value is None or not isinstance(iterator, Generator):
        return next(iterator)
    # The argument of the first `next` is ignored, in JavaScript as in Python.
    is_fresh = (
        isinstance(iterator, types.GeneratorType)
        and inspect.getgeneratorstate(iterator) == inspect.GEN_CREATED
    )
    return next(iterator) if is_fresh else iterator.send(value)


@final
@dataclasses.dataclass(slots=True, eq=False)
class _StepQueue:
    """The loop and the lock of an asynchronous iterator, whose steps run one by one."""

    loop: asyncio.AbstractEventLoop
    lock: asyncio.Lock = dataclasses.field(default_factory=asyncio.Lock)
    begun: bool = False


_queues: Final[Remembered[_StepQueue]] = Remembered()


def _queue_of(iterator: object, addon: int) -> _StepQueue:
    queue = _queues.get(iterator)
    if queue is None or queue.loop.is_closed():
        queue = _StepQueue(loop_for(addon, outside_call=True))
        _queues.set(iterator, queue)
    return queue


def async_step(
    iterator: object, which: int, value: object, addon: int
) -> asyncio.Task[_Step] | concurrent.futures.Future[_Step]:
    """Takes one step of an asynchronous iterator for an addon, after those requested before."""
    queue = _queue_of(iterator, addon)
    return start(_async_step(queue, iterator, which, value), queue.loop)


async def _async_step(queue: _StepQueue, iterator: Any, which: int, value: object) -> _Step:  # noqa: ANN401
    async with queue.lock:
        begun, queue.begun = queue.begun, True
        try:
            if which == NEXT:
                takes = begun and value is not None and isinstance(iterator, AsyncGenerator)
                return _given(await (iterator.asend(value) if takes else anext(iterator)))
            if which == RETURN:
                await iterator.aclose()
                return _finished(value)
            if which == THROW:
                return _given(await iterator.athrow(_thrown(value)))
        except StopAsyncIteration:
            return _finished(None)
    raise TypeError(f"unknown asynchronous iterator step {which}")


async def read_async(iterator: JSObject) -> AsyncGenerator[Any, Any]:
    """Reads an asynchronous iterator of an addon; calls its `return` when the caller stops early.

    Yields:
        One item after another.

    """
    result = iterator.next()
    while True:
        item = await _item(result)
        if item is None:
            return
        try:
            sent = yield item[0]
        except GeneratorExit:
            if getattr(iterator, "return", None) is not None:
                await _settled(getattr(iterator, "return")())
            raise
        except Exception as error:
            if getattr(iterator, "throw", None) is None:
                raise
            result = iterator.throw(error)
        else:
            result = iterator.next() if sent is None else iterator.next(sent)


async def _settled(value: object) -> object:
    return await value if isinstance(value, Promise) else value


async def _item(result: object) -> tuple[Any] | None:
    """Returns the item of a step, alone in a tuple, or None at the end."""
    stepped = await _settled(result)
    if isinstance(stepped, dict):
        done, value = stepped.get("done"), stepped.get("value")
    elif isinstance(stepped, JSObject):
        done, value = getattr(stepped, "done", None), getattr(stepped, "value", None)
    else:
        raise TypeError(f"an iterator result must be an object, got {type(stepped).__name__}")
    return None if done else (value,)
