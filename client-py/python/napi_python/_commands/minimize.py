"""The command `minimize`: shortens a record while its crash stays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napi_python import _native, _text
from napi_python._commands import _console, _opening, _records

if TYPE_CHECKING:
    import argparse


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to those of the command line."""
    parser = commands.add_parser(
        "minimize",
        help="shorten a record while its crash stays",
        description=(
            "Replays a record again and again with fewer calls and shorter arguments, as long as "
            "the addon crashes in the same way, and writes the shortest one that does. It loads "
            "the addon that the record names, as replay does."
        ),
    )
    _records.add_to(parser)
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="where it is written (default: FILE.min)"
    )
    parser.add_argument(
        "--time",
        type=_opening.seconds,
        default=60.0,
        metavar="SECONDS",
        help="how long it may take (default: 60)",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    output = options.output or f"{options.record}.min"
    if Path(output).absolute() == Path(options.record).absolute():
        raise _console.UsageError("--output must be another file than the record")
    found = _native._minimize(  # noqa: SLF001 - of this package
        options.record,
        output,
        binary=_records.host(options),
        sandboxed=_records.is_sandboxed(options),
        call_timeout=options.timeout,
        seconds=options.time,
        progress=lambda _replays, _calls: True,
    )
    found["output"] = output
    _console.show({"minimize": found}, _summary(found))
    return _console.OK


def _summary(found: dict[str, Any]) -> str:
    calls, bytes_ = found["calls"], found["bytes"]
    first = (
        f"{calls[0]} calls with {bytes_[0]} bytes became {calls[1]} with {bytes_[1]} bytes, in "
        f"{found['replays']} replays:"
    )
    lines = [first]
    lines += [f"  {_text.name(call)}" for call in found["left"]]
    if not found["steady"]:
        lines.append("The crash does not come each time: calls may be left that it does not need.")
    if found["unfinished"]:
        lines.append("The time was over before nothing more could be left out; --time allows more.")
    lines.append(f"They crash with {_records.described(found['end'], found['place'], None)}")
    lines.append(f"Written to {_text.name(found['output'])}")
    return "\n".join(lines)
