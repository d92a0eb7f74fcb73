"""Steps of asynchronous Python iterators for addons, and asynchronous iterators of addons.

Native code imports this module where one is used, because asyncio takes long to import.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, Final, final

from napi_python._iterate import Step, finished, given, thrown
from napi_python._loops import Remembered, loop_for, start
from napi_python._native import NEXT, RETURN, THROW, JSObject, Promise

if TYPE_CHECKING:
    import concurrent.futures


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
) -> asyncio.Task[Step] | concurrent.futures.Future[Step]:
    """Takes one step of an asynchronous iterator for an addon, after those requested before."""
    queue = _queue_of(iterator, addon)
    return start(_async_step(queue, iterator, which, value), queue.loop)


async def _async_step(queue: _StepQueue, iterator: Any, which: int, value: object) -> Step:  # noqa: ANN401
    async with queue.lock:
        begun, queue.begun = queue.begun, True
        try:
            if which == NEXT:
                takes = begun and value is not None and isinstance(iterator, AsyncGenerator)
                return given(await (iterator.asend(value) if takes else anext(iterator)))
            if which == RETURN:
                await iterator.aclose()
                return finished(value)
            if which == THROW:
                return given(await iterator.athrow(thrown(value)))
        except StopAsyncIteration:
            return finished(None)
    raise TypeError(f"unknown asynchronous iterator step {which}")


async def read_async(iterator: JSObject) -> AsyncGenerator[Any, Any]:
    """Reads an asynchronous iterator of an addon; calls its `return` when the caller stops early.

    Yields:
        One item after another.

    """
    result = iterator.next()
    while True:
        item = await _item(iterator, result)
        if item is None:
            return
        try:
            sent = yield item[0]
        except GeneratorExit:
            await settled(_leave(iterator))
            raise
        except Exception as error:
            if getattr(iterator, "throw", None) is None:
                raise
            result = iterator.throw(error)
        else:
            result = iterator.next() if sent is None else iterator.next(sent)


async def settled(value: object) -> object:
    """Returns the outcome of a promise, or the value itself."""
    return await value if isinstance(value, Promise) else value


def _leave(iterator: JSObject) -> object:
    """Calls the `return` of an iterator, if there is one."""
    leave = getattr(iterator, "return", None)
    return None if leave is None else leave()


async def _item(iterator: JSObject, result: object) -> tuple[Any] | None:
    """Returns the item of a step, alone in a tuple, or None at the end."""
    try:
        stepped = await settled(result)
    except Exception:
        raise
    except BaseException:
        # The wait was cancelled, and nothing can read the rest.
        _leave(iterator)
        raise
    if isinstance(stepped, dict):
        done, value = stepped.get("done"), stepped.get("value")
    elif isinstance(stepped, JSObject):
        done, value = getattr(stepped, "done", None), getattr(stepped, "value", None)
    else:
        raise TypeError(f"an iterator result must be an object, got {type(stepped).__name__}")
    return None if done else (value,)
