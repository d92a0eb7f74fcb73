"""The whole report on the end of an addon's process, as text and as JSON.

The process that ended may have chosen all of it but the versions: `_errors.crashed` has made it
safe to show and bounded it.
"""

from __future__ import annotations

import json
import platform
from typing import TYPE_CHECKING, Any, Final

from napi_python import _crash_source, _native, _text
from napi_python._errors import SandboxViolation
from napi_python._native import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from napi_python._errors import AddonCrashed

# The number of the JSON document's form; it changes when a key gets another meaning.
_FORMAT: Final = 1
# The attributes of the exception that the document has under the same names.
_ATTRIBUTES: Final = (
    *("cause", "reason", "signal", "signal_name", "exit_code", "address", "export", "node_api"),
    "node_api_calls",
    *("thread", "pid", "generation", "registers", "frames", "modules", "confinement", "usage"),
    *("core_file", "stderr", "record"),
)
# The keys whose values are addresses or registers.
_ADDRESSES: Final = frozenset({"address", "file_address", "start", "end"})
# How many registers stand on a line of the text, and how many lines of output it has.
_REGISTERS_PER_LINE: Final = 3
_OUTPUT_LINES: Final = 20


class CrashReport:
    """What is known of the end of an addon's process: for a bug report, or for a program.

    `str()` returns it as text, `to_json()` as JSON. It contains paths of this system and the last
    output of the addon: read it before you publish it.

    Attributes:
        facts: The document that `to_json()` writes, as a dict. Addresses are ints here. What is
            unknown is None.

    """

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = facts

    def __repr__(self) -> str:
        return f"<CrashReport: {_text.name(str(self.facts['summary']))}>"

    def to_json(self, indent: int | None = None) -> str:
        """Returns the report as JSON, with addresses and registers as hexadecimal strings.

        `indent` is the number of spaces of each level; None writes one line.
        """
        return json.dumps(_with_hexadecimal(self.facts), indent=indent, ensure_ascii=False)

    def __str__(self) -> str:
        """Returns the report as text of several lines."""
        return "\n".join(_lines(self.facts))


def make(error: AddonCrashed) -> CrashReport:
    """Makes the report on the process that `error` is about."""
    facts: dict[str, Any] = {"format": _FORMAT, "summary": str(error)}
    facts.update((name, getattr(error, name)) for name in _ATTRIBUTES)
    facts["forbidden_call"] = None
    if isinstance(error, SandboxViolation) and error.call is not None:
        names = ("call", "table", "arguments", "path")
        facts["forbidden_call"] = {name: getattr(error, name) for name in names}
    # Sought when it is needed: the report on a crash must not wait for it.
    found = _crash_source.find(error)
    if error.frames is not None:
        facts["frames"] = [
            {**frame, "source": found.places.get(frame["address"], [])} for frame in error.frames
        ]
    facts["instructions"] = found.instructions
    facts["calls"] = _open_calls(error.record)
    facts["versions"] = {
        "napi_python": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
    }
    return CrashReport(facts)


def _open_calls(record: str | None) -> list[str] | None:
    """Returns the calls that had not returned, with the shapes of their arguments."""
    if record is None:
        return None
    try:
        found = _native._read_record(record)  # noqa: SLF001 - of this package
    except (OSError, ValueError):
        # A later process may have removed it.
        return None
    calls: list[str] | None = found.get("open_calls")
    return calls


def _with_hexadecimal(value: object, key: str = "") -> object:
    if isinstance(value, dict):
        inside = "address" if key == "registers" else ""
        return {name: _with_hexadecimal(item, inside or name) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_hexadecimal(item) for item in value]
    if key in _ADDRESSES and isinstance(value, int):
        return hex(value)
    return value


def _lines(facts: Mapping[str, Any]) -> Iterator[str]:
    yield facts["summary"]
    for name in ("export", "node_api", "thread", "cause", "reason", "exit_code", "core_file"):
        if facts[name] is not None:
            yield f"{name}: {facts[name]}"
    if facts["signal"] is not None:
        yield f"signal: {facts['signal_name']} ({facts['signal']})"
    if facts["forbidden_call"] is not None:
        call = facts["forbidden_call"]
        arguments = ", ".join(map(hex, call["arguments"]))
        yield f"forbidden call: {call['call']}({arguments}), path: {call['path']}"
    if facts["address"] is not None:
        yield f"address: {facts['address']:#x}"
    frames = (line for frame in facts["frames"] or () for line in _frame(frame))
    yield from _section("calls that had not returned", map(_text.name, facts["calls"] or ()))
    yield from _section("frames, innermost first", frames)
    yield from _section("instructions", _instructions(facts))
    yield from _section("Node-API functions, latest last", facts["node_api_calls"] or ())
    yield from _section("registers", _registers(facts["registers"] or {}))
    yield from _section("mapped files", map(_module, facts["modules"] or ()))
    yield from _section("sandbox", [", ".join(facts["confinement"] or ("none",))])
    usage = facts["usage"] or {}
    known = (f"{name}: {value}" for name, value in usage.items() if value is not None)
    yield from _section("usage, in seconds and bytes", known)
    versions = (f"{name}: {value}" for name, value in facts["versions"].items())
    yield from _section("versions", versions)
    output = (facts["stderr"] or "").splitlines()[-_OUTPUT_LINES:]
    yield from _section("record", [_text.name(facts["record"])] if facts["record"] else [])
    yield from _section("last output", (_text.name(line) for line in output))


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield ""
        yield f"{title}:"
        yield from (f"  {line}" for line in found)


def _frame(frame: Mapping[str, Any]) -> Iterator[str]:
    text = f"{frame['address']:#018x}"
    if frame["path"] is None:
        yield text
        return
    name = frame["path"].rpartition("/")[2]
    if frame["function"] is not None:
        name = f"{name}!{frame['function']}"
    yield f"{text} {name}+{frame['offset']:#x}"
    for place in frame["source"]:
        if place["file"] is not None:
            # Functions that were inlined; the symbol of the frame names the last of them.
            is_inlined = place is not frame["source"][-1]
            inside = f" in {place['function']}, inlined" if is_inlined else ""
            yield f"    at {place['file']}:{place['line'] or '?'}{inside}"


def _instructions(facts: Mapping[str, Any]) -> Iterator[str]:
    failed = facts["frames"][0]["address"] if facts["frames"] else None
    for item in facts["instructions"] or ():
        mark = "=>" if item["address"] == failed else "  "
        yield f"{mark} {item['address']:#018x} {item['text']}"


def _registers(registers: Mapping[str, int]) -> Iterator[str]:
    words = [f"{name:<6} {value:#018x}" for name, value in registers.items()]
    for begin in range(0, len(words), _REGISTERS_PER_LINE):
        yield "  ".join(words[begin : begin + _REGISTERS_PER_LINE])


def _module(module: Mapping[str, Any]) -> str:
    text = f"{module['start']:#018x}-{module['end']:#018x} {module['path']}"
    return text if module["build_id"] is None else f"{text} (build id {module['build_id']})"
