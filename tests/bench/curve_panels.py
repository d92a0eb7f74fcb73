"""What a panel of the scaling curves is: what it shows, where it is measured, and its values."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

#: what is compared: a process, this process in both of its modes, and Node
SYSTEMS = ("lanes", "own", "caller", "node")


class Kind(Enum):
    """What the values of a panel are."""

    TIME = "nanoseconds"
    RATE = "calls per second"
    MEMORY = "bytes"


@dataclass(frozen=True)
class Panel:
    """One small picture: a curve for each system.

    Attributes:
        title: What is measured.
        across: What the horizontal axis counts.
        places: Where it is measured, in ascending order.
        kind: What the values are.
        node_once: Whether Node is measured at the first place only, because it has one thread.
    """

    title: str
    across: str
    places: tuple[int, ...]
    kind: Kind = Kind.TIME
    node_once: bool = False


@dataclass(frozen=True)
class Extent:
    """How much is measured.

    Attributes:
        places: How many places of each panel, from the first on.
        window: For how many seconds the calls of threads are counted.
        spent: For how many seconds a call is repeated.
    """

    places: int
    window: float
    spent: float

    def of(self, panel: Panel) -> tuple[int, ...]:
        """Returns the places of a panel that are measured."""
        return panel.places[: self.places]

    def fastest(self, timed: Callable[[int], float]) -> float:
        """Returns the nanoseconds of a repetition in the fastest of several passes.

        There are at least `PASSES`, unless one takes ten times as long as all should.

        Args:
            timed: Makes a pass of so many repetitions, and returns the nanoseconds of one.
        """
        start = time.perf_counter()
        best, passes = timed(1), 1
        elapsed = time.perf_counter() - start
        while elapsed < self.spent or (passes < PASSES and elapsed < self.spent * 10):
            best = min(best, timed(min(CALLS, max(1, round(self.spent * 1e9 / 5 / best)))))
            passes, elapsed = passes + 1, time.perf_counter() - start
        return best


#: passes over a short call at least: another program can take the processor for all of one
PASSES = 4
#: repetitions of a pass at most
CALLS = 2000
FULL = Extent(places=100, window=0.1, spent=0.01)
#: for tests: what is small
QUICK = Extent(places=2, window=0.02, spent=0.002)

#: the value of a panel at a place, for a system
Found = dict[tuple[str, int, str], float]
Note = Callable[[str, int, str, float], None]


@dataclass
class Best:
    """Of what several rounds measure the best, since other programs only add time and memory."""

    panels: dict[str, Panel]
    found: Found = field(default_factory=dict)

    def note(self, panel: str, place: int, system: str, value: float) -> None:
        """Adds the value of a round.

        Raises:
            ValueError: The value is not positive, so that it has no place on a logarithmic axis.
        """
        if not value > 0:
            raise ValueError(f"{panel} at {place} must be > 0 for {system}, got {value}")
        key = panel, place, system
        choose = max if self.panels[panel].kind is Kind.RATE else min
        self.found[key] = choose(value, self.found.get(key, value))
