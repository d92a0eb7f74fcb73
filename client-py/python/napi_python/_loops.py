"""Which event loop runs a coroutine that an addon was given.

It is the running loop of the thread that gives it; inside of `aio` the loop that waits for it; in a
callback that nobody waits for, the loop that last had to do with the addon, while it runs. Where
there is none, it is a loop of this package's own, in a thread.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, final

from napi_python._threads import forget_in_child

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Coroutine

_T = TypeVar("_T")

waiting: Final[contextvars.ContextVar[asyncio.AbstractEventLoop | None]] = contextvars.ContextVar(
    "napi_python_waiting_loop", default=None
)
"""The loop that waits for what this thread does."""

_PATIENCE: Final = 1.0
"""So many seconds our own loop has to end, at the end of the interpreter."""

_last: weakref.WeakValueDictionary[int, asyncio.AbstractEventLoop] = weakref.WeakValueDictionary()


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Returns the loop that runs in this thread."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def note(addon: int, loop: asyncio.AbstractEventLoop) -> None:
    """Notes that this loop has to do with an addon."""
    if _last.get(addon) is not loop:
        _last[addon] = loop


def note_running(addon: int) -> asyncio.AbstractEventLoop | None:
    """Notes, and returns, the loop that runs in this thread."""
    loop = running_loop()
    if loop is not None:
        note(addon, loop)
    return loop


def loop_for(addon: int, *, of_itself: bool) -> asyncio.AbstractEventLoop:
    """Returns the loop for a coroutine that this thread gives to an addon.

    `of_itself` says that nobody called the addon: it does something on its own account.
    """
    loop = note_running(addon)
    if loop is not None:
        return loop
    loop = waiting.get()
    if loop is not None:
        note(addon, loop)
    elif of_itself:
        loop = _last.get(addon)
    if loop is not None and loop.is_running():
        return loop
    return _own_loop()


@final
class Remembered(Generic[_T]):
    """What belongs to objects that are told apart by identity, for as long as they live."""

    def __init__(self) -> None:
        """Remembers nothing yet."""
        self._known: dict[int, tuple[weakref.ref[Any], _T]] = {}

    def get(self, owner: object) -> _T | None:
        """Returns what belongs to this very object."""
        known = self._known.get(id(owner))
        return known[1] if known is not None and known[0]() is owner else None

    def set(self, owner: object, value: _T) -> None:
        """Keeps something for an object; for one that can't be watched, nothing is kept."""
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
    """Runs a coroutine on a loop, which may be that of another thread; holds it until it is done.

    Raises:
        RuntimeError: If the loop is closed.

    """
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
    thread.join(_PATIENCE)


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
forget_in_child(_after_fork)
