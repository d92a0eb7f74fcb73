"""Many threads and tasks at a time while hosts die: none may hang or get an unexpected error."""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Self

# A call may wait for a few starts of a host, on a machine that does other things as well.
LONGEST = 20.0


class Participant:
    """Statistics of a thread or task: how many operations returned and raised, and the longest."""

    def __init__(self, name: str, allowed: tuple[type[BaseException], ...]) -> None:
        """Takes its name, and the exceptions that its operations may raise."""
        self.name, self._allowed = name, allowed
        self.returned = 0
        self.raised = 0
        self.longest = 0.0
        self._begun: float | None = None

    @contextlib.contextmanager
    def operation(self) -> Iterator[None]:
        """Measures one operation; exceptions that are allowed end here."""
        self._begun = begun = time.monotonic()
        try:
            yield
            self.returned += 1
        except self._allowed:
            self.raised += 1
        finally:
            self._begun = None
            self.longest = max(self.longest, time.monotonic() - begun)

    @property
    def hangs(self) -> bool:
        """Whether its current operation takes more than `LONGEST` seconds."""
        begun = self._begun
        return begun is not None and time.monotonic() - begun > LONGEST


class Storm:
    """A thread per function, which calls it repeatedly until the storm is over."""

    def __init__(
        self,
        works: Sequence[Callable[[], object]],
        allowed: tuple[type[BaseException], ...],
    ) -> None:
        """Makes the threads."""
        self.over = threading.Event()
        self.wrong: list[BaseException] = []
        self._allowed = allowed
        self.participants: list[Participant] = []
        self.threads = [
            threading.Thread(target=self._do, args=(work,), daemon=True) for work in works
        ]

    def participant(self, name: str) -> Participant:
        """Adds a participant, for a thread or a task."""
        participant = Participant(name, self._allowed)
        self.participants.append(participant)
        return participant

    def _do(self, work: Callable[[], object]) -> None:
        whole = work.func if isinstance(work, functools.partial) else work
        participant = self.participant(getattr(whole, "__name__", repr(whole)))
        while not self.over.is_set():
            try:
                with participant.operation():
                    work()
            except BaseException as error:
                self.wrong.append(error)
                self.over.set()

    @property
    def failed(self) -> int:
        """How many operations raised."""
        return sum(participant.raised for participant in self.participants)

    @property
    def returned(self) -> int:
        """How many operations returned."""
        return sum(participant.returned for participant in self.participants)

    @property
    def longest(self) -> float:
        """How long the longest operation took."""
        return max(participant.longest for participant in self.participants)

    def check(self) -> None:
        """Fails if a participant hangs, and prints the stacks of all threads."""
        hanging = [participant.name for participant in self.participants if participant.hangs]
        if hanging:
            faulthandler.dump_traceback(sys.__stderr__ or sys.stderr)
        assert not hanging, f"these hang: {hanging}"

    def __enter__(self) -> Self:
        """Begins."""
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends it, and waits until every thread has ended its operation."""
        self.over.set()
        end = time.monotonic() + LONGEST + 1
        for thread in self.threads:
            thread.join(max(0.0, end - time.monotonic()))
        self.check()
        assert not any(thread.is_alive() for thread in self.threads), "a call hangs"
