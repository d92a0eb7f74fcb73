"""Calls in threads for asyncio (`aio`), and Python awaitables as promises of an addon."""

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

_CALLS_MAX: Final = 32
"""How many calls of `aio` run at a time; further ones are queued in order."""

_callers: Final = Threads("napi-python-aio", _CALLS_MAX)
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
        loop = _loops.running_loop()
        if loop is None:
            raise RuntimeError(
                "aio needs a running asyncio loop: in trio write "
                "`await trio.to_thread.run_sync(f, ...)`, elsewhere call the function itself"
            )
        context = contextvars.copy_context()
        context.run(_loops.awaiting_loop.set, loop)
        work = functools.partial(context.run, function, *args, **kwargs)
        future: concurrent.futures.Future[_R] = concurrent.futures.Future()
        _callers.submit(functools.partial(_run, future, work))
        return await finish(future)

    return call


def _run(future: concurrent.futures.Future[_R], work: Callable[[], _R]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except StopIteration as error:
        # A future refuses StopIteration as an exception.
        raised = RuntimeError("the function raised StopIteration")
        raised.__cause__ = error
        future.set_exception(raised)
    except BaseException as error:  # noqa: BLE001 - the waiting task gets it
        future.set_exception(error)
    else:
        future.set_result(result)


async def finish(future: concurrent.futures.Future[_R]) -> _R:
    """Waits for a call; one that has not started at the deadline is never made."""
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
    # A call that has started checks its deadline itself.
    return await waiting


_Running = asyncio.Future[Any] | concurrent.futures.Future[Any]

_runs: Final[_loops.Remembered[_Running]] = _loops.Remembered()
"""The tasks of coroutines, so that one that is passed again is not run again."""


def settle_later(
    awaitable: Awaitable[object] | _Running,
    settler: _Settler,
    addon: int,
    outside_call: bool,  # noqa: FBT001 - called from native code
) -> None:
    """Settles a promise in the host when `awaitable` is done.

    Args:
        awaitable: A future, or what is run on the loop that `_loops.loop_for` returns.
        settler: Settles the promise.
        addon: The number of the addon.
        outside_call: Whether no call of Python is in progress.

    """
    settle = functools.partial(_settle, settler, addon)
    try:
        if isinstance(awaitable, concurrent.futures.Future) or asyncio.isfuture(awaitable):
            running: _Running = awaitable
            _loops.note_running(addon)
        else:
            known = _runs.get(awaitable)
            if known is None:
                loop = _loops.loop_for(addon, outside_call=outside_call)
                known = _loops.start(_await(awaitable), loop)
                _runs.set(awaitable, known)
            running = known
        _on_done(running, settle)
    except RuntimeError as error:
        settle(error, rejected=True)


async def _await(awaitable: Awaitable[object]) -> object:
    return await awaitable


def _on_done(running: _Running, settle: Callable[..., None]) -> None:
    settle_from = functools.partial(_settle_from, settle)
    if isinstance(running, concurrent.futures.Future):
        running.add_done_callback(settle_from)
    elif running.done():
        settle_from(running)
    elif running.get_loop() is _loops.running_loop():
        running.add_done_callback(settle_from)
    else:
        running.get_loop().call_soon_threadsafe(running.add_done_callback, settle_from)


def _settle_from(settle: Callable[..., None], future: _Running) -> None:
    if future.cancelled():
        settle(asyncio.CancelledError(), rejected=True)
        return
    error = future.exception()
    if error is None:
        settle(future.result())
    else:
        settle(error, rejected=True)


def _settle(settler: _Settler, addon: int, value: object, *, rejected: bool = False) -> None:
    """Queues the settlement for a thread of the addon, since a busy host would block a loop."""
    job = functools.partial(_settle_now, settler, value, rejected)
    if not settler._defer(job):  # noqa: SLF001 - one package
        _settlers.submit(addon, job)


def watch_later(promise: Promise, addon: int) -> None:
    """Subscribes to a promise in a thread of its addon, since a busy host would block a loop."""
    job = functools.partial(_watch_now, promise)
    if not promise._defer(job):  # noqa: SLF001 - one package
        _settlers.submit(addon, job)


def _watch_now(promise: Promise) -> None:
    # The end of the host or a timeout reaches the waiting code anyway. A host may refuse the
    # request with any error; the thread must go on.
    with contextlib.suppress(Exception):
        promise._watch()  # noqa: SLF001 - one package


# At run time the class takes no parameter in every version of Python that has it.
class _PromiseFuture(concurrent.futures.Future):  # type: ignore[type-arg]
    promise: Promise


def future_of(promise: Promise) -> concurrent.futures.Future[Any]:
    """Returns a future that is settled as a promise is, in the thread that settles it."""
    future = _PromiseFuture()
    # The host settles a promise that is alive.
    future.promise = promise
    # It cannot be cancelled, since the promise goes on.
    future.set_running_or_notify_cancel()

    def settle(settled: Promise) -> None:
        error = settled.exception()
        if error is None:
            future.set_result(settled.result())
        else:
            future.set_exception(error)

    promise._when_settled(settle)  # noqa: SLF001 - one package
    return future


def _settle_now(settler: _Settler, value: object, rejected: bool) -> None:  # noqa: FBT001 - of `_settle`
    # A host that has ended has no promise to settle.
    with contextlib.suppress(AddonError):
        try:
            settler(value, rejected=rejected)
        except AddonError:
            raise
        except Exception as error:  # noqa: BLE001 - the value cannot be sent: reject with this
            # If the host refuses this too, its promise stays pending; the thread must go on.
            with contextlib.suppress(Exception):
                settler(error, rejected=True)
