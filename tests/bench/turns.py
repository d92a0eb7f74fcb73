"""The rows of what happens of itself: events of threads, and promises of async work."""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from measure import SAMPLES
from napi_python import load_addon

#: row, repetitions a round; Node does as many. A burst lasts from when the thread begins to send
ROWS = {
    "event": ("event of a thread that is started for it", 1),
    "seen": ("event of a thread, until it is seen", 100),
    "events": ("event of a thread, in a burst of 1000", 1000),
    "many-events": ("event of a thread, in a burst of 50 000", 50_000),
    "awaited": ("promise of work, one after another", 300),
    "together": ("promise of work, 10 000 made, then awaited", 10_000),
    "gathered": ("promise of work, 10 000 gathered", 10_000),
}

#: rows that are over at once are measured so often in a round
PASSES = {"events": 5}

#: what of the last row is asyncio's own: awaitables that are no futures, gathered without an addon
ASYNCIO = "asyncio"


def now() -> int:
    """Returns the time on the clock that the addon reads, too, in nanoseconds."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


class _Awaitable:
    """Is awaited as a promise is."""

    __slots__ = ("future",)

    def __init__(self, future: asyncio.Future[int]) -> None:
        """Wraps a future."""
        self.future = future

    def __await__(self) -> Generator[Any, None, int]:
        """Waits for it."""
        return self.future.__await__()


def rows() -> dict[str, Callable[[int], float]]:
    """Returns for each row what measures it: nanoseconds a repetition, or in the middle."""
    order, sample = load_addon(SAMPLES / "order.node"), load_addon(SAMPLES / "sample_rust.node")

    def hear_all(count: int) -> int:
        done, seen = threading.Event(), [0]

        def hear(number: int) -> None:
            if number == count - 1:
                seen[0] = now()
                done.set()

        order.eventsOfThread(hear, count)
        if not done.wait(60):
            message = "events were lost"
            raise AssertionError(message)
        return seen[0]

    def event(count: int) -> float:
        start = now()
        return (hear_all(count) - start) / count

    def burst(count: int) -> float:
        seen = hear_all(count)
        return (seen - order.eventsBegun()) / count

    def seen(count: int) -> float:
        done, delays = threading.Event(), list[float]()

        def hear(moment: float) -> None:
            delays.append(now() - moment)
            if len(delays) == count:
                done.set()

        order.momentsOfThread(hear, count)
        if not done.wait(60):
            message = "events were lost"
            raise AssertionError(message)
        return statistics.median(delays)

    async def one_by_one(count: int) -> None:
        for number in range(count):
            await sample.asyncAdd(number, 1)

    async def together(count: int) -> None:
        promises = [sample.asyncAdd(number, 1) for number in range(count)]
        for promise in promises:
            await promise

    async def gathered(count: int) -> None:
        await asyncio.gather(*[sample.asyncAdd(number, 1) for number in range(count)])

    async def alone(count: int) -> None:
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in range(count)]

        def settle() -> None:
            for future in futures:
                future.set_result(0)

        loop.call_soon(settle)
        await asyncio.gather(*[_Awaitable(future) for future in futures])

    def timed(run: Callable[[int], Coroutine[None, None, None]]) -> Callable[[int], float]:
        async def measure(count: int) -> float:
            start = time.perf_counter_ns()
            await run(count)
            return (time.perf_counter_ns() - start) / count

        return lambda count: asyncio.run(measure(count))

    return {
        "event": event,
        "seen": seen,
        "events": burst,
        "many-events": burst,
        "awaited": timed(one_by_one),
        "together": timed(together),
        "gathered": timed(gathered),
        ASYNCIO: timed(alone),
    }
