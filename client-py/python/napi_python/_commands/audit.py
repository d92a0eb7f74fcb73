"""The command `audit`: what the sandbox denies an addon, and the options that allow it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napi_python import _addon, _text
from napi_python._commands import _console, _host_program, _opening, _packages

if TYPE_CHECKING:
    import argparse


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to those of the command line."""
    parser = commands.add_parser(
        "audit",
        help="show what the sandbox denies an addon, and which options allow it",
        description=(
            "Loads an addon, or each native file of a package for this machine, under the policy "
            '"default", and shows each call to the kernel that was denied, with its native stack '
            "and the option that allows it."
        ),
    )
    _opening.add_name(parser)
    script = parser.add_mutually_exclusive_group()
    script.add_argument(
        "--run", dest="script", metavar="FILE", help="then run this JavaScript, which has `addon`"
    )
    script.add_argument(
        "--call", metavar="CALL", help="then make a call, such as 'open(\"/etc/hosts\", 0)'"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    what = _opening.named(options)
    if what.file is not None:
        files = [what.file]
    else:
        package = _packages.find(what.word, what.root)
        files = [str(one.path) for one in _packages.native_files(package) if one.is_loadable]
        if not files:
            raise _console.CommandError(
                f"the package {what.shown()} has no native file for this machine: napi-python find "
                f"{what.shown()} lists those for others"
            )
    more = []
    if options.script is not None:
        more = ["--run", _addon.absolute(options.script)]
    elif options.call is not None:
        more = ["--call", options.call]
    audits = {}
    for file in files:
        audits[file] = _audit(file, more)
    documents = [{"file": file, **one.document()} for file, one in audits.items()]
    _console.show({"native_files": documents}, "")
    # An addon that ends its process is worse than one that is refused.
    return max(one.status for one in audits.values())


def _audit(file: str, more: list[str]) -> _host_program.Audit:
    """Audits a file, and prints what it is told as it comes."""
    shown = _text.name(str(Path(file)))

    def report(event: dict[str, Any]) -> None:
        if not _console.is_json():
            _console.write(_line(shown, event))

    found = _host_program.audit(file, more, report=report)
    if found.options and not found.is_complete:
        # A process that ends too early prints no summary.
        report({"summary": {"options": found.options}})
    return found


def _line(file: str, event: dict[str, Any]) -> str:  # noqa: PLR0911 - one for each event
    match event:
        case {"loaded": _}:
            return f'{file} loads under "default".'
        case {"refused": reason}:
            return f'{file} does not load under "default": {_text.message(str(reason))}'
        case {"denied": {"shown": shown, "stack": stack}}:
            frames = " < ".join(_text.name(str(frame)) for frame in stack)
            return f"denied: {_text.message(str(shown))}\n    in {frames}"
        case {"returned": value}:
            return f"It returned: {_text.message(str(value))}"
        case {"threw": value}:
            return f"It threw: {_text.message(str(value))}"
        case {"pending": _}:
            return "Its promise is still pending."
        case {"ended": {"text": text}}:
            # It begins with "It", and may be the only line.
            return f"{file}: {_text.message(str(text))}"
        case {"summary": {"denials": 0}}:
            return "Nothing was denied."
        case {"summary": {"options": [*options]}}:
            shown = ", ".join(_text.message(str(option)) for option in options)
            return f"Options that allow it: {shown}" if shown else "No option allows it."
        case _:
            return ""
