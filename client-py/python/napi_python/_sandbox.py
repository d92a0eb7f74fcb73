"""What an addon may do: the options of a sandbox, and the report of what was applied."""

from __future__ import annotations

import dataclasses
import fractions
import functools
import os
import pathlib
import re
import stat
import types
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from napi_python._output import escape

if TYPE_CHECKING:
    from collections.abc import Iterator

Path = str | os.PathLike[str]

_UNITS: Final = {
    "": 1,
    "B": 1,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "TB": 1000**4,
    "KIB": 1 << 10,
    "MIB": 1 << 20,
    "GIB": 1 << 30,
    "TIB": 1 << 40,
}
_SIZE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")
_LARGEST: Final = (1 << 63) - 1

# What the host itself needs to come up.
_LEAST: Final = {"memory": 64 << 20, "file_size": 4096, "threads": 8, "files": 32, "cpu": 1}


def _bytes_of(name: str, value: object) -> int | None:
    """Returns a size in bytes."""
    if value is None:
        return None
    size = value
    if isinstance(value, str):
        found = _SIZE.fullmatch(value)
        unit = _UNITS.get(found[2].upper()) if found else None
        if found is None or unit is None:
            text = f"{name} must be a number of bytes or a text such as '512 MiB', got {value!r}"
            raise ValueError(text)
        # As many digits as there are: what is too much is said below.
        size = int(fractions.Fraction(found[1]) * unit)
    return _count_of(name, size)


def _count_of(name: str, value: object) -> int | None:
    """Returns a number that is large enough for the host itself."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        text = f"{name} must be an int or None, got {value!r}"
        raise TypeError(text)
    if not _LEAST[name] <= value <= _LARGEST:
        text = (
            f"{name} must be from {_LEAST[name]} (what the host needs) to 2**63 - 1, got {value!r}"
        )
        raise ValueError(text)
    return value


def _granted(name: str, paths: object) -> tuple[str, ...]:
    """Returns paths as they are without links, or raises for what can't be granted."""
    if isinstance(paths, str | bytes | os.PathLike) or not isinstance(paths, Iterable):
        text = f"{name} must be a list of paths, got {paths!r}"
        raise TypeError(text)
    return tuple(_granted_path(name, path) for path in paths)


def _granted_path(name: str, path: object) -> str:
    if not isinstance(path, str | os.PathLike):
        text = f"{name} must contain paths, got {path!r}"
        raise TypeError(text)
    if not os.fspath(path):
        # As the system takes it, it would be the working folder.
        text = f"{name} must not contain an empty path"
        raise ValueError(text)
    real = os.path.realpath(os.fspath(path))
    try:
        mode = pathlib.Path(real).stat().st_mode
    except OSError as error:
        text = f"{name}: cannot grant {os.fspath(path)!r}: {error.strerror}"
        raise FileNotFoundError(text) from error
    if stat.S_ISSOCK(mode) and name != "unix":
        text = f"{name}: {os.fspath(path)!r} is a socket; grant it with unix=[...]"
        raise ValueError(text)
    return real


def _scratch(value: object) -> str | None:
    """Returns where the addon leaves things behind: "auto", a folder of this user, or None."""
    if value is None or value == "auto":
        return value
    real = _granted_path("scratch", value)
    found = pathlib.Path(real).stat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        text = f"scratch must be a folder that this user owns, 'auto' or None, got {value!r}"
        raise ValueError(text)
    return real


def _environment_of(given: object) -> dict[str, str]:
    """Returns variables and their values, if that is what they are."""
    if not isinstance(given, Mapping):
        text = f"env must be a dict of names and values, got {given!r}"
        raise TypeError(text)
    for name, value in given.items():
        if not isinstance(name, str) or not isinstance(value, str) or "\0" in name + value:
            text = f"env: names and values must be str without NUL, got {name!r}={value!r}"
            raise TypeError(text)
        if not name or "=" in name:
            text = f"env: {name!r} is not a valid name of a variable"
            raise ValueError(text)
    return dict(given)


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Sandbox:
    """What an addon may do beyond, or less than, a named policy.

    Without any option this is `sandbox="default"`: the addon reads the system's libraries, fonts,
    time zones and certificates and its own package, writes to a folder of its own that goes with
    its process, and does nothing else to files, the network or other processes. docs/sandbox.md
    says what each option opens.

    Attributes:
        policy: The named policy it starts from, "default" or "strict".
        read: Files and folders it may read.
        write: Files and folders it may read and change.
        network: Whether it may use the network.
        subprocess: Whether it may start programs, confined like itself.
        watch: Whether it may be told when files change.
        unix: Folders in which it may make and reach local (unix) sockets, and write, or such
            sockets themselves; an empty list for sockets of its own alone. None for no sockets.
        exec_memory: Whether memory that it wrote may be run, as a compiler at run time needs.
        memory: What it may have for itself, in bytes or as "2 GiB".
        cpu: Seconds of processor time, after which its process ends.
        threads: How many threads it may have, the host's own included.
        files: How many files it may have open.
        file_size: How long one file may get, in bytes or as "1 GiB".
        env: Environment variables it gets besides the language, the time zone and its folders.
        scratch: "auto" for a folder of its own; a path for that folder, which stays; None for none.
        degrade: "allow" lets it run, with a warning, although a layer that its policy requires
            is not available; "error" raises `SandboxUnavailable`.
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
        """Checks every option, and makes each what it is."""
        self._check_choices()
        values: dict[str, object] = {
            "read": _granted("read", self.read),
            "write": _granted("write", self.write),
            "unix": None if self.unix is None else _granted("unix", self.unix),
            "scratch": _scratch(self.scratch),
            "memory": _bytes_of("memory", self.memory),
            "file_size": _bytes_of("file_size", self.file_size),
            "env": types.MappingProxyType(_environment_of(self.env)),
        }
        for name in ("cpu", "threads", "files"):
            values[name] = _count_of(name, getattr(self, name))
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _check_choices(self) -> None:
        if self.policy not in ("default", "strict"):
            text = f"policy must be 'default' or 'strict', got {self.policy!r}"
            raise ValueError(text)
        if self.degrade not in ("error", "allow"):
            text = f"degrade must be 'error' or 'allow', got {self.degrade!r}"
            raise ValueError(text)
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
                text = f"{name} must be True or False, got {getattr(self, name)!r}"
                raise TypeError(text)
        if not isinstance(self.exec_memory, bool | None):
            text = f"exec_memory must be True, False or None, got {self.exec_memory!r}"
            raise TypeError(text)

    def __repr__(self) -> str:
        """Names what differs from the default policy; values of the environment are not shown."""
        shown = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name == "env":
                shown += [f"env={sorted(value)}"] if value else []
            elif field.name in ("read", "write"):
                shown += [f"{field.name}={list(value)}"] if value else []
            elif field.name == "unix":
                shown += [f"unix={list(value)}"] if value is not None else []
            elif value != field.default:
                shown.append(f"{field.name}={value!r}")
        return f"Sandbox({', '.join(shown)})"

    def __reduce__(self) -> tuple[object, ...]:
        """Keeps the options."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return _rebuild, (values | {"env": dict(self.env)},)

    def __hash__(self) -> int:
        """Allows it in sets, as every frozen thing."""
        return hash(repr(self))


def _rebuild(options: dict[str, Any]) -> Sandbox:
    return Sandbox(**options)


@functools.cache
def _named(policy: Literal["default", "strict"]) -> Sandbox:
    return Sandbox(policy=policy)


def parse(value: object) -> Sandbox | None:
    """Returns what `load_addon(sandbox=...)` means: None for no sandbox."""
    if isinstance(value, Sandbox):
        return value
    if value == "none":
        return None
    if value in ("default", "strict"):
        return _named(value)
    text = f"sandbox must be 'default', 'strict', 'none' or a Sandbox(...), got {value!r}"
    raise (ValueError if isinstance(value, str) else TypeError)(text)


_PASSED_ON: Final = (
    "LANG", "LANGUAGE", "TZ", "NODE_ENV", "RUST_BACKTRACE",
    "UV_THREADPOOL_SIZE", "RAYON_NUM_THREADS", "OMP_NUM_THREADS", "TOKIO_WORKER_THREADS",
)  # fmt: skip
_PASSED_ON_BY_PREFIX: Final = ("LC_", "NAPI_HOSTD_")


def environment(sandbox: Sandbox, given: Mapping[str, str] | None) -> dict[str, str]:
    """Returns the environment of a confined host, but for the names of its folder.

    What was given for it is passed on whole; of this process' own, language, time zone and
    numbers of threads are.
    """
    if given is None:
        given = {
            name: os.environ[name]
            for name in os.environ
            if name in _PASSED_ON or name.startswith(_PASSED_ON_BY_PREFIX)
        }
    passed = {str(name): str(value) for name, value in given.items()} | dict(sandbox.env)
    if sandbox.scratch not in (None, "auto"):
        for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
            passed.setdefault(name, cast("str", sandbox.scratch))
    return passed


def native(sandbox: Sandbox) -> dict[str, Any]:
    """Returns the policy as native code takes it, which adds what the addon needs of its own."""
    own = sandbox.scratch == "auto"
    return {
        "strict": sandbox.policy == "strict",
        "read": list(cast("tuple[str, ...]", sandbox.read)),
        "write": [*cast("tuple[str, ...]", sandbox.write), *cast("Any", sandbox.unix or ())],
        "scratch": None if own else sandbox.scratch,
        "own_scratch": own,
        "network": sandbox.network,
        "subprocess": sandbox.subprocess,
        "watch": sandbox.watch,
        "unix": sandbox.unix is not None,
        "exec_memory": sandbox.exec_memory,
        "memory": sandbox.memory,
        "cpu": sandbox.cpu,
        "threads": sandbox.threads,
        "files": sandbox.files,
        "file_size": sandbox.file_size,
        "degrade": sandbox.degrade == "allow",
        "diagnose": sandbox.diagnose,
    }


@dataclasses.dataclass(frozen=True)
class Mechanism:
    """One layer of a sandbox.

    Attributes:
        name: Which one.
        required: Whether the policy can't do without it.
        state: "applied", "partial", "unavailable" or "skipped".
        errno: What the kernel answered, if it refused.
        detail: What else there is to know.

    """

    name: str
    required: bool
    state: Literal["applied", "partial", "unavailable", "skipped"]
    errno: int | None
    detail: str


@dataclasses.dataclass(frozen=True, repr=False)
class SandboxReport:
    """What confines the process of an addon: its policy, and each layer with what became of it.

    Attributes:
        policy: "none", "default" or "strict".
        options: What was asked for; None without a sandbox.
        mechanisms: The layers, in the order in which they were applied.

    """

    policy: str
    options: Sandbox | None
    mechanisms: tuple[Mechanism, ...]

    def __iter__(self) -> Iterator[Mechanism]:
        """Goes through the layers."""
        return iter(self.mechanisms)

    def __getitem__(self, name: str) -> Mechanism:
        """Returns the layer of that name."""
        for mechanism in self.mechanisms:
            if mechanism.name == name:
                return mechanism
        raise KeyError(name)

    @property
    def degraded(self) -> list[str]:
        """The names of layers that the policy requires and that do not hold."""
        return [m.name for m in self.mechanisms if m.required and m.state != "applied"]

    def __repr__(self) -> str:
        """Returns a line for the policy and one for each layer."""
        lines = [f"<SandboxReport: policy {self.policy}"]
        for one in self.mechanisms:
            need = "required" if one.required else "wanted"
            error = f", {os.strerror(one.errno)}" if one.errno is not None else ""
            detail = f" ({one.detail}{error})" if one.detail or error else ""
            lines.append(f"  {one.name}: {one.state}, {need}{detail}")
        return "\n".join(lines) + ">"


def report(options: Sandbox | None, entries: list[tuple[Any, ...]]) -> SandboxReport:
    """Makes the report of what native code knows."""
    mechanisms = tuple(
        Mechanism(escape(name), required, state, errno, escape(detail))
        for name, required, state, errno, detail in entries
    )
    return SandboxReport("none" if options is None else options.policy, options, mechanisms)
