"""The restart policy: what happens after the process of an addon ended."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

_NO_LIMIT: Final = 2**32 - 1


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How many crashes are allowed before no further process is started.

    After `max` crashes without a successful call in between, the last `AddonCrashed` is raised
    again by every further call, until `host(addon).restart()`. Crashes longer ago than `window`
    seconds are forgotten. Before a process is started after a crash, `backoff` seconds pass, twice
    as many after each further one, at most a minute or `backoff`, if that is longer.
    """

    max: int = 3
    window: float = 300.0
    backoff: float = 0.0

    def __post_init__(self) -> None:
        """Checks the numbers."""
        if type(self.max) is not int:
            raise TypeError(f"max must be an int, got {self.max!r}")
        if not 1 <= self.max < _NO_LIMIT:
            text = f"max must be >= 1, got {self.max!r}; restart='never' stops at the first crash"
            raise ValueError(text)
        if not self.window > 0:
            raise ValueError(f"window must be > 0 seconds, got {self.window!r}")
        if not (self.backoff >= 0 and math.isfinite(self.backoff)):
            text = f"backoff must be a finite number of seconds >= 0, got {self.backoff!r}"
            raise ValueError(text)


def native(restart: object) -> tuple[tuple[int, float, float], str]:
    """Returns a policy as native code takes it, and what is said when it allows no more."""
    again = "host(addon).restart() starts it anew"
    if isinstance(restart, RestartPolicy):
        numbers = (restart.max, float(restart.window), float(restart.backoff))
        times = "once" if restart.max == 1 else f"{restart.max} times"
        told = (
            f"it is not started again: it crashed {times} without a successful call in between, "
            f"which is all that {restart} allows; {again}"
        )
        return numbers, told
    if restart == "on-crash":
        return (_NO_LIMIT, 0.0, 0.0), ""
    if restart == "never":
        return (0, 0.0, 0.0), f"it is not started again, because of restart='never'; {again}"
    raise ValueError(f"restart must be 'on-crash', 'never' or a RestartPolicy, got {restart!r}")
