"""The tasks of an `AddonPool`: their futures, the queue of its workers, and the room in it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import queue
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple, final

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable, Generator, Iterator


class _Current(threading.local):
    """What a thread is: a worker of a pool, or none."""

    shared: Shared | None = None


current: Final = _Current()


@final
class PoolFuture(concurrent.futures.Future[Any]):
    """The future of a task; an event loop can await it."""

    def __init__(self, shared: Shared) -> None:
        """Makes one for a task of a pool."""
        super().__init__()
        self._shared = shared

    def __await__(self) -> Generator[Any, None, Any]:
        return asyncio.wrap_future(self).__await__()

    def result(self, timeout: float | None = None) -> Any:  # noqa: ANN401 - of any task
        """Returns the result; as `Future.result`.

        Raises:
            RuntimeError: All workers of the pool would wait for tasks that have not started.

        """
        if current.shared is not self._shared or self.done():
            return super().result(timeout)
        with self._shared.waits_inside(self):
            return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Returns the exception; as `Future.exception`, and raises as `result` does."""
        if current.shared is not self._shared or self.done():
            return super().exception(timeout)
        with self._shared.waits_inside(self):
            return super().exception(timeout)


class Task(NamedTuple):
    """A call that a worker makes."""

    future: PoolFuture
    #: The names that lead to an export, or what is called with the exports.
    function: tuple[str, ...] | Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    context: contextvars.Context


class Room:
    """The places in the queue; a submission that finds none waits, in order of arrival."""

    def __init__(self, limit: int | None) -> None:
        """Has `limit` places, None for any number."""
        self.limit = limit
        # Reentrant, as that of `Shared`.
        self._lock = threading.RLock()
        self._taken = 0
        self._waiting: deque[concurrent.futures.Future[None]] = deque()
        self._closed = False

    def reserve(self) -> concurrent.futures.Future[None] | None:
        """Takes a place and returns None, or returns what is done when there is one."""
        if self.limit is None:
            return None
        with self._lock:
            if self._taken < self.limit or self._closed:
                self._taken += 1
                return None
            waiting: concurrent.futures.Future[None] = concurrent.futures.Future()
            self._waiting.append(waiting)
            return waiting

    def withdraw(self, waiting: concurrent.futures.Future[None]) -> None:
        """No longer waits; a place that was given meanwhile is free."""
        if not waiting.cancel() and not waiting.cancelled():
            self.free()

    def free(self) -> None:
        """Gives a place to the submission that waits longest."""
        if self.limit is None:
            return
        with self._lock:
            while self._waiting:
                waiting = self._waiting.popleft()
                if waiting.set_running_or_notify_cancel():
                    break
            else:
                self._taken -= 1
                return
        waiting.set_result(None)

    def close(self) -> None:
        """Lets everything through: the queue refuses it."""
        with self._lock:
            self._closed = True
            waiting, self._waiting = self._waiting, deque()
        for one in waiting:
            if one.set_running_or_notify_cancel():
                one.set_result(None)


class Shared:
    """What a pool and its workers share. It does not refer to the pool, which may be dropped."""

    def __init__(self, label: str, max_pending: int | None) -> None:
        """Has no workers yet."""
        self.label = label
        # Reentrant, since the collector may drop the pool in a thread that holds it.
        self.lock = threading.RLock()
        self.tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self.room = Room(max_pending)
        self.closed = False
        self.broken: BaseException | None = None
        self.alive = 0
        # Workers that wait for a task of the same pool, in a callback.
        self._waiting = 0

    def put(self, task: Task) -> None:
        """Queues a task, for which a place was reserved."""
        with self.lock:
            if not self.closed and self.broken is None:
                self.tasks.put(task)
                return
        self.room.free()
        if self.broken is not None:
            raise self._broken_by(self.broken)
        text = f"the pool of {self.label} was shut down; make another one to submit tasks"
        raise RuntimeError(text)

    def close(self, workers: int, *, cancel: bool = False) -> None:
        """Ends the workers after the tasks in the queue, or cancels these."""
        with self.lock:
            self.closed = True
            cancelled = self._drained() if cancel else []
            for _ in range(workers):
                self.tasks.put(None)
        self.room.close()
        for task in cancelled:
            task.future.cancel()
            task.future.set_running_or_notify_cancel()

    def _drained(self) -> list[Task]:
        found: list[Task] = []
        try:
            while True:
                task = self.tasks.get_nowait()
                if task is not None:
                    found.append(task)
        except queue.Empty:
            return found

    def retire(self, error: BaseException) -> None:
        """A worker cannot be restarted; without any, all tasks fail."""
        with self.lock:
            self.alive -= 1
            if self.alive > 0:
                return
            self.broken = error
            failed = self._drained()
        self.room.close()
        for task in failed:
            if task.future.set_running_or_notify_cancel():
                task.future.set_exception(self._broken_by(error))

    def _broken_by(self, error: BaseException) -> concurrent.futures.BrokenExecutor:
        text = f"no worker of the pool of {self.label} can be restarted: {error}"
        broken = concurrent.futures.BrokenExecutor(text)
        broken.__cause__ = error
        return broken

    @contextlib.contextmanager
    def waits_inside(self, future: PoolFuture) -> Iterator[None]:
        """Counts a worker that waits for a task of its own pool, from a callback.

        Raises:
            RuntimeError: All workers would wait.

        """
        with self.lock:
            if self._waiting + 1 >= self.alive and not (future.running() or future.done()):
                text = (
                    f"deadlock: all workers of the pool of {self.label} would wait for tasks of "
                    "the pool; do not wait for a task in a callback of another one"
                )
                raise RuntimeError(text)
            self._waiting += 1
        try:
            yield
        finally:
            with self.lock:
                self._waiting -= 1
