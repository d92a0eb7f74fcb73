"""Draws the scaling curves: a panel for each, both axes logarithmic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import picture
from curve_panels import SYSTEMS, Found, Kind, Panel
from svg import GREY, document, line, text

#: what the curves of the systems are called, and their colours
CURVES = {**picture.SYSTEMS, "node": ("Node", GREY)}
COLUMNS = 3
WIDTH, HEIGHT, LEFT, GAP = 230, 150, 66, 22
TOP, ABOVE, BELOW = 44, 34, 56
GRID = f'stroke="{GREY}" stroke-opacity="0.25"'
DASHES = 'stroke-dasharray="5 4"'

_TIMES = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns"))
_COUNTS = ((1e6, "M"), (1e3, "k"), (1.0, ""))
_BYTES = ((1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B"))
_CHARACTERS = ((1 << 20, "Mi"), (1 << 10, "Ki"), (1, ""))
#: of the values: their units, and what follows them
UNITS = {Kind.TIME: (_TIMES, ""), Kind.RATE: (_COUNTS, "/s"), Kind.MEMORY: (_BYTES, "")}


def named(value: float, units: Sequence[tuple[float, str]]) -> str:
    """Returns a round value in the unit that suits it."""
    for size, unit in units:
        if value >= size:
            return f"{value / size:g} {unit}".rstrip()
    size, unit = units[-1]
    return f"{value / size:g} {unit}".rstrip()


def ticks(lowest: float, highest: float, unit: float = 1.0) -> list[float]:
    """Returns the values that have a line: powers of ten units, with 3 or 2 and 5 between few."""
    powers = range(math.floor(math.log10(lowest / unit)), math.ceil(math.log10(highest / unit)) + 1)
    for digits in ((1,), (1, 3), (1, 2, 5)):
        every = [unit * digit * 10.0**power for power in powers for digit in digits]
        found = [tick for tick in every if lowest <= tick <= highest]
        if len(found) >= 3:
            break
    return found


@dataclass(frozen=True)
class Place:
    """Where a panel lies, and the ends of its axes."""

    left: float
    top: float
    across: tuple[float, float]
    values: tuple[float, float]

    def x(self, place: float) -> float:
        """Returns where a place lies."""
        return self.left + _part(place, self.across) * WIDTH

    def y(self, value: float) -> float:
        """Returns where a value lies."""
        return self.top + HEIGHT - _part(value, self.values) * HEIGHT


def _part(value: float, ends: tuple[float, float]) -> float:
    low, high = ends
    return math.log(value / low) / math.log(high / low)


def labels(panel: Panel, places: Sequence[int]) -> dict[int, str]:
    """Returns the places that have a line, and what they are called."""
    if panel.across in ("bytes", "characters"):
        units = _BYTES if panel.across == "bytes" else _CHARACTERS
        return {one: named(one, units) for one in (1, 1 << 10, 1 << 20) if one <= places[-1]}
    if places[-1] <= 64:
        return {one: str(one) for one in places}
    decades = [10**power for power in range(0, 7, 2 if places[-1] > 100_000 else 1)]
    return {one: named(one, _COUNTS) for one in decades if places[0] <= one <= places[-1]}


def panel_parts(
    corner: tuple[float, float], panel: Panel, found: dict[tuple[int, str], float]
) -> list[str]:
    """Returns the parts of one panel, of what was found by place and system."""
    places = sorted({place for place, _ in found})
    low, high = min(found.values()) / 1.4, max(found.values()) * 1.4
    ends = (places[0], max(places[-1], places[0] * 2))
    here = Place(*corner, ends, (low, high))
    bottom, right = here.top + HEIGHT, here.left + WIDTH
    parts = [text(here.left + WIDTH / 2, here.top - 10, panel.title)]
    for one, label in labels(panel, places).items():
        parts.append(line((here.x(one), bottom), (here.x(one), here.top), GRID))
        parts.append(text(here.x(one), bottom + 15, label))
    parts.append(text(here.left + WIDTH / 2, bottom + 31, panel.across))
    units, suffix = UNITS[panel.kind]
    for tick in ticks(low, high, 1 << 20 if panel.kind is Kind.MEMORY else 1.0):
        parts.append(line((here.left, here.y(tick)), (right, here.y(tick)), GRID))
        parts.append(text(here.left - 6, here.y(tick) + 4, named(tick, units) + suffix, "end"))
    for system in SYSTEMS:
        parts += curve(here, panel, system, found)
    return parts


def curve(here: Place, panel: Panel, system: str, found: dict[tuple[int, str], float]) -> list[str]:
    """Returns the curve of a system; where Node is measured once, a dashed line that says why."""
    points: list[tuple[float, float]]
    points = sorted((place, value) for (place, one), value in found.items() if one == system)
    if not points:
        return []
    name, colour = CURVES[system]
    style = f'fill="none" stroke="{colour}" stroke-width="2"'
    remark = []
    if system == "node" and panel.node_once:
        value = points[0][1]
        points = [(end, value) for end in here.across]
        style += f" {DASHES}"
        remark = [beside(here, value, f"{name}: one thread", found)]
    drawn = " ".join(f"{here.x(place):.1f},{here.y(value):.1f}" for place, value in points)
    title = f"<title>{escape(f'{panel.title}: {name}', quote=False)}</title>"
    return [f'<polyline points="{drawn}" {style}>{title}</polyline>', *remark]


def beside(here: Place, value: float, content: str, found: dict[tuple[int, str], float]) -> str:
    """Returns a text at a level line: at that end and on that side where curves are farthest."""
    middle = here.left + WIDTH / 2
    spots: dict[tuple[float, str, float], float] = {}
    for x, anchor in ((here.left + 4, "start"), (here.left + WIDTH - 4, "end")):
        near = [
            here.y(one)
            for (place, system), one in found.items()
            if system != "node" and (here.x(place) < middle) == (x < middle)
        ]
        for y in (here.y(value) - 6, here.y(value) + 15):
            inside = here.top + 12 <= y <= here.top + HEIGHT
            spots[x, anchor, y] = min((abs(one - y) for one in near), default=HEIGHT) * inside
    x, anchor, y = max(spots, key=lambda spot: spots[spot])
    return text(x, y, content, anchor)


def legend() -> list[str]:
    """Returns what the colours mean."""
    parts, at = [], float(LEFT)
    for name, colour in CURVES.values():
        parts.append(line((at, 20), (at + 18, 20), f'stroke="{colour}" stroke-width="2"'))
        parts.append(text(at + 24, 24, name, "start", colour))
        at += 44 + 7 * len(name)
    return parts


def drawing(panels: dict[str, Panel], found: Found) -> str:
    """Returns the panels as SVG; those without a value are left out.

    Raises:
        ValueError: No panel has a value.
    """
    by_panel = {
        key: {(place, one): value for (name, place, one), value in found.items() if name == key}
        for key in panels
    }
    measured = [(panels[key], values) for key, values in by_panel.items() if values]
    if not measured:
        raise ValueError("nothing was measured")
    parts = legend()
    across, down = LEFT + WIDTH + GAP, ABOVE + HEIGHT + BELOW
    for number, (panel, values) in enumerate(measured):
        row, column = divmod(number, COLUMNS)
        corner = (column * across + LEFT, TOP + row * down + ABOVE)
        parts += panel_parts(corner, panel, values)
    rows = math.ceil(len(measured) / COLUMNS)
    title = "Cost by size, threads, hosts and pending promises, next to Node's"
    return document(COLUMNS * across, TOP + rows * down, title, parts)
