"""Threads that wait for hosts in the place of others: no loop is blocked, no exit held up."""

from __future__ import annotations

import os
import threading
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import Callable

_IDLE: Final = 10.0
"""A thread that had nothing to do for so many seconds ends."""


def forget_in_child(forget: Callable[[], None]) -> None:
    """Has a forked child forget threads that stayed with its parent."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forget)


@final
class Threads:
    """Daemon threads, made as they are needed.

    The executors of the standard library won't do: the interpreter waits for their threads at its
    end, and a thread may be inside of an addon that never returns.
    """

    def __init__(self, name: str, limit: int) -> None:
        """Makes no thread yet; there will be at most `limit`."""
        self._name = name
        self._limit = limit
        self._forget()
        forget_in_child(self._forget)

    def _forget(self) -> None:
        self._changed = threading.Condition()
        self._jobs: deque[Callable[[], None]] = deque()
        self._alive = 0
        self._idle = 0

    def submit(self, job: Callable[[], None]) -> None:
        """Has a thread run `job`, which must not raise."""
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
                    woken = self._changed.wait(_IDLE)
                    self._idle -= 1
                    if not woken and not self._jobs:
                        self._alive -= 1
                        return
                job = self._jobs.popleft()
            job()
            del job


@final
class Queues:
    """Queues of jobs: those of one key run one after the other, in a thread."""

    def __init__(self, threads: Threads) -> None:
        """Takes its threads from there."""
        self._threads = threads
        self._forget()
        forget_in_child(self._forget)

    def _forget(self) -> None:
        # Whoever holds it may be interrupted by a finalizer that submits something.
        self._lock = threading.RLock()
        self._jobs: dict[int, deque[Callable[[], None]]] = {}

    def submit(self, key: int, job: Callable[[], None]) -> None:
        """Has `job`, which must not raise, run after all that was submitted with this key."""
        first = deque([job])
        with self._lock:
            waiting = self._jobs.setdefault(key, first)
            if waiting is not first:
                waiting.append(job)
                return
        try:
            self._threads.submit(partial(self._work, key))
        except RuntimeError:
            # There are no threads to be had, as at the end of the interpreter.
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
