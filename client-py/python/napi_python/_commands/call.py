"""The command `call`: calls an export once and prints the result."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napi_python import _text
from napi_python._commands import _calling, _console, _opening, _values
from napi_python._errors import AddonError

if TYPE_CHECKING:
    import argparse


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to those of the command line."""
    parser = commands.add_parser(
        "call",
        help="call an export and print the result",
        description=(
            "Calls an export of an addon or package in a sandbox, waits for its promise, and "
            "prints the result: a text as it is, the bytes of a buffer as they are unless the "
            "output is a terminal, anything else as JSON."
        ),
    )
    _opening.add_name(parser)
    add_call(parser)
    parser.add_argument(
        "--output", metavar="FILE", help="write the result to this file, bytes as they are"
    )
    _opening.add_sandbox(parser)
    parser.set_defaults(run=_run)


def add_call(parser: argparse.ArgumentParser) -> None:
    """Adds the words that say which export is called with what."""
    parser.add_argument(
        "export",
        metavar="EXPORT",
        help="the name of an export, such as parse or Space.parse; . for the exports themselves",
    )
    parser.add_argument(
        "arguments",
        nargs="*",
        default=[],
        metavar="ARGUMENT",
        help="JSON, or @FILE for the bytes of a file, or - for those of the standard input",
    )


def _run(options: argparse.Namespace) -> int:
    what = _opening.named(options)
    arguments = _values.arguments(options.arguments)
    with contextlib.ExitStack() as stack:
        addon = stack.enter_context(_opening.open_named(what, options))
        call = _calling.bind(addon, options.export, what.shown(), arguments)
        try:
            result = _calling.settled(call(), options.timeout)
        except AddonError:
            raise
        except (TypeError, ValueError, OverflowError) as error:
            # An argument cannot be converted, or a message exceeds a limit.
            raise _console.CommandError(f"{what.shown()}.{options.export}: {error}") from error
        data = _values.as_bytes(result)
        document = None if data is not None else _values.as_json(result)
    if options.output is not None:
        _write_file(options.output, _encoded(data, document))
        _console.show({"output": options.output}, "")
    elif _console.is_json():
        _console.show({"result": _values.as_json(result)}, "")
    else:
        _print(data, document)
    return _console.OK


def _encoded(data: bytes | None, document: object) -> bytes:
    if data is not None:
        return data
    if isinstance(document, str):
        return document.encode("utf-8", "surrogatepass")
    return f"{json.dumps(document)}\n".encode()


def _write_file(name: str, data: bytes) -> None:
    try:
        Path(name).write_bytes(data)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise _console.CommandError(f"cannot write to {name}: {why}") from error


# How many bytes of a buffer are shown on a terminal.
_BYTES_SHOWN = 32


def _print(data: bytes | None, document: object) -> None:
    """Prints the result; what is not a terminal gets texts and bytes as they are."""
    is_terminal = sys.stdout.isatty()
    if data is not None and not is_terminal:
        _console.write_bytes(data)
    elif data is not None:
        more = " ..." if len(data) > _BYTES_SHOWN else ""
        shown = data[:_BYTES_SHOWN].hex(" ")
        _console.write(f"<{len(data)} bytes: {shown}{more}>; --output FILE writes them to a file")
    elif isinstance(document, str):
        _console.write(_text.output(document) if is_terminal else document)
    else:
        _console.write(_text.output(json.dumps(document, indent=2, ensure_ascii=False)))
