"""The environment variables of a host."""

from __future__ import annotations

import os

# As of `typing`, which is imported later.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

_INHERITED: Final = (
    "LANG", "LANGUAGE", "TZ", "NODE_ENV", "RUST_BACKTRACE",
    "UV_THREADPOOL_SIZE", "RAYON_NUM_THREADS", "OMP_NUM_THREADS", "TOKIO_WORKER_THREADS",
)  # fmt: skip
_INHERITED_PREFIXES: Final = ("LC_", "NAPI_HOSTD_")


def checked(given: object) -> dict[str, str]:
    """Returns environment variables after checking them."""
    from collections.abc import Mapping  # noqa: PLC0415 - what it imports takes long

    if not isinstance(given, Mapping):
        raise TypeError(f"env must be a dict of names and values, got {given!r}")
    for name, value in given.items():
        if not isinstance(name, str) or not isinstance(value, str) or "\0" in name + value:
            text = f"env: names and values must be str without NUL, got {name!r}={value!r}"
            raise TypeError(text)
        if not name or "=" in name:
            raise ValueError(f"env: {name!r} is not a valid name of a variable")
    return dict(given)


def confined(given: Mapping[str, str] | None) -> dict[str, str]:
    """Returns the environment of a confined host, without the names of its folder.

    `given` is passed on entirely; without it, this process' language, time zone and numbers of
    threads are.
    """
    if given is None:
        return {
            name: os.environ[name]
            for name in os.environ
            if name in _INHERITED or name.startswith(_INHERITED_PREFIXES)
        }
    return {str(name): str(value) for name, value in given.items()}


def user_folder(variable: str, inside_home: str) -> str | None:
    """Returns the folder of this user that a variable of XDG names, or that in the home folder.

    None if neither variable has an absolute path.
    """
    for name, inside in ((variable, ""), ("HOME", inside_home)):
        found = os.environ.get(name, "")
        if found.startswith("/"):
            return f"{found}/{inside}"
    return None


def with_folder(passed: dict[str, str], folder: str) -> dict[str, str]:
    """Returns an environment that names a folder as the addon's own."""
    names = ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
    return dict.fromkeys(names, folder) | passed
