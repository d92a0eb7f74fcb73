"""The options of a sandbox (`Sandbox`), and the report of what was applied (`SandboxReport`)."""

from __future__ import annotations

import dataclasses
import functools
import os
import pathlib
import stat
import types
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from napi_python import _environment, _sizes, _text

if TYPE_CHECKING:
    from collections.abc import Iterator

Path = str | os.PathLike[str]

_SIZE_MAX: Final = (1 << 63) - 1

# The smallest limits with which the host itself can start.
_MINIMUM: Final = {"memory": 64 << 20, "file_size": 4096, "threads": 8, "files": 32, "cpu": 1}


def _bytes_of(name: str, value: object) -> int | None:
    """Returns a size in bytes, given as a number or as text such as "512 MiB"."""
    if value is None:
        return None
    size = value
    if isinstance(value, str):
        size = _sizes.parse(name, value)
    return _count_of(name, size)


def _count_of(name: str, value: object) -> int | None:
    """Returns a limit after checking that the host itself can run with it."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int or None, got {value!r}")
    if not _MINIMUM[name] <= value <= _SIZE_MAX:
        least = _MINIMUM[name]
        text = f"{name} must be from {least} (what the host needs) to 2**63 - 1, got {value!r}"
        raise ValueError(text)
    return value


def _granted(name: str, paths: object) -> tuple[str, ...]:
    """Returns granted paths with links resolved."""
    if isinstance(paths, str | bytes | os.PathLike) or not isinstance(paths, Iterable):
        raise TypeError(f"{name} must be a list of paths, got {paths!r}")
    return tuple(_granted_path(name, path) for path in paths)


def _granted_path(name: str, path: object) -> str:
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"{name} must contain paths, got {path!r}")
    if not os.fspath(path):
        # realpath("") would be the working folder.
        raise ValueError(f"{name} must not contain an empty path")
    if "\0" in os.fspath(path):
        raise ValueError(f"{name}: the path {os.fspath(path)!r} contains a NUL character")
    real = os.path.realpath(os.fspath(path))
    try:
        mode = pathlib.Path(real).stat().st_mode
    except OSError as error:
        text = f"{name}: cannot grant {os.fspath(path)!r}: {error.strerror}"
        raise FileNotFoundError(text) from error
    if stat.S_ISSOCK(mode) and name != "unix":
        raise ValueError(f"{name}: {os.fspath(path)!r} is a socket; grant it with unix=[...]")
    return real


def _scratch(value: object) -> str | None:
    """Returns the addon's own folder: "auto", a folder that this user owns, or None."""
    if value is None or value == "auto":
        return value
    real = _granted_path("scratch", value)
    found = pathlib.Path(real).stat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        text = f"scratch must be a folder that this user owns, 'auto' or None, got {value!r}"
        raise ValueError(text)
    return real


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Sandbox:
    """A named policy with options that allow more, or less.

    Without any option this is `sandbox="default"`: the addon can read the system's libraries,
    fonts, time zones and certificates and its own package, and write to a folder of its own that
    is removed with its process; other files, the network and other processes are denied.
    docs/sandbox.md describes each option.

    Attributes:
        policy: The named policy it starts from, "default" or "strict".
        read: Files and folders it may read.
        write: Files and folders it may read and change.
        network: Whether it may use the network.
        subprocess: Whether it may start programs, confined like itself.
        watch: Whether it may watch files for changes (inotify).
        unix: Folders in which it may create and connect to local (unix) sockets, and write, or
            such sockets themselves; an empty list for its own sockets only. None for no sockets.
        exec_memory: Whether it may execute memory that it wrote, as a JIT compiler does.
        memory: How much memory of its own it may have, in bytes or as "2 GiB".
        cpu: Seconds of processor time, after which its process ends.
        threads: How many threads it may have, the host's own included.
        files: How many files it may have open.
        file_size: How long one file may get, in bytes or as "1 GiB".
        env: Environment variables besides the language, the time zone and its folders.
        scratch: Its own folder: "auto" for a new one, which is removed with its process; a path
            for that folder, which stays; None for none.
        degrade: "allow" runs it, with a warning, if a layer that its policy requires is not
            available; "error" raises `SandboxUnavailable`.
        diagnose: Whether each denied system call is logged, with its native stack. Slow.

    """

    policy: Literal["default", "strict"] = "default"
    read: Iterable[Path] = ()
    write: Iterable[Path] = ()
    network: bool = False
    subprocess: bool = False
    watch: bool = False
    unix: Iterable[Path] | None = None
    exec_memory: bool | None = None
    memory: int | str | None = None
    cpu: int | None = None
    threads: int | None = None
    files: int | None = None
    file_size: int | str | None = None
    env: Mapping[str, str] = dataclasses.field(default_factory=dict)
    scratch: Path | None = "auto"
    degrade: Literal["error", "allow"] = "error"
    diagnose: bool = False

    def __post_init__(self) -> None:
        """Checks every option and normalizes it.

        Raises:
            FileNotFoundError: If a granted path does not exist.
            TypeError: If an option has the wrong type.
            ValueError: If an option has an invalid value, or cannot be combined with another.

        """
        self._check_choices()
        values: dict[str, object] = {
            "read": _granted("read", self.read),
            "write": _granted("write", self.write),
            "unix": None if self.unix is None else _granted("unix", self.unix),
            "scratch": _scratch(self.scratch),
            "memory": _bytes_of("memory", self.memory),
            "file_size": _bytes_of("file_size", self.file_size),
            "env": types.MappingProxyType(_environment.checked(self.env)),
        }
        for name in ("cpu", "threads", "files"):
            values[name] = _count_of(name, getattr(self, name))
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _check_choices(self) -> None:
        if self.policy not in ("default", "strict"):
            raise ValueError(f"policy must be 'default' or 'strict', got {self.policy!r}")
        if self.degrade not in ("error", "allow"):
            raise ValueError(f"degrade must be 'error' or 'allow', got {self.degrade!r}")
        if self.degrade == "allow" and self.policy == "strict":
            text = "degrade='allow' cannot be combined with policy='strict', which needs all layers"
            raise ValueError(text)
        if self.degrade == "allow" and self.unix is not None:
            text = "degrade='allow' cannot be combined with unix=[...], which requires a jail"
            raise ValueError(text)
        if self.diagnose and self.subprocess:
            text = (
                "diagnose=True cannot be combined with subprocess=True: programs that an addon "
                "starts cannot be diagnosed and would end at the first file that they open"
            )
            raise ValueError(text)
        for name in ("network", "subprocess", "watch", "diagnose"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} must be True or False, got {getattr(self, name)!r}")
        if not isinstance(self.exec_memory, bool | None):
            raise TypeError(f"exec_memory must be True, False or None, got {self.exec_memory!r}")

    def __repr__(self) -> str:
        """Returns the options that differ from the default; values of `env` are not shown."""
        shown = []
        for name, value in changed(self).items():
            if name == "env":
                shown.append(f"env={sorted(self.env)}")
            elif name in ("read", "write", "unix"):
                shown.append(f"{name}={list(getattr(self, name))}")
            else:
                shown.append(f"{name}={value!r}")
        return f"Sandbox({', '.join(shown)})"

    def __reduce__(self) -> tuple[object, ...]:
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return _rebuild, (values | {"env": dict(self.env)},)

    def __hash__(self) -> int:
        """Makes it hashable although `env` is not."""
        return hash(repr(self))


def _rebuild(options: dict[str, Any]) -> Sandbox:
    return Sandbox(**options)


@functools.cache
def _named(policy: Literal["default", "strict"]) -> Sandbox:
    return Sandbox(policy=policy)


def options_of(confined: Literal["default", "strict"] | Sandbox) -> Sandbox:
    """Returns the options of a sandbox that may be a policy's name."""
    return _named(confined) if isinstance(confined, str) else confined


def changed(sandbox: Sandbox) -> dict[str, object]:
    """Returns the options that differ from their defaults."""
    values = ((field, getattr(sandbox, field.name)) for field in dataclasses.fields(sandbox))
    return {
        field.name: value
        for field, value in values
        if value != field.default and not (field.name in ("read", "write", "env") and not value)
    }


@dataclasses.dataclass(frozen=True)
class Mechanism:
    """One layer of a sandbox.

    Attributes:
        name: Its name, such as "landlock".
        required: Whether the policy requires it.
        state: "applied", "partial", "unavailable" or "skipped".
        errno: The kernel's error, if it refused.
        detail: Further information.

    """

    name: str
    required: bool
    state: Literal["applied", "partial", "unavailable", "skipped"]
    errno: int | None
    detail: str


@dataclasses.dataclass(frozen=True, repr=False)
class SandboxReport:
    """The report of a host's sandbox: its policy, and the state of each layer.

    Attributes:
        policy: "none", "default" or "strict".
        options: The requested sandbox; None without one.
        mechanisms: The layers, in the order in which they were applied.
        package: The files and folders of its own package that the addon may read.

    """

    policy: str
    options: Sandbox | None
    mechanisms: tuple[Mechanism, ...]
    package: tuple[pathlib.Path, ...]

    def __iter__(self) -> Iterator[Mechanism]:
        return iter(self.mechanisms)

    def __getitem__(self, name: str) -> Mechanism:
        """Returns the layer of that name.

        Raises:
            KeyError: If there is no such layer.

        """
        for mechanism in self.mechanisms:
            if mechanism.name == name:
                return mechanism
        raise KeyError(name)

    @property
    def degraded(self) -> list[str]:
        """The names of required layers that are not applied."""
        return [m.name for m in self.mechanisms if m.required and m.state != "applied"]

    def __repr__(self) -> str:
        lines = [f"<SandboxReport: policy {self.policy}"]
        lines += [
            f"  reads of its package: {_text.name(str(path), _text.MESSAGE_MAX)}"
            for path in self.package
        ]
        for one in self.mechanisms:
            need = "required" if one.required else "wanted"
            error = f", {os.strerror(one.errno)}" if one.errno is not None else ""
            detail = f" ({one.detail}{error})" if one.detail or error else ""
            lines.append(f"  {one.name}: {one.state}, {need}{detail}")
        return "\n".join(lines) + ">"


def report(
    options: Sandbox | None, package: list[pathlib.Path], entries: list[tuple[Any, ...]]
) -> SandboxReport:
    """Makes the report from what native code returns."""
    mechanisms = tuple(
        Mechanism(_text.name(name), required, state, errno, _text.name(detail, _text.MESSAGE_MAX))
        for name, required, state, errno, detail in entries
    )
    policy = "none" if options is None else options.policy
    return SandboxReport(policy, options, mechanisms, tuple(package))
