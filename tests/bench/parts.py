"""What of a row is not this project's: lower bounds that the benchmark measures beside its rows.

A part is the least that a row can take, however well the rest is done.
"""

from __future__ import annotations

import itertools
import operator

from measure import Run, Samples, nanoseconds

KEYS = [f"property{number}" for number in range(100)]
VALUES = list(range(100))
SOURCE, COPY = bytes(10_000_000), bytearray(10_000_000)


def double(x: int) -> int:
    """Is the callback of the benchmark."""
    return x * 2


def _call(times: int) -> None:
    add = operator.add
    for _ in range(times):
        add(1, 2)


def _callback(times: int) -> None:
    for _ in map(double, itertools.repeat(21, times)):
        pass


def _pairs(times: int) -> None:
    for _ in zip(range(times), itertools.repeat(2), strict=False):
        pass


def _dictionary(times: int) -> None:
    for _ in range(times):
        dict(zip(KEYS, VALUES, strict=True))


def _copy(times: int) -> None:
    target = memoryview(COPY)
    for _ in range(times):
        target[:] = SOURCE


#: row: what it is called, its loop, and its repetitions a round
PARTS: dict[str, tuple[str, Run, int]] = {
    "python-call": ("Python's call of a built-in function", _call, 20_000),
    "python-callback": ("the call of the Python function alone", _callback, 20_000),
    "python-pairs": ("making the pairs of numbers in Python", _pairs, 20_000),
    "python-dict": ("making the dict of 100 items in Python", _dictionary, 2000),
    "copy": ("copying the 10 MB once", _copy, 5),
}


def measure(samples: Samples) -> None:
    """Measures each part once."""
    for name, (_, run, times) in PARTS.items():
        samples.note(name, "lanes", nanoseconds(run, times))
