"""How packages are installed: checks what is asked for, runs npm, and finds what came."""

from __future__ import annotations

import errno
import os
import re
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from napi_python import _node_modules, _npm, _text
from napi_python._errors import InstallError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napi_python._install import InstalledPackage

# What npm takes as the name of a package, and as a version, range or tag of it. Everything else
# would be an option, a file, an address or a repository.
_NAME: Final = re.compile(
    r"(?:@[a-z0-9][a-z0-9._~-]*/)?[a-z0-9][a-z0-9._~-]*", re.IGNORECASE | re.ASCII
)
_VERSION: Final = re.compile(r"[0-9a-z*~^<>=|+-][0-9a-z*~^<>=|+. -]*", re.IGNORECASE | re.ASCII)
_ARCHIVE: Final = re.compile(r".*\.(?:tgz|tar|tar\.gz)", re.IGNORECASE)
_LENGTH_MAX: Final = 214
_DISK_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class Installation(NamedTuple):
    """What `run` did: where, by which npm, and the packages, the named ones first."""

    root: Path
    npm: _npm.Npm
    packages: list[InstalledPackage]
    named: int


def _name(spec: str) -> str:
    """Returns the name in NAME[@VERSION]."""
    if not isinstance(spec, str):
        raise TypeError(f"the name of a package must be str, got {spec!r}")
    at = spec.find("@", 1)
    name, version = (spec, None) if at < 0 else (spec[:at], spec[at + 1 :])
    if not _matches(_NAME, name) or not (version is None or _matches(_VERSION, version)):
        text = (
            "a package must be given as the registry names it, NAME or NAME@VERSION, such as "
            f"'sharp' or '@swc/core@1.13.0', got {_text.cut(repr(spec), _text.NAME_MAX)}"
        )
        raise ValueError(text)
    return name


def _matches(pattern: re.Pattern[str], text: str) -> bool:
    is_short = len(text) <= _LENGTH_MAX
    return is_short and bool(pattern.fullmatch(text)) and not _ARCHIVE.fullmatch(text)


def _names(specs: tuple[str, ...]) -> list[str]:
    """Returns the names in what is to be installed."""
    if not specs:
        raise ValueError("at least one package must be named, got none")
    found: list[str] = []
    for spec in specs:
        name = _name(spec)
        if name in found:
            raise ValueError(f"each package must be named once, got {name} twice")
        found.append(name)
    return found


def _writable(goal: str, root: str | os.PathLike[str] | None) -> Path:
    """Returns the root as an absolute path; creates it, and a file in it to see that it can."""
    path = Path(os.curdir if root is None else root)
    try:
        path = Path(os.path.abspath(path))  # noqa: PTH100 - keeps links
        path.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        is_full = error.errno in _DISK_FULL
        text = f"{goal}: cannot write to {path}: {error.strerror}; choose another root"
        raise InstallError(text, cause="disk-full" if is_full else "not-writable") from error
    return path


def run(
    specs: tuple[str, ...],
    root: str | os.PathLike[str] | None,
    timeout: float | None,
    report: Callable[[str], None],
) -> Installation:
    """Does what `napi_python.install` does; `report` gets each line that npm prints."""
    names = _names(specs)
    if timeout is not None and not timeout > 0:
        raise ValueError(f"timeout must be > 0 seconds, got {timeout!r}")
    until = None if timeout is None else time.monotonic() + timeout
    goal = _npm.goal(specs)
    folder = _writable(goal, root)
    before = _node_modules.listed(folder)
    entries = _node_modules.entries(folder)
    try:
        npm = _npm.find(specs, str(folder), until)
        _npm.install(npm, specs, str(folder), until, report)
    except TimeoutError:
        _node_modules.undo(folder, entries)
        text = (
            f"{goal}: npm had not finished after {timeout:g} s and was ended; check the network, "
            "or allow more with timeout="
        )
        raise InstallError(text, cause="timeout") from None
    except InstallError as error:
        # An npm that ends by itself undoes what it has begun.
        if error.cause == "killed":
            _node_modules.undo(folder, entries)
        raise
    except BaseException:
        _node_modules.undo(folder, entries)
        raise
    after = _node_modules.listed(folder)
    report("")
    own = [f"{_node_modules.MODULES}/{name}" for name in names]
    changed = [key for key in sorted(after) if before.get(key) != after[key]]
    found: dict[Path, InstalledPackage] = {}
    for key in dict.fromkeys(own + changed):
        package = _node_modules.describe(folder, key, set(after), added=key in changed)
        if package is None and key in own:
            text = (
                f"{goal}: npm reports success, but {folder / key} has no package.json; check "
                "whether package.json has it as optional, and whether npm is set to install "
                "nothing (dry-run, package-lock-only)"
            )
            raise InstallError(text, cause="npm")
        if package is not None:
            # With npm's install-strategy=linked, a package is listed with the link to it.
            found.setdefault(package.path.resolve(), package)
    return Installation(folder, npm, list(found.values()), len(own))
