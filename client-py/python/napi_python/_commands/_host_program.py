"""Runs the host program for its own commands: `inspect`, `audit`, `doctor`."""

from __future__ import annotations

import json
import os
import tempfile
import time
from typing import TYPE_CHECKING, Any, Final

from napi_python import _addon, _programs, _text
from napi_python._commands import _console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

# How many seconds the host program may take to read files, and to try its policies.
_READ_TIMEOUT: Final = 30.0
_DOCTOR_TIMEOUT: Final = 60.0
# How many seconds it may take to load an addon; its own limit is lower.
_AUDIT_TIMEOUT: Final = 60.0
# The exit statuses of an audit whose addon has ended its process, or had not ended in time.
_ENDED: Final = (3, 4)
# How many denials are kept of one audit.
_DENIALS_MAX: Final = 512
# How many characters of the last output of an audit that failed are shown.
_OUTPUT_MAX: Final = 1000


def path() -> str:
    """Returns the path of the host program."""
    return _addon._host_binary()  # noqa: SLF001 - of this package


def version() -> str:
    """Returns what the host program says that it is, such as "napi-hostd 0.1.0"."""
    ended = _run(["--version"], _READ_TIMEOUT)
    if ended.status:
        raise _failed("--version", ended)
    return _text.name(ended.output.strip())


def inspect(files: Sequence[str | Path]) -> list[dict[str, Any]]:
    """Returns what each file says of itself, in their order; nothing is loaded."""
    if not files:
        return []
    found: list[dict[str, Any]] = []

    def take(line: str) -> None:
        found.extend(document for document in _documents(line) if "refused" in document)

    words = ["inspect", "--", *map(_absolute, files)]
    ended = _run(words, _READ_TIMEOUT, report=take)
    if len(found) != len(files):
        raise _failed("inspect", ended)
    return found


def doctor() -> dict[str, Any]:
    """Returns what the system offers for each policy."""
    ended = _run(["doctor", "--json"], _DOCTOR_TIMEOUT)
    found = [document for document in _documents(ended.output) if "policies" in document]
    if not found:
        raise _failed("doctor", ended)
    return found[-1]


class Audit:
    """What the sandbox denied an addon while it was loaded, and while a script used it.

    Attributes:
        loaded: The version of Node-API under which it runs; None if it was not loaded.
        refused: Why it was not loaded; None if it was, or the process ended before.
        denied: The denials: `call`, `shown`, `path`, `errno`, `option`, `stack`.
        options: The options of a sandbox that would allow them.
        result: What the script did: `returned`, `threw` or `pending`; None without a script.
        ended: How the process ended, if it did not end by itself: `text` and its reason.
        is_complete: Whether the summary was printed.

    """

    def __init__(self) -> None:
        self.loaded: int | None = None
        self.refused: str | None = None
        self.denied: list[dict[str, Any]] = []
        self.options: list[str] = []
        self.result: dict[str, Any] | None = None
        self.ended: dict[str, Any] | None = None
        self.is_complete = False

    def add(self, event: dict[str, Any]) -> None:
        """Adds one event that the host program has printed."""
        match event:
            case {"loaded": {"api_version": int(version)}}:
                self.loaded = version
            case {"refused": str(reason)}:
                self.refused = reason
            case {"denied": dict(denial)}:
                if len(self.denied) < _DENIALS_MAX:
                    self.denied.append(denial)
            case {"summary": {"options": list(options)}}:
                self.options = [str(option) for option in options]
                self.is_complete = True
            case {"returned": _} | {"threw": _} | {"pending": _}:
                self.result = event
            case {"ended": dict(how)}:
                self.ended = how
                # The summary is that of a process that ended too early to write it.
                known = {denial.get("option") for denial in self.denied} | set(self.options)
                self.options = sorted(str(option) for option in known if option)

    @property
    def status(self) -> int:
        """The exit status of a command that audits this addon alone."""
        if self.ended is not None:
            return _console.TIMED_OUT if "timeout" in self.ended else _console.CRASHED
        return _console.OK if self.refused is None else _console.FAILED

    def document(self) -> dict[str, Any]:
        """Returns the audit as a part of a document."""
        return {
            "loaded": self.loaded is not None,
            "api_version": self.loaded,
            "refused": self.refused,
            "denied": self.denied,
            "options": self.options,
            "result": self.result,
            "ended": self.ended,
        }

    def __str__(self) -> str:
        """Returns it as one line."""
        parts = []
        if self.refused is not None:
            parts.append(f'does not load under "default": {_text.name(self.refused, _OUTPUT_MAX)}')
        elif self.loaded is not None:
            parts.append('loads under "default"')
        if self.denied:
            first = _text.name(str(self.denied[0].get("shown")), _OUTPUT_MAX)
            count = len(self.denied)
            parts.append(
                f"denied: {first}" if count == 1 else f"{count} calls denied: {first}, ..."
            )
        if self.options:
            allows = _text.name(", ".join(self.options), _OUTPUT_MAX)
            parts.append(f"options that allow it: {allows}")
        if self.ended is not None:
            parts.append(_text.name(str(self.ended.get("text"))).rstrip("."))
        return "; ".join(parts)


def audit(
    file: str | Path,
    arguments: Sequence[str] = (),
    *,
    report: Callable[[dict[str, Any]], None] | None = None,
    timeout: float = _AUDIT_TIMEOUT,
) -> Audit:
    """Loads an addon in a process under the policy "default", and returns what was denied.

    `arguments` are further ones of `napi-hostd audit`; `report` gets each event as it comes.
    After `timeout` seconds the process is ended.

    Raises:
        CommandError: The audit could not be made.

    """
    found = Audit()

    def take(line: str) -> None:
        for event in _documents(line):
            found.add(event)
            if report is not None:
                report(event)

    # If the program is interrupted, its own folder stays in this one.
    with tempfile.TemporaryDirectory(prefix="napi-python-audit-") as temporary:
        words = ["audit", "--json", *arguments, "--", _absolute(file)]
        try:
            ended = _run(words, timeout, {"TMPDIR": temporary}, take)
        except TimeoutError:
            text = f"It did not end within {timeout:g} s and was ended."
            take(json.dumps({"ended": {"timeout": timeout, "text": text}}))
            return found
    if ended.status and (ended.status not in _ENDED or found.ended is None):
        raise _failed("audit", ended)
    if not found.is_complete and found.ended is None:
        found.add({"ended": {"exit_code": 0, "text": "It ended the process with exit code 0."}})
    return found


def _absolute(file: str | Path) -> str:
    return _addon.absolute(os.fspath(file))


def _run(
    arguments: list[str],
    timeout: float,
    environment: dict[str, str] | None = None,
    report: Callable[[str], None] | None = None,
) -> _programs.Ended:
    try:
        return _programs.run(
            (path(), *arguments),
            folder=os.curdir,
            until=time.monotonic() + timeout,
            environment=environment,
            report=report,
            separate=True,
        )
    except TimeoutError:
        text = f"napi-hostd {arguments[0]} has not ended within {timeout:g} s, and was ended"
        raise TimeoutError(text) from None


def _documents(output: str) -> Iterator[dict[str, Any]]:
    """Yields the objects of JSON among the lines; an addon may have printed others."""
    for line in output.splitlines():
        if not line.startswith("{"):
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            yield found


def _failed(command: str, ended: _programs.Ended) -> _console.CommandError:
    said = _text.message(ended.errors.strip()[-_OUTPUT_MAX:]).removeprefix("napi-hostd: ")
    how = f"exit status {ended.status}" if ended.status >= 0 else f"signal {-ended.status}"
    return _console.CommandError(f"napi-hostd {command} failed: {said or how}")
