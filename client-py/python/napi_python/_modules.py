"""Packages: `require`, and hosts for several modules."""

from __future__ import annotations

import os
import sys

from napi_python import _addon, _native

# As of `typing`, which is imported later.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Literal, TypedDict, Unpack

    from napi_python._recording import Recording
    from napi_python._restart_policy import RestartPolicy
    from napi_python._sandbox import Sandbox

    class HostOptions(TypedDict, total=False):
        """The options of `require` and `open_host`: those of `load_addon`, which describes them."""

        isolated: bool
        thread: Literal["own", "caller"]
        sandbox: Literal["default", "strict", "none"] | Sandbox | None
        remote: Literal["public", "exposed"] | None
        restart: Literal["on-crash", "never"] | RestartPolicy | None
        env: Mapping[str, str] | None
        address: str | os.PathLike[str] | None
        carrier: Literal["auto", "lanes", "socket"]
        start_timeout: float
        timeout: float | None
        max_values: int
        unsolicited_cpu: float
        nested_threads: bool
        on_start: Callable[[_native.Addon], object] | None
        debug: bool
        core_file: str | os.PathLike[str] | None
        record: str | os.PathLike[str] | Recording | None
        profile: bool | Literal["every"]


def require(
    name: str,
    *,
    root: str | os.PathLike[str] | None = None,
    **options: Unpack[HostOptions],
) -> _native.Module:
    """Loads an npm package in a process of its own and returns what it exports.

    It is found as Node's `require(name)` finds it: in the `node_modules` of `root` and of the
    folders above it. A package that can only be imported is imported.

    Args:
        name: The package, such as "sharp", "@swc/core" or "date-fns/format"; a module of Node's,
            such as "node:path"; or the path of a file or folder, relative to `root` if it begins
            with "./" or "../".
        root: The folder where the search begins; by default that of the file that calls, or the
            working folder if the caller has no file.
        **options: Those of `load_addon`. With a sandbox the package may read itself and the
            packages that it depends on.

    Raises:
        LoadError: The package is not there, or its JavaScript threw: that is the cause.
        SandboxUnavailable: This system cannot confine the package as the policy requires.
        TypeError: An option has the wrong type.
        ValueError: An option has an invalid value, or cannot be combined with another.

    """
    if not isinstance(name, str):
        raise TypeError(f"name must be str, got {name!r}")
    if not name or "\0" in name:
        raise ValueError(f"name must be that of a package or module, got {name!r}")
    folder = root_of(root)
    file = file_of(name, folder)
    label = name if file is None else described(name, file)
    module = (name, folder)
    addon = _addon.open_addon(file or "/", module, label, **options)
    assert isinstance(addon, _native.Module)  # noqa: S101 - `module` makes it one
    return addon


def open_host(
    *, root: str | os.PathLike[str] | None = None, **options: Unpack[HostOptions]
) -> _native.Host:
    """Starts a process for several packages and addons, whose objects can be passed to each other.

    Args:
        root: The folder where its `require` begins to search; by default that of the file that
            calls, or the working folder if the caller has no file. With a sandbox the packages in
            the `node_modules` of that folder and of those above it may be read.
        **options: Those of `load_addon`.

    Raises:
        LoadError: The process could not be started.
        SandboxUnavailable: This system cannot confine it as the policy requires.
        TypeError: An option has the wrong type.
        ValueError: An option has an invalid value, or cannot be combined with another.

    """
    folder = root_of(root)
    label = os.path.basename(folder) or "host"
    opened = _addon.open_addon(folder, (None, folder), label, **options)
    return _native.host(opened)


def root_of(root: str | os.PathLike[str] | None) -> str:
    """Returns the folder where a search begins: `root`, or that of the caller's caller."""
    if root is not None:
        text = os.fsdecode(root)
        if "\0" in text:
            raise ValueError(f"root must be the path of a folder, got {text!r}")
        folder = _addon.absolute(text)
        if not os.path.isdir(folder):
            raise ValueError(f"root must be a folder, got {folder}")
        return folder
    file = sys._getframe(2).f_globals.get("__file__")  # noqa: SLF001 - the frame of the caller
    if isinstance(file, str):
        folder = os.path.dirname(_addon.absolute(file))
        if os.path.isdir(folder):
            return folder
    return os.getcwd()


def _is_path(name: str) -> bool:
    return name.startswith(("./", "../", "/")) or name in (".", "..")


def file_of(name: str, folder: str) -> str | None:
    """Returns the manifest of a package, or the file of a module; None if the host has to say."""
    if _is_path(name):
        module = os.path.realpath(os.path.join(folder, name))
        return os.path.join(module, "package.json") if os.path.isdir(module) else module
    parts = name.split("/")
    package = "/".join(parts[:2] if name.startswith("@") else parts[:1])
    above = folder
    while True:
        if os.path.basename(above) != "node_modules":
            manifest = os.path.join(above, "node_modules", package, "package.json")
            if os.path.isfile(manifest):
                return os.path.realpath(manifest)
        if above == (parent := os.path.dirname(above)):
            return None
        above = parent


def described(name: str, file: str) -> str:
    """Returns the name of a module in messages: that of a package with its version."""
    if _is_path(name):
        folder, base = os.path.split(file)
        return os.path.basename(folder) if base == "package.json" else base
    version = _native._package_version(os.path.dirname(file))  # noqa: SLF001 - of this package
    return name if version is None else f"{name} {version}"
