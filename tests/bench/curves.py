"""Scaling curves: cost by size, threads, hosts and pending promises, next to Node's.

Every place is measured in turn by every system, in as many rounds as the time allows; the best of
the rounds is drawn, since other programs only add time.

`.venv/bin/python tests/bench/curves.py docs/scaling.svg`
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import curve_calls
import curve_idle
import curve_picture
import curve_promises
import curve_values
from curve_panels import FULL, QUICK, SYSTEMS, Best, Extent, Found, Kind
from measure import load, pretty, start_node

PANELS = curve_values.PANELS | curve_calls.PANELS | curve_idle.PANELS | curve_promises.PANELS


def measured(extent: Extent, seconds: float) -> tuple[Found, int]:
    """Measures in rounds: one, and more while the next one ends in time.

    Returns:
        The best values, and the number of rounds.
    """
    best = Best(PANELS)
    begun = time.monotonic()
    rounds, longest = 0, 0.0
    while rounds == 0 or time.monotonic() - begun + longest < seconds:
        start = time.monotonic()
        one_round(best, extent)
        rounds, longest = rounds + 1, max(longest, time.monotonic() - start)
    return best.found, rounds


def one_round(best: Best, extent: Extent) -> None:
    """Measures everything once."""
    with ExitStack() as closing:
        addons = {
            system: closing.enter_context(load(system)) for system in SYSTEMS if system != "node"
        }
        node = start_node("node_curves.cjs")
        closing.callback(node.close)
        curve_values.measure(best.note, addons, node, extent)
        curve_promises.measure(best.note, addons, node, extent)
        curve_calls.measure(best.note, node, extent)
    curve_idle.measure(best.note, extent)


def shown(value: float, kind: Kind) -> str:
    """Returns a value with its unit."""
    if kind is Kind.MEMORY:
        return f"{value / (1 << 20):.2f} MiB"
    return pretty(value) if kind is Kind.TIME else f"{value:,.0f}/s".replace(",", " ")


def table(found: Found) -> str:
    """Returns the values as text, and their ratios to Node's."""
    lines = []
    for key, panel in PANELS.items():
        lines.append(f"{panel.title}, by {panel.across}")
        for place in panel.places:
            values = {one: found.get((key, place, one)) for one in SYSTEMS}
            node = found.get((key, panel.places[0] if panel.node_once else place, "node"))
            if node is None or not any(values.values()):
                continue
            texts = ["" if one is None else shown(one, panel.kind) for one in values.values()]
            ratios = ["" if one is None else f"{one / node:.2f}" for one in values.values()]
            lines.append(
                f"{place:>12}"
                + "".join(f"{one:>17}" for one in texts)
                + "".join(f"{one:>9}" for one in ratios[:-1])
            )
    heading = "".join(f"{one:>17}" for one in SYSTEMS) + "".join(
        f"{one + '/N':>9}" for one in SYSTEMS[:-1]
    )
    return "\n".join([f"{'':12}{heading}", *lines, ""])


def main() -> None:
    """Measures, prints the values and draws the curves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("svg", nargs="?", type=Path)
    parser.add_argument("--seconds", type=float, default=150.0, help="for all rounds")
    parser.add_argument("--quick", action="store_true", help="one round of what is small")
    options = parser.parse_args()
    extent, seconds = (QUICK, 0.0) if options.quick else (FULL, options.seconds)
    found, rounds = measured(extent, seconds)
    sys.stdout.write(f"{table(found)}the best of {rounds} rounds\n")
    if options.svg:
        options.svg.write_text(curve_picture.drawing(PANELS, found), encoding="utf-8")


if __name__ == "__main__":
    main()
