"""What the commands about records have in common."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from napi_python import _text
from napi_python._commands import _console, _host_program, _opening

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

_ASAN_OPTIONS: Final = (
    "detect_leaks=0:detect_stack_use_after_return=0:handle_segv=2:handle_sigbus=2"
)


def add_to(parser: argparse.ArgumentParser) -> None:
    """Adds the record, and the options of the process that replays it."""
    parser.add_argument("record", metavar="FILE", help="a record, as record= writes it")
    parser.add_argument(
        "--sandbox",
        choices=("recorded", "none"),
        default="recorded",
        help='the sandbox of the replay; "none" gives the addon all rights of this user',
    )
    parser.add_argument(
        "--host",
        "--asan",
        dest="host",
        metavar="PROGRAM",
        help=(
            "another host program, such as one with AddressSanitizer (docs/debug.md); then the "
            'sandbox is "none", and what it prints is shown'
        ),
    )
    parser.add_argument(
        "--timeout",
        type=_opening.seconds,
        default=10.0,
        metavar="SECONDS",
        help="how long a call may take beside ten times what it took in the record (default: 10)",
    )


def host(options: argparse.Namespace) -> str:
    """Returns the host program."""
    if options.host is None:
        return _host_program.path()
    path: str = os.path.abspath(options.host)  # noqa: PTH100 - links stay
    if not os.access(path, os.X_OK):
        raise _console.CommandError(f"--host {path} does not exist or is not executable")
    # The host looks at its own stack, and leaks are those of what it leaves to the system.
    os.environ.setdefault("ASAN_OPTIONS", _ASAN_OPTIONS)
    return path


def is_sandboxed(options: argparse.Namespace) -> bool:
    """Returns whether the process gets the sandbox of the record."""
    return options.sandbox == "recorded" and options.host is None


def described(end: Mapping[str, Any] | None, place: str | None, export: str | None) -> str:
    """Returns how a process ended, in words."""
    if end is None:
        return "it served to the end"
    if not end["crashed"]:
        return "it ended in order"
    how = end["signal_name"]
    if how is None:
        how = end["cause"] if end["exit_code"] is None else f"exit code {end['exit_code']}"
    inside = "" if place is None else f" in {place}"
    during = "" if export is None else f", during a call of {export}"
    return _text.message(f"{how}{inside}{during}")
