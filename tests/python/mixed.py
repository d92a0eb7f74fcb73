"""Runs a mixed load for some seconds, and prints the memory of its processes after each round.

python mixed.py folder-of-addons seconds

A round makes a thread for each kind of work, which does it a fixed number of times and ends; one of
them runs an event loop of its own. Between rounds nothing runs, and the resident memory of this
process and of the host that is never killed is read. It prints one object of JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from napi_python import AddonCrashed, AddonTimeout, JSError, aio, deadline, host, load_addon

LARGE = 3 << 20
EVENTS = 200
DEATHS = ("nullPointer", "abort", "exitNow", "raiseKill", "cppException", "stackOverflow")


class Load:
    """What is done in each round, and what came of it."""

    def __init__(self, folder: Path) -> None:
        """Loads the addons: one whose host lives on, and one whose host is killed."""
        names = ("order", "sample_rust", "crash")
        self.order, self.rust, self.crash = (load_addon(folder / f"{it}.node") for it in names)
        self.script = host(self.order).run_script
        self.rounds = 0
        self.wrong: list[str] = []

    def calls(self) -> None:
        """Numbers, texts, objects of classes, and classes that are made for one call."""
        for number in range(200):
            assert self.rust.greet(f"number {number}") == f"Hello, number {number}!"
            assert self.rust.createPerson("Ada", 36).age == 36
            assert self.rust.Counter(number).increment() == number + 1
        for number in range(20):
            made = self.script(f"new (class C{number} {{ f() {{ return {number}; }} }})")
            assert made.f() == number

    def callbacks(self) -> None:
        """Also of callables that are new each time, inside each other."""
        twice = self.script("(f, n) => n ? f(n - 1) : 0")
        for number in range(100):
            assert self.rust.mapAndSum([1, 2, number], lambda x: x * 2) == 6 + 2 * number

            def down(n: int) -> Any:
                return twice(down, n)

            assert twice(down, 3) == 0

    def promises(self) -> None:
        """Also ones that are rejected and ones that are never settled."""
        made = [self.script("new Promise(done => setTimeout(done, 1, 3))") for _ in range(20)]
        assert [promise.result() for promise in made] == [3] * 20
        for _ in range(20):
            self.script("new Promise(() => {})")
            with contextlib.suppress(JSError):
                self.script("Promise.reject(new Error('no'))").result()

    def events(self) -> None:
        """Calls of a threadsafe function from a thread of the addon."""
        done = threading.Event()

        def receive(number: int) -> None:
            if number == EVENTS - 1:
                done.set()

        self.order.eventsOfThread(receive, EVENTS)
        assert done.wait(30)

    def errors(self) -> None:
        """Of both languages, through each other, and by a deadline."""

        def fail(*_: object) -> None:
            raise LookupError("in Python")

        throw = self.script("(f) => { f(); }")
        for number in range(50):
            with contextlib.suppress(JSError):
                self.script(f"throw new RangeError('number {number}')")
            with contextlib.suppress(LookupError):
                throw(fail)
        with contextlib.suppress(AddonTimeout), deadline(0.01):
            self.script("for (;;) {}")

    def crashes(self) -> None:
        """Also with a promise pending, and a requested restart."""
        pending = host(self.crash).run_script("new Promise(() => {})")
        with contextlib.suppress(AddonCrashed):
            getattr(self.crash, DEATHS[self.rounds % len(DEATHS)])()
        with contextlib.suppress(AddonCrashed):
            pending.result()
        assert self.crash.add(1, 2) == 3
        host(self.crash).restart()
        assert self.crash.add(1, 2) == 3

    def write_back(self) -> None:
        """Changes of lists, dictionaries, sets and arrays, also before callbacks."""
        change = self.script(
            "(a, o, s, b, f) => { a.push(a.length); f(); o.x = [o]; s.add(7); b[0] += 1; }"
        )
        for _ in range(50):
            numbers, names, found = [1, 2], {"y": 1}, {1}
            data = np.zeros(100)
            change(numbers, names, found, data, lambda: None)
            assert numbers == [1, 2, 2]
            assert names["x"][0] is names  # type: ignore[index]
            assert (found, data[0]) == ({1, 7}, 1.0)

    def large(self) -> None:
        """Buffers, texts and lists of some megabytes."""
        echo = self.script("(value) => value")
        assert len(echo(b"x" * LARGE)) == LARGE
        assert len(echo("x" * LARGE)) == LARGE
        assert len(echo([0.5] * (LARGE >> 4))) == LARGE >> 4

    def loop(self) -> None:
        """An event loop, with calls, promises and events."""

        async def main() -> None:
            run = aio(self.script)
            made = await asyncio.gather(
                *(run("new Promise(done => setTimeout(done, 1, 4))") for _ in range(10))
            )
            assert await asyncio.gather(*made) == [4] * 10
            for _ in range(20):
                assert await self.script("Promise.resolve(5)") == 5
            received: list[int] = []
            done = asyncio.Event()

            def receive(number: int) -> None:
                received.append(number)
                if number == EVENTS - 1:
                    done.set()

            self.order.eventsOfThread(receive, EVENTS)
            await asyncio.wait_for(done.wait(), 30)
            give = self.script("(f) => f().then(value => value + 1)")

            async def answer() -> int:
                await asyncio.sleep(0)
                return 5

            assert await give(answer) == 6

        asyncio.run(main())

    def round(self) -> None:
        """Does each kind of work in a thread of its own."""

        def run(work: Callable[[], None]) -> None:
            try:
                work()
            except BaseException as error:
                self.wrong.append(f"{work.__name__}: {error!r}")

        works = (
            self.calls, self.callbacks, self.promises, self.events, self.errors, self.crashes,
            self.write_back, self.large, self.loop,
        )  # fmt: skip
        threads = [threading.Thread(target=run, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.rounds += 1

    def close(self) -> None:
        """Ends the hosts."""
        for addon in (self.order, self.rust, self.crash):
            host(addon).close()


def resident(pid: int | str = "self") -> int:
    """Returns the resident memory of a process in KiB, as the page tables say it.

    Memory of files is the system's; the memory that both processes share has a fixed size, and its
    pages are used one after the other.
    """
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    (line,) = (line for line in text.splitlines() if line.startswith("Anonymous:"))
    return int(line.split()[1])


def grow_interned_names() -> None:
    """Has CPython's table of interned names grow now, by half a MiB, and not during the load.

    Names that come and go use up its entries; when none is left it is made anew, twice as large.
    """
    for number in range(1 << 16):
        sys.intern(f"name {number}")


def main() -> None:
    """Does what the arguments say."""
    grow_interned_names()
    load, begun = Load(Path(sys.argv[1])), time.monotonic()
    seconds = float(sys.argv[2])
    hosts = [pid for pid in (host(load.order).pid, host(load.rust).pid) if pid is not None]
    while time.monotonic() < begun + seconds and not load.wrong:
        load.round()
        gc.collect()
        # The interpreter keeps the names of 4096 look-ups, each a string of its own.
        getattr(sys, "_clear_type_cache", lambda: None)()
        # What the allocator keeps in the arenas of threads that have ended varies by MiB.
        ctypes.CDLL(None).malloc_trim(0)
        found = [resident(), *(resident(pid) for pid in hosts)]
        # Kept here, the samples would be what grows.
        print(json.dumps([round(time.monotonic() - begun, 2), found]), flush=True)
    load.close()
    print(json.dumps(load.wrong))


if __name__ == "__main__":
    main()
