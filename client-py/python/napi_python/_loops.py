"""Which event loop runs a coroutine that an addon was given.

It is the running loop of the thread that passes the coroutine; inside `aio`, the loop that awaits
the call; in a callback outside any call, the loop that last used the addon, while it runs.
Otherwise it is a loop of this package, in a thread.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import os
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, final

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Coroutine

_T = TypeVar("_T")

awaiting_loop: Final[contextvars.ContextVar[asyncio.AbstractEventLoop | None]] = (
    contextvars.ContextVar("napi_python_waiting_loop", default=None)
)
"""The loop that awaits the call of `aio` which this thread makes."""

_SHUTDOWN_TIMEOUT: Final = 1.0
"""Seconds that the package's own loop may take to end at the end of the interpreter."""

# The loop that last used an addon, by the addon's number.
_last: weakref.WeakValueDictionary[int, asyncio.AbstractEventLoop] = weakref.WeakValueDictionary()


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Returns the loop that runs in this thread, None without one."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def note(addon: int, loop: asyncio.AbstractEventLoop) -> None:
    """Records that this loop uses an addon."""
    if _last.get(addon) is not loop:
        _last[addon] = loop


def note_running(addon: int) -> asyncio.AbstractEventLoop | None:
    """Records and returns the loop that runs in this thread, None without one."""
    loop = running_loop()
    if loop is not None:
        note(addon, loop)
    return loop


def loop_for(addon: int, *, outside_call: bool) -> asyncio.AbstractEventLoop:
    """Returns the loop for a coroutine that this thread passes to an addon.

    Args:
        addon: The number of the addon.
        outside_call: Whether the addon runs a callback outside any call of Python.

    """
    loop = note_running(addon)
    if loop is not None:
        return loop
    loop = awaiting_loop.get()
    if loop is not None:
        note(addon, loop)
    elif outside_call:
        loop = _last.get(addon)
    if loop is not None and loop.is_running():
        return loop
    return _own_loop()


@final
class Remembered(Generic[_T]):
    """Values that belong to objects, compared by identity, for as long as the objects live."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[Any], _T]] = {}

    def get(self, owner: object) -> _T | None:
        """Returns the value of this object, None without one."""
        known = self._known.get(id(owner))
        return known[1] if known is not None and known[0]() is owner else None

    def set(self, owner: object, value: _T) -> None:
        """Keeps a value for an object, unless that cannot be weakly referenced."""
        key = id(owner)

        def forget(dead: weakref.ref[Any]) -> None:
            known = self._known.get(key)
            if known is not None and known[0] is dead:
                del self._known[key]

        with contextlib.suppress(TypeError):
            self._known[key] = weakref.ref(owner, forget), value


_started: set[Any] = set()


def start(
    coroutine: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop
) -> asyncio.Task[Any] | concurrent.futures.Future[Any]:
    """Runs a coroutine on a loop, possibly of another thread; keeps it alive until it is done."""
    future: asyncio.Task[Any] | concurrent.futures.Future[Any]
    try:
        if running_loop() is loop:
            future = loop.create_task(coroutine)
        else:
            future = asyncio.run_coroutine_threadsafe(coroutine, loop)
    except RuntimeError:
        coroutine.close()
        raise
    _started.add(future)
    future.add_done_callback(_started.discard)
    return future


_lock = threading.Lock()
_own: tuple[asyncio.AbstractEventLoop, threading.Thread] | None = None


def _own_loop() -> asyncio.AbstractEventLoop:
    global _own  # noqa: PLW0603 - there is one per process
    with _lock:
        if _own is None:
            loop = asyncio.new_event_loop()
            name = "napi-python-awaitables"
            thread = threading.Thread(target=_run, args=(loop,), name=name, daemon=True)
            thread.start()
            _own = loop, thread
        return _own[0]


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    while True:
        # A coroutine that raises SystemExit ends its promise, not the loop of all others.
        with contextlib.suppress(BaseException):
            loop.run_forever()
            return


def _end() -> None:
    if _own is None:
        return
    loop, thread = _own
    with contextlib.suppress(RuntimeError):
        asyncio.run_coroutine_threadsafe(_cancel_all(), loop)
    thread.join(_SHUTDOWN_TIMEOUT)


async def _cancel_all() -> None:
    loop = asyncio.get_running_loop()
    others = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await loop.shutdown_asyncgens()
    loop.stop()


def _after_fork() -> None:
    global _own, _lock
    _own, _lock = None, threading.Lock()
    _started.clear()


atexit.register(_end)
os.register_at_fork(after_in_child=_after_fork)
