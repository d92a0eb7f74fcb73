"""What promises cost by how many are pending: one more call, and settling, for each promise."""

from __future__ import annotations

import asyncio
import time

from curve_panels import Extent, Note, Panel
from measure import Measured
from napi_python import Addon

PENDING = (1, 10, 100, 1000, 10_000, 100_000)

PANELS = {
    "pend": Panel("one more call, while promises pend", "promises", PENDING),
    "settle": Panel("promises settled, each", "promises", PENDING),
}
#: calls that are timed, of the last that make promises
LAST = 50
#: calls before them, so that both sides are awake; and what each round begins with
WARMING = 20
#: promises of a pass at least: so often are few of them made anew
PROMISES = 100


async def pended(addon: Addon, count: int) -> tuple[float, float]:
    """Makes promises, which are awaited while they are pending, and settles them.

    Returns:
        The nanoseconds of each of the last calls, and of settling, for each promise.
    """
    # The first promise of a loop has the addon's turns taken by it.
    one = addon.pend()
    addon.settle()
    await one
    last = min(count, LAST)
    first = asyncio.gather(*[addon.pend() for _ in range(count - last)])
    await asyncio.sleep(0)
    for _ in range(WARMING):
        addon.add(1, 2)
    start = time.perf_counter_ns()
    promises = [addon.pend() for _ in range(last)]
    taken = (time.perf_counter_ns() - start) / last
    rest = asyncio.gather(*promises)
    await asyncio.sleep(0)
    start = time.perf_counter_ns()
    settled = addon.settle()
    numbers = [*await first, *await rest]
    settling = (time.perf_counter_ns() - start) / count
    assert settled == count
    assert numbers == list(range(count)), "promises have the numbers of others"
    return taken, settling


def measure(note: Note, addons: dict[str, Addon], node: Measured, extent: Extent) -> None:
    """Measures each number of promises by every system in turn, one round."""
    for addon in addons.values():
        asyncio.run(pended(addon, WARMING))
    for _ in range(WARMING):
        node.ask(f"pend {LAST} {LAST}")
        node.ask(f"settle {LAST}")
    for place in extent.of(PANELS["pend"]):
        for _ in range(max(1, PROMISES // place)):
            for system, addon in addons.items():
                call, settling = asyncio.run(pended(addon, place))
                note("pend", place, system, call)
                note("settle", place, system, settling)
            note("pend", place, "node", node.ask(f"pend {place} {min(place, LAST)}"))
            note("settle", place, "node", node.ask(f"settle {place}"))
