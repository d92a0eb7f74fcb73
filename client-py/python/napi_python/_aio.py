"""Where promises and asyncio meet."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import functools
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from napi_python import _loops
from napi_python._deadline import nearest
from napi_python._errors import AddonError, AddonTimeout
from napi_python._threads import Queues, Threads

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from napi_python._native import Promise, _Settler

_P = ParamSpec("_P")
_R = TypeVar("_R")

_MOST_CALLS: Final = 32
"""So many calls of `aio` are made at a time; further ones wait in their order."""

_callers: Final = Threads("napi-python-aio", _MOST_CALLS)
_settlers: Final = Queues(Threads("napi-python-settle", 1 << 30))


def aio(function: Callable[_P, _R], /) -> Callable[_P, Awaitable[_R]]:
    """Makes a synchronous function awaitable: its calls run in a thread, not in the event loop.

    `await aio(addon.compress)(data)` does not block the loop while the addon works.

    A call that is cancelled before it has started is never made. A call that has started runs to
    its end and its result is dropped: native code can only be stopped together with its process.
    Use `deadline` to bound a call.
    """

    @functools.wraps(function, assigned=(), updated=())
    async def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        context = contextvars.copy_context()
        context.run(_loops.waiting.set, asyncio.get_running_loop())
        work = functools.partial(context.run, function, *args, **kwargs)
        future: concurrent.futures.Future[_R] = concurrent.futures.Future()
        _callers.submit(functools.partial(_run, future, work))
        return await _finish(future)

    return call


def _run(future: concurrent.futures.Future[_R], work: Callable[[], _R]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except StopIteration as error:
        # No future takes it.
        raised = RuntimeError("the function raised StopIteration")
        raised.__cause__ = error
        future.set_exception(raised)
    except BaseException as error:  # noqa: BLE001 - whatever it is, who waits is told
        future.set_exception(error)
    else:
        future.set_result(result)


async def _finish(future: concurrent.futures.Future[_R]) -> _R:
    """Waits for a call; one that has not started at the deadline never does."""
    waiting = asyncio.wrap_future(future)
    if (deadline := nearest()) is not None:
        left, seconds = deadline
        try:
            await asyncio.wait({waiting}, timeout=max(left, 0))
        except asyncio.CancelledError:
            waiting.cancel()
            raise
        if future.cancel():
            text = f"the call did not start before its deadline of {seconds:g} s"
            raise AddonTimeout(text, seconds=seconds)
    # A call that has started looks at its deadline itself.
    return await waiting


_Running = asyncio.Future[Any] | concurrent.futures.Future[Any]

_runs: Final[_loops.Remembered[_Running]] = _loops.Remembered()
"""What became of coroutines: one that is given again is not run again."""


def settle_later(
    awaitable: Awaitable[object] | _Running,
    settler: _Settler,
    addon: int,
    of_itself: bool,  # noqa: FBT001 - called from native code
) -> None:
    """Sees to it that a promise in the host is settled when `awaitable` is done.

    A future tells by itself, on its own loop; everything else runs on the loop that `_loops` says.
    """
    settle = functools.partial(_settle, settler, addon)
    try:
        if isinstance(awaitable, concurrent.futures.Future) or asyncio.isfuture(awaitable):
            running: _Running = awaitable
            _loops.note_running(addon)
        else:
            known = _runs.get(awaitable)
            if known is None:
                loop = _loops.loop_for(addon, of_itself=of_itself)
                known = _loops.start(_await(awaitable), loop)
                _runs.set(awaitable, known)
            running = known
        _watch(running, settle)
    except RuntimeError as error:
        settle(error, rejected=True)


async def _await(awaitable: Awaitable[object]) -> object:
    return await awaitable


def _watch(running: _Running, settle: Callable[..., None]) -> None:
    tell = functools.partial(_tell, settle)
    if isinstance(running, concurrent.futures.Future):
        running.add_done_callback(tell)
    elif running.done():
        tell(running)
    elif running.get_loop() is _loops.running_loop():
        running.add_done_callback(tell)
    else:
        running.get_loop().call_soon_threadsafe(running.add_done_callback, tell)


def _tell(settle: Callable[..., None], future: _Running) -> None:
    if future.cancelled():
        settle(asyncio.CancelledError(), rejected=True)
        return
    error = future.exception()
    if error is None:
        settle(future.result())
    else:
        settle(error, rejected=True)


def _settle(settler: _Settler, addon: int, value: object, *, rejected: bool = False) -> None:
    """Has a promise settled by a thread of its addon: a host may be busy, and no loop waits."""
    _settlers.submit(addon, functools.partial(_settle_now, settler, value, rejected))


def watch_later(promise: Promise, addon: int) -> None:
    """Has a thread of its addon ask how a promise stands: a host may be busy, and no loop waits."""
    _settlers.submit(addon, functools.partial(_watch_now, promise))


def _watch_now(promise: Promise) -> None:
    # What ends the host, or the time, is told to who awaits the promise anyway.
    with contextlib.suppress(AddonError):
        promise._watch()  # noqa: SLF001 - one package


def _settle_now(settler: _Settler, value: object, rejected: bool) -> None:  # noqa: FBT001 - of `_settle`
    # A host that died meanwhile has no promise to settle.
    with contextlib.suppress(AddonError):
        try:
            settler(value, rejected=rejected)
        except AddonError:
            raise
        except Exception as error:  # noqa: BLE001 - the value can't be sent: that is what is told
            settler(error, rejected=True)
