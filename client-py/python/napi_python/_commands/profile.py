"""The command `profile`: calls an export and shows where the time went."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from napi_python import _native
from napi_python._commands import _calling, _console, _opening, _values
from napi_python._commands.call import add_call
from napi_python._errors import AddonError

if TYPE_CHECKING:
    import argparse

    from napi_python._profile import Profile

_CALLS_MAX: Final = 1_000_000_000


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to those of the command line."""
    parser = commands.add_parser(
        "profile",
        help="show where the time of calls goes",
        description=(
            "Calls an export again and again, waits for its promise each time, and shows where the "
            "time went: by export, by function of Node-API, in Python, in the addon, in "
            "JavaScript, in conversion of values and in waiting. It can be saved as a trace."
        ),
    )
    _opening.add_name(parser)
    add_call(parser)
    parser.add_argument(
        "--seconds",
        type=_opening.seconds,
        default=1.0,
        help="for how long calls are made (default: 1)",
    )
    parser.add_argument(
        "--calls",
        type=int,
        default=_CALLS_MAX,
        metavar="N",
        help="how many calls are made at most",
    )
    parser.add_argument(
        "--every", action="store_true", help="measure each call, which makes short calls slower"
    )
    parser.add_argument(
        "--save",
        action="append",
        default=[],
        metavar="FILE",
        help=(
            "write a trace: FILE ends with .speedscope.json, .perfetto.json or .trace.json; may be "
            "repeated"
        ),
    )
    _opening.add_sandbox(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from napi_python import _traces  # noqa: PLC0415 - only here

    what = _opening.named(options)
    if not 0 < options.calls <= _CALLS_MAX:
        raise _console.UsageError(f"--calls must be from 1 to {_CALLS_MAX}, got {options.calls}")
    for file in options.save:
        if not file.endswith(tuple(_traces.SUFFIXES)):
            known = ", ".join(_traces.SUFFIXES)
            raise _console.UsageError(f"--save {file}: the name must end with one of {known}")
    arguments = _values.arguments(options.arguments)
    options.profile = "every" if options.every else True
    with _opening.open_named(what, options) as addon:
        call = _calling.bind(addon, options.export, what.shown(), arguments)
        end = time.monotonic() + options.seconds
        try:
            for _ in range(options.calls):
                _calling.settled(call(), options.timeout)
                if time.monotonic() > end:
                    break
        except AddonError:
            raise
        except (TypeError, ValueError, OverflowError) as error:
            raise _console.CommandError(f"{what.shown()}.{options.export}: {error}") from error
        profile = _native.host(addon).profile()
    _save(profile, options.save)
    text = "\n".join([str(profile), *(f"Saved as {file}" for file in options.save)])
    _console.show({**profile.to_dict(), "saved": options.save}, text)
    return _console.OK


def _save(profile: Profile, files: list[str]) -> None:
    for file in files:
        try:
            profile.save(file)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise _console.CommandError(f"cannot write to {file}: {why}") from error
