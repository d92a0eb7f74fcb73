"""The options of restarts (`RestartPolicy`)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from napi_python._restart import NO_LIMIT


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
        if not 1 <= self.max < NO_LIMIT:
            text = f"max must be >= 1, got {self.max!r}; restart='never' stops at the first crash"
            raise ValueError(text)
        if not self.window > 0:
            raise ValueError(f"window must be > 0 seconds, got {self.window!r}")
        if not (self.backoff >= 0 and math.isfinite(self.backoff)):
            text = f"backoff must be a finite number of seconds >= 0, got {self.backoff!r}"
            raise ValueError(text)
