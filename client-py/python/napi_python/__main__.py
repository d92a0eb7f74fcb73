"""The command line: `python -m napi_python COMMAND`."""

from __future__ import annotations

import argparse
import signal
import sys
from typing import TYPE_CHECKING

from napi_python import _install_command, _stubs_command
from napi_python._native import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

# Each adds its command to the parser, with the function that runs it as the default `run`.
_COMMANDS = (_install_command, _stubs_command)
_INTERRUPTED = 128 + signal.SIGINT


def _end(number: int, _frame: object) -> None:
    """Ends the program by an exception, so that what it has started is ended too."""
    sys.exit(128 + number)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command, and returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m napi_python",
        description="Use native npm packages from Python, each in a process of its own.",
    )
    parser.add_argument("--version", action="version", version=f"napi_python {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_to(commands)
    options = parser.parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)  # noqa: T201 - a command line
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
