"""The option `core_file`: what the system needs for it."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Final

_PATTERN: Final = Path("/proc/sys/kernel/core_pattern")


def checked(value: str | os.PathLike[str]) -> str:
    """Returns the absolute path of the core file.

    Raises:
        ValueError: The folder does not exist, or the system writes core files elsewhere, or none.

    """
    path = Path(os.path.abspath(os.fspath(value)))  # noqa: PTH100 - links stay
    if not path.parent.is_dir():
        raise ValueError(f"core_file={os.fspath(value)!r} needs a folder that exists")
    if path.is_dir():
        raise ValueError(f"core_file={os.fspath(value)!r} is a folder; name a file in it")
    pattern = _PATTERN.read_text(encoding="utf-8", errors="replace").rstrip("\n")
    if pattern.startswith("|"):
        raise ValueError(
            f"core_file= cannot be used: the system passes core files to a program ({_PATTERN} is "
            f"{pattern!r}), which stores them; the crash report names the process"
        )
    if not pattern or "/" in pattern:
        raise ValueError(
            f"core_file= needs a {_PATTERN} that is the name of a file without a folder, as "
            f"'core', and it is {pattern!r}"
        )
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        raise ValueError(
            "core_file= needs a limit for core files that is not 0 (ulimit -Hc), which the "
            "process inherits from this one"
        )
    return str(path)
