"""Daemon threads that wait for hosts, so that no event loop and no exit does."""

from __future__ import annotations

import os
import threading
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import Callable

_IDLE_TIMEOUT: Final = 10.0
"""Seconds after which an idle thread ends."""


@final
class Threads:
    """A pool of daemon threads, started on demand.

    The interpreter waits for threads of `concurrent.futures` at its end, and a thread here may be
    inside an addon that never returns.
    """

    def __init__(self, name: str, limit: int) -> None:
        """Starts no thread yet; there will be at most `limit`, named `name`."""
        self._name = name
        self._limit = limit
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._jobs: deque[Callable[[], None]] = deque()
        self._alive = 0
        self._idle = 0

    def submit(self, job: Callable[[], None]) -> None:
        """Runs `job`, which must not raise, in a thread."""
        with self._changed:
            self._jobs.append(job)
            if len(self._jobs) > self._idle and self._alive < self._limit:
                self._start()
            self._changed.notify()

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            if self._alive == 0:
                self._jobs.pop()
                raise
        else:
            self._alive += 1

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._jobs:
                    self._idle += 1
                    woken = self._changed.wait(_IDLE_TIMEOUT)
                    self._idle -= 1
                    if not woken and not self._jobs:
                        self._alive -= 1
                        return
                job = self._jobs.popleft()
            job()
            del job


@final
class Queues:
    """Queues of jobs: those of one key run in order, one at a time, in a thread."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        # Reentrant, since a finalizer that submits a job may run while it is held.
        self._lock = threading.RLock()
        self._jobs: dict[int, deque[Callable[[], None]]] = {}

    def submit(self, key: int, job: Callable[[], None]) -> None:
        """Runs `job`, which must not raise, after all earlier jobs of this key."""
        first = deque([job])
        with self._lock:
            waiting = self._jobs.setdefault(key, first)
            if waiting is not first:
                waiting.append(job)
                return
        try:
            self._threads.submit(partial(self._work, key))
        except RuntimeError:
            # No thread can be started, as at the end of the interpreter.
            self._work(key)

    def _work(self, key: int) -> None:
        while True:
            with self._lock:
                waiting = self._jobs[key]
                if not waiting:
                    del self._jobs[key]
                    return
                job = waiting.popleft()
            job()
            del job
