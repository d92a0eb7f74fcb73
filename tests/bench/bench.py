"""One run, one table: a process over both carriers, this process, and Node, on the same addon.

Every row is measured in turn by every system, nine rounds over, and the median is shown, so that a
noisy machine disturbs all of them alike; the single functions take so little that each round has
five short passes over them, both on one CPU, and the median is that of forty-five. Look at the
ratios, never at times of different runs.

`.venv/bin/python tests/bench/bench.py docs/benchmark.svg` draws the rows of `DRAWN` as well, and
writes the targets to docs/benchmark.md.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import idle
import measure
import memory
import napi_python
import packages
import parts
import picture
import pool
import targets
import turns
from measure import (
    ADDON,
    ROUNDS,
    SAMPLES,
    Measured,
    Run,
    Samples,
    nanoseconds,
    pretty,
    print_heading,
    print_row,
    resident,
    start_node,
)
from napi_python import Addon, bulk, host, load_addon

CRASH = SAMPLES / "crash.node"
MANIFEST = Path(__file__).parents[2] / "Cargo.toml"
#: builds and runs what measures the lower bound of a call
FLOOR = ["cargo", "run", "-qr", "--manifest-path", str(MANIFEST), "-p", "hostd-client"]
FLOOR += ["--example", "floor"]
NUMBERS = list(range(1000))
BLOCK = bytes([1]) * (1 << 20)

#: row, repetitions a round over lanes, target ratio to Node of the first release
ROWS = {
    "add": ("add(1, 2)", 20_000),
    "bulk": ("add(1, 2) in bulk, each", 20_000),
    "method": ("method call", 20_000),
    "getter": ("getter", 20_000),
    "callback": ("callback into Python", 10_000),
    "list": ("list of 1000 numbers in", 1000),
    "object": ("object of 100 properties out", 2000),
    "buffer": ("1 MiB of bytes in, read", 50),
}

#: what the addon does in a loop of its own, in the host and in Node: the fourteen of the target
FUNCTIONS = [
    "scope",
    "napi_create_int32",
    "napi_get_value_int32",
    "napi_create_object",
    "napi_create_string_utf8",
    "napi_get_value_string_utf8",
    "napi_set_named_property",
    "napi_get_named_property",
    "napi_set_element",
    "napi_get_element",
    "reference",
    "napi_create_function",
    "napi_call_function",
    "napi_create_arraybuffer",
]
#: and some more
OTHERS = [
    "napi_create_double",
    "napi_get_value_double",
    "napi_create_array",
    "napi_typeof",
    "napi_get_property",
    "napi_set_property",
    "napi_get_reference_value",
]
#: how often a pass calls a function, and how many passes a round has
LOOP = 4000
PASSES = 5
#: how often idle processes are measured, which takes ten seconds
IDLE_ROUNDS = 2

#: the rows of the picture
DRAWN = [*ROWS, "bytes-64", "bytes-64-pool", "made-1", "changed", "text-1", "blake3", "blake3-pool"]
DRAWN += ["lz4", "awaited", "gathered", "start"]


def python_rows(addon: Addon) -> dict[str, Run]:
    """Returns each row's loop over one loaded addon."""
    counter = addon.Counter(0)
    add, call, total, make, read = (
        addon.add,
        addon.callOnce,
        addon.sumList,
        addon.makeObject,
        addon.sumBuffer,
    )

    def run_add(times: int) -> None:
        for _ in range(times):
            add(1, 2)

    def run_bulk(times: int) -> None:
        for _ in bulk(add, zip(range(times), itertools.repeat(2)), star=True):
            pass

    def run_method(times: int) -> None:
        for _ in range(times):
            counter.increment()

    def run_getter(times: int) -> None:
        for _ in range(times):
            counter.value  # noqa: B018  the read is what is measured

    def run_callback(times: int) -> None:
        for _ in range(times):
            call(parts.double, 21)

    def run_list(times: int) -> None:
        for _ in range(times):
            total(NUMBERS)

    def run_object(times: int) -> None:
        for _ in range(times):
            make()

    def run_buffer(times: int) -> None:
        for _ in range(times):
            read(BLOCK)

    return {
        "add": run_add,
        "bulk": run_bulk,
        "method": run_method,
        "getter": run_getter,
        "callback": run_callback,
        "list": run_list,
        "object": run_object,
        "buffer": run_buffer,
    }


def start_load_call() -> float:
    """Times start, load and first call of a fresh host, in nanoseconds."""
    start = time.perf_counter_ns()
    addon = load_addon(ADDON)
    addon.add(1, 2)
    taken = time.perf_counter_ns() - start
    host(addon).close()
    return taken


def node_start() -> float:
    """Times the same in a fresh Node."""
    start = time.perf_counter_ns()
    subprocess.run(["node", "-e", f"require({json.dumps(str(ADDON))}).add(1, 2)"], check=True)
    return time.perf_counter_ns() - start


def crash_times(addon: Addon) -> tuple[float, float]:
    """Times from a call that crashes to its exception, and to the next good answer."""
    addon.add(1, 2)
    start = time.perf_counter_ns()
    try:
        addon.nullPointer()
    except napi_python.AddonCrashed:
        raised = time.perf_counter_ns()
    else:
        message = "the addon survived a null pointer"
        raise AssertionError(message)
    addon.add(1, 2)
    return raised - start, time.perf_counter_ns() - start


@contextlib.contextmanager
def on_one_cpu(number: int, addon: Addon, node: Measured) -> Iterator[None]:
    """Has JavaScript run on the same CPU in both meanwhile, on another one for each number.

    Those of a virtual machine need not be equally fast at a time.
    """
    cpus = sorted(os.sched_getaffinity(0))
    threads = [pid for pid in (host(addon).pid, node.process.pid) if pid is not None]
    for thread in threads:
        os.sched_setaffinity(thread, {cpus[number % len(cpus)]})
    try:
        yield
    finally:
        for thread in threads:
            os.sched_setaffinity(thread, cpus)


def one_cpu() -> None:
    """Prints the time of a call with the whole process tree on one CPU: the child's part."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    addon = load_addon(ADDON)
    run = python_rows(addon)["add"]
    run(200)
    sys.stdout.write(f"{statistics.median(nanoseconds(run, 500) for _ in range(ROUNDS))}\n")
    host(addon).close()


def repetitions(system: str, times: int) -> int:
    """Returns how often a system repeats a row in one round."""
    return max(times // 20, 5) if system == "socket" else times


def main(rounds: int, svg: Path | None) -> None:
    """Runs the benchmark, and draws it if a file is named."""
    addons = {system: measure.load(system) for system in measure.SYSTEMS}
    lanes = addons["lanes"]
    node, floor = start_node(), Measured(*FLOOR)
    runs = {system: python_rows(addon) for system, addon in addons.items()}
    resting = resident(host(lanes).pid)
    floor.ask("1000")
    samples, closing = Samples(), contextlib.ExitStack()
    note = samples.note
    buffers = memory.Rows(addons, closing)
    buffers.measure(Samples(), node, list(memory.ROWS))
    folders = packages.Folders(closing)
    packages.measure(Samples(), folders)
    pools = pool.Rows()
    closing.callback(pools.close)
    pools.measure(Samples())

    of_itself = turns.rows()
    for row, (_, times) in turns.ROWS.items():
        of_itself[row](times)
        node.ask(f"{row} {times}")
    for row, (_, times) in ROWS.items():
        for system, loops in runs.items():
            loops[row](repetitions(system, times))
        node.ask(f"{row} {times * 5}")
    for round_ in range(rounds):
        for row, (_, times) in ROWS.items():
            for system, loops in runs.items():
                note(row, system, nanoseconds(loops[row], repetitions(system, times)))
            note(row, "node", node.ask(f"{row} {times * 5}"))
        buffers.measure(samples, node, list(memory.ROWS))
        for row, (_, times) in turns.ROWS.items():
            for _ in range(turns.PASSES.get(row, 1)):
                note(row, "lanes", of_itself[row](times))
                note(row, "node", node.ask(f"{row} {times}"))
        note(turns.ASYNCIO, "lanes", of_itself[turns.ASYNCIO](turns.ROWS["gathered"][1]))
        with on_one_cpu(round_, lanes, node):
            for name in (FUNCTIONS + OTHERS) * PASSES:
                note(name, "lanes", lanes.measure(name, LOOP))
                note(name, "node", node.ask(f"{name} {LOOP}"))
        note("add", "floor", floor.ask(str(ROWS["add"][1])))
        note("start", "lanes", start_load_call())
        note("start", "node", node_start())
        packages.measure(samples, folders)
        pools.measure(samples)
        parts.measure(samples)
    crash = load_addon(CRASH, restart="on-crash")
    for _ in range(ROUNDS):
        raised, ready = crash_times(crash)
        note("crash", "lanes", raised)
        note("ready", "lanes", ready)
    note("idle", "lanes", resting)
    note("idle", "node", node.ask("memory 0"))
    single = subprocess.run(
        [sys.executable, __file__, "--one-cpu"], check=True, capture_output=True, text=True
    )
    note("one-cpu", "lanes", float(single.stdout))
    for addon in (*addons.values(), crash):
        host(addon).close()
    closing.close()
    node.close()
    floor.close()
    for _ in range(IDLE_ROUNDS):
        idle.measure(samples)
    median = samples.medians()
    report(median)
    rows = targets.all_targets(FUNCTIONS)
    sys.stdout.write(f"\n{targets.table(rows, median)}")
    if svg is not None:
        svg.write_text(picture.drawing([(row, titles()[row]) for row in DRAWN], median))
        svg.with_suffix(".md").write_text(targets.page(rows, median), encoding="utf-8")


def titles() -> dict[str, str]:
    """Returns what the rows that are compared in all systems are called."""
    rows = {**ROWS, **memory.ROWS, **turns.ROWS}
    return {row: title for row, (title, _) in rows.items()} | {"start": "start, load, first call"}


def report(median: dict[tuple[str, str], float]) -> None:
    """Prints the table."""
    out = sys.stdout.write
    print_heading()
    for row, title in titles().items():
        print_row(title, row, median)

    def ratio(name: str) -> float:
        mine, his = median[name, "lanes"], median[name, "node"]
        out(f"{name:40}{pretty(mine):>12}{'':12}{pretty(his):>12}{mine / his:>12.2f}\n")
        return mine / his

    mean = statistics.geometric_mean([ratio(name) for name in FUNCTIONS])
    out(f"{'geometric mean of these':40}{'':36}{mean:>12.2f}\n")
    for name in OTHERS:
        ratio(name)
    mib = 1 << 20
    out(f"{'memory of an idle host':40}{median['idle', 'lanes'] / mib:>8.1f} MiB{'':12}")
    out(f"{median['idle', 'node'] / mib:>8.1f} MiB\n")
    floor = median["add", "floor"]
    out(f"{'floor: 16 bytes to a bare thread':40}{pretty(floor):>12}")
    out(f"   add(1, 2) is {median['add', 'lanes'] / floor:.2f} times the floor\n")
    alone = median[turns.ASYNCIO, "lanes"]
    out(f"{'asyncio alone, 10 000 gathered':40}{pretty(alone):>12}\n")
    out(f"{'add(1, 2) on one CPU':40}{pretty(median['one-cpu', 'lanes']):>12}\n")
    out(f"{'crash to exception':40}{pretty(median['crash', 'lanes']):>12}\n")
    out(f"{'crash to ready again':40}{pretty(median['ready', 'lanes']):>12}\n")
    pool.report(median)
    packages.report(median)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("svg", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--one-cpu", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one_cpu:
        one_cpu()
    else:
        main(options.rounds, options.svg)
