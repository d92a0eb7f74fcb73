"""What addons cost that are loaded and idle, and how many threads may call eight hosts.

Each measurement has a fresh Python process, whose own threads and descriptors do not count.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import curve_calls
import memory
from curve_idle import Opened, share_of_memory
from measure import Samples, load, resident

#: hosts that threads call, and by how many threads
CALLED, THREADS = 8, (4, 8, 16, 32, 64)


class Extent(NamedTuple):
    """How much is measured."""

    #: addons beside the first
    addons: int
    #: hosts that are idle together
    hosts: int
    #: how long idle processes are watched, in seconds
    watched: float
    #: how long threads call, in seconds
    window: float


FULL, QUICK = Extent(10, 200, 2.0, 0.3), Extent(2, 4, 0.05, 0.01)

Result = dict[str, float]


def _entries(folder: str) -> int:
    return len(os.listdir(f"/proc/self/{folder}"))  # noqa: PTH208 - only counted


def _processor_time(pid: int) -> float:
    """Returns the seconds that all threads of a process have run."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def _watched(pids: list[int], seconds: float) -> float:
    """Returns the part of a processor that the processes use while nothing is called."""
    before = sum(map(_processor_time, pids))
    time.sleep(seconds)
    return (sum(map(_processor_time, pids)) - before) / seconds


def per_addon(extent: Extent) -> Result:
    """Measures what each further addon costs the Python process."""
    with ExitStack() as closing:
        opened = Opened("lanes", closing)
        opened.open_up_to(1)
        threads, files = _entries("task"), _entries("fd")
        idle = _watched([os.getpid()], extent.watched)
        opened.open_up_to(1 + extent.addons)
        return {
            "threads": (_entries("task") - threads) / extent.addons,
            "descriptors": (_entries("fd") - files) / extent.addons,
            "idle-cpu": max(_watched([os.getpid()], extent.watched) - idle, 0.0) / extent.addons,
        }


def many_hosts(extent: Extent) -> Result:
    """Measures hosts that are idle together."""
    with ExitStack() as closing:
        opened = Opened("lanes", closing)
        opened.open_up_to(extent.hosts)
        hosts = opened.pids[-extent.hosts :]
        return {
            "hosts-memory": sum(map(resident, hosts)) / extent.hosts,
            "hosts-share": sum(map(share_of_memory, hosts)) / extent.hosts,
            "hosts-cpu": _watched([*hosts, os.getpid()], extent.watched) / extent.hosts,
        }


def callers(extent: Extent) -> Result:
    """Measures how many calls 32 threads make of eight hosts, as a part of the best number."""
    with ExitStack() as closing:
        hosts = [closing.enter_context(load("lanes")) for _ in range(CALLED)]
        runs = [memory.repeated(addon.add, 1, 2) for addon in hosts]
        rates = dict.fromkeys(THREADS, 0.0)
        for _ in range(3):
            for threads in THREADS:
                spread = list(itertools.islice(itertools.cycle(runs), threads))
                rates[threads] = max(rates[threads], curve_calls.rate(spread, extent.window, 20))
        return {"threads-32": rates[32] / max(rates.values())}


MEASUREMENTS = {"per-addon": per_addon, "many-hosts": many_hosts, "callers": callers}


def measure(samples: Samples) -> None:
    """Measures everything once."""
    for name in MEASUREMENTS:
        command = [sys.executable, __file__, name]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found: dict[str, Any] = json.loads(done.stdout)
        for row, value in found.items():
            samples.note(row, "lanes", value)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("measurement", choices=MEASUREMENTS)
    parser.add_argument("--quick", action="store_true", help="what is small, for a test")
    options = parser.parse_args()
    found = MEASUREMENTS[options.measurement](QUICK if options.quick else FULL)
    sys.stdout.write(json.dumps(found))
