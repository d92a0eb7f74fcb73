"""How many tasks a second a pool runs, by its number of workers: measures and draws it.

All pools are measured in turn; the best of the rounds is drawn, since other programs only add time.

`.venv/bin/python tests/bench/saturation.py docs/saturation.svg`
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import ADDON
from napi_python import AddonPool, load_addon
from svg import GREY, axis, document, line, text

WORKERS = (1, 2, 3, 4, 6, 8)
#: what a task of the first kind computes for, in seconds
COMPUTES = 0.002
#: tasks of a round, of either kind
TASKS = {"computes": 60, "adds": 2000}
TITLES = {"computes": "tasks that compute for 2 ms", "adds": "tasks that add two numbers"}


@dataclass
class Work:
    """The calls of both kinds of tasks."""

    calls: dict[str, tuple[Any, ...]]

    @classmethod
    def calibrated(cls) -> Work:
        """Finds how many calls take `COMPUTES`."""
        with load_addon(ADDON) as addon:
            addon.measure("scope", 10_000)
            taken = min(addon.measure("scope", 100_000) for _ in range(5))
        count = round(COMPUTES * 1e9 / taken)
        return cls({"computes": ("measure", "scope", count), "adds": ("add", 1, 2)})

    def rate(self, pool: AddonPool, kind: str) -> float:
        """Returns the tasks per second of one round."""
        start = time.perf_counter()
        futures = [pool.submit(*self.calls[kind]) for _ in range(TASKS[kind])]
        for future in futures:
            future.result()
        return TASKS[kind] / (time.perf_counter() - start)


def measured(rounds: int) -> dict[tuple[str, int], float]:
    """Returns tasks per second by kind and number of workers."""
    work = Work.calibrated()
    pools = {workers: AddonPool(ADDON, workers=workers) for workers in WORKERS}
    best: dict[tuple[str, int], float] = {}
    for _ in range(rounds):
        for workers, pool in pools.items():
            for kind in TASKS:
                rate = work.rate(pool, kind)
                best[kind, workers] = max(rate, best.get((kind, workers), 0.0))
    for pool in pools.values():
        pool.shutdown()
    return best


WIDTH, HEIGHT, LEFT, TOP, BOTTOM, GAP = 300, 220, 70, 34, 48, 80
BLUE = "#2f86d6"


def scale_of(highest: float) -> tuple[float, float]:
    """Returns the distance of the lines of a grid, and the upper end of the axis."""
    step: float = 10.0
    while highest / step > 5:
        step *= 2 if str(step)[0] in "15" else 2.5
    return step, (int(highest / step) + 1) * step


def panel(left: float, kind: str, found: dict[tuple[str, int], float]) -> list[str]:
    """Returns the parts of one panel."""
    step, top = scale_of(max(found[kind, workers] for workers in WORKERS))
    low = TOP + HEIGHT

    def x(workers: float) -> float:
        return left + (workers - WORKERS[0]) / (WORKERS[-1] - WORKERS[0]) * WIDTH

    def y(rate: float) -> float:
        return low - rate / top * HEIGHT

    grid = f'stroke="{GREY}" stroke-opacity="0.3"'
    parts = [text(left + WIDTH / 2, TOP - 12, TITLES[kind])]
    for workers in WORKERS:
        parts.append(line((x(workers), low), (x(workers), TOP), grid))
        parts.append(text(x(workers), low + 16, str(workers)))
    parts.append(text(left + WIDTH / 2, low + 36, "workers"))
    for number in range(round(top / step) + 1):
        rate = number * step
        parts.append(line((left, y(rate)), (left + WIDTH, y(rate)), grid))
        parts.append(text(left - 6, y(rate) + 4, f"{rate:,.0f}".replace(",", " "), "end"))
    cores = len(os.sched_getaffinity(0))
    if WORKERS[0] < cores < WORKERS[-1]:
        dashed = f'stroke="{GREY}" stroke-dasharray="4 3"'
        parts.append(line((x(cores), low), (x(cores), TOP), dashed))
        parts.append(text(x(cores) + 5, low - 8, f"{cores} cores", "start"))
    points = " ".join(f"{x(workers):.1f},{y(found[kind, workers]):.1f}" for workers in WORKERS)
    parts.append(f'<polyline points="{points}" fill="none" stroke="{BLUE}" stroke-width="2"/>')
    return parts


def drawing(found: dict[tuple[str, int], float]) -> str:
    """Returns the curves as SVG."""
    parts = []
    for number, kind in enumerate(TASKS):
        parts += panel(LEFT + number * (WIDTH + GAP), kind, found)
    parts.append(axis(TOP + HEIGHT / 2, "tasks per second"))
    title = "Tasks per second of a pool by its number of workers"
    width = LEFT + len(TASKS) * (WIDTH + GAP)
    return document(width, TOP + HEIGHT + BOTTOM, title, parts)


def main() -> None:
    """Measures, prints the rates and draws the curves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("svg", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    found = measured(options.rounds)
    for kind, title in TITLES.items():
        rates = "".join(f"{found[kind, workers]:>10.0f}" for workers in WORKERS)
        sys.stdout.write(f"{title:30}{rates}\n")
    if options.svg:
        options.svg.write_text(drawing(found), encoding="utf-8")


if __name__ == "__main__":
    main()
