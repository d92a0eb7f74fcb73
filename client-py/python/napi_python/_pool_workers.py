"""The workers of an `AddonPool`: threads that take tasks from one queue, each with an addon."""

from __future__ import annotations

import concurrent.futures
import contextlib
import inspect
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

from napi_python import _native
from napi_python._deadline import nearest
from napi_python._errors import AddonCrashed, AddonError, LoadError, WrongThreadError
from napi_python._pool_tasks import current
from napi_python._references import member, opening_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from napi_python._addon import Opening
    from napi_python._native import Addon
    from napi_python._pool_tasks import Shared, Task
    from napi_python._profile import Profile

_START_RETRIES: Final = (0.0, 0.1, 0.5, 2.0)
"""Seconds before each attempt to start the process of a worker again."""


@dataclass(frozen=True, slots=True)
class WorkerStats:
    """What a worker of an `AddonPool` has done."""

    #: The process, None while none runs.
    pid: int | None
    #: Tasks that it has ended, and how many of them raised.
    tasks: int
    failed: int
    #: Processes that it has started after its first.
    restarts: int
    #: Seconds in tasks, the current one included.
    busy: float
    #: Whether it is in a task.
    running: bool
    #: Whether it takes tasks: it does not if its process cannot be started again.
    alive: bool


@dataclass(frozen=True, slots=True)
class PoolStats:
    """What the workers of an `AddonPool` have done, and how many tasks wait for one."""

    workers: tuple[WorkerStats, ...]
    pending: int


@final
class Worker:
    """A thread with an addon, which runs one task at a time."""

    opening: Opening

    def __init__(self, shared: Shared, number: int, start: Callable[[], Addon]) -> None:
        """Makes a worker that opens its addon by `start`, in its thread."""
        self.started: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._shared = shared
        self._open = start
        self._addon: Addon | None = None
        self._tasks = 0
        self._failed = 0
        self._busy = 0.0
        self._since: float | None = None
        self._retired = False
        # A daemon: the interpreter must be able to end while an addon does not return.
        name = f"napi-python-pool-{number}"
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        """Starts the thread; `started` tells when it has its addon, or why not."""
        self._thread.start()

    def join(self, until: float | None) -> None:
        """Waits for the end of the thread, until a time of the monotonic clock."""
        if self._thread.ident is not None:
            self._thread.join(None if until is None else max(until - time.monotonic(), 0))

    def is_alive(self) -> bool:
        """Tells whether the thread runs."""
        return self._thread.is_alive()

    def end(self) -> None:
        """Ends the process, and waits for the thread."""
        if self._addon is not None and self._thread.is_alive():
            # With thread="caller" only its own thread can end it.
            with contextlib.suppress(WrongThreadError):
                _native.host(self._addon).close()
        # A callable that does not return cannot be ended; its thread is left.
        self._thread.join(1)

    def stats(self) -> WorkerStats:
        """Returns what it has done."""
        since = self._since
        busy = self._busy + (0.0 if since is None else time.monotonic() - since)
        host = None if self._addon is None else _native.host(self._addon)
        return WorkerStats(
            pid=None if host is None else host.pid,
            tasks=self._tasks,
            failed=self._failed,
            restarts=0 if host is None else max(host.generation - 1, 0),
            busy=busy,
            running=since is not None,
            alive=self._thread.is_alive() and not self._retired,
        )

    def profile(self, *, reset: bool) -> Profile | None:
        """Returns the profile of its addon, None if it has none yet."""
        return None if self._addon is None else _native.host(self._addon).profile(reset=reset)

    def _work(self) -> None:
        try:
            addon = self._addon = self._open()
            self.opening = opening_of(addon)[0]
        except BaseException as error:  # noqa: BLE001 - the constructor of the pool raises it
            self.started.set_exception(error)
            return
        with self._shared.lock:
            self._shared.alive += 1
        self.started.set_result(None)
        current.shared = self._shared
        while (task := self._shared.tasks.get()) is not None:
            self._shared.room.free()
            raised = self._run(addon, task)
            del task
            if isinstance(raised, (AddonCrashed, LoadError)):
                failure = self._restarted(addon, raised)
                if failure is not None:
                    self._retired = True
                    self._shared.retire(failure)
                    break
            del raised
        _native.host(addon).close()

    def _run(self, addon: Addon, task: Task) -> BaseException | None:
        """Runs a task; returns what it raised."""
        future = task.future
        if not future.set_running_or_notify_cancel():
            return None
        self._since = start = time.monotonic()
        raised = None
        try:
            value = task.context.run(_call, addon, task)
        except BaseException as error:  # noqa: BLE001 - the future gets it
            raised = error
        # First the counters: they are complete when the task is done.
        self._busy += time.monotonic() - start
        self._since = None
        self._tasks += 1
        if raised is None:
            future.set_result(value)
        else:
            self._failed += 1
            if isinstance(raised, StopIteration):
                # Event loops refuse it.
                stopped = RuntimeError("the task raised StopIteration")
                stopped.__cause__ = raised
                future.set_exception(stopped)
            else:
                future.set_exception(raised)
        try:
            return raised
        finally:
            # Its traceback has this frame.
            del raised, task

    def _restarted(self, addon: Addon, error: BaseException) -> BaseException | None:
        """Starts the process again, which others need not wait for; returns why it cannot be."""
        failure: BaseException | None = error
        for delay in _START_RETRIES:
            time.sleep(delay)
            try:
                _native.host(addon).stats()
            except AddonCrashed as crash:
                failure = crash
                if crash.generation == getattr(error, "generation", None):
                    # No process was started: the restart policy allows none.
                    break
            except AddonError as other:
                failure = other
            else:
                return None
            if self._shared.closed:
                break
        return failure


def _call(addon: Addon, task: Task) -> object:
    """Calls what a task names, and waits for the promise that it returns."""
    if nearest() is None:
        return _result(addon, task)
    # The block of the deadline may have been left.
    _native._deadlines(1)  # noqa: SLF001 - of this package
    try:
        return _result(addon, task)
    finally:
        _native._deadlines(-1)  # noqa: SLF001


def _result(addon: Addon, task: Task) -> object:
    function = task.function
    found: Any
    if type(function) is tuple:
        found = addon
        for name in function:
            found = member(found, name)
        found = found(*task.args, **task.kwargs)
    else:
        assert callable(function)  # noqa: S101 - else it is a tuple
        found = function(addon, *task.args, **task.kwargs)
        if inspect.iscoroutine(found):
            found.close()
            text = (
                "a task of a pool cannot be a coroutine, since its thread has no event loop; "
                "return the promise instead of awaiting it"
            )
            raise TypeError(text)
    return found.result() if isinstance(found, _native.Promise) else found
