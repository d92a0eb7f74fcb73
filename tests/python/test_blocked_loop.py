"""A loop that is blocked in various ways while an addon's threads call: nothing deadlocks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from napi_python import aio, deadline, host

SECONDS = 30.0
EVENTS = 20


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


Ways = Callable[[Any, ThreadPoolExecutor], None]


def in_a_synchronous_call(order: Any, _: ThreadPoolExecutor) -> None:
    with deadline(SECONDS):
        assert order.makeCallback(lambda: order.makeCallback(lambda: 7)) == 7


def in_a_map_of_an_executor(order: Any, pool: ThreadPoolExecutor) -> None:
    calls = [lambda n=n: n for n in range(8)]
    assert list(pool.map(order.makeCallback, calls, timeout=SECONDS)) == list(range(8))


def in_acquiring_a_lock(order: Any, pool: ThreadPoolExecutor) -> None:
    """Held by a thread that calls the addon, and in a callback of it."""
    lock, held = threading.Lock(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            assert order.makeCallback(lambda: 7) == 7

    holding = pool.submit(hold)
    assert held.wait(SECONDS)
    assert lock.acquire(timeout=SECONDS)
    lock.release()
    holding.result(SECONDS)


def in_joining_a_thread(order: Any, _: ThreadPoolExecutor) -> None:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(order.makeCallback(lambda: 7)))
    thread.start()
    thread.join(SECONDS)
    assert found == [7]


# Each wait has a limit of its own; an option says how many there are.
@pytest.mark.timeout(0)
@pytest.mark.parametrize(
    "block",
    [in_a_synchronous_call, in_a_map_of_an_executor, in_acquiring_a_lock, in_joining_a_thread],
)
def test_blocked(
    block: Ways, order: Any, pool: ThreadPoolExecutor, request: pytest.FixtureRequest
) -> None:
    tries = request.config.getoption("--tries")

    async def main() -> None:
        # From here on this loop takes what the addon has to tell.
        resolve = host(order).run_script("(n) => Promise.resolve(n)")
        for number in range(tries):
            received: list[int] = []
            done = threading.Event()

            def receive(
                event: int, received: list[int] = received, done: threading.Event = done
            ) -> None:
                received.append(event)
                if len(received) == 2 * EVENTS:
                    done.set()

            order.eventsOfThread(receive, EVENTS)
            assert await asyncio.wait_for(resolve(number), SECONDS) == number
            order.eventsOfThread(receive, EVENTS)
            block(order, pool)
            assert await aio(order.makeCallback)(lambda number=number: number) == number
            assert await asyncio.to_thread(done.wait, SECONDS)

    asyncio.run(main())
    assert host(order).generation == 1
