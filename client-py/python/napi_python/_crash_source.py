"""Lines of source code and instructions for the frames of a crash, by `napi-hostd locate`.

The files may be hostile, so other processes read them, one for each file: they limit their memory
and processor time, and end with it. What they print is checked as what any host says.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from napi_python import _addon, _places, _programs, _text
from napi_python._errors import AddonError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napi_python._errors import AddonCrashed

# How many files are read, and for how many seconds altogether.
_FILES_MAX: Final = 8
_TIMEOUT: Final = 10.0
# How many places and instructions are taken of an answer.
_ITEMS_MAX: Final = 64
# The signals of an instruction that failed: SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV. Others come
# from outside or from a function of the C library.
_FAULTS: Final = frozenset({4, 5, 7, 8, 11})


class Found:
    """What was found: places by address in memory, innermost first, and instructions."""

    def __init__(self) -> None:
        self.places: dict[int, list[dict[str, Any]]] = {}
        self.instructions: list[dict[str, Any]] | None = None


def find(error: AddonCrashed) -> Found:
    """Returns what the files have of the frames of a crash; nothing of what cannot be read."""
    found = Found()
    until = time.monotonic() + _TIMEOUT
    ids = {module["path"]: module["build_id"] for module in error.modules or ()}
    by_file: dict[str, list[dict[str, Any]]] = {}
    for frame in error.frames or ():
        if frame["path"] in ids and frame["file_address"] is not None:
            by_file.setdefault(frame["path"], []).append(frame)
    innermost = error.frames[0] if error.frames and error.signal in _FAULTS else None
    for path, frames in list(by_file.items())[:_FILES_MAX]:
        is_fault = frames[0] is innermost
        answer = _ask(_question(path, ids[path], frames, is_fault=is_fault), until)
        lines = _list(answer.get("lines"))
        places_at = {_int(line.get("address")): _list(line.get("places")) for line in lines}
        for frame in frames:
            places = [_place(place) for place in places_at.get(frame["file_address"], ())]
            if places:
                found.places[frame["address"]] = places
        if is_fault:
            # Addresses of the file become those of memory.
            bias = frames[0]["address"] - frames[0]["file_address"]
            code = _list(answer.get("instructions"))
            found.instructions = [
                {"address": address + bias, "text": text}
                for item in code
                if (address := _int(item.get("address"))) is not None
                and (text := _str(item.get("text"))) is not None
            ] or None
    return found


def _question(
    path: str, build_id: str | None, frames: Sequence[dict[str, Any]], *, is_fault: bool
) -> list[str]:
    words = ["locate", *(("--build-id", build_id) if build_id else ())]
    if is_fault:
        address, offset = frames[0]["file_address"], frames[0]["offset"]
        begin = address - offset if frames[0]["function"] is not None else address
        words += ["--code", f"{max(begin, 0):x}-{address:x}"]
    return [*words, "--", path, *(f"{frame['file_address']:x}" for frame in frames)]


def _ask(words: list[str], until: float) -> dict[str, Any]:
    try:
        command = (_addon._host_binary(), *words)  # noqa: SLF001 - of this package
        ended = _programs.run(command, folder="/", until=until, separate=True)
        answer = json.loads(ended.output) if ended.status == 0 else {}
    except (AddonError, OSError, ValueError, RecursionError):
        # No host program, no process, no time, or an answer that is cut.
        return {}
    return answer if isinstance(answer, dict) else {}


def _list(value: object) -> list[dict[str, Any]]:
    items = value[:_ITEMS_MAX] if isinstance(value, list) else []
    return [item for item in items if isinstance(item, dict)]


def _place(place: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{name: _str(place.get(name)) for name in ("function", "file")},
        **{name: _int(place.get(name)) for name in ("line", "column")},
    }


def _str(value: object) -> str | None:
    return _text.name(value, _places.PATH_MAX) if isinstance(value, str) else None


def _int(value: object) -> int | None:
    return value if type(value) is int else None
