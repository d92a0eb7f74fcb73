"""Opens the addon or package that a command names, with the options that say what it may do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from napi_python import _addon, _modules, _text
from napi_python._commands import _console, _packages

if TYPE_CHECKING:
    import argparse

    from napi_python._native import Addon
    from napi_python._sandbox import Sandbox

Mode = Literal["isolated", "own", "caller"]


class Named(NamedTuple):
    """What a command names: the file of an addon, or a module and the folder where it is sought."""

    word: str
    file: str | None
    root: str

    def shown(self) -> str:
        """Returns it as it is shown in text."""
        return _text.name(self.word)


def add_name(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    """Adds the word that names an addon or a package, and where a package is sought."""
    parser.add_argument(
        "name",
        metavar="FILE_OR_NAME",
        nargs="?" if optional else None,
        help="the .node file of an addon, or a package as require() takes it",
    )
    parser.add_argument(
        "--root",
        metavar="FOLDER",
        help="where the search for a package begins (default: the working folder)",
    )


def add_sandbox(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the sandbox and of the deadlines."""
    group = parser.add_argument_group("what the addon may do (docs/sandbox.md)")
    group.add_argument(
        "--sandbox",
        choices=("default", "strict", "none"),
        default="default",
        help='the policy; "none" gives the addon all rights of this user',
    )
    for name, what in (
        ("read", "a file or folder that it may read"),
        ("write", "a file or folder that it may read and change"),
        ("unix", "a folder in which it may use local sockets"),
    ):
        group.add_argument(
            f"--{name}", action="append", metavar="PATH", help=f"{what}; may be repeated"
        )
    for name, what in (
        ("network", "it may use the network"),
        ("subprocess", "it may start programs"),
        ("watch", "it may watch files"),
        ("exec-memory", "it may execute memory that it wrote"),
    ):
        group.add_argument(f"--{name}", action="store_true", default=None, help=what)
    group.add_argument("--memory", metavar="SIZE", help='how much memory, such as "512 MiB"')
    group.add_argument("--threads", type=int, metavar="N", help="how many threads")
    group.add_argument("--cpu", type=int, metavar="SECONDS", help="how much processor time")
    group.add_argument(
        "--env",
        action="append",
        metavar="NAME=VALUE",
        help="a variable of its environment; may be repeated",
    )
    add_deadlines(parser)


def add_deadlines(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the deadlines."""
    parser.add_argument(
        "--timeout", type=seconds, metavar="SECONDS", help="how long a call may take"
    )
    parser.add_argument(
        "--start-timeout",
        type=seconds,
        default=10.0,
        metavar="SECONDS",
        help="how long the process may take to start, and the addon to load (default: 10)",
    )


def seconds(text: str) -> float:
    """Reads a time in seconds from the command line."""
    found = float(text)
    if not found > 0 or math.isinf(found):
        raise ValueError
    return found


def named(options: argparse.Namespace) -> Named:
    """Returns what a command names."""
    word = options.name
    if not word:
        raise _console.UsageError("FILE_OR_NAME must not be empty")
    file = _addon.absolute(word) if _packages.is_file(word) else None
    return Named(word, file, folder(options))


# The options of a sandbox besides its policy.
_SANDBOX: Final = (
    *("read", "write", "unix", "network", "subprocess", "watch", "exec_memory"),
    *("memory", "threads", "cpu", "env"),
)


def sandbox(options: argparse.Namespace) -> Literal["default", "strict", "none"] | Sandbox:
    """Returns the sandbox that the options of the command line say."""
    given: dict[str, Any] = {
        name: value for name in _SANDBOX if (value := getattr(options, name)) is not None
    }
    policy: Literal["default", "strict", "none"] = options.sandbox
    if policy == "none" and given:
        shown = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise _console.UsageError(
            f"{shown} cannot be combined with --sandbox none, which allows everything"
        )
    if policy == "none" or not given:
        return policy
    if "env" in given:
        pairs = [pair.partition("=") for pair in given["env"]]
        if not all(name and equals for name, equals, _ in pairs):
            raise _console.UsageError("--env must be NAME=VALUE")
        given["env"] = {name: value for name, _, value in pairs}
    from napi_python._sandbox import Sandbox  # noqa: PLC0415 - takes long to import

    try:
        return Sandbox(policy=policy, **given)
    except (OSError, TypeError, ValueError) as error:
        raise _console.UsageError(f"--{error}") from error


def open_named(what: Named, options: argparse.Namespace, mode: Mode = "isolated") -> Addon:
    """Loads what a command names.

    Raises:
        AddonError: It cannot be loaded.
        UsageError: An option has an invalid value.

    """
    found = given(options, mode)
    if what.file is not None:
        return _addon.load_addon(what.file, **found)
    return _modules.require(_packages.module_name(what.word), root=what.root, **found)


def given(options: argparse.Namespace, mode: Mode = "isolated") -> dict[str, Any]:
    """Returns the options of `load_addon` that the command line says."""
    found: dict[str, Any] = {"timeout": options.timeout, "start_timeout": options.start_timeout}
    if "profile" in options:
        found["profile"] = options.profile
    if mode == "isolated":
        found["sandbox"] = sandbox(options)
    else:
        found |= {"isolated": False, "thread": mode}
    return found


def folder(options: argparse.Namespace) -> str:
    """Returns the folder where the search for packages begins."""
    return _packages.root_of(options.root)
