"""What happens after the process of an addon ended, as native code takes it."""

from __future__ import annotations

# As of `typing`, which is imported later.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

NO_LIMIT: Final = 2**32 - 1
"""As many crashes as there are."""


def native(restart: object) -> tuple[tuple[int, float, float], str]:
    """Returns a policy as native code takes it, and what is said when it allows no more."""
    again = "host(addon).restart() starts it anew"
    if restart == "on-crash":
        return (NO_LIMIT, 0.0, 0.0), ""
    if restart == "never":
        return (0, 0.0, 0.0), f"it is not started again, because of restart='never'; {again}"
    from napi_python._restart_policy import RestartPolicy  # noqa: PLC0415 - takes long to import

    if isinstance(restart, RestartPolicy):
        numbers = (restart.max, float(restart.window), float(restart.backoff))
        times = "once" if restart.max == 1 else f"{restart.max} times"
        told = (
            f"it is not started again: it crashed {times} without a successful call in between, "
            f"which is all that {restart} allows; {again}"
        )
        return numbers, told
    raise ValueError(f"restart must be 'on-crash', 'never' or a RestartPolicy, got {restart!r}")
