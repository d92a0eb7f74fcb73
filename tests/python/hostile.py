"""Calls an addon whose host sends hostile frames; checks memory, time and exceptions.

Run by `test_hostile_frames.py`, in a process of its own, which what it looks for may end. What a
host sends in a case, and what is called, depend on the seed and the number of the case only:
`client-py/client/examples/hostile-hostd` makes the frames.
"""

from __future__ import annotations

import argparse
import array
import asyncio
import collections
import concurrent.futures
import contextlib
import ctypes
import faulthandler
import gc
import itertools
import json
import logging
import operator
import os
import pickle
import random
import sys
import threading
import time
import traceback
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Literal, cast

sys.path.insert(0, str(Path(__file__).parent))

from conftest import addon_path
from napi_python import (
    AddonError,
    ArrayBuffer,
    BigInt,
    Buffer,
    JSClass,
    JSError,
    JSFunction,
    JSObject,
    Promise,
    StaleHandleError,
    bulk,
    by_ref,
    deadline,
    expose,
    host,
    js_class,
    load_addon,
    new_object,
    on_uncaught,
    undefined,
)

MIB = 1 << 20
# What a message may have Python create, and what that may cost in memory: a value is 1 KiB at most.
MAX_VALUES = 1 << 16
MEMORY_MAX = MAX_VALUES * 1024
# What all cases together may leave.
LEFT_MAX = 48 * MIB
# How long an operation may last beyond its deadline. A host that does not end a call has half a
# second for it; what it sends may take this side no longer than that.
LATE_MAX = 0.05
GRACE = 0.5

# The manners of `host.rs`: how many of a thousand cases have it, and the deadline of an operation.
LEGAL, ILLEGAL, LARGE, RUNAWAY, STALL, TRICKLE, LATE = range(7)
OFTEN = (0, 20, 20, 0.3, 0.3, 0.3, 0.3)
DEADLINES = (1.0, 1.0, 0.05, 0.05, 0.05, 0.05, 0.05)
UNHEEDING = (LARGE, RUNAWAY, STALL, TRICKLE)

# More than what travels in a frame.
LARGE_BYTES = 20_000
# A buffer of a host may be longer than what a test may read.
READ_MAX = MIB

# Cases between two looks at the memory.
BATCH = 32
# A time that is exceeded is measured again so often: the machine may have been busy.
TRIES = 4


class MineError(Exception):
    """What callbacks raise."""


class Shown:
    """A class that hosts are given."""

    def __init__(self) -> None:
        """Has an attribute."""
        self.x = 1

    def method(self, *args: object) -> object:
        """Returns its arguments."""
        return args


class Live:
    """An object that hosts may look into."""

    x = 1

    def method(self, *args: object) -> object:
        """Returns its arguments."""
        return args


def allowed(error: BaseException) -> bool:
    """Tells whether docs/contract.md has this exception for an operation on an addon."""
    if isinstance(error, (AddonError, MineError)):
        return True
    return type(error) in {
        AttributeError,
        BufferError,
        KeyError,
        MemoryError,
        RuntimeError,
        TypeError,
        ValueError,
    }


class Frames:
    """One run of cases."""

    def __init__(self, binary: str, seed: int, carrier: Literal["lanes", "socket"]) -> None:
        self.seed = seed
        self.counter = Path(f"/proc/self/fd/{os.memfd_create('frames')}")
        self.found: list[str] = []
        self.raised: collections.Counter[str] = collections.Counter()
        self.latest = self.largest = 0.0
        self.case = -1
        # It is to go on undisturbed.
        self.innocent = load_addon(addon_path("primitive"))
        self.innocent_pid = host(self.innocent).pid
        os.environ["NAPI_PYTHON_HOSTD"] = binary
        os.environ["NAPI_HOSTD_SEED"] = str(seed)
        os.environ["NAPI_HOSTD_FRAMES"] = f"/proc/{os.getpid()}/fd/{self.counter.name}"
        self.addon: Any = load_addon(
            addon_path("primitive"),
            sandbox="none",
            remote="public",
            carrier=carrier,
            profile=True,
            max_values=MAX_VALUES,
            unsolicited_cpu=64.0,
            start_timeout=20,
        )
        self.exported = (self.addon.f, self.addon.g, self.addon.C)
        self.begin = self.addon.begin
        self.callables = self._callables()
        shown = js_class(Shown)
        self.lent = (
            expose(Live(), "x", "method"),
            by_ref({"a": 1}),
            by_ref([1, 2]),
            shown,
            Shown(),
        )

    @property
    def frames(self) -> int:
        """How many frames the hosts have sent."""
        return int.from_bytes(self.counter.read_bytes(), "little")

    # What is passed.

    def _callables(self) -> list[Callable[..., object]]:
        def returns(*args: object) -> object:
            return args

        def changes(*args: Any) -> int:
            for value in args:
                if type(value) is list:
                    value.append(undefined)
                    del value[:-3]
                elif isinstance(value, dict):
                    value.clear()
                    value["new"] = [1]
                elif isinstance(value, set):
                    value.discard(1)
                    value.add("new")
            return 1

        def fails(*_: object) -> None:
            raise MineError

        def calls(*args: object) -> object:
            return self.exported[0](*args[:2])

        def looks(*args: object) -> object:
            for value in args[:2]:
                with contextlib.suppress(
                    AddonError, AttributeError, KeyError, TypeError, ValueError
                ):
                    if isinstance(value, JSObject):
                        return [value.x, value["y"]]
            return None

        return [returns, changes, fails, calls, looks]

    def argument(self, chance: random.Random, depth: int = 2) -> object:
        """Returns something to pass to a host."""
        some = chance.randrange(4)
        makers: tuple[Callable[[], object], ...] = (
            lambda: chance.randrange(10),
            lambda: "text" * some,
            lambda: [self.argument(chance, depth - 1) for _ in range(some)] if depth else [],
            lambda: (
                {f"k{i}": self.argument(chance, depth - 1) for i in range(some)} if depth else {}
            ),
            lambda: set(range(some)),
            lambda: bytearray(some),
            lambda: array.array("d", [0.5] * some),
            # These lie in shared memory.
            lambda: bytearray(LARGE_BYTES + some),
            lambda: array.array("d", [0.5] * LARGE_BYTES),
            lambda: memoryview(bytes(LARGE_BYTES * 4))[::2],
            lambda: "text" * LARGE_BYTES,
            lambda: collections.deque(range(some)),
            lambda: chance.choice(self.callables),
            lambda: chance.choice(self.callables),
            lambda: chance.choice(self.lent),
            lambda: (x for x in range(3)),
            lambda: iter([1, 2]),
            lambda: BigInt(2**70),
            lambda: ArrayBuffer(b"bytes"),
            lambda: list(range(50)),
            self._settled,
            _soon,
            _some,
            lambda: MineError("an exception"),
            lambda: None,
        )
        return chance.choice(makers)()

    def _settled(self) -> object:
        future: concurrent.futures.Future[int] = concurrent.futures.Future()
        future.set_result(1)
        return future

    # What is done.

    def operation(self, chance: random.Random) -> Callable[[], Any]:
        """Returns an operation on the addon."""
        addon = self.addon
        args = [self.argument(chance) for _ in range(chance.randrange(4))]
        f, g, cls = self.exported
        name = chance.choice(("length", "x", "then", "f", "missing"))
        return chance.choice(
            (
                lambda: f(*args),
                lambda: f(*args),
                lambda: f(*args),
                lambda: g(*args, option=1),
                lambda: cls(*args),
                lambda: list(bulk(f, [args, args, ()], star=True, return_exceptions=True)),
                lambda: list(bulk(cls, args)),
                lambda: addon(*args),
                lambda: host(addon).run_script("1"),
                lambda: new_object(addon, {"a": args}),
                lambda: getattr(addon, name),
                lambda: setattr(addon, "x", args),
                lambda: delattr(addon, "x"),
                lambda: dir(addon),
                lambda: dir(cls),
                lambda: f.x,
                lambda: cls.y,
                lambda: host(addon).stats(),
                lambda: str(host(addon).profile()),
                lambda: host(addon).collect(),
            )
        )

    def follow(self, value: Any, chance: random.Random) -> Callable[[], Any]:
        """Returns an operation on what came from a host."""
        args = [self.argument(chance) for _ in range(chance.randrange(3))]
        name = chance.choice(("length", "x", "then", "constructor", "caf\xe9"))
        always: tuple[Callable[[], Any], ...] = (
            lambda: repr(value),
            lambda: hash(value),
            lambda: value == self.addon,
            lambda: self.exported[0](value),
            lambda: setattr(value, name, args),
        )
        own: tuple[Callable[[], Any], ...] = ()
        if isinstance(value, JSObject):
            own = (
                lambda: getattr(value, name),
                lambda: getattr(value, name),
                lambda: getattr(value, name)(*args),
                lambda: list(bulk(operator.attrgetter(name), [value, value])),
                lambda: value[name],
                lambda: value.__setitem__(0, args),
                lambda: delattr(value, name),
                lambda: value.__delitem__(name),
                lambda: name in value,
                lambda: len(value),
                lambda: list(itertools.islice(value, 5)),
                lambda: asyncio.run(_iterated(value)),
                lambda: str(value),
                lambda: dir(value),
                lambda: isinstance(value, self.exported[2]),
            )
        elif isinstance(value, (JSFunction, JSClass)):
            own = (
                lambda: value(*args),
                lambda: value.__name__,
                lambda: getattr(value, name),
                lambda: dir(value),
                lambda: isinstance(self.addon, JSClass) or isinstance(value, JSClass),
                lambda: issubclass(cast("type", value), self.exported[2]),
            )
        elif isinstance(value, Promise):
            own = (
                value.done,
                lambda: value.result(0.02),
                lambda: value.result(0.0),
                lambda: asyncio.run(_awaited(value)),
            )
        elif isinstance(value, Buffer):

            def data() -> memoryview:
                # An operation before may have released it: it can be there more than once.
                return memoryview(value).cast("B")[:READ_MAX]

            own = (
                lambda: bytes(data()),
                lambda: data().hex()[:9],
                lambda: len(value),
                lambda: value[:1],
                lambda: value[:READ_MAX] == data(),
                lambda: str(value[:READ_MAX].decode("utf-8", "replace")),
                lambda: value.release(),
                lambda: written(value),
                lambda: self.exported[0](value, value[: READ_MAX // 16]),
            )
        elif isinstance(value, BaseException):
            own = (
                lambda: str(value),
                lambda: "".join(traceback.format_exception(value)),
                lambda: pickle.loads(pickle.dumps(value)),
            )
        return chance.choice(always + own + own)

    def received(self, value: object) -> Iterator[object]:
        """Goes over what came from a host, as far as that is little."""
        waiting, seen = [value], 0
        while waiting and seen < 40:
            item = waiting.pop()
            seen += 1
            if isinstance(item, (list, tuple, set)):
                waiting.extend(itertools.islice(item, 4))
            elif isinstance(item, dict):
                waiting.extend(itertools.islice(item.values(), 4))
            else:
                if isinstance(item, JSError):
                    waiting.append(item.cause)
                yield item

    def run_case(self, case: int) -> None:
        """Does one case: an operation, and some on what that gave."""
        self.case = case
        chance = random.Random(f"{self.seed}:{case}")
        draw, manner = chance.random() * 1000, LEGAL
        for number, often in enumerate(OFTEN):
            draw -= often
            if draw < 0:
                manner = number
                break
        if not self.begin_case(case, manner):
            return
        is_slow = manner >= RUNAWAY
        result, late = self.timed(self.operation(chance), manner)
        if late:
            self.again(case, manner, late)
            return
        if is_slow:
            return
        for value in itertools.islice(self.received(result), 4):
            made, late = self.timed(self.follow(value, chance), manner)
            del made
            if late:
                self.again(case, manner, late)
                return

    def begin_case(self, case: int, manner: int) -> bool:
        """Tells the host which case it is. A host that was broken is replaced."""
        error: BaseException | None = None
        for _ in range(30):
            try:
                self.begin(case, manner)
            except Exception as raised:
                if not allowed(raised):
                    break
                # The host of the last case has ended, or its successor exports something else.
                error = raised
                self.raised[type(raised).__name__] += 1
                if isinstance(raised, StaleHandleError):
                    with contextlib.suppress(AddonError, ValueError):
                        host(self.addon).restart()
            else:
                return True
        self.report(f"no host begins: {error!r}")
        return False

    def timed(self, operation: Callable[[], Any], manner: int) -> tuple[object, str]:
        """Does an operation under a deadline; returns what it gave, and how late it was."""
        limit = DEADLINES[manner]
        most = limit + LATE_MAX + (GRACE if manner in UNHEEDING else 0)
        result: object = None
        cpu = time.thread_time()
        began = time.monotonic()
        try:
            with deadline(limit):
                result = operation()
        except BaseException as error:
            took = time.monotonic() - began
            self.raised[type(error).__name__] += 1
            if not allowed(error):
                shown = "".join(traceback.format_exception(error))[-1500:]
                self.report(f"an exception that is not documented: {shown}")
            # The frames of its traceback hold what came from the host.
            result = error.with_traceback(None)
        else:
            took = time.monotonic() - began
        cpu = time.thread_time() - cpu
        # What it takes to refuse callbacks is part of the grace.
        busy = cpu if manner < RUNAWAY else 0.0
        self.latest = max(self.latest, took - most + LATE_MAX, busy - limit)
        if took <= most and busy <= limit + LATE_MAX:
            return result, ""
        return result, f"{took:.3f} s under a deadline of {limit} s ({cpu:.3f} s of this CPU)"

    def again(self, case: int, manner: int, late: str) -> None:
        """Does a case that was late again: it is to be late each time."""
        for _ in range(TRIES - 1):
            chance = random.Random(f"{self.seed}:{case}")
            chance.random()
            if not self.begin_case(case, manner):
                return
            result, found = self.timed(self.operation(chance), manner)
            for value in itertools.islice(self.received(result), 4):
                if found or manner >= RUNAWAY:
                    break
                _, found = self.timed(self.follow(value, chance), manner)
            if not found:
                return
            late = found
        self.report(f"an operation took {late}")

    def report(self, text: str) -> None:
        """Keeps what was found."""
        self.found.append(f"seed {self.seed} case {self.case}: {text}")

    # What is looked at beside.

    def run_batch(self, cases: list[int]) -> None:
        """Does cases, and looks at the most memory that they took."""
        grown = self.peak_of(cases)
        if grown <= MEMORY_MAX:
            return
        for case in cases:
            grown = self.peak_of([case])
            if grown > MEMORY_MAX:
                self.report(f"{grown >> 20} MiB of memory, of {MEMORY_MAX >> 20}")
                return

    def peak_of(self, cases: list[int]) -> int:
        """Does cases, and returns by how much this process grew at most."""
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")
        before = memory("VmRSS")
        for case in cases:
            self.run_case(case)
            if self.found:
                break
        grown = memory("VmHWM") - before
        self.largest = max(self.largest, grown)
        return grown

    def check_innocent(self) -> None:
        """Looks whether another addon works."""
        if host(self.innocent).run_script("1 + 1") != 2:
            self.report("another addon does not work")
        if host(self.innocent).pid != self.innocent_pid:
            self.report("another addon's host has ended")


def written(value: Buffer) -> None:
    """Writes to a buffer of a host, if it is one to be written to."""
    if value.shared and len(value):
        with memoryview(value).cast("B") as data:
            data[:READ_MAX] = bytes(len(data[:READ_MAX]))


async def _soon() -> int:
    await asyncio.sleep(0)
    return 1


async def _some() -> AsyncIterator[int]:
    for number in range(3):
        yield number


async def _awaited(value: Promise) -> object:
    try:
        async with asyncio.timeout(0.02):
            return await value
    except TimeoutError:
        return None


async def _iterated(value: JSObject) -> list[object]:
    found: list[object] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.02):
            async for item in value:
                found.append(item)
                if len(found) == 5:
                    break
    return found


def memory(field: str) -> int:
    """Returns a figure of this process' memory, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) << 10
    return 0


def settle() -> int:
    """Returns how much memory this process has when nothing is going on."""
    gc.collect()
    time.sleep(0.2)
    gc.collect()
    # What the allocator keeps for later is not what cases leave.
    ctypes.CDLL(None).malloc_trim(0)
    return memory("VmRSS")


def main() -> None:
    """Runs cases until so many frames were sent, and prints what was found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--carrier", default="lanes")
    parser.add_argument("--frames", type=int, default=0)
    parser.add_argument("--case", type=int)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--progress", required=True)
    options = parser.parse_args()
    faulthandler.enable()
    # Coroutines that the host never learned of.
    warnings.simplefilter("ignore", RuntimeWarning)
    for name in ("napi_python", "asyncio"):
        logging.getLogger(name).addHandler(logging.NullHandler())
        logging.getLogger(name).propagate = False
    frames = Frames(options.host, options.seed, options.carrier)

    def hook(told: Any) -> None:
        error = told.exc_value
        shown = "".join(traceback.format_exception(error))[-1500:] if error else repr(told)
        frames.report(f"an exception that nothing handles: {shown}")

    threading.excepthook = sys.unraisablehook = hook
    on_uncaught(lambda _: None)
    began = time.monotonic()
    warm = 0
    cases = itertools.count(options.first, options.step)
    done = 0
    with open(options.progress, "wb", buffering=0) as progress:  # noqa: PTH123
        while not frames.found:
            batch = list(itertools.islice(cases, BATCH))
            if options.case is not None:
                batch = [options.case]
            os.pwrite(progress.fileno(), f"{batch[0]:<12} {frames.frames:<12}".encode(), 0)
            # A batch that hangs is reported with the stacks of all threads.
            faulthandler.dump_traceback_later(120, exit=True)
            frames.run_batch(batch)
            frames.check_innocent()
            done += len(batch)
            if done == BATCH * 20:
                warm = settle()
            if options.case is not None or frames.frames >= options.frames:
                break
    left = settle() - warm if warm else 0
    if left > LEFT_MAX:
        frames.report(f"{left >> 20} MiB of memory are left")
    faulthandler.dump_traceback_later(60, exit=True)
    stats = {
        "found": frames.found,
        "frames": frames.frames,
        "cases": done,
        "hosts": host(frames.addon).generation,
        "seconds": round(time.monotonic() - began, 1),
        "beyond deadline": round(frames.latest, 3),
        "memory of a batch": frames.largest,
        "memory left": left,
        "raised": dict(frames.raised.most_common()),
    }
    host(frames.addon).close()
    host(frames.innocent).close()
    print(json.dumps(stats))


if __name__ == "__main__":
    main()
