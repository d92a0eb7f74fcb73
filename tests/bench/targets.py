"""The targets of this project: what a row may take, what it takes, and why if it takes more.

A reason is a lower bound that was measured in the same run, or a figure of docs/decisions.md.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from typing import NamedTuple

import turns
from parts import PARTS

Medians = dict[tuple[str, str], float]

MIB = 1 << 20
MB = 1_000_000
PAGE = """\
# Benchmark

`make bench` measures this, draws the picture and writes this page. Each row is measured in turn in
every system and in Node on the same machine, nine rounds over, and the medians are compared; a
smaller figure is better, and 1 x Node is the time of the same call inside of Node. Figures of
machines differ: those below are of a virtual machine with two cores.

![Time of calls, callbacks, values and promises, as a multiple of Node's](benchmark.svg)

How cost grows with size, threads, hosts and promises: [several hosts](scale.md#how-cost-grows).

## Targets

What a row should take at most, what it takes, and what the difference consists of where it takes
more. "Exchange" means that two threads on two processors pass 16 bytes and an answer through
shared memory, without anything else.

| row | measured | target | |
| --- | --- | --- | --- |
{rows}
"""


class Target(NamedTuple):
    """A row of the table."""

    title: str
    #: what it is, in the unit
    value: Callable[[Medians], float]
    most: float
    unit: str = "x Node"
    #: why it is more, if it is
    reason: Callable[[Medians], str] = lambda _: ""
    #: whether it is a least value, not a most
    is_least: bool = False

    def is_met(self, median: Medians) -> bool:
        """Says whether the measured value, as it is shown, is within the target."""
        value = float(shown(self.value(median)))
        return value >= self.most if self.is_least else value <= self.most


def stated(text: str) -> Callable[[Medians], str]:
    """Returns a reason that is not measured in the run."""
    return lambda _: text


CACHES = stated("other rows run in between: the thread has to wake, and the caches are filled anew")
OBJECTS = stated("the engine takes two blocks of memory for an object, and gives them back")
PAGES = stated("0.4 MB are JavaScript's built-in objects, 0.25 MB addresses that were relocated")
FILES = stated("process, connection, two outputs, wake pipe, memory of buffers")
PROCESSORS = stated("two processors, and one lock of the interpreter: see the curves of threads")


def shown(value: float) -> str:
    """Returns a value with the digits that mean something."""
    return f"{value:.0f}" if value >= 10 else f"{value:.2f}"


def by_node(row: str, system: str = "lanes") -> Callable[[Medians], float]:
    """Returns what reads the ratio of a row to Node."""
    return lambda median: median[row, system] / median[row, "node"]


def plain(row: str, unit: float = 1, system: str = "lanes") -> Callable[[Medians], float]:
    """Returns what reads a row in a unit."""
    return lambda median: median[row, system] / unit


def part(row: str, name: str) -> Callable[[Medians], str]:
    """Returns the reason that a part of the row is so much."""
    title = PARTS[name][0]
    return lambda median: f"{title} is {shown(median[name, 'lanes'] / median[row, 'node'])} of it"


def transfers(row: str, count: int) -> Callable[[Medians], str]:
    """Returns the reason that a row needs so many exchanges between two processors."""

    def reason(median: Medians) -> str:
        floor = count * median["add", "floor"] / median[row, "node"]
        exchanges = "an exchange" if count == 1 else f"{count} exchanges"
        return f"{exchanges} of 16 bytes with a bare thread is {shown(floor)} of it"

    return reason


def slowest(names: Iterable[str]) -> Callable[[Medians], str]:
    """Returns the reason that some functions take more than others."""
    listed = list(names)

    def reason(median: Medians) -> str:
        ratios = sorted(((by_node(name)(median), name) for name in listed), reverse=True)
        most = ", ".join(f"{name} {shown(ratio)}" for ratio, name in ratios[:4])
        return f"without a just-in-time compiler's inline caches: {most}"

    return reason


def all_targets(functions: list[str]) -> list[Target]:
    """Returns the targets, in the order of the table; `functions` are the fourteen."""

    def mean(median: Medians) -> float:
        return statistics.geometric_mean(by_node(name)(median) for name in functions)

    def floors(median: Medians) -> float:
        return median["add", "lanes"] / median["add", "floor"]

    def without_exchange(median: Medians) -> str:
        rest = median["add", "caller"] / median["add", "floor"]
        return f"without an exchange, on the calling thread, it is {shown(rest)}"

    def program(median: Medians) -> float:
        return median["swc", "program"] / median["swc", "node"]

    def asyncio_alone(median: Medians) -> str:
        ratio = median[turns.ASYNCIO, "lanes"] / median["gathered", "node"]
        return f"asyncio alone, without an addon, is {shown(ratio)} of it"

    def own_memory(median: Medians) -> str:
        share = median["hosts-share", "lanes"] / MB
        return f"{shown(share)} MB are its own, the rest is code that all hosts share"

    packages = ("blake3", "xxh64", "snappy", "lz4")
    return [
        Target("add(1, 2), isolated", by_node("add"), 20, reason=transfers("add", 1)),
        Target("the same, by an exchange", floors, 1.5, "x exchange", without_exchange),
        Target(
            "add(1, 2), on the calling thread",
            by_node("add", "caller"),
            8,
            reason=part("add", "python-call"),
        ),
        Target("add(1, 2) in bulk, each", by_node("bulk"), 5, reason=part("bulk", "python-pairs")),
        Target("callback, isolated", by_node("callback"), 4, reason=transfers("callback", 2)),
        Target(
            "callback, on the calling thread",
            by_node("callback", "caller"),
            4,
            reason=part("callback", "python-callback"),
        ),
        Target(
            "object of 100 properties out",
            by_node("object"),
            0.7,
            reason=part("object", "python-dict"),
        ),
        Target("64 MiB of bytes in, read", by_node("bytes-64"), 2),
        Target("the same from a pool", by_node("bytes-64-pool"), 1.05, reason=CACHES),
        *(
            Target(f"{size} MiB made by the engine, out", by_node(f"made-{size}"), 1.2)
            for size in (1, 64)
        ),
        *(
            Target(f"{name} of 10 MB", by_node(name), 1.5, reason=part(name, "copy"))
            for name in packages
        ),
        *(
            Target(f"{name} of 10 MB of a pool", by_node(f"{name}-pool"), 1.1, reason=CACHES)
            for name in packages
        ),
        Target("10 000 promises gathered", by_node("gathered"), 2.5, reason=asyncio_alone),
        *(
            Target(
                f"event of a thread, in a burst of {count}",
                by_node(row),
                3,
                reason=part(row, "python-callback"),
            )
            for row, count in (("events", "1000"), ("many-events", "50 000"))
        ),
        Target("one Node-API function, mean", mean, 0.3, reason=slowest(functions)),
        Target("napi_create_object", by_node("napi_create_object"), 1.1, reason=OBJECTS),
        Target("start, load, first call", plain("start", MB), 6, "ms"),
        Target(
            "@swc/core and a first call, from a Python that runs", by_node("swc", "required"), 1
        ),
        Target("the same, a whole program", program, 1),
        Target("idle host, resident", plain("idle", MB), 6, "MB", own_memory),
        Target("idle host with a package's JavaScript", plain("trivial", MB, "memory"), 12, "MB"),
        Target("200 idle hosts, resident, each", plain("hosts-memory", MB), 6, "MB", own_memory),
        Target("200 idle hosts, proportional, each", plain("hosts-share", MB), 0.8, "MB", PAGES),
        Target("200 idle hosts, processor, each", plain("hosts-cpu", 0.01), 0.01, "%"),
        Target("threads of Python for each addon", plain("threads"), 0, ""),
        Target("descriptors of Python for each addon", plain("descriptors"), 3, "", FILES),
        Target("processor of Python for each idle addon", plain("idle-cpu", 0.01), 0.01, "%"),
        Target(
            "32 threads that call 8 hosts, of the best number",
            plain("threads-32", 0.01),
            90,
            "%",
            PROCESSORS,
            is_least=True,
        ),
    ]


def _columns(target: Target, median: Medians) -> tuple[str, str, str]:
    """Returns the measured value, the target, and the reason where it is not met."""
    unit = f" {target.unit}" if target.unit else ""
    bound = "at least " if target.is_least else ""
    reason = "" if target.is_met(median) else target.reason(median) or "not met"
    return f"{shown(target.value(median))}{unit}", f"{bound}{target.most:g}{unit}", reason


def table(targets: Iterable[Target], median: Medians) -> str:
    """Returns the targets as text."""
    lines = [f"{'target':56}{'measured':>14}{'at most':>18}"]
    for target in targets:
        value, most, reason = _columns(target, median)
        lines.append(f"{target.title:56}{value:>14}{most:>18}  {reason}".rstrip())
    return "\n".join([*lines, ""])


def page(targets: Iterable[Target], median: Medians) -> str:
    """Returns the page of the documentation that has the targets."""
    rows = []
    for target in targets:
        value, most, reason = _columns(target, median)
        rows.append(f"| {target.title} | {value} | {most} | {reason or 'met'} |")
    return PAGE.format(rows="\n".join(rows))
