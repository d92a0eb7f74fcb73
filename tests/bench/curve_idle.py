"""What hosts cost that are idle: the memory of each, and the start of one more.

A fresh Python process opens them for each system, and is asked for their number at each place. Its
own growth belongs to them. Node's are processes of their own.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from curve_panels import SYSTEMS, Extent, Kind, Note, Panel
from measure import Measured, load, start_node
from napi_python import host

HOSTS = (1, 2, 4, 8, 16, 32)

PANELS = {
    "memory": Panel("memory of each idle host", "hosts", HOSTS, Kind.MEMORY),
    "start": Panel("start, load and first call of one more", "hosts", HOSTS),
}


def share_of_memory(pid: int) -> int:
    """Returns the bytes of a process; those of pages that several share, in equal parts.

    Raises:
        OSError: The process has ended, or belongs to another user.
    """
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    found = re.search(r"^Pss: +(\d+) kB$", text, re.MULTILINE)
    assert found, text
    return int(found[1]) << 10


class Opened:
    """The hosts of one system that this process has opened."""

    def __init__(self, system: str, closing: ExitStack) -> None:
        """Opens none; what it opens is closed with the stack."""
        self.system, self.closing = system, closing
        self.pids: list[int] = []
        self.starts: list[float] = []
        self.before = 0

    def open(self) -> None:
        """Opens one more."""
        start = time.perf_counter_ns()
        if self.system == "node":
            node = start_node("node_curves.cjs")
            node.ask("add 1")
            self.starts.append(time.perf_counter_ns() - start)
            self.closing.callback(node.close)
            self.pids.append(node.process.pid)
            return
        addon = load(self.system)
        addon.add(1, 2)
        self.starts.append(time.perf_counter_ns() - start)
        self.closing.enter_context(addon)
        pid = host(addon).pid
        if pid is not None and pid != os.getpid():
            self.pids.append(pid)

    def open_up_to(self, count: int) -> float:
        """Opens hosts until there are so many; returns the nanoseconds that one of them took."""
        if not self.starts:
            # Not before: processes that start later share pages with this one.
            self.before = share_of_memory(os.getpid())
        for _ in range(count - len(self.starts)):
            self.open()
        return statistics.median(self.starts[count // 2 :])

    def memory(self) -> float:
        """Returns the bytes of one of them."""
        grown = share_of_memory(os.getpid()) - self.before
        return (grown + sum(map(share_of_memory, self.pids))) / len(self.starts)


def child(system: str) -> None:
    """Answers lines "ready 0", "start COUNT" and "memory COUNT"; counts ascend."""
    with ExitStack() as closing:
        opened = Opened(system, closing)
        for question in sys.stdin:
            what, count = question.split()
            answer = 1.0
            if what != "ready":
                start = opened.open_up_to(int(count))
                answer = start if what == "start" else opened.memory()
            sys.stdout.write(f"{answer}\n")
            sys.stdout.flush()


def measure(note: Note, extent: Extent) -> None:
    """Measures each number of hosts by every system in turn, one round."""
    with ExitStack() as closing:
        children = {system: Measured(sys.executable, __file__, system) for system in SYSTEMS}
        for one in children.values():
            closing.callback(one.close)
            # Their own start must not overlap with what is measured.
            one.ask("ready 0")
        for place in extent.of(PANELS["start"]):
            for system, one in children.items():
                for key in ("start", "memory"):
                    note(key, place, system, one.ask(f"{key} {place}"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=SYSTEMS)
    child(parser.parse_args().system)
