"""What each waiting mechanism is worth: the rows with it off, as ratios to the rows with all on.

Every configuration runs in fresh processes, in random order, so many rounds over. The switches are
those of `NAPI_HOSTD_WAIT`. Conditions: the machine as it is, the whole process tree on one CPU, and
two other processes that compute all the time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import bench
import turns
from measure import ADDON, nanoseconds, pretty
from napi_python import host, load_addon

VARIABLE = "NAPI_HOSTD_WAIT"
SWITCHES = (
    "spin",
    "loop-spin",
    "pool-spin",
    "pool-park",
    "brief-poll",
    "yield",
    "placement",
    "migration",
)
CONDITIONS = ("free", "one CPU", "busy")
ALL_ON = "on"

#: row, repetitions a batch, batches; the batches' median counts
CALLS = {
    "add": (1000, 25),
    "method": (1000, 15),
    "callback": (500, 15),
    "list": (100, 15),
    "object": (100, 15),
}
TURNS = {"event": (1, 60), "seen": (100, 5), "events": (1000, 15), "awaited": (100, 9)}
TURNS |= {"together": (2000, 5)}
PAUSES = 60
PAUSE_S = 0.002
THREADS = 4


def after_pause(add: Callable[[int, int], object]) -> float:
    """Times single calls, each after both sides were idle for a while."""
    times = []
    for _ in range(PAUSES):
        time.sleep(PAUSE_S)
        start = time.perf_counter_ns()
        add(1, 2)
        times.append(time.perf_counter_ns() - start)
    return statistics.median(times)


def from_threads(add: Callable[[int, int], object], times: int) -> float:
    """Times a call where several threads call the same addon, per call of all."""

    def run() -> None:
        for _ in range(times):
            add(1, 2)

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    start = time.perf_counter_ns()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (time.perf_counter_ns() - start) / (times * THREADS)


def measure() -> dict[str, float]:
    """Returns nanoseconds for each row: the child's part."""
    addon = load_addon(ADDON)
    calls, of_itself = bench.python_rows(addon), turns.rows()
    found = {}
    for row, (times, batches) in CALLS.items():
        calls[row](times)
        found[row] = statistics.median(nanoseconds(calls[row], times) for _ in range(batches))
    for row, (times, batches) in TURNS.items():
        of_itself[row](times)
        found[row] = statistics.median(of_itself[row](times) for _ in range(batches))
    found["add after a pause"] = after_pause(addon.add)
    found[f"add of {THREADS} threads"] = statistics.median(
        from_threads(addon.add, 500) for _ in range(5)
    )
    host(addon).close()
    return found


@contextlib.contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Runs processes that compute all the time."""
    spin = [sys.executable, "-c", "while True: pass"]
    running = [subprocess.Popen(spin) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def child(switch: str, condition: str) -> dict[str, float]:
    """Measures one configuration in a fresh process."""
    off = "" if switch == ALL_ON else f"-{switch}"
    command = [sys.executable, __file__, "--child", condition]
    done = subprocess.run(
        command, env={**os.environ, VARIABLE: off}, check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def table(condition: str, samples: dict[str, list[dict[str, float]]]) -> str:
    """Returns the ratios of one condition as a Markdown table."""

    def median(switch: str, row: str) -> float:
        return statistics.median(found[row] for found in samples[switch])

    rows = list(samples[ALL_ON][0])
    others = [switch for switch in samples if switch != ALL_ON]
    lines = [
        f"| {condition} | all on | {' | '.join(f'no {switch}' for switch in others)} |",
        f"| --- |{' ---: |' * (len(others) + 1)}",
    ]
    for row in rows:
        on = median(ALL_ON, row)
        ratios = (f"{median(switch, row) / on:.2f}" for switch in others)
        lines.append(f"| {row} | {pretty(on)} | {' | '.join(ratios)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measures all configurations, or one of them as the child."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--condition", choices=CONDITIONS, action="append")
    parser.add_argument("--switch", choices=(*SWITCHES, "all"), action="append")
    parser.add_argument("--child", choices=CONDITIONS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        if options.child == "one CPU":
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        json.dump(measure(), sys.stdout)
        return
    switches = [ALL_ON, *(options.switch or (*SWITCHES, "all"))]
    for condition in options.condition or CONDITIONS:
        samples: dict[str, list[dict[str, float]]] = {switch: [] for switch in switches}
        with neighbours(2 if condition == "busy" else 0):
            for _ in range(options.rounds):
                for switch in random.sample(switches, len(switches)):
                    samples[switch].append(child(switch, condition))
        sys.stdout.write(table(condition, samples) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
