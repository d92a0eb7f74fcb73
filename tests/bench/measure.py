"""What the benchmarks share: the addons, the process that measures Node, times and rows."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from napi_python import Addon, load_addon

HERE = Path(__file__).parent
SAMPLES = Path(os.environ.get("NAPI_HOSTD_ADDONS", HERE.parent.parent / "addons" / "build"))
ADDON = SAMPLES / "bench.node"
ROUNDS = 9

#: what is compared with Node: a process over either carrier, and this process in both of its modes
SYSTEMS: dict[str, dict[str, Any]] = {
    "lanes": {},
    "socket": {"carrier": "socket"},
    "own": {"isolated": False},
    "caller": {"isolated": False, "thread": "caller"},
}

Run = Callable[[int], None]


def nanoseconds(run: Run, times: int) -> float:
    """Returns the time of one repetition."""
    start = time.perf_counter_ns()
    run(times)
    return (time.perf_counter_ns() - start) / times


class Measured:
    """A process that measures itself: it answers each line with a number."""

    def __init__(self, *command: str) -> None:
        """Starts it."""
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, question: str) -> float:
        """Returns the answer to one line."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self) -> None:
        """Ends it."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def start_node(script: str = "node_side.cjs") -> Measured:
    """Starts the Node that measures itself in process."""
    return Measured("node", str(HERE / script), str(ADDON))


def load(system: str, path: Path = ADDON) -> Addon:
    """Loads an addon as the system does."""
    return load_addon(path, **SYSTEMS[system])


class Samples:
    """What was measured, by row and system."""

    def __init__(self) -> None:
        """Has none."""
        self.all: dict[tuple[str, str], list[float]] = {}

    def note(self, row: str, system: str, value: float) -> None:
        """Adds one."""
        self.all.setdefault((row, system), []).append(value)

    def medians(self) -> dict[tuple[str, str], float]:
        """Returns the median of each row and system."""
        return {key: statistics.median(values) for key, values in self.all.items()}


def resident(pid: int) -> float:
    """Returns the resident memory of a process in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def pretty(value: float) -> str:
    """Returns a time with the unit that suits it."""
    for unit, size in (("ms", 1e6), ("µs", 1e3)):
        if value >= size:
            return f"{value / size:.2f} {unit}"
    return f"{value:.0f} ns"


def print_heading() -> None:
    """Prints the heading of the rows of `print_row`."""
    times = "".join(f"{name:>11}" for name in [*SYSTEMS, "Node"])
    ratios = "".join(f"{name + '/N':>10}" for name in SYSTEMS)
    sys.stdout.write(f"{'':40}{times}{ratios}\n")


def print_row(title: str, row: str, median: dict[tuple[str, str], float]) -> None:
    """Prints the times of a row and their ratios to Node; empty where nothing was measured."""
    node = median[row, "node"]
    found = [median.get((row, system)) for system in SYSTEMS]
    times = "".join(f"{'' if time is None else pretty(time):>11}" for time in [*found, node])
    ratios = "".join(f"{'' if time is None else f'{time / node:.2f}':>10}" for time in found)
    sys.stdout.write(f"{title:40}{times}{ratios}\n")
