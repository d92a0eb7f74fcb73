"""Deadlines: how long the calls of a block may take in all.

Native code counts the open blocks, and calls `nearest` for each call while there are any.
"""

from __future__ import annotations

import contextvars
import time
from typing import TYPE_CHECKING, final

from napi_python._native import _deadlines

if TYPE_CHECKING:
    from types import TracebackType

_nearest: contextvars.ContextVar[tuple[float, float] | None] = contextvars.ContextVar(
    "napi_python_deadline", default=None
)
"""The earliest deadline: its time by the monotonic clock, and its length in seconds."""


def nearest() -> tuple[float, float] | None:
    """Returns the seconds until the earliest deadline and its length, None without one."""
    if (found := _nearest.get()) is None:
        return None
    until, seconds = found
    return until - time.monotonic(), seconds


@final
class deadline:  # noqa: N801 - used like a function
    """Bounds every call to an addon inside of the block: `with deadline(2.0): ...`.

    When the time is over, the call raises `AddonTimeout`; if the addon does not stop within another
    half second, its process is killed. Of nested deadlines the earliest applies. A deadline applies
    to the thread or asyncio task that entered it.
    """

    __slots__ = ("_seconds", "_token")

    def __init__(self, seconds: float, /) -> None:
        """Stores the seconds; the time starts when the block is entered.

        Raises:
            ValueError: If `seconds` is negative or NaN.

        """
        self._seconds = float(seconds)
        if not self._seconds >= 0:
            raise ValueError(f"deadline must be >= 0 seconds, got {seconds!r}")
        self._token: contextvars.Token[tuple[float, float] | None] | None = None

    def __enter__(self) -> None:
        """Starts the time.

        Raises:
            RuntimeError: If this deadline is active already.

        """
        if self._token is not None:
            text = "cannot enter a deadline twice: it is active already; create another deadline()"
            raise RuntimeError(text)
        own = (time.monotonic() + self._seconds, self._seconds)
        outer = _nearest.get()
        self._token = _nearest.set(own if outer is None else min(outer, own))
        _deadlines(1)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ends the deadline."""
        token, self._token = self._token, None
        if token is not None:
            _deadlines(-1)
            _nearest.reset(token)
