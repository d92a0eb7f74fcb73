"""The time of a call by the size of its argument: bytes, text, list, dict, nested values."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import memory
from curve_panels import Extent, Note, Panel
from measure import Measured, nanoseconds
from napi_python import Addon

BYTES = tuple(4**power for power in range(13))
ELEMENTS = BYTES[:11]

PANELS = {
    "bytes": Panel("bytes in, read", "bytes", BYTES),
    "text": Panel("text in and out", "characters", BYTES),
    "list": Panel("list of numbers in, read", "elements", ELEMENTS),
    "dict": Panel("dict of numbers in, read", "entries", ELEMENTS),
    "nested": Panel("list of dicts with lists in, read", "numbers and texts", ELEMENTS[1:]),
}
#: which function is called
FUNCTIONS = {
    "bytes": "sumBuffer",
    "text": "copyText",
    "list": "sumList",
    "dict": "sumAll",
    "nested": "sumAll",
}


def records(size: int) -> list[dict[str, Any]]:
    """Returns dicts with so many numbers and texts in all, four in each."""
    return [
        {"id": number, "name": f"record {number}", "at": [number, number + 1]}
        for number in range(size // 4)
    ]


#: what makes an argument of a size
MADE: dict[str, Callable[[int], Any]] = {
    "bytes": lambda size: b"\1" * size,
    "text": lambda size: "a" * size,
    "list": lambda size: list(range(size)),
    "dict": lambda size: {f"property{number}": number for number in range(size)},
    "nested": records,
}


def measure(note: Note, addons: dict[str, Addon], node: Measured, extent: Extent) -> None:
    """Measures each size by every system in turn, one round."""
    for key, panel in PANELS.items():
        first = panel.places[0]
        # What is measured first fills the caches, and has Node compile.
        for warming, place in ((True, first), *((False, one) for one in extent.of(panel))):
            value = MADE[key](place)
            timed: dict[str, Callable[[int], float]] = {}
            for system, addon in addons.items():
                run = memory.repeated(getattr(addon, FUNCTIONS[key]), value)
                timed[system] = functools.partial(nanoseconds, run)
            timed["node"] = functools.partial(_asked, node, f"value {key} {place}")
            for system, one in timed.items():
                fastest = extent.fastest(one)
                if not warming:
                    note(key, place, system, fastest)


def _asked(node: Measured, question: str, times: int) -> float:
    return node.ask(f"{question} {times}")
