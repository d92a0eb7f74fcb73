"""Hosts that are killed at random moments of a mixed program.

Every operation ends in a result or an exception, none hangs, and in the end nothing is left.
`--kills 10000` is the long run.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import logging
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import addon_path
from napi_python import Addon, AddonCrashed, AddonTimeout, StaleHandleError, aio, deadline, host
from napi_python import load_addon as load
from processes import settled
from storms import LONGEST, Participant, Storm

ALLOWED = (AddonCrashed, StaleHandleError)
LARGE = "x" * 100_000
EVENTS = 40
# Between two kills; more kills in one generation would hit idle threads.
CALM = 0.012
# The next host of an addon is there by then.
RESTART_SECONDS = 0.2

Operation = Callable[[Addon, Addon], object]
Await = Callable[[Addon, Addon], Awaitable[object]]


def calls(crash: Addon, _: Addon) -> None:
    assert crash.add(1, 2) == 3
    assert host(crash).run_script(f"'{LARGE}'") == LARGE


def callbacks(crash: Addon, _: Addon) -> None:
    assert crash.call(lambda: crash.add(1, 2)) == 3
    assert crash.call(lambda: crash.call(lambda: LARGE)) == LARGE


def objects(crash: Addon, _: Addon) -> None:
    thing = host(crash).run_script("new (class A { constructor() { this.x = 3; } })")
    assert thing.x == 3
    with contextlib.suppress(AddonCrashed):
        crash.makeDeadlyObject()


def promises(crash: Addon, _: Addon) -> None:
    run = host(crash).run_script
    assert run("Promise.resolve(3)").result() == 3
    many = [run("new Promise(done => setTimeout(done, Math.random() * 3, 3))") for _ in range(3)]
    assert [promise.result() for promise in many] == [3] * 3


def never(crash: Addon, _: Addon) -> None:
    """A promise that is settled by nothing but the end of its process."""
    with pytest.raises(ALLOWED):
        crash.work(False).result()


def buffers(crash: Addon, _: Addon) -> None:
    data = np.arange(1 << 14, dtype=np.float64)
    host(crash).run_script("(array) => { array[0] += 1; }")(data)
    assert data[0] == 1
    assert len(host(crash).run_script("Buffer.alloc(1 << 17, 7)")) == 1 << 17
    assert host(crash).run_script("(bytes) => bytes.length")(b"x" * (1 << 17)) == 1 << 17


def events(_: Addon, order: Addon) -> None:
    """Events of an addon's thread, as many as there are before its process ends."""
    received: list[int] = []
    done = threading.Event()

    def receive(number: int) -> None:
        received.append(number)
        if number == EVENTS - 1:
            done.set()

    order.eventsOfThread(receive, EVENTS)
    lived = host(order).generation
    while not done.wait(0.002):
        pid = host(order).pid
        if pid is None or host(order).generation != lived:
            break
    assert received == list(range(len(received)))


async def aio_calls(crash: Addon, order: Addon) -> None:
    call, keeps = aio(crash.add), aio(order.makeCallback)
    found = await asyncio.gather(
        *(call(number, 1) for number in range(4)), keeps(lambda: 7), return_exceptions=True
    )
    for number, result in enumerate(found):
        if not isinstance(result, ALLOWED):
            assert result == (7 if number == 4 else number + 1), result


async def awaits(crash: Addon, _: Addon) -> None:
    run = aio(host(crash).run_script)
    assert await (await run("new Promise(done => setTimeout(done, 1, 3))")) == 3


async def waits_for_the_end(crash: Addon, _: Addon) -> None:
    with pytest.raises(ALLOWED):
        await (await aio(crash.work)(False))


async def events_on_the_loop(_: Addon, order: Addon) -> None:
    received: list[int] = []
    await aio(order.eventsOfThread)(received.append, EVENTS)
    lived = host(order).generation
    # There is no event for the end.
    while len(received) < EVENTS and host(order).pid and host(order).generation == lived:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    assert received == list(range(len(received)))


IN_THREADS: tuple[Operation, ...] = (calls, callbacks, objects, promises, never, buffers, events)
ON_THE_LOOP: tuple[Await, ...] = (aio_calls, awaits, waits_for_the_end, events_on_the_loop)


def loop_of(storm: Storm, crash: Addon, order: Addon) -> None:
    """A loop with a task for each of its operations, until the storm is over."""

    async def task(operation: Await, participant: Participant) -> None:
        while not storm.over.is_set():
            with participant.operation():
                await operation(crash, order)
            await asyncio.sleep(0)

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for operation in ON_THE_LOOP:
                group.create_task(task(operation, storm.participant(operation.__name__)))

    asyncio.run(main())


def strike(addon: Addon, number: int) -> None:
    """Sends a signal to the host of an addon only."""
    pid = host(addon).pid
    if pid is None:
        return
    with contextlib.suppress(ProcessLookupError):
        process = os.pidfd_open(pid)
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1]
            if int(stat.split()[1]) == os.getpid():
                signal.pidfd_send_signal(process, number)
        except FileNotFoundError:
            pass
        finally:
            os.close(process)


def from_outside(addon: Addon) -> None:
    strike(addon, random.choice((signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGTERM)))


def from_inside(addon: Addon) -> None:
    names = ("nullPointer", "abort", "exitNow", "exitZero", "raiseKill", "nullPointerOnThread")
    name = random.choice(names)
    with contextlib.suppress(*ALLOWED):
        getattr(addon, name)()


def in_a_callback(addon: Addon) -> None:
    with contextlib.suppress(*ALLOWED):
        addon.call(lambda: addon.call(addon.abort))


def on_a_worker(addon: Addon) -> None:
    with contextlib.suppress(*ALLOWED):
        addon.work(True).result()


def by_a_deadline(addon: Addon) -> None:
    with contextlib.suppress(AddonTimeout, *ALLOWED), deadline(0.005):
        addon.loopForever()


class Killer:
    """Kills the hosts of one addon at random moments."""

    def __init__(self, addon: Addon, ways: tuple[Callable[[Addon], None], ...]) -> None:
        """Begins with its first life."""
        self._addon, self._ways = addon, ways

    @property
    def kills(self) -> int:
        """How many hosts there were before the last one."""
        return host(self._addon).generation - 1

    def run(self, over: threading.Event) -> None:
        """Kills, and waits until somebody's call has started the next one."""
        while not over.wait(random.uniform(0, CALM)):
            before = self.kills
            # One that costs a host half a second is enough now and then.
            slow = random.random() < 0.003 and len(self._ways) > 1
            (by_a_deadline if slow else random.choice(self._ways))(self._addon)
            # The signal came when the host was just ending.
            end = time.monotonic() + RESTART_SECONDS
            while self.kills == before and not over.wait(0.001) and time.monotonic() < end:
                pass


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def after_the_last_strike(call: Callable[[], object]) -> object:
    """What a call returns after the last kill.

    The last one who was killed may not have been missed before: then the first call is reported.
    """
    with contextlib.suppress(AddonCrashed):
        return call()
    return call()


def run_storm(kills: int) -> dict[str, Any]:
    """Lets hosts be killed so many times under everybody, and says what came of it."""
    first, second, order = (load(addon_path(name)) for name in ("crash", "crash", "order"))
    with first, second, order:
        works = [
            functools.partial(operation, crash, order)
            for crash in (first, second)
            for operation in IN_THREADS
        ]
        anyhow = (from_outside, from_outside, from_inside, from_inside, in_a_callback, on_a_worker)
        killers = [Killer(first, anyhow), Killer(second, anyhow), Killer(order, (from_outside,))]
        with Storm(works, ALLOWED) as storm:
            killing = [
                threading.Thread(target=killer.run, args=(storm.over,), daemon=True)
                for killer in killers
            ]
            loop = threading.Thread(target=loop_of, args=(storm, first, order), daemon=True)
            for thread in (*killing, loop):
                thread.start()
            begun = time.monotonic()
            while sum(killer.kills for killer in killers) < kills:
                storm.check()
                if storm.over.wait(0.05):
                    break
            storm.over.set()
            # Some wait for the end of a process that is not killed any more.
            while loop.is_alive() or any(thread.is_alive() for thread in storm.threads):
                for addon in (first, second, order):
                    strike(addon, signal.SIGKILL)
                loop.join(0.02)
                storm.check()
            for thread in killing:
                thread.join(LONGEST)
            assert not any(thread.is_alive() for thread in killing), "a killer hangs"
        assert storm.wrong == []
        for addon in (first, second):
            assert after_the_last_strike(functools.partial(addon.add, 1, 2)) == 3
        assert after_the_last_strike(lambda: order.makeCallback(lambda: 7)) == 7
        killed = sum(killer.kills for killer in killers)
        seconds = time.monotonic() - begun
        idle = [
            participant.name
            for participant in storm.participants
            if not participant.returned and not participant.raised
        ]
        assert not idle
        return {
            "killed": killed,
            "seconds": round(seconds, 1),
            "returned": storm.returned,
            "raised": storm.failed,
            "longest": round(storm.longest, 2),
        }


@pytest.mark.timeout(1200)
def test_every_operation_ends_and_nothing_is_left(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    kills = request.config.getoption("--kills")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    # What is logged is kept until the end of a test.
    caplog.set_level(logging.CRITICAL, logger="napi_python")
    # What a process opens once stays open.
    run_storm(6)
    gc.collect()
    before, memory, blocks = settled(), resident(), sys.getallocatedblocks()
    outcome = run_storm(kills)
    print(outcome)
    assert outcome["killed"] >= kills
    assert settled(before) == before
    end = time.monotonic() + 10
    while any(tmp_path.iterdir()) and time.monotonic() < end:
        time.sleep(0.05)
    assert list(tmp_path.iterdir()) == []
    gc.collect()
    grown, more = resident() - memory, sys.getallocatedblocks() - blocks
    print(f"the client grew by {grown >> 10} KiB, Python's objects by {more} blocks")
    assert more < 20_000
    # What threads of the allocator keep for each other.
    assert grown < 64 << 20
