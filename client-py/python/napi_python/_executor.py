"""`AddonPool`: an executor whose workers each run the addon in a process of their own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import os
import pickle
import queue
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

from napi_python import _addon, _aio, _loops, _modules, _recording, _references
from napi_python._deadline import nearest
from napi_python._errors import AddonTimeout
from napi_python._native import BufferPool, JSClass, JSFunction
from napi_python._pool_tasks import PoolFuture, Shared, Task, current
from napi_python._pool_workers import PoolStats, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator
    from typing import Literal, Unpack

    from napi_python._modules import HostOptions
    from napi_python._native import Addon
    from napi_python._profile import Profile

_WORKERS_MAX: Final = 256
"""Workers of a pool: each is a process and a thread."""

_START_END: Final = 3.0
"""Seconds that workers may take to end after one of them could not start."""

_BUFFERS: Final = "1 GiB"
"""The size of a `BufferPool` that was not requested with another one: a limit, no memory."""


def _check(workers: int, max_pending: int | None, on_full: str) -> None:
    """Refuses arguments of `AddonPool` that have the wrong type or an invalid value."""
    if type(workers) is not int or not 0 < workers <= _WORKERS_MAX:
        text = f"workers must be an int between 1 and {_WORKERS_MAX}, got {workers!r}"
        raise (ValueError if type(workers) is int else TypeError)(text)
    if max_pending is not None and (type(max_pending) is not int or max_pending < 1):
        raise ValueError(f"max_pending must be an int >= 1 or None, got {max_pending!r}")
    if on_full not in ("wait", "raise"):
        raise ValueError(f"on_full must be 'wait' or 'raise', got {on_full!r}")


@final
class _Export:
    """An export of all workers, by the names that lead to it; a call of it is a task."""

    __slots__ = ("_names", "_pool")

    def __init__(self, pool: AddonPool, names: tuple[str, ...]) -> None:
        self._pool = pool
        self._names = names

    def __getattr__(self, name: str) -> _Export:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(f"{self!r} has no attribute {name!r}", name=name, obj=self)
        return _Export(self._pool, (*self._names, name))

    def __call__(self, /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:  # noqa: ANN401
        return self._pool.call(self, *args, **kwargs)

    def __repr__(self) -> str:
        return f"<export {'.'.join(self._names)} of {self._pool!r}>"


@final
class AddonPool(concurrent.futures.Executor):
    """An executor that runs calls of an addon or package in several processes at once.

    Each worker is a thread with a process of the addon. A task is taken by the next worker that is
    idle, in the order of submission. A process that crashes fails the task that it runs; its worker
    starts another one.

    A task is the name of an export (`"transform"`, `"math.add"`), an exported function or class, or
    a callable that gets the exports as its first argument. If it returns a promise, the task is
    done when that is settled. Open `deadline` blocks apply to the tasks that are submitted in them,
    and include the time in the queue.
    """

    def __init__(  # noqa: PLR0913 - all but the first are options
        self,
        path_or_package: str | os.PathLike[str],
        *,
        workers: int = 4,
        root: str | os.PathLike[str] | None = None,
        max_pending: int | None = None,
        on_full: Literal["wait", "raise"] = "wait",
        buffers: BufferPool | int | str | None = None,
        **options: Unpack[HostOptions],
    ) -> None:
        """Starts the workers, and returns when all have loaded the addon.

        Args:
            path_or_package: A `.node` file, as `load_addon` takes it: a path object, or a text that
                ends with ".node" or ".so"; or a package or module as `require` takes it.
            workers: How many processes, 1 to 256.
            root: For a package, the folder where the search begins; as of `require`.
            max_pending: How many tasks may wait for a worker; None for any number.
            on_full: What `submit` does beyond that: it waits, or raises `queue.Full`.
            buffers: The `BufferPool` that `pool.buffers` is, or the size of one in bytes, or as
                "256 MiB"; by default, 1 GiB at most. Buffers of it cross without a copy.
            **options: Those of `load_addon`, for each worker.

        Raises:
            LoadError: A worker could not be started; the others are ended.
            SandboxUnavailable: This system cannot confine the addon as the policy requires.
            TypeError: An argument has the wrong type.
            ValueError: An argument has an invalid value.

        """
        _check(workers, max_pending, on_full)
        if not isinstance(path_or_package, (str, os.PathLike)):
            text = (
                f"path_or_package must be a path or the name of a package, got {path_or_package!r}"
            )
            raise TypeError(text)
        self._buffers = buffers
        self._owns_buffers = not isinstance(buffers, BufferPool)
        if isinstance(path_or_package, os.PathLike) or path_or_package.endswith((".node", ".so")):
            if root is not None:
                raise ValueError("root is for packages; leave it out for a file")
            file = _addon.addon_file(path_or_package)
            self._label = Path(file).name

            def start(**more: Any) -> Addon:  # noqa: ANN401 - options of `load_addon`
                return _addon.load_addon(file, **options, **more)

        else:
            name, folder = path_or_package, _modules.root_of(root)
            self._label = name

            def start(**more: Any) -> Addon:  # noqa: ANN401 - options of `require`
                return _modules.require(name, root=folder, **options, **more)

        recording = _recording.of(options.pop("record", None))
        self._raises = on_full == "raise"
        self._pid = os.getpid()
        self._shared = Shared(self._label, max_pending)
        starts = [_recording.start_of_worker(start, recording, n) for n in range(workers)]
        self._workers = [Worker(self._shared, n, one) for n, one in enumerate(starts)]
        try:
            for worker in self._workers:
                worker.start()
            for worker in self._workers:
                worker.started.result()
        except BaseException:
            self._shared.close(len(self._workers))
            until = time.monotonic() + _START_END
            for worker in self._workers:
                worker.join(until)
            raise
        # A pool that is dropped ends its workers after their tasks, as executors do.
        drop = weakref.finalize(self, self._shared.close, workers)
        drop.atexit = False

    @property
    def exports(self) -> Any:  # noqa: ANN401 - has the exports of the addon
        """The exports: `await pool.exports.transform(...)` runs a task."""
        return _Export(self, ())

    @property
    def buffers(self) -> BufferPool:
        """The pool of buffers for arguments that all workers share."""
        with self._shared.lock:
            if not isinstance(self._buffers, BufferPool):
                self._buffers = BufferPool(_BUFFERS if self._buffers is None else self._buffers)
            return self._buffers

    def submit(self, fn: str | Callable[..., Any], /, *args: Any, **kwargs: Any) -> PoolFuture:  # noqa: ANN401
        """Submits a task and returns its future, which can also be awaited.

        Raises:
            queue.Full: `max_pending` tasks wait, and the pool does not wait for room.
            RuntimeError: The pool was shut down, or made by another process; or a callback of a
                task submits a task for which there is no room.
            BrokenExecutor: No worker can be restarted.
            AddonTimeout: There was no room before the deadline.

        """
        task = self._task(fn, args, kwargs)
        waiting = self._shared.room.reserve()
        if waiting is not None:
            self._check_wait(waiting)
            bound = nearest()
            try:
                waiting.result(None if bound is None else max(bound[0], 0))
            except TimeoutError:
                self._shared.room.withdraw(waiting)
                assert bound is not None  # noqa: S101 - else it had no timeout
                text = f"the pool had no room before the deadline of {bound[1]:g} s"
                raise AddonTimeout(text, seconds=bound[1]) from None
            except BaseException:
                self._shared.room.withdraw(waiting)
                raise
        self._shared.put(task)
        return task.future

    def map(
        self,
        fn: str | Callable[..., Any],
        *iterables: Iterable[Any],
        **options: Any,  # noqa: ANN401 - of the version of Python
    ) -> Iterator[Any]:
        """Submits a task for each item, and returns their results in order; as `Executor.map`."""
        # That submits what it is given, which may be a name.
        return super().map(fn, *iterables, **options)  # type: ignore[arg-type]

    async def call(self, fn: str | Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Runs a task and returns its result; waits for room without blocking the event loop.

        If it is cancelled, a task that has not started is never run. One that runs goes on, and its
        result is dropped.

        Raises:
            queue.Full: `max_pending` tasks wait, and the pool does not wait for room.
            RuntimeError: The pool was shut down, or made by another process.
            BrokenExecutor: No worker can be restarted.
            AddonTimeout: The task did not start before the deadline.

        """
        task = self._task(fn, args, kwargs)
        task.context.run(_loops.awaiting_loop.set, asyncio.get_running_loop())
        waiting = self._shared.room.reserve()
        if waiting is not None:
            self._check_wait(waiting)
            try:
                await _aio.finish(waiting)
            except BaseException:
                self._shared.room.withdraw(waiting)
                raise
        self._shared.put(task)
        return await _aio.finish(task.future)

    def _check_wait(self, waiting: concurrent.futures.Future[None]) -> None:
        """Refuses to wait for room where the pool or its user must not."""
        if waiting.done():
            return
        if self._raises:
            self._shared.room.withdraw(waiting)
            text = f"{self!r} is full: {self._shared.room.limit} tasks wait; submit fewer at a time"
            raise queue.Full(text)
        if current.shared is self._shared:
            self._shared.room.withdraw(waiting)
            text = (
                f"{self!r} is full, and this is a callback of one of its tasks, which would wait "
                "for itself; raise max_pending, or submit from another thread"
            )
            raise RuntimeError(text)

    def _task(
        self, fn: str | Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Task:
        self._check_process()
        function: tuple[str, ...] | Callable[..., Any]
        if isinstance(fn, str):
            function = tuple(fn.split("."))
        elif isinstance(fn, _Export):
            if fn._pool is not self:  # noqa: SLF001 - of this module
                raise ValueError(f"{fn!r} is of another pool")
            function = fn._names  # noqa: SLF001
        elif isinstance(fn, (JSFunction, JSClass)):
            function = self._names_of(fn)
        elif callable(fn):
            function = fn
        else:
            raise TypeError(f"a task must be the name of an export or callable, got {fn!r}")
        return Task(PoolFuture(self._shared), function, args, kwargs, contextvars.copy_context())

    def _names_of(self, function: JSFunction | JSClass) -> tuple[str, ...]:
        """Returns the names of an export of the same addon, which may be loaded elsewhere."""
        opening, names = _references.opening_of(function)
        own = self._workers[0].opening
        if (opening.path, opening.module) != (own.path, own.module):
            raise ValueError(f"{function!r} is an export of {opening.path}, not of {own.path}")
        return names

    def _check_process(self) -> None:
        if os.getpid() != self._pid:
            text = (
                f"{self!r} was made by process {self._pid}, and a forked child has none of its "
                "workers; make a pool in the child"
            )
            raise RuntimeError(text)

    def stats(self) -> PoolStats:
        """Returns what the workers have done, and how many tasks wait."""
        workers = tuple(worker.stats() for worker in self._workers)
        return PoolStats(workers, self._shared.tasks.qsize() if not self._shared.closed else 0)

    def profile(self, *, reset: bool = False) -> Profile:
        """Returns where the time of all workers' calls went, if the pool was made with `profile`.

        With reset=True the figures begin anew. A worker that is in a task is waited for.

        Raises:
            ValueError: The pool has no profile.

        """
        from napi_python._profile import merged  # noqa: PLC0415 - mostly not needed

        profiles = [worker.profile(reset=reset) for worker in self._workers]
        return merged([one for one in profiles if one is not None], self._label)

    def shutdown(
        self,
        wait: bool = True,  # noqa: FBT001, FBT002 - as of every executor
        *,
        cancel_futures: bool = False,
        timeout: float | None = None,
    ) -> None:
        """Ends the workers after all tasks that were submitted.

        Args:
            wait: Whether to wait for that.
            cancel_futures: Whether tasks that have not started are cancelled instead.
            timeout: Seconds to wait at most; then tasks that have not started are cancelled, and
                the processes of the others are ended, which fails these tasks.

        Raises:
            RuntimeError: A callback of a task of this pool would wait for itself.

        """
        if os.getpid() != self._pid:
            return
        if wait and current.shared is self._shared:
            text = (
                "a callback of a task cannot wait for the end of its own pool; pass wait=False, or "
                "shut it down from another thread"
            )
            raise RuntimeError(text)
        self._shared.close(len(self._workers), cancel=cancel_futures)
        if not wait:
            return
        until = None if timeout is None else time.monotonic() + timeout
        for worker in self._workers:
            worker.join(until)
        if any(worker.is_alive() for worker in self._workers):
            self._shared.close(len(self._workers), cancel=True)
            ends = [threading.Thread(target=worker.end, daemon=True) for worker in self._workers]
            for end in ends:
                end.start()
            for end in ends:
                end.join()
        if self._owns_buffers and isinstance(self._buffers, BufferPool):
            self._buffers.close()

    def __reduce__(self) -> tuple[object, ...]:
        text = (
            f"{self!r} cannot be pickled or copied: it has threads; pickle an export of the addon, "
            "or make a pool in the other process"
        )
        raise pickle.PicklingError(text)

    def __repr__(self) -> str:
        return f"<AddonPool of {self._label}, {len(self._workers)} workers>"
