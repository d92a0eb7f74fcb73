"""The command line: `napi-python COMMAND`, which is also `python -m napi_python COMMAND`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from typing import TYPE_CHECKING, Final, NoReturn

from napi_python._commands import (
    _console,
    audit,
    bench,
    call,
    clear_cache,
    doctor,
    find,
    inspect,
    install,
    minimize,
    profile,
    repl,
    replay,
    stubs,
)
from napi_python._errors import AddonError
from napi_python._native import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

# Each adds its command to the parser, with the function that runs it as the default `run`.
_COMMANDS: Final = (
    *(install, find, inspect, call, repl, stubs, audit, doctor, bench, profile, replay, minimize),
    clear_cache,
)


class _Ended(SystemExit):
    """A signal has ended the program; what it has started is ended on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__(_console.SIGNALLED + number)


def _end(number: int, _frame: object) -> None:
    raise _Ended(number)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are exceptions, so that they can be printed as JSON."""

    def error(self, message: str) -> NoReturn:
        """Raises the error that the command line is not valid."""
        raise _console.UsageError(f"{message}; see {self.prog} --help")


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    found = _Parser(
        prog="napi-python",
        description="Use native npm packages from Python, each in a process of its own.",
        epilog="docs/commands.md describes the commands and their exit statuses.",
    )
    found.add_argument("--version", action="version", version=f"napi_python {__version__}")
    commands = found.add_subparsers(
        title="commands", metavar="COMMAND", required=True, dest="command"
    )
    for command in _COMMANDS:
        command.add_to(commands)
    for one in commands.choices.values():
        _console.add_json(one)
    found.set_defaults(commands=commands.choices)
    return found


def _parse(words: list[str]) -> argparse.Namespace:
    """Parses the command line; options may stand between and behind the other words.

    With `--`, before which all options stand, words behind it may look like options.
    """
    whole = parser()
    command = whole.get_default("commands").get(words[0]) if words else None
    if command is None or "--" in words:
        return whole.parse_args(words)
    options: argparse.Namespace = command.parse_intermixed_args(words[1:])
    return options


def _run(words: list[str]) -> int:
    try:
        options = _parse(words)
        return int(options.run(options))
    except KeyboardInterrupt:
        return _console.fail(
            _console.CommandError("interrupted", _console.SIGNALLED + signal.SIGINT)
        )
    except _console.OutputError:
        raise
    except (AddonError, _console.CommandError, OSError, ValueError, MemoryError) as error:
        return _console.fail(error)
    except _Ended as ended:
        if _console.is_json():
            _console.fail(_console.CommandError("ended by a signal", int(str(ended.code))))
        raise
    except Exception as error:
        if _console.is_json():
            _console.fail(error)
        raise


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command, and returns the exit status, which docs/commands.md lists."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        # What stands behind `--` is no option.
        own = words[: words.index("--")] if "--" in words else words
        with _console.streams(is_json="--json" in own):
            return _run(words)
    except _console.OutputError as error:
        # The interpreter must not try to write the rest of it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.is_closed:
            return _console.SIGNALLED + signal.SIGPIPE
        return _console.fail(error)


if __name__ == "__main__":
    sys.exit(main())
