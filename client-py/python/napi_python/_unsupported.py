"""Why the native part of the package cannot be imported: what is too old, and what is needed."""

from __future__ import annotations

import os
import platform
import re
import sys
import sysconfig
from typing import Final

_GLIBC: Final = "2.28"
"""The oldest glibc that wheels are for."""
_MACHINE: Final = "x86_64"


def explained(error: ImportError) -> ImportError:
    """Returns an `ImportError` that says what this system lacks, or the error itself."""
    reason = _reason(str(error))
    if reason is None:
        return error
    return ImportError(
        f"cannot import napi_python: {reason}; what failed: {error}",
        name=error.name,
        path=error.path,
    )


def _reason(said: str) -> str | None:
    if not sys.platform.startswith("linux"):
        return f"it needs Linux, and this is {platform.system() or sys.platform}"
    if platform.machine() != _MACHINE:
        return f"it needs a processor of {_MACHINE}, and this is {platform.machine()}"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "it does not support a free-threaded Python; use the usual build of Python"
    version = glibc()
    if version is None:
        return (
            f"it needs glibc {_GLIBC} or newer, and this Python uses another C library, such as "
            "musl; use a Python of a distribution with glibc"
        )
    needed = _needed(said)
    if needed is not None and _numbers(version) < _numbers(needed):
        return (
            f"this system is too old: it has glibc {version}, and this build of napi_python needs "
            f"glibc {needed} or newer; use a newer system, or build the package on this one"
        )
    return None


def glibc() -> str | None:
    """Returns the version of the C library, such as "2.36"; None if it is not glibc."""
    try:
        said = os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError):
        return None
    name, _, version = (said or "").partition(" ")
    return version if name == "glibc" and re.fullmatch(r"\d+(\.\d+)+", version) else None


def _needed(said: str) -> str | None:
    """Returns the version of glibc that the dynamic linker misses, by its message."""
    versions = re.findall(r"version `GLIBC_(\d+(?:\.\d+)+)' not found", said)
    # It names the first one that is missing.
    return max([*versions, _GLIBC], key=_numbers) if versions else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))
