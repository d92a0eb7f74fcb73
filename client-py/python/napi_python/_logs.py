"""The levels of the package's loggers: what `NAPI_PYTHON_LOG` sets, and what hosts send."""

from __future__ import annotations

import os
import sys

# As of `typing`, which is imported later.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

VARIABLE: Final = "NAPI_PYTHON_LOG"
_ROOT: Final = "napi_python"
_HOST: Final = f"{_ROOT}.host"
_TRACE: Final = 5
_INFO: Final = 20
# As `logging` counts them, which is imported later.
_LEVELS: Final = {
    "trace": _TRACE, "debug": 10, "info": _INFO, "warning": 30, "warn": 30, "error": 40,
    "critical": 50, "off": 60,
}  # fmt: skip

# The value of the variable that was applied last.
_applied = ""


def _levels(text: str) -> dict[str, int]:
    """Returns the level for each logger that the value of the variable names."""
    found: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, word = part.rpartition("=")
        level = _LEVELS.get(word.strip().lower())
        name = name.strip().removeprefix(_ROOT).removeprefix(".")
        if level is None or (
            equals and name.partition(".")[0] not in ("", "host", "addon", "stubs")
        ):
            message = (
                f"{VARIABLE} is invalid: {part!r} is neither a level ({', '.join(_LEVELS)}) nor "
                "LOGGER=LEVEL with the logger host, addon, addon.NAME or stubs; correct or unset it"
            )
            raise ValueError(message)
        found[f"{_ROOT}.{name}" if name else _ROOT] = level
    return found


def host_level() -> int:
    """Returns the lowest level that a new host is to send.

    It is the one of the variable; else that of the logger, if the program uses `logging`, but INFO
    at least.

    Raises:
        ValueError: The variable is invalid.

    """
    found = _levels(os.environ.get(VARIABLE, ""))
    for name in (_HOST, _ROOT):
        if name in found:
            return found[name]
    logging = sys.modules.get("logging")
    level = _INFO if logging is None else logging.getLogger(_HOST).getEffectiveLevel()
    return min(level, _INFO)


def apply() -> None:
    """Sets the levels that the variable names, when the first line is logged.

    If the program has no handlers for its root logger, the lines go to stderr.
    """
    global _applied  # noqa: PLW0603 - of the process, as the loggers are
    text = os.environ.get(VARIABLE, "")
    if text == _applied:
        return
    _applied = text
    try:
        found = _levels(text)
    except ValueError:
        # Raised where the next addon is loaded.
        return
    import logging  # noqa: PLC0415 - takes long to import

    for name, level in found.items():
        logging.getLogger(name).setLevel(level)
    if _TRACE in found.values():
        logging.addLevelName(_TRACE, "TRACE")
    logger = logging.getLogger(_ROOT)
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        # A program that configures logging, now or later, shows the lines itself.
        handler.addFilter(lambda _record: not logging.getLogger().handlers)
        logger.addHandler(handler)
