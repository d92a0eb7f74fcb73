"""Rows about pools of addons: what a task costs, two cores, images through a pool of buffers."""

from __future__ import annotations

import sys
import time

from measure import ADDON, Samples, pretty
from napi_python import AddonPool, load_addon

TASKS = 2000
#: how often a task of the row about two cores calls a function, some 50 ms in all
CALLS = 1_000_000
#: images of 1080 x 1920 pixels with three colours, 1 GB in all
IMAGE = 1080 * 1920 * 3
IMAGES = 160


def seconds_of(function: object) -> float:
    """Returns the time of a call."""
    assert callable(function)
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


class Rows:
    """The pools that are measured."""

    def __init__(self) -> None:
        """Starts them."""
        self.one = AddonPool(ADDON, workers=1)
        self.two = AddonPool(ADDON, workers=2, buffers="128 MiB")
        self.addon = load_addon(ADDON)
        self.image = bytes(range(256)) * (IMAGE // 256)
        self.total = sum(range(256)) * (IMAGE // 256)
        # Memory that is in use: what a program has that reads one image after the other.
        self.two.buffers.preallocate(len(self.image), 8)

    def dispatch(self) -> float:
        """Returns what a task takes more than the call that it makes, in nanoseconds."""

        def tasks() -> None:
            futures = [self.one.submit("add", 1, 2) for _ in range(TASKS)]
            for future in futures:
                future.result()

        def calls() -> None:
            add = self.addon.add
            for _ in range(TASKS):
                add(1, 2)

        return (seconds_of(tasks) - seconds_of(calls)) / TASKS * 1e9

    def cores(self) -> float:
        """Returns the time of four calls on two workers, by that of two calls on one."""

        def calls(pool: AddonPool, count: int) -> None:
            list(pool.map("measure", ["scope"] * count, [CALLS] * count))

        return seconds_of(lambda: calls(self.two, 4)) / seconds_of(lambda: calls(self.one, 2))

    def images(self) -> float:
        """Returns the bytes per second of images that are put into buffers, and read by tasks."""
        buffers = self.two.buffers

        def read() -> None:
            pending = []
            for _ in range(IMAGES):
                if len(pending) == 6:
                    assert pending.pop(0).result() == self.total
                pending.append(self.two.submit("sumBuffer", buffers.copy(self.image)))
            assert {future.result() for future in pending} == {self.total}

        return IMAGES * len(self.image) / seconds_of(read)

    def measure(self, samples: Samples) -> None:
        """Measures all rows once."""
        samples.note("pool-task", "lanes", self.dispatch())
        samples.note("pool-cores", "lanes", self.cores())
        samples.note("pool-images", "lanes", self.images())

    def close(self) -> None:
        """Ends the processes."""
        self.one.shutdown()
        self.two.shutdown()


def report(median: dict[tuple[str, str], float]) -> None:
    """Prints the rows."""
    out = sys.stdout.write
    out(f"{'a task of a pool, without its call':40}{pretty(median['pool-task', 'lanes']):>12}\n")
    ratio = median["pool-cores", "lanes"]
    out(f"{'four calls, two workers / two, one':40}{ratio:>12.2f}\n")
    rate = median["pool-images", "lanes"] / 1e9
    out(f"{'1 GB of images into a pool, and read':40}{rate:>7.2f} GB/s\n")


if __name__ == "__main__":
    rows, found = Rows(), Samples()
    rows.measure(Samples())
    for _ in range(9):
        rows.measure(found)
    rows.close()
    report(found.medians())
