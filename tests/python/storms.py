"""Many doers at a time while hosts die under them: none may hang, or meet what is not allowed."""

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


class Doer:
    """Who does one thing after another: how often that returned and raised, how long it took."""

    def __init__(self, name: str, allowed: tuple[type[BaseException], ...]) -> None:
        """Names it, and what may be raised."""
        self.name, self._allowed = name, allowed
        self.returned = 0
        self.raised = 0
        self.longest = 0.0
        self._begun: float | None = None

    @contextlib.contextmanager
    def deed(self) -> Iterator[None]:
        """One thing to do. What may be raised ends here."""
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
        """Whether it has been at the same thing for too long."""
        begun = self._begun
        return begun is not None and time.monotonic() - begun > LONGEST


class Storm:
    """A thread for each work, which does it again and again until the storm is over."""

    def __init__(
        self,
        works: Sequence[Callable[[], object]],
        allowed: tuple[type[BaseException], ...],
    ) -> None:
        """Makes the threads."""
        self.over = threading.Event()
        self.wrong: list[BaseException] = []
        self._allowed = allowed
        self.doers: list[Doer] = []
        self.threads = [
            threading.Thread(target=self._do, args=(work,), daemon=True) for work in works
        ]

    def doer(self, name: str) -> Doer:
        """One more who does things, in whatever thread or task."""
        doer = Doer(name, self._allowed)
        self.doers.append(doer)
        return doer

    def _do(self, work: Callable[[], object]) -> None:
        whole = work.func if isinstance(work, functools.partial) else work
        doer = self.doer(getattr(whole, "__name__", repr(whole)))
        while not self.over.is_set():
            try:
                with doer.deed():
                    work()
            except BaseException as error:
                self.wrong.append(error)
                self.over.set()

    @property
    def failed(self) -> int:
        """How many deeds raised."""
        return sum(doer.raised for doer in self.doers)

    @property
    def returned(self) -> int:
        """How many deeds did not."""
        return sum(doer.returned for doer in self.doers)

    @property
    def longest(self) -> float:
        """How long the longest deed took."""
        return max(doer.longest for doer in self.doers)

    def check(self) -> None:
        """Fails if somebody hangs, and shows where everybody is."""
        hanging = [doer.name for doer in self.doers if doer.hangs]
        if hanging:
            faulthandler.dump_traceback(sys.__stderr__ or sys.stderr)
        assert not hanging, f"these hang: {hanging}"

    def __enter__(self) -> Self:
        """Begins."""
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends it: everybody comes to the end of what they are at."""
        self.over.set()
        end = time.monotonic() + LONGEST + 1
        for thread in self.threads:
            thread.join(max(0.0, end - time.monotonic()))
        self.check()
        assert not any(thread.is_alive() for thread in self.threads), "a call hangs"
