"""The options of records (`Recording`)."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napi_python import _sizes

if TYPE_CHECKING:
    from collections.abc import Callable

    from napi_python._native import Addon

# The smallest limit: the options of a host, and some calls.
_LIMIT_MIN = 1 << 20
_FILES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Recording:
    """Where and how an addon's calls are recorded: an argument of `record=`.

    A record has what passes between this process and the addon's, with times. It has all arguments
    and results: treat it as you treat them. `python -m napi_python replay` plays it. See
    docs/debug.md.
    """

    #: The file of the first process. Each later process, after a crash or a restart, has a file
    #: with its number before the suffix, such as "calls-2.rec".
    path: str | os.PathLike[str]
    #: At how many bytes the recording of a process stops, an int or a text such as "256 MiB".
    limit: int | str = "256 MiB"
    #: Whether arguments and results are recorded. Without them a record cannot be replayed.
    values: bool = True
    #: How many files are kept; a further process removes the oldest.
    files: int = 8

    def __post_init__(self) -> None:
        """Checks the options."""
        if not isinstance(self.path, (str, os.PathLike)):
            raise TypeError(f"record must be a path or a Recording(...), got {self.path!r}")
        text = os.fsdecode(self.path)
        if not text or text.endswith("/") or "\0" in text:
            raise ValueError(f"record must be the path of a file, got {text!r}")
        limit = _sizes.size_of("limit", self.limit)
        if not _LIMIT_MIN <= limit < 1 << 62:
            raise ValueError(f"limit must be >= 1 MiB, got {self.limit!r}")
        if not isinstance(self.values, bool):
            raise TypeError(f"values must be a bool, got {self.values!r}")
        if type(self.files) is not int:
            raise TypeError(f"files must be an int, got {self.files!r}")
        if not 1 <= self.files <= _FILES_MAX:
            raise ValueError(f"files must be between 1 and {_FILES_MAX}, got {self.files!r}")

    def of_worker(self, number: int) -> Recording:
        """Returns that of a worker of a pool; the first has the path itself."""
        if number == 0:
            return self
        path = Path(os.fsdecode(self.path))
        return replace(self, path=path.with_name(f"{path.stem}.worker{number + 1}{path.suffix}"))


def start_of_worker(
    start: Callable[..., Addon], recording: Recording | None, number: int
) -> Callable[[], Addon]:
    """Returns what opens the addon of a worker, which is recorded to a file of its own."""
    if recording is None:
        return start
    return functools.partial(start, record=recording.of_worker(number))


def of(value: str | os.PathLike[str] | Recording | None) -> Recording | None:
    """Returns the options that `record=` means."""
    return value if value is None or isinstance(value, Recording) else Recording(value)


def native(value: str | os.PathLike[str] | Recording | None) -> tuple[str, int, int, bool] | None:
    """Returns the options as the native part takes them."""
    found = of(value)
    if found is None:
        return None
    path = os.path.abspath(os.fsdecode(found.path))  # noqa: PTH100 - links stay
    limit = _sizes.size_of("limit", found.limit)
    return path, limit, found.files, found.values
