"""What the benchmarks share: the addons, the process that measures Node, times and rows."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
SAMPLES = Path(os.environ.get("NAPI_HOSTD_ADDONS", HERE.parent.parent / "addons" / "build"))
ADDON = SAMPLES / "bench.node"
ROUNDS = 9

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
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def start_node() -> Measured:
    """Starts the Node that measures itself in process."""
    return Measured("node", str(HERE / "node_side.cjs"), str(ADDON))


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
    columns = "".join(f"{name:>12}" for name in ("lanes", "socket", "Node"))
    sys.stdout.write(f"{'':40}{columns}{'lanes/Node':>12}{'socket/Node':>12}\n")


def print_row(title: str, row: str, median: dict[tuple[str, str], float]) -> None:
    """Prints the times of a row and their ratios to Node."""
    mine, his, wire = (median.get((row, name)) for name in ("lanes", "node", "socket"))
    assert mine is not None and his is not None
    times = f"{pretty(mine):>12}{pretty(wire) if wire else '':>12}{pretty(his):>12}"
    ratios = f"{mine / his:>12.2f}{f'{wire / his:.2f}' if wire else '':>12}"
    sys.stdout.write(f"{title:40}{times}{ratios}\n")
