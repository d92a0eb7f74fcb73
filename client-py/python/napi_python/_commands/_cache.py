"""The folder in which hosts' cache folders are stored, as native code chooses it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from napi_python import _environment


class Usage(NamedTuple):
    """What is stored: entries, and bytes of files."""

    entries: int
    size: int


def folder() -> Path | None:
    """Returns the folder of the cache; None if the environment names none."""
    found = _environment.user_folder("XDG_CACHE_HOME", ".cache")
    return None if found is None else Path(found, "napi_python")


def usage(path: Path) -> Usage:
    """Returns what is stored in a cache; nothing of what cannot be read."""
    size = 0
    try:
        with os.scandir(path) as found:
            entries = sum(1 for _ in found)
    except OSError:
        return Usage(0, 0)
    for above, _, files in os.walk(path):
        for name in files:
            try:
                size += os.lstat(os.path.join(above, name)).st_size  # noqa: PTH118
            except OSError:
                continue
    return Usage(entries, size)
