"""Draws the table of the benchmark: for each row the time here, as a multiple of Node's."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape

from svg import GREY, document, line, text

#: what is drawn: the system, what it is called, and its colour, which both dark and light show
SYSTEMS = {
    "lanes": ("in its own process", "#2f86d6"),
    "own": ("in Python's process", "#d9772b"),
    "caller": ("there, on the calling thread", "#2e9e6b"),
}
LEFT, WIDTH, RIGHT, TOP, LINE, BOTTOM = 300, 440, 24, 66, 22, 34
Medians = dict[tuple[str, str], float]


def _grid(start: tuple[float, float], end: tuple[float, float], opacity: float) -> str:
    return line(start, end, f'stroke="{GREY}" stroke-opacity="{opacity}"')


def _ticks(lowest: float, highest: float) -> list[float]:
    """Returns the multiples that are drawn as lines: 1 and 3 of each power of ten."""
    powers = range(math.floor(math.log10(lowest)), math.ceil(math.log10(highest)) + 1)
    ticks = [digit * 10.0**power for power in powers for digit in (1, 3)]
    return [tick for tick in ticks if lowest <= tick <= highest]


def drawing(titles: Iterable[tuple[str, str]], median: Medians) -> str:
    """Returns the picture of the rows, each a key and its title, as SVG.

    A row that Node or every system lacks is left out.
    """
    found = [
        (
            title,
            {
                one: median[row, one] / median[row, "node"]
                for one in SYSTEMS
                if (row, one) in median
            },
        )
        for row, title in titles
        if (row, "node") in median
    ]
    rows = [(title, ratios) for title, ratios in found if ratios]
    if not rows:
        raise ValueError("no row was measured both here and in Node")
    ratios = [ratio for _, all_of_row in rows for ratio in all_of_row.values()]
    lowest, highest = min(*ratios, 0.5) / 1.2, max(*ratios, 2.0) * 1.2
    span = math.log(highest / lowest)

    def x(ratio: float) -> float:
        return LEFT + math.log(ratio / lowest) / span * WIDTH

    low = TOP + len(rows) * LINE
    parts = [text(LEFT, 20, "time, as a multiple of Node's; left is faster", "start")]
    at = float(LEFT)
    for name, colour in SYSTEMS.values():
        parts.append(f'<circle cx="{at + 4:.1f}" cy="36" r="4" fill="{colour}"/>')
        parts.append(text(at + 13, 40, name, "start", colour))
        at += 30 + 7 * len(name)
    for tick in _ticks(lowest, highest):
        parts.append(_grid((x(tick), TOP - 6), (x(tick), low), 0.9 if tick == 1 else 0.25))
        label = "Node" if tick == 1 else f"{tick:g}×"
        parts.append(text(x(tick), low + 16, label, "middle"))
    for number, (title, of_row) in enumerate(rows):
        y = TOP + (number + 0.5) * LINE
        parts.append(text(LEFT - 12, y + 4, title, "end"))
        parts.append(_grid((LEFT, y), (LEFT + WIDTH, y), 0.15))
        for system, ratio in of_row.items():
            shown = f"<title>{escape(title)}: {ratio:.2f}</title>"
            place = f'cx="{x(ratio):.1f}" cy="{y:.1f}" r="5"'
            parts.append(f'<circle {place} fill="{SYSTEMS[system][1]}">{shown}</circle>')
    width, height = LEFT + WIDTH + RIGHT, low + BOTTOM
    title = "Time of each row of the benchmark, as a multiple of Node's"
    return document(width, height, title, parts)
