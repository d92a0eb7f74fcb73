"""How many calls a second are made: by the threads that call one host, and by the hosts."""

from __future__ import annotations

import functools
import itertools
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack

import memory
from curve_panels import Extent, Kind, Note, Panel
from measure import Measured, Run, load, nanoseconds

THREADS = (1, 2, 4, 8, 16, 32, 64)
HOSTS = (1, 2, 4, 8, 16, 32)
#: threads that call the hosts
CALLERS = 32
#: what a call of `compute` takes, in nanoseconds
COMPUTES = 200_000

PANELS = {
    "threads": Panel("add(1, 2) of one host", "threads", THREADS, Kind.RATE, node_once=True),
    "hosts": Panel("add(1, 2) by 32 threads", "hosts", HOSTS, Kind.RATE, node_once=True),
    "computing": Panel(
        "0.2 ms of native code, by 32 threads", "hosts", HOSTS, Kind.RATE, node_once=True
    ),
}
#: systems that several threads can call
SYSTEMS = ("lanes", "own")


def rate(runs: Sequence[Run], window: float, times: int) -> float:
    """Has a thread for each loop run it, `times` repetitions and more until the window is over.

    Returns:
        The repetitions per second of all of them.

    Raises:
        Exception: What the loop of a thread raised.
    """
    counts, errors, began = [0] * len(runs), list[Exception](), [0.0]

    def begin() -> None:
        began[0] = time.perf_counter()

    ready = threading.Barrier(len(runs), begin)

    def work(number: int, run: Run) -> None:
        try:
            run(1)
            ready.wait()
            while True:
                run(times)
                counts[number] += times
                if time.perf_counter() >= began[0] + window:
                    break
        except threading.BrokenBarrierError:
            pass
        except Exception as error:
            errors.append(error)
            ready.abort()

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(runs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return sum(counts) / (time.perf_counter() - began[0])


@functools.cache
def steps_of_computing() -> int:
    """Returns how many steps `compute` makes in `COMPUTES`: the same in all rounds and systems."""
    steps = 50_000
    with load("lanes") as addon:
        run = memory.repeated(addon.compute, steps)
        return round(steps * COMPUTES / min(nanoseconds(run, 1) for _ in range(100)))


def measure(note: Note, node: Measured, extent: Extent) -> None:
    """Measures each number of threads and hosts by every system in turn, one round."""
    with ExitStack() as closing:
        hosts = {
            system: [
                closing.enter_context(load(system)) for _ in range(extent.of(PANELS["hosts"])[-1])
            ]
            for system in SYSTEMS
        }
        steps = steps_of_computing()
        calls: dict[str, tuple[str, tuple[int, ...], int]] = {
            "threads": ("add", (1, 2), 20),
            "hosts": ("add", (1, 2), 20),
            "computing": ("compute", (steps,), 1),
        }
        for key, (function, arguments, times) in calls.items():
            for place in extent.of(PANELS[key]):
                for system, all_of_system in hosts.items():
                    threads, used = (place, 1) if key == "threads" else (CALLERS, place)
                    runs = [
                        memory.repeated(getattr(addon, function), *arguments)
                        for addon in all_of_system[:used]
                    ]
                    spread = list(itertools.islice(itertools.cycle(runs), threads))
                    note(key, place, system, rate(spread, extent.window, times))
    adds, computed = node.ask("add 100000"), node.ask(f"compute {steps} 50")
    for key, taken in (("threads", adds), ("hosts", adds), ("computing", computed)):
        note(key, PANELS[key].places[0], "node", 1e9 / taken)
