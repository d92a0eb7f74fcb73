"""From which size on bytes are shared and not copied through a ring: draws both, by size.

Two processes measure the same calls, one with all buffers shared and one with none, in turn; the
lower quartiles of the rounds are drawn, since other programs only add time.

`.venv/bin/python tests/bench/threshold.py docs/threshold.svg`
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import measure
import memory
from measure import Measured, Samples
from napi_python import host, load_addon
from svg import GREY, axis, document, line, text

VARIABLE = "NAPI_HOSTD_SHARED_MIN"
#: what the variable is set to
SYSTEMS = {"shared": 1000, "copied": 1 << 30}
SIZES = [size << 10 for size in (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256, 512, 1024)]
WAYS = {
    "argument": "bytes as argument",
    "mutable": "bytearray as argument",
    "result": "buffer as result",
    "text": "text as argument",
}
#: bytes that a pass transports at most, and its calls at most
PASS_BYTES = 8 << 20
PASS_CALLS = 400


def child() -> None:
    """Answers lines "WAY SIZE" with the nanoseconds of a call."""
    addon = load_addon(measure.ADDON)
    # The receiver reads the bytes: those in shared memory move between the processors only then.
    calls: dict[str, Callable[[Any], object]] = {
        "argument": addon.sumBuffer,
        "mutable": addon.sumBuffer,
        "result": lambda size: bytes(addon.makeBuffer(size)),
        "text": addon.stringLength,
    }
    for question in sys.stdin:
        way, number = question.split()
        size = int(number)
        arguments = {"mutable": bytearray, "result": int, "text": lambda size: "a" * size}
        run = memory.repeated(calls[way], arguments.get(way, bytes)(size))
        run(10)
        times = max(10, min(PASS_CALLS, PASS_BYTES // size))
        sys.stdout.write(f"{measure.nanoseconds(run, times)}\n")
        sys.stdout.flush()
    host(addon).close()


def measured_medians(rounds: int) -> dict[tuple[str, str], float]:
    """Returns nanoseconds by way and size, and system."""
    command = [sys.executable, __file__, "--child"]
    systems = {
        name: Measured("env", f"{VARIABLE}={size}", *command) for name, size in SYSTEMS.items()
    }
    samples = Samples()
    for number in range(rounds + 1):
        for way in WAYS:
            for size in SIZES:
                for name, system in systems.items():
                    taken = system.ask(f"{way} {size}")
                    if number > 0:
                        samples.note(f"{way} {size}", name, taken)
    for system in systems.values():
        system.close()
    return {key: statistics.quantiles(taken, n=4)[0] for key, taken in samples.all.items()}


def crossing(way: str, found: dict[tuple[str, str], float]) -> float:
    """Returns the size from which on sharing is faster, between the sizes that were measured.

    Of the gain at each size and at its neighbours the middle one counts.
    """

    def gain(size: int) -> float:
        return math.log(found[f"{way} {size}", "copied"] / found[f"{way} {size}", "shared"])

    gains = [gain(size) for size in SIZES]
    near = [gains[max(0, at - 1) : at + 2] for at in range(len(gains))]
    smooth = [statistics.median(some) for some in near]
    losing = [at for at, some in enumerate(smooth) if some < 0]
    if not losing:
        return SIZES[0]
    last = losing[-1]
    if last + 1 == len(SIZES):
        return math.inf
    part = smooth[last] / (smooth[last] - smooth[last + 1])
    return SIZES[last] * (SIZES[last + 1] / SIZES[last]) ** part


WIDTH, HEIGHT, LEFT, TOP, BOTTOM, GAP = 240, 260, 84, 34, 50, 48
COLOURS = {"shared": "#2f86d6", "copied": "#d9772b"}


@dataclass
class Panel:
    """Where a curve is drawn: both axes are logarithmic."""

    left: float
    lowest: float
    highest: float

    def x(self, size: float) -> float:
        """Returns the place of a size."""
        first, last = math.log(SIZES[0]), math.log(SIZES[-1])
        return self.left + (math.log(size) - first) / (last - first) * WIDTH

    def y(self, nanoseconds: float) -> float:
        """Returns the place of a time."""
        first, last = math.log(self.lowest), math.log(self.highest)
        return TOP + HEIGHT - (math.log(nanoseconds) - first) / (last - first) * HEIGHT


def named(size: float) -> str:
    """Returns a size with its unit."""
    kib = size / 1024
    return "1 MiB" if kib == 1024 else f"{kib:.0f} KiB"


def panel(
    place: Panel, way: str, found: dict[tuple[str, str], float], decades: list[int]
) -> list[str]:
    """Returns the parts of one panel."""
    low, high = TOP + HEIGHT, TOP
    grid = f'stroke="{GREY}" stroke-opacity="0.3"'
    parts = [text(place.left + WIDTH / 2, TOP - 12, WAYS[way])]
    for size in (SIZES[0], 8 << 10, 64 << 10, SIZES[-1]):
        parts.append(line((place.x(size), low), (place.x(size), high), grid))
        parts.append(text(place.x(size), low + 16, named(size)))
    parts.append(text(place.left + WIDTH / 2, low + 36, "size of the buffer"))
    for decade in decades:
        y = place.y(decade)
        parts.append(line((place.left, y), (place.left + WIDTH, y), grid))
        if place.left == LEFT:
            parts.append(text(place.left - 6, y + 4, f"{decade // 1000} µs", "end"))
    at = crossing(way, found)
    if SIZES[0] < at < SIZES[-1]:
        style = f'stroke="{GREY}" stroke-dasharray="4 3"'
        parts.append(line((place.x(at), low), (place.x(at), high), style))
        is_left = at < SIZES[len(SIZES) // 2]
        aside, anchor = (5, "start") if is_left else (-5, "end")
        parts.append(text(place.x(at) + aside, low - 8, f"{at / 1024:.1f} KiB", anchor))
    for name, colour in COLOURS.items():
        points = " ".join(
            f"{place.x(size):.1f},{place.y(found[f'{way} {size}', name]):.1f}" for size in SIZES
        )
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        below = TOP + (20 if name == "copied" else 38)
        parts.append(text(place.left + 16, below, name, "start", colour))
    return parts


def drawing(found: dict[tuple[str, str], float]) -> str:
    """Returns the curves as SVG."""
    lowest, highest = min(found.values()), max(found.values())
    decades = [10**power for power in range(3, 8) if lowest <= 10**power <= highest * 2]
    low, high = min(lowest, decades[0]) / 1.2, max(highest, decades[-1]) * 1.2
    parts = []
    for number, way in enumerate(WAYS):
        place = Panel(LEFT + number * (WIDTH + GAP), low, high)
        parts += panel(place, way, found, decades)
    parts.append(axis(TOP + HEIGHT / 2, "time of a call"))
    title = "Time of a call by the size of a buffer, shared and copied"
    width = LEFT + len(WAYS) * (WIDTH + GAP)
    return document(width, TOP + HEIGHT + BOTTOM, title, parts)


def main() -> None:
    """Measures, prints the ratios and draws the curves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("svg", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child()
        return
    found = measured_medians(options.rounds)
    out = sys.stdout.write
    out(f"{'shared / copied':>16}" + "".join(f"{way:>28}" for way in WAYS) + "\n")
    for size in SIZES:
        out(f"{size / 1024:>12.0f} KiB")
        for way in WAYS:
            shared, copied = (found[f"{way} {size}", name] for name in SYSTEMS)
            times = f"{measure.pretty(shared)} / {measure.pretty(copied)}"
            out(f"{times:>22}{shared / copied:>6.2f}")
        out("\n")
    for way, title in WAYS.items():
        out(f"{title}: sharing is faster from {crossing(way, found) / 1024:.1f} KiB on\n")
    if options.svg:
        options.svg.write_text(drawing(found), encoding="utf-8")


if __name__ == "__main__":
    main()
