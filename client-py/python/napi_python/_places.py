"""Where JavaScript code threw, by the stack of its error: the place, the package, the line itself.

A stack may name any path, and what lies there may be hostile: little is read, and never waited for.
"""

from __future__ import annotations

import os
import re
import stat
from typing import Final, NamedTuple

from napi_python import _text

PATH_MAX: Final = 1000
"""How many characters of a file name are shown."""
LINE_MAX: Final = 1000
"""Longer lines, as of minified code, are left out."""

# A frame of a stack, of a function or of none.
_FRAME: Final = r"(?m)^    at (?:[^\n]*? \()?((?!node:|native\b)[^\n()]+):(\d{1,9}):(\d{1,9})\)?$"
# What files of JavaScript are called.
_JAVASCRIPT: Final = (".js", ".cjs", ".mjs")
# How many bytes of a file are searched for a line, and how many are read of a package.json.
_SOURCE_MAX: Final = 4 << 20
_MANIFEST_MAX: Final = 1 << 20


class Place(NamedTuple):
    """A place in a file, or in a script without one; lines and columns are counted from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        """Returns it as stacks have it."""
        return f"{self.file}:{self.line}:{self.column}"

    def package(self) -> str | None:
        """Returns name and version of the package that the file belongs to, None without one."""
        if not self.file.startswith("/"):
            return None
        above, modules, inside = self.file.rpartition("/node_modules/")
        if not modules:
            return self._project()
        parts = inside.split("/")
        parts, rest = (parts[:2], parts[2:]) if inside.startswith("@") else (parts[:1], parts[1:])
        if not rest:
            return None
        name = "/".join(parts)
        version = _manifest(f"{above}{modules}{name}").get("version")
        return _text.name(f"{name} {version}" if isinstance(version, str) else name)

    def _project(self) -> str | None:
        """Returns what the nearest manifest of a file outside of all packages says."""
        folder = self.file
        while folder != "/":
            folder = os.path.dirname(folder)
            manifest = _manifest(folder)
            name, version = manifest.get("name"), manifest.get("version")
            if isinstance(name, str) and name:
                return _text.name(f"{name} {version}" if isinstance(version, str) else name)
        return None

    def source(self) -> str | None:
        """Returns the line of a file of JavaScript, escaped; None if it cannot be shown."""
        if not self.file.endswith(_JAVASCRIPT):
            return None
        lines = (_read(self.file, _SOURCE_MAX) or b"").decode("utf-8", "replace").splitlines()
        if not 0 < self.line <= len(lines) or len(lines[self.line - 1]) > LINE_MAX:
            return None
        return _text.source(lines[self.line - 1]).strip()


def place(stack: object) -> Place | None:
    """Returns the first place in a stack that is in no module of Node's."""
    found = re.search(_FRAME, stack) if isinstance(stack, str) else None
    if found is None:
        return None
    file = found[1]
    if file.startswith("file://"):
        from urllib.parse import unquote  # noqa: PLC0415 - only for ES modules

        file = unquote(file.removeprefix("file://"))
    return Place(_text.name(file, PATH_MAX), int(found[2]), int(found[3]))


def _read(file: str, limit: int) -> bytes | None:
    """Returns the first bytes of a regular file, None if it is none or cannot be read."""
    try:
        opened = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(opened, "rb") as source:
            return source.read(limit) if stat.S_ISREG(os.fstat(opened).st_mode) else None
    except (OSError, ValueError):
        return None


def _manifest(folder: str) -> dict[str, object]:
    """Returns what the package.json of a folder has; nothing if it cannot be read."""
    import json  # noqa: PLC0415 - only where something has failed

    try:
        found = json.loads(_read(f"{folder}/package.json", _MANIFEST_MAX) or b"{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
