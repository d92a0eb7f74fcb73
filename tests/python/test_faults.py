"""A host that dies, or writes nonsense, at each step of the protocol, while four threads call.

The host is `faulty-hostd`, which `make faults` builds; `server/session/src/fault.rs` lists its
faults.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import os
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import addon_path
from napi_python import (
    Addon,
    AddonCrashed,
    AddonError,
    JSError,
    LoadError,
    StaleHandleError,
    host,
    load_addon,
)
from processes import children as children_of
from storms import LONGEST, Storm

pytestmark = pytest.mark.usefixtures("faulty")

THREADS = 4
FAULT = "NAPI_HOSTD_FAULT"
LARGE = "x" * 200_000
# What comes once in a life of a host, and what comes seldom.
ONCE = ("hello", "setup", "ready", "load")
SELDOM = ("release", "released")
RESTED = threading.Barrier(THREADS)

Work = Callable[[Addon], Any]


class Thing:
    """What is lent, and is to be dropped whatever becomes of the host."""

    def __call__(self) -> int:
        return 3


def rest() -> None:
    """All threads are silent for a while at the same time."""
    with contextlib.suppress(threading.BrokenBarrierError):
        RESTED.wait(LONGEST)
        time.sleep(0.1)


def calls(addon: Addon) -> None:
    """Requests with their replies, small and streamed, and failures."""
    assert addon.add(1, 2) == 3
    run = host(addon).run_script
    assert run(f"'{LARGE}'") == LARGE
    with pytest.raises(JSError, match="no"):
        run("throw new Error('no')")


def callbacks(addon: Addon) -> None:
    """Callbacks with calls inside of them, and objects that go to and fro."""
    assert addon.call(lambda: addon.add(1, 2)) == 3
    thing = Thing()
    back = addon.call(lambda: [thing, LARGE])
    assert back[0] is thing
    assert host(addon).run_script("(f) => f('" + LARGE + "')")(len) == len(LARGE)


def promises(addon: Addon) -> None:
    """Rings, turns and promises that are settled."""
    run = host(addon).run_script
    promise = run("new Promise(done => setTimeout(done, 1, 3))")
    # One whose notice was damaged is never settled.
    assert promise.result(5) == 3
    assert addon.call(lambda: addon.add(1, 2)) == 3


def uncaught(addon: Addon) -> None:
    """Uncaught errors, which are reported by notices."""
    host(addon).run_script("setTimeout(() => { throw new Error('nobody'); }, 0)")
    time.sleep(0.01)


def settling(addon: Addon) -> None:
    """Promises that are settled in a call and not in a turn, which are reported by notices."""
    make = "(() => { let end; return [new Promise((done) => (end = done)), end]; })()"
    promise, end = host(addon).run_script(make)

    async def watch() -> int:
        # The promise is watched as soon as the task waits.
        task = asyncio.create_task(promise)
        await asyncio.sleep(0)
        end(3)
        # One whose notice was damaged is never settled.
        async with asyncio.timeout(5):
            value: int = await task
            return value

    assert asyncio.run(watch()) == 3


def handing_back(addon: Addon) -> None:
    """Python objects that JavaScript gives back as results, and lets go when the call is over."""
    thing = Thing()
    assert addon.call(lambda: thing) is thing
    rest()


def idling(addon: Addon) -> None:
    """Objects of both sides that are released when nothing is said."""
    host(addon).run_script("(f) => new (class A {})()")(Thing())
    rest()


WRITTEN = {
    "reply": calls,
    "failure": calls,
    "callback": callbacks,
    "load": calls,
    "turn": promises,
    "wake-up": promises,
    "settled": settling,
    "uncaught": uncaught,
    "release": idling,
    "released": handing_back,
}
READ = {
    "request": calls,
    "answer": callbacks,
    "load": calls,
    "turn": promises,
    "release": idling,
}


def cases() -> Iterator[Any]:
    for step, work in WRITTEN.items():
        # How a process ends makes no difference to a step: one of them has both ways.
        actions = ("kill", "exit", "garbage") if step == "reply" else ("kill", "garbage")
        for place in ("before", "middle", "after"):
            for action in actions:
                yield pytest.param((step, place, action, work), id=f"{step}-{place}-{action}")
    for step, work in READ.items():
        yield pytest.param((step, "read", "kill", work), id=f"{step}-read-kill")
    for work in (calls, callbacks, promises):
        yield pytest.param(("unread", "before", "kill", work), id=f"unread-{work.__name__}")
        yield pytest.param(("reply", "middle", "kill", work), id=f"reply-middle-{work.__name__}")
    yield pytest.param(("setup", "read", "kill", calls), id="setup-read-kill")
    for step in ("hello", "ready"):
        for place, action in (("before", "kill"), ("middle", "exit"), ("before", "garbage")):
            yield pytest.param((step, place, action, calls), id=f"{step}-{place}-{action}")


@pytest.fixture(scope="module", autouse=True)
def settled() -> None:
    """The first addon of a process opens what stays open."""
    host(load_addon(addon_path("crash"), sandbox="none")).close()


def children() -> set[int]:
    return children_of(os.getpid())


def descriptors() -> Counter[str]:
    """What the descriptors of this process are, without the numbers of pipes and sockets.

    What is open before a test may still be closed in it, by a thread of the test before.
    """
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.append(str(link.readlink()).partition("[")[0])
    return Counter(found)


def eventually(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.01)
    return holds()


def allowed(step: str, action: str) -> tuple[type[BaseException], ...]:
    """What a call may raise: how the host died, or that it can't be started."""
    if action == "garbage":
        # What is damaged may as well mean something else.
        return (AddonError, JSError, ValueError, TypeError, AssertionError, AttributeError)
    if step in ONCE:
        return (AddonCrashed, LoadError, StaleHandleError)
    # An object from before the crash may be used after it.
    return (AddonCrashed, StaleHandleError)


def run_storm(storm: Storm, addon: Addon, deaths: int, seconds: float, extra: float) -> None:
    """Runs for so many seconds, and up to `extra` more while nothing has failed."""
    start = host(addon).generation
    RESTED.reset()
    with storm:
        end = time.monotonic() + seconds
        while (
            host(addon).generation < start + deaths
            and storm.failed < deaths * THREADS
            and not storm.over.is_set()
        ):
            has_met = bool(storm.failed) or host(addon).generation > start
            if time.monotonic() > end + (0 if has_met else extra):
                break
            time.sleep(0.005)
        # Who rests would wait for the others.
        storm.over.set()
        RESTED.abort()


@pytest.mark.parametrize("fault", list(cases()))
def test_every_call_returns_or_raises(
    fault: tuple[str, str, str, Work],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    step, place, action, work = fault
    rounds = request.config.getoption("--faults")
    gc.collect()
    before, open_before = children(), descriptors()
    with load_addon(addon_path("crash"), sandbox="none") as loaded:
        assert loaded.add(1, 2) == 3
        spread = 1 if step in ONCE + SELDOM else 5
        monkeypatch.setenv(FAULT, f"{step}:{place}:{action}:{spread}")
        # The host that runs was started before: its end is the first.
        with contextlib.suppress(AddonError):
            loaded.abort()
        storm = Storm([functools.partial(work, loaded)] * THREADS, allowed(step, action))
        # Some steps come only now and then.
        run_storm(storm, loaded, rounds, 2 + rounds * 0.2, 0 if action == "garbage" else 20)
        print(f"{host(loaded).generation - 2} hosts failed, {storm.failed} calls raised")
        assert storm.wrong == []
        # Something failed, or, where bytes were damaged, a host was replaced at least.
        assert storm.failed or host(loaded).generation > 2 or action == "garbage"
        assert storm.longest < LONGEST
        # Without faults everything is as it was.
        monkeypatch.delenv(FAULT)
        host(loaded).restart()
        assert loaded.add(1, 2) == 3
        thing = Thing()
        dropped = weakref.ref(thing)
        assert loaded.call(thing) == 3
        del thing, storm
        assert eventually(lambda: gc.collect() >= 0 and dropped() is None)
        stats = host(loaded).stats()
        assert stats["python_objects_lent"] == 0
        assert len(children() - before) == 1
    assert eventually(lambda: children() <= before), "a process is left"
    assert eventually(lambda: gc.collect() >= 0 and descriptors() <= open_before), descriptors()


def test_host_that_dies_at_its_end_was_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = children()
    for action in ("kill", "exit"):
        monkeypatch.setenv(FAULT, f"goodbye:before:{action}:1")
        loaded = load_addon(addon_path("crash"), sandbox="none")
        assert loaded.add(1, 2) == 3
        started = time.monotonic()
        host(loaded).close()
        assert time.monotonic() - started < LONGEST
        assert eventually(lambda: children() <= before)


@pytest.mark.parametrize("step", ["hello", "setup", "ready", "load"])
def test_host_that_never_starts_is_a_load_error(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, open_before = children(), descriptors()
    monkeypatch.setenv(FAULT, f"{step}:{'before' if step in ('hello', 'ready') else 'read'}:kill:1")
    for _ in range(3):
        with pytest.raises((LoadError, AddonCrashed)):
            load_addon(addon_path("crash"), sandbox="none")
    assert eventually(lambda: children() <= before)
    assert eventually(lambda: gc.collect() >= 0 and descriptors() <= open_before), descriptors()
