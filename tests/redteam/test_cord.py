"""A host that pulls its cord without end: the loop that watches it goes on with its own work."""

from __future__ import annotations

import asyncio
import os
import pathlib

from napi_python import aio, host, load_addon

HERE = pathlib.Path(__file__).resolve().parent
ADDONS = pathlib.Path(os.environ.get("NAPI_HOSTD_ADDONS", HERE.parents[1] / "addons" / "build"))
SECONDS = 30
#: how often the loop must come round in the third of a second that the storm takes, at least
ROUNDS = 10


def test_a_loop_goes_on_while_its_host_rings_without_end() -> None:
    async def main() -> None:
        with load_addon(ADDONS / "redteam.node", sandbox="default") as addon:
            settle = "new Promise(done => setTimeout(done, 1, 7))"
            # From now on the loop takes the turns.
            assert await host(addon).run_script(settle) == 7
            storm = asyncio.ensure_future(aio(addon.S13_storm)())
            rounds = 0
            while not storm.done():
                await asyncio.sleep(0)
                rounds += 1
            assert await storm == "allowed"
            assert rounds >= ROUNDS
            assert await host(addon).run_script(settle) == 7

    asyncio.run(asyncio.wait_for(main(), SECONDS))
