"""The command `replay`: plays a record against a fresh process of its addon."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

from napi_python import _native, _text
from napi_python._commands import _console, _debugger, _records

if TYPE_CHECKING:
    import argparse

# How many calls are listed.
_CALLS_MAX: Final = 1_000_000


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to those of the command line."""
    parser = commands.add_parser(
        "replay",
        help="play a record of an addon's calls against a fresh process",
        description=(
            "Plays a record, which load_addon(record=...) writes, against a fresh process: makes "
            "the same calls, and answers callbacks from the record. It loads the addon that the "
            "record names: a record of someone else is a program of someone else."
        ),
    )
    _records.add_to(parser)
    parser.add_argument("--list", action="store_true", help="list the calls, and play nothing")
    parser.add_argument(
        "--until", type=_number, metavar="N", help="stop before the Nth call, as --list counts"
    )
    parser.add_argument(
        "--gdb",
        action="store_true",
        help='attach gdb to the process, at the beginning or where --until says; sandbox "none"',
    )
    parser.add_argument(
        "--gdb-command",
        action="append",
        default=[],
        metavar="COMMAND",
        help=(
            "a command of gdb, such as bt; may be repeated. gdb runs them without a terminal: "
            "where the process stops, or with --until before the call"
        ),
    )
    parser.set_defaults(run=_run)


def _number(text: str) -> int:
    found = int(text)
    if found < 1:
        raise ValueError
    return found


def _run(options: argparse.Namespace) -> int:
    if options.list:
        return _list(options)
    uses_gdb = options.gdb or bool(options.gdb_command)
    if uses_gdb and _console.is_json() and not options.gdb_command:
        raise _console.UsageError("--gdb with --json needs --gdb-command")
    debugger = None
    before = options.until
    if uses_gdb:
        debugger = _debugger.Debugger(options.gdb_command, goes_on=options.until is None)
        before = before or 1
    with contextlib.nullcontext() if debugger is None else debugger:
        found = _native._replay(  # noqa: SLF001 - of this package
            options.record,
            binary=_records.host(options),
            sandboxed=_records.is_sandboxed(options) and not uses_gdb,
            echo=not _console.is_json() or options.host is not None,
            call_timeout=options.timeout,
            before=before,
            stop=None if debugger is None else debugger.attach,
        )
    if debugger is not None:
        debugger.check()
        found["gdb"] = debugger.output
        # How a process ends that a debugger has held is up to the debugger.
        found["same"] = None
    _console.show({"replay": found}, _summary(found))
    return _status(found)


def _list(options: argparse.Namespace) -> int:
    found = _native._read_record(options.record, _CALLS_MAX)  # noqa: SLF001 - of this package
    if not found["values"]:
        text = "the record has no values (values=False): its calls cannot be listed"
        raise _console.CommandError(text)
    rows = []
    for number, call in enumerate(found["calls"], 1):
        took = "no reply" if call["took"] is None else f"{call['took'] * 1e6:.0f} us"
        rows.append([str(number), f"{call['time']:.6f} s", took, _text.name(call["call"])])
    end = "" if found["end"] is None else f"{_text.message(found['end']['text'])}\n"
    stopped = "" if not found["stopped"] else f"The recording stopped: {found['stopped']}\n"
    _console.show({"record": found}, _console.table(rows) + stopped + end)
    return _console.OK


def _summary(found: dict[str, Any]) -> str:
    lines = [f"differs: {_text.message(text)}" for text in found["differences"]]
    more = found["difference_count"] - len(found["differences"])
    if more:
        lines.append(f"differs: {more} more times")
    calls = f"{found['played']} calls were made"
    if found["skipped"]:
        calls += f", {found['skipped']} could not be"
    lines.append(f"{calls}.")
    if found["stopped"]:
        lines.append("Stopped before the call.")
        return "\n".join(lines)
    if found["failure"] is not None:
        lines.append(f"The replay ended early: {_text.message(found['failure'])}")
        return "\n".join(lines)
    how = _records.described(found["end"], found["place"], found["export"])
    match found["same"]:
        case True if found["end"] is None:
            lines.append("As in the record, there was no crash.")
        case True:
            lines.append(f"The same crash as in the record: {how}")
        case False if found["end"] is None:
            lines.append("There was no crash; the record has one.")
        case False:
            lines.append(f"It did not end as in the record: {how}")
        case _ if "gdb" in found:
            lines.append(f"gdb has held the process. It ended: {how}")
        case _:
            lines.append(f"The record does not say how the process ended. Here: {how}")
    return "\n".join(lines)


def _status(found: dict[str, Any]) -> int:
    if found["failure"] is not None:
        return _console.FAILED
    if found["stopped"] or found["same"] or "gdb" in found:
        return _console.OK
    if found["end"] is not None:
        return _console.CRASHED
    return _console.OK if found["same"] is None else _console.FAILED
