"""What commands print: text for people or one JSON document, errors, and the exit status.

With `--json` the standard output is one JSON document and nothing else: what an addon prints
meanwhile goes to the standard error.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from napi_python import _text
from napi_python._errors import AddonCrashed, AddonError, AddonTimeout

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import TextIO

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
CRASHED: Final = 3
TIMED_OUT: Final = 4
SIGNALLED: Final = 128
"""The exit statuses; that of a signal is this and its number."""

# How many items of a list in an error are shown.
_ITEMS_MAX: Final = 100


class CommandError(Exception):
    """A command has failed; the message says why and what to do."""

    def __init__(self, message: str, status: int = FAILED, **facts: object) -> None:
        super().__init__(message)
        self.status = status
        self.facts = facts


class OutputError(Exception):
    """The standard output cannot be written to; `is_closed` if nothing reads it any more."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"cannot write the output: {error.strerror}")
        self.is_closed = isinstance(error, BrokenPipeError)


class UsageError(CommandError):
    """The command line is not valid."""

    def __init__(self, message: str) -> None:
        super().__init__(message, USAGE)


class _Streams:
    """The document's stream, if one is to be printed; None for text."""

    document: TextIO | None = None


_streams: Final = _Streams()


def add_json(parser: argparse.ArgumentParser) -> None:
    """Adds the option that every command has."""
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document instead of text"
    )


def _open_missing() -> None:
    """Opens the standard streams that the program was started without."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123


@contextlib.contextmanager
def streams(*, is_json: bool) -> Iterator[None]:
    """Prepares the standard streams, and puts them back at the end."""
    _open_missing()
    for stream in (sys.stdout, sys.stderr):
        # Text that the stream cannot encode is shown escaped.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    if not is_json:
        yield
        return
    sys.stdout.flush()
    number = sys.stdout.fileno()
    kept = os.dup(number)
    os.dup2(sys.stderr.fileno(), number)
    _streams.document = document = os.fdopen(kept, "w", encoding="utf-8")
    try:
        yield
    finally:
        _streams.document = None
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os.dup2(kept, number)
        # It is written when it is shown: what is left could not be written.
        with contextlib.suppress(OSError):
            document.close()


def is_json() -> bool:
    """Returns whether the command prints a JSON document."""
    return _streams.document is not None


def show(document: dict[str, Any], text: str) -> None:
    """Prints the result of a command: as a document with `--json`, else as this text."""
    if _streams.document is None:
        write(text)
    else:
        with _writing():
            _streams.document.write(f"{json.dumps(document)}\n")
            _streams.document.flush()


def write(text: str) -> None:
    """Prints text, which ends with a line feed unless it is empty."""
    if text:
        with _writing():
            sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
            sys.stdout.flush()


def write_bytes(data: bytes) -> None:
    """Prints bytes as they are."""
    with _writing():
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(error) from error


def tell(text: str) -> None:
    """Prints a line on the standard error."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def is_rich(stream: TextIO | None = None) -> bool:
    """Returns whether text may be styled: on terminals, unless NO_COLOR says otherwise."""
    stream = sys.stdout if stream is None else stream
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    return stream.isatty() and not plain


def bold(text: str) -> str:
    """Returns text that is bold on a terminal."""
    return f"\x1b[1m{text}\x1b[0m" if is_rich() else text


def table(rows: list[list[str]], indent: str = "  ") -> str:
    """Returns rows as lines with aligned columns; the last column is not padded."""
    widths = [max(len(row[n]) for row in rows if n < len(row)) for n in range(_columns(rows))]
    lines = []
    for row in rows:
        cells = [cell.ljust(widths[n]) for n, cell in enumerate(row[:-1])]
        lines.append((indent + "  ".join([*cells, row[-1]])).rstrip())
    return "".join(f"{line}\n" for line in lines)


def _columns(rows: list[list[str]]) -> int:
    return max((len(row) for row in rows), default=0)


def size(count: int) -> str:
    """Returns a number of bytes for people."""
    return f"{count / 1e6:.1f} MB" if count >= _MEGABYTES_MIN else f"{count / 1e3:.1f} kB"


# From how many bytes on a size is shown in megabytes.
_MEGABYTES_MIN: Final = 100_000


def status_of(error: BaseException) -> int:
    """Returns the exit status for an exception."""
    if isinstance(error, CommandError):
        return error.status
    if isinstance(error, AddonCrashed):
        return CRASHED
    return TIMED_OUT if isinstance(error, AddonTimeout) else FAILED


def described(error: BaseException) -> dict[str, Any]:
    """Returns an exception as a part of a document."""
    found: dict[str, Any] = {
        "kind": "UsageError" if isinstance(error, UsageError) else type(error).__name__,
        "message": str(error),
        "exit_code": status_of(error),
    }
    facts: dict[str, object] = {}
    if isinstance(error, CommandError):
        facts = error.facts
    elif isinstance(error, AddonError):
        facts = {name: getattr(error, name) for name in error._facts}  # noqa: SLF001 - of this package
    for name, value in facts.items():
        if name not in found and _is_plain(value):
            found[name] = value
    notes = getattr(error, "__notes__", None)
    if notes:
        found["notes"] = list(notes)
    return found


def _is_plain(value: object) -> bool:
    if isinstance(value, list):
        return len(value) <= _ITEMS_MAX and all(map(_is_plain, value))
    return isinstance(value, bool | int | float | str)


def fail(error: BaseException) -> int:
    """Prints why a command has failed, and returns the exit status."""
    if is_json():
        show({"error": described(error)}, "")
        return status_of(error)
    is_signal = status_of(error) > SIGNALLED
    tell(f"{'' if is_signal else 'error: '}{_text.message(str(error))}")
    for note in getattr(error, "__notes__", ()):
        tell(f"note: {_text.message(note)}")
    return status_of(error)
