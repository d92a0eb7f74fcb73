"""Where promises and asyncio meet."""

from __future__ import annotations

import asyncio
import functools
import threading
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from napi_python._native import _Settler

_P = ParamSpec("_P")
_R = TypeVar("_R")


def aio(function: Callable[_P, _R], /) -> Callable[_P, Awaitable[_R]]:
    """Makes any synchronous function awaitable: its calls run in a thread, not in the loop.

    `await aio(addon.compress)(data)` keeps the loop free while the addon works.
    """

    @functools.wraps(function, assigned=(), updated=())
    async def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        return await asyncio.to_thread(function, *args, **kwargs)

    return call


async def _settle(awaitable: Awaitable[object], settler: _Settler) -> None:
    try:
        value = await awaitable
    except asyncio.CancelledError as error:
        settler(error, rejected=True)
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the promise is told
        settler(error, rejected=True)
    else:
        settler(value)


_running: set[asyncio.Future[None]] = set()


def settle_later(awaitable: Awaitable[object], settler: _Settler) -> None:
    """Sees to it that a promise in the host is settled when `awaitable` is done.

    It runs on the loop of this thread, or in a thread of its own if there is none.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        if isinstance(awaitable, asyncio.Future):
            _settle_on(awaitable.get_loop(), awaitable, settler)
            return
        threading.Thread(
            target=lambda: asyncio.run(_settle(awaitable, settler)),
            name="napi-python-awaitable",
            daemon=True,
        ).start()
        return
    _keep(loop.create_task(_settle(awaitable, settler)))


def _settle_on(
    loop: asyncio.AbstractEventLoop, awaitable: Awaitable[object], settler: _Settler
) -> None:
    loop.call_soon_threadsafe(lambda: _keep(loop.create_task(_settle(awaitable, settler))))


def _keep(task: asyncio.Future[None]) -> None:
    """Holds a task until it is done: the loop itself does not."""
    _running.add(task)
    task.add_done_callback(_running.discard)
