"""The rows of bulk memory: large buffers and texts, and published packages that work on them.

Every row is measured in turn by every system, as in bench.py. `--stream` measures frames that a
thread of the addon sends, and `--sizes` the throughput of messages by their size, instead.
"""

from __future__ import annotations

import argparse
import functools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import measure
from measure import Measured, Run, Samples, nanoseconds
from napi_python import Addon, Buffer, BufferPool, host, load_addon

PACKAGES = measure.HERE.parent / "real" / "node_modules"
MIB = 1 << 20

#: row: title, repetitions a round in each system: so many that the first, for which a thread has to
#: wake and the caches are filled, weighs little
ROWS = {
    "bytes-64": ("64 MiB of bytes in, read", 1),
    "made-1": ("1 MiB made by the engine, out", 50),
    "made-64": ("64 MiB made by the engine, out", 1),
    "external-1": ("1 MiB external, out", 50),
    "external-64": ("64 MiB external, out", 1),
    "unchanged": ("bytearray of 1 MiB, read", 20),
    "changed": ("bytearray of 1 MiB, changed", 20),
    "text-1": ("text of 1 MiB in and out", 10),
    "text-10": ("text of 10 MB in and out", 2),
    "wide-10": ("text of 10 MB in and out, not ASCII", 1),
    "blake3": ("blake3 of 10 MB", 10),
    "xxh64": ("xxh64 of 10 MB", 20),
    "snappy": ("snappy, 10 MB compressed", 2),
    "lz4": ("lz4, 10 MB compressed", 2),
    "blake3-bytearray": ("blake3 of a bytearray of 10 MB", 10),
    "xxh64-bytearray": ("xxh64 of a bytearray of 10 MB", 20),
    "bytes-64-pool": ("64 MiB of bytes of a pool, read", 1),
    "blake3-pool": ("blake3 of 10 MB of a pool", 10),
    "xxh64-pool": ("xxh64 of 10 MB of a pool", 20),
    "snappy-pool": ("snappy, 10 MB of a pool compressed", 2),
    "lz4-pool": ("lz4, 10 MB of a pool compressed", 2),
}

#: row: package and file
PUBLISHED = {
    "blake3": ("@napi-rs/blake-hash-linux-x64-gnu", "blake.linux-x64-gnu.node"),
    "xxh64": ("@node-rs/xxhash-linux-x64-gnu", "xxhash.linux-x64-gnu.node"),
    "snappy": ("@napi-rs/snappy-linux-x64-gnu", "snappy.linux-x64-gnu.node"),
    "lz4": ("@antoniomuso/lz4-napi-linux-x64-gnu", "lz4-napi.linux-x64-gnu.node"),
}
FUNCTIONS = {"blake3": "blake3", "xxh64": "xxh64", "snappy": "compressSync", "lz4": "compressSync"}

SIZES = [64 << 10, 128 << 10, 256 << 10, 512 << 10, MIB]
FRAME_BYTES = 1_000_000
WORDS = "be to of and a in that have it for not on with he as you".split()  # noqa: SIM905


@functools.cache
def prose() -> bytes:
    """Returns 10 MB that compress as text does, the same as in node_side.cjs."""
    state, words = 1, list[str]()
    for _ in range(200_000):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        words.append(WORDS[state >> 28])
    text = " ".join(words).encode()
    return (text * (10_000_000 // len(text) + 1))[:10_000_000]


def repeated(function: Callable[..., object], *arguments: object) -> Run:
    """Returns the loop over one call."""

    def run(times: int) -> None:
        for _ in range(times):
            function(*arguments)

    return run


def rows(addon: Addon, published: dict[str, Addon]) -> dict[str, Run]:
    """Returns each row's loop over the loaded addons."""
    found = {
        "bytes-64": repeated(addon.sumBuffer, bytes([1]) * (64 * MIB)),
        "unchanged": repeated(addon.sumBuffer, bytearray(MIB)),
        "changed": repeated(addon.changeBuffer, bytearray(MIB)),
        "text-1": repeated(addon.copyText, "a" * MIB),
        "text-10": repeated(addon.copyText, "a" * 10_000_000),
        "wide-10": repeated(addon.copyText, "naïve — " * 910_000),
    }
    for size in (1, 64):
        found[f"made-{size}"] = repeated(addon.makeBuffer, size * MIB)
        found[f"external-{size}"] = repeated(addon.makeExternal, size * MIB)
    pool = BufferPool("256 MiB")
    large = memoryview(pool.copy(bytes([1]) * (64 * MIB)))
    found["bytes-64-pool"] = repeated(addon.sumBuffer, large)
    for row, package in published.items():
        function = getattr(package, FUNCTIONS[row])
        found[row] = repeated(function, prose())
        found[f"{row}-pool"] = repeated(function, memoryview(pool.copy(prose())))
        if f"{row}-bytearray" in ROWS:
            found[f"{row}-bytearray"] = repeated(function, bytearray(prose()))
    return found


class Rows:
    """The rows in each system."""

    def __init__(self, addons: dict[str, Addon], closing: ExitStack) -> None:
        """Loads the published packages, which are closed with the stack."""
        self.runs: dict[str, dict[str, Run]] = {}
        for system, addon in addons.items():
            published = {}
            for row, place in PUBLISHED.items():
                published[row] = measure.load(system, PACKAGES.joinpath(*place))
                closing.callback(host(published[row]).close)
            self.runs[system] = rows(addon, published)

    def measure(self, samples: Samples, node: Measured, names: list[str]) -> None:
        """Measures rows by every system, one round."""
        for row in names:
            times = ROWS[row][1]
            for system, runs in self.runs.items():
                samples.note(row, system, nanoseconds(runs[row], times))
            same = row.removesuffix("-pool").removesuffix("-bytearray")
            samples.note(row, "node", node.ask(f"{same} {times}"))


@contextmanager
def all_systems() -> Iterator[tuple[dict[str, Addon], ExitStack]]:
    """Loads the addon of the benchmarks in every system."""
    with ExitStack() as closing:
        yield {one: closing.enter_context(measure.load(one)) for one in measure.SYSTEMS}, closing


def stream(addon: Addon, count: int, length: int = FRAME_BYTES) -> tuple[float, float]:
    """Receives frames from a thread of the addon, and checks each at both ends.

    Returns bytes a second, and by how many bytes the resident memory of both processes grew after
    the first tenth.
    """
    done, received, wrong = threading.Event(), [0], list[int]()
    pids = [pid for pid in (host(addon).pid,) if pid is not None]
    before = [0.0]

    def used() -> float:
        return measure.resident(threading.get_native_id()) + sum(map(measure.resident, pids))

    def receive(frame: Buffer) -> None:
        number = received[0]
        if len(frame) != length or not frame[0] == frame[-1] == number & 255:
            wrong.append(number)
        received[0] = number + 1
        if number == count // 10:
            before[0] = used()
        if number + 1 == count:
            done.set()

    start = time.perf_counter_ns()
    addon.sendFrames(receive, count, length)
    if not done.wait(30 + count / 100):
        message = f"{received[0]} of {count} frames arrived"
        raise AssertionError(message)
    taken = time.perf_counter_ns() - start
    assert wrong == [], f"frames with wrong bytes: {wrong[:10]}"
    return count * length / taken * 1e9, used() - before[0]


def measure_rows(names: list[str]) -> None:
    """Measures rows, and prints them."""
    samples, node = Samples(), measure.start_node()
    with all_systems() as (addons, closing):
        found = Rows(addons, closing)
        found.measure(Samples(), node, names)
        for _ in range(measure.ROUNDS):
            found.measure(samples, node, names)
    node.close()
    measure.print_heading()
    for row in names:
        measure.print_row(ROWS[row][0], row, samples.medians())


def measure_sizes() -> None:
    """Prints the throughput of arguments and results by their size."""
    samples = Samples()
    with all_systems() as (addons, _):
        for round_ in range(measure.ROUNDS + 1):
            for size in SIZES:
                for system, addon in addons.items():
                    for way, run in (
                        ("in", repeated(addon.noop, bytes(size))),
                        ("out", repeated(addon.makeBuffer, size)),
                    ):
                        taken = nanoseconds(run, 16 * MIB // size)
                        if round_ > 0:
                            samples.note(f"{size} {way}", system, taken)
    found = samples.medians()
    heading = "".join(f"{system + ' in':>12}{'out':>8}" for system in measure.SYSTEMS)
    sys.stdout.write(f"{'GB/s':12}{heading}\n")
    for size in SIZES:
        line = f"{size >> 10:>7} KiB "
        for system in measure.SYSTEMS:
            inward, out = (size / found[f"{size} {way}", system] for way in ("in", "out"))
            line += f"{inward:>12.2f}{out:>8.2f}"
        sys.stdout.write(f"{line}\n")


def main() -> None:
    """Measures what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--stream", type=int, metavar="FRAMES", help="10000 in the target")
    parser.add_argument("--sizes", action="store_true")
    options = parser.parse_args()
    unknown = [row for row in options.rows if row not in ROWS]
    if unknown:
        parser.error(f"no such row: {', '.join(unknown)}")
    if options.sizes:
        measure_sizes()
    elif options.stream:
        with load_addon(measure.ADDON) as addon:
            speed, growth = stream(addon, options.stream)
        sys.stdout.write(f"{speed / 1e9:.2f} GB/s, memory {growth / MIB:+.1f} MiB\n")
    else:
        measure_rows(options.rows or list(ROWS))


if __name__ == "__main__":
    main()
